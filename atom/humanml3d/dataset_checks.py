"""What is wrong with a dataset in HumanML3D's layout, found before a training or a measurement suffers from it."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np

from atom.errors import AtomError
from atom.humanml3d.captions import read_captions
from atom.humanml3d.dataset import SPLITS, HumanML3D, find_length_problem, span
from atom.motion.feature_statistics import BLOCKS, FeatureStatistics, measure_statistics
from atom.motion.features import FEATURES, POSITIONS, ROTATIONS
from atom.motion.motion_files import LEG_LENGTH_RANGE
from atom.motion.npy_files import read_array
from atom.motion.skeleton import JOINT_INDEX, JOINTS, MIN_FRAMES

Severity = Literal["error", "warning", "note"]
Progress = Callable[[int, int], None]

MAX_PLACES = 5  # places that a finding names
MAX_MEASURED_CLIPS = 2000  # of the training split, drawn when it has more
MIN_MEASURED_CLIPS = 50  # fewer say too little about mean and std
MEAN_TOLERANCE, STD_TOLERANCE = (
    0.25,
    1.25,
)  # how far Mean may lie off in stds, and Std by a factor, before they fit other data
_EVEN = 1e-4  # by how much a std may differ inside a block, relatively
_UNIT_OFF = 0.2  # mean error of the length of rotation columns, which are unit vectors in raw features
_LEG_VARIES = 0.05  # relative spread of a leg's length over a clip

# What can be found: how bad it is, what it is, what to do about it. Warnings are about what is left out when reading.
FINDING_KINDS: dict[str, tuple[Severity, str, str]] = {
    "split": ("error", "a split that can't be read", "restore the file from HumanML3D"),
    "no captions folder": ("error", "no folder texts", "unpack texts.zip of HumanML3D into the dataset"),
    "absent": ("error", "ids of a split with neither features nor captions", "restore them, or take the ids out"),
    "no features": ("error", "ids of a split without features", "make new_joint_vecs/ID.npy, or take the ids out"),
    "no captions": ("error", "ids of a split without captions", "restore texts/ID.txt, or take the ids out"),
    "overlap": ("error", "ids in two splits", "leave each in one split: what was trained on can't be tested on"),
    "mirror leak": ("error", "mirror images in another split than their original", "move each to the original's split"),
    "unreadable": ("error", "features that can't be read", "make or copy these files again"),
    "width": ("error", f"features of another shape than (frames, {FEATURES})", "make them with HumanML3D's features"),
    "normalised": ("error", "features that look normalised", "undo it (times Std, plus Mean): raw ones belong here"),
    "encoding": ("error", "caption files that are not UTF-8", "convert or restore them"),
    "statistics": ("error", "Mean.npy and Std.npy that can't be used", "restore both from HumanML3D"),
    "motiongpt": (
        "error",
        "Mean.npy and Std.npy are MotionGPT's",
        "put HumanML3D's own here; MotionGPT's belong to its checkpoint",
    ),
    "mean": ("error", "Mean.npy does not fit the data", "restore it, or measure it: atom data statistics --write"),
    "std": ("error", "Std.npy does not fit the data", "restore it, or measure it: atom data statistics --write"),
    "uneven": (
        "error",
        "Std.npy differs inside a block",
        "average it inside each of the 7 blocks: atom data statistics --write",
    ),
    "not finite": ("warning", "clips with NaN or infinity", "make them again; they are left out"),
    "body": ("warning", "bodies whose leg has no human or no constant length", "look at these clips, make them again"),
    "orphan": ("warning", "mirror images without their original", "restore the originals, or go on without"),
    "twice": ("warning", "ids that a split names twice", "name each once; the second is ignored"),
    "duplicate": ("warning", "clips that equal another one", "leave one of each in the splits"),
    "lines": ("warning", "broken lines in caption files", "mend them; these lines are left out"),
    "empty": ("warning", "caption files without a caption", "restore them; their clips are left out"),
    "no statistics": ("warning", "no Mean.npy or Std.npy", "copy HumanML3D's, or atom data statistics --write"),
    "short": ("note", "clips too short to count", "none, they are left out as by other models"),
    "long": ("note", "clips too long to count", "none, they are left out as by other models"),
    "part": ("note", "captions of a part that is too short, too long or not there", "none, they are left out"),
    "no split": ("note", "splits that the dataset lacks", "restore the file if you need it"),
    "unused": ("note", "clips that no split names", "none, they are not read"),
}


@dataclass(frozen=True)
class Finding:
    """One kind of fault: `count` places have it, `where` names the first of them."""

    kind: str
    severity: Severity
    what: str
    count: int
    where: tuple[str, ...]
    remedy: str


@dataclass(frozen=True)
class DatasetReport:
    """What the dataset holds (clips, frames, captions, ids of each split), and what is wrong, the worst first."""

    folder: str
    counts: dict[str, int]
    findings: tuple[Finding, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing was found that is an error."""
        return not any(finding.severity == "error" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "sound": self.sound}


class _Found:
    """Places by the kind of their fault."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._places: dict[str, list[str]] = defaultdict(list)

    def add(self, kind: str, place: str) -> None:
        self._counts[kind] += 1
        if len(self._places[kind]) < MAX_PLACES:
            self._places[kind].append(place)

    def findings(self) -> tuple[Finding, ...]:
        return tuple(
            Finding(kind, severity, what, self._counts[kind], tuple(self._places[kind]), remedy)
            for kind, (severity, what, remedy) in FINDING_KINDS.items()
            if self._counts[kind]
        )


def check_dataset(folder: str | Path, progress: Progress | None = None) -> DatasetReport:
    """Reads every clip and every caption file of `folder`; `progress` hears how many of how many are done.

    Raises AtomError only if the folder is no such dataset at all.
    """
    dataset, found = HumanML3D(folder), _Found()
    stored = _names(dataset.folder / "new_joint_vecs", ".npy")
    described = _names(dataset.folder / "texts", ".txt")
    splits = _check_splits(dataset, found)
    counts = {name: len(ids) for name, ids in splits.items()}
    wanted = {id: None for ids in splits.values() for id in ids}
    _check_presence(wanted, set(stored), set(described), found)
    if not (dataset.folder / "texts").is_dir():
        found.add("no captions folder", str(dataset.folder))

    steps = _steps([*stored, *described], progress)
    lengths = _check_clips(dataset, islice(steps, len(stored)), found)
    captions = _check_captions(dataset, steps, lengths, found)
    counts |= {"clips": len(stored), "frames": sum(lengths.values()), "captions": captions}
    training = [id for id in splits.get("train") or stored if id in lengths]
    _check_statistics(dataset, training, found)
    return DatasetReport(str(dataset.folder), counts, found.findings())


def sample_clips(dataset: HumanML3D, ids: Sequence[str], most: int | None = MAX_MEASURED_CLIPS) -> Iterator[np.ndarray]:
    """The clips of `ids` that can be read, of at most `most` that lie evenly among them; None is all."""
    count = min(len(ids), most or len(ids))
    for number in range(count):
        try:
            yield dataset.clip(ids[number * len(ids) // count])
        except AtomError:
            continue


def find_statistics_mismatches(
    given: FeatureStatistics, measured: FeatureStatistics, clips: int
) -> dict[str, list[str]]:
    """Where `given` lies too far off what was measured on so many clips: words for each "mean" and "std" that does.

    A clip's frames resemble each other, so the clips are what is counted: few of them allow for more.
    """
    slack = 8 / np.sqrt(clips)
    off = np.abs(given.mean - measured.mean) / measured.std
    words: dict[str, list[str]] = {"mean": [], "std": []}
    for name, block in BLOCKS.items():
        worst = block.start + int(off[block].argmax())
        if off[worst] > MEAN_TOLERANCE + slack:
            words["mean"].append(f"{name}: feature {worst} is {off[worst]:.2f} std off")
        ratio = given.std[block].mean() / measured.std[block].mean()
        if not 1 / (STD_TOLERANCE + slack) <= ratio <= STD_TOLERANCE + slack:
            words["std"].append(f"{name}: {ratio:.3g} times the data's")
    return words


def _check_splits(dataset: HumanML3D, found: _Found) -> dict[str, list[str]]:
    splits: dict[str, list[str]] = {}
    for name in SPLITS:
        path = dataset.folder / f"{name}.txt"
        if not path.is_file():
            found.add("no split", path.name)
            continue
        try:
            splits[name] = dataset.ids(name)
        except AtomError as error:
            found.add("split", f"{path.name}: {error}")
            continue
        times = Counter(path.read_text(encoding="utf-8-sig").split())
        for id in (id for id, count in times.items() if count > 1):
            found.add("twice", f"{id} in {name}")
    if not {"train", "val", "test"} & splits.keys():
        found.add("split", f"none of train.txt, val.txt and test.txt is in {dataset.folder}")
    _check_separation({name: set(ids) for name, ids in splits.items()}, found)
    return splits


def _check_separation(splits: Mapping[str, set[str]], found: _Found) -> None:
    for one, other in (("train", "val"), ("train", "test"), ("val", "test"), ("train_val", "test")):
        first, second = splits.get(one, set()), splits.get(other, set())
        both = first & second
        for id in sorted(both):
            found.add("overlap", f"{id} in {one} and {other}")
        for id in sorted((first | second) - both):
            original = id.removeprefix("M")
            if original != id and ((id in first and original in second) or (id in second and original in first)):
                found.add("mirror leak", f"{id}: {one} and {other}")


def _check_presence(wanted: Mapping[str, None], stored: set[str], described: set[str], found: _Found) -> None:
    for id in wanted:
        if id not in stored and id not in described:
            found.add("absent", id)
        elif id not in stored:
            found.add("no features", id)
        elif id not in described:
            found.add("no captions", id)
    for id in sorted(stored):
        if id not in wanted:
            found.add("unused", id)
        if id.startswith("M") and id[1:] not in stored:
            found.add("orphan", id)


def _check_clips(dataset: HumanML3D, ids: Iterable[str], found: _Found) -> dict[str, int]:
    """The frames of each clip that is of the right shape."""
    lengths: dict[str, int] = {}
    first_with: dict[bytes, str] = {}
    for id in ids:
        try:
            features = read_array(dataset.folder / "new_joint_vecs" / f"{id}.npy")
        except AtomError as error:
            found.add("unreadable", f"{id}: {str(error).partition(': ')[2]}")
        else:
            if features.ndim != 2 or features.shape[1] != FEATURES or not np.issubdtype(features.dtype, np.floating):
                found.add("width", f"{id}: {features.dtype} {features.shape}")
            else:
                lengths[id] = len(features)
                _check_clip(id, features, first_with, found)
    return lengths


def _check_clip(id: str, features: np.ndarray, first_with: dict[bytes, str], found: _Found) -> None:
    if find_length_problem(len(features)):
        found.add("short" if len(features) < MIN_FRAMES else "long", f"{id}: {len(features)} frames")
    if not len(features):
        return
    if not np.isfinite(features).all():
        found.add("not finite", id)
        return
    original = first_with.setdefault(hashlib.sha256(np.ascontiguousarray(features)).digest(), id)
    if original != id:
        found.add("duplicate", f"{id} = {original}")
    if _looks_normalised(features):
        found.add("normalised", id)
    elif reason := _implausible_leg(features):
        found.add("body", f"{id}: {reason}")


def _looks_normalised(features: np.ndarray) -> bool:
    columns = features[:, ROTATIONS].reshape(len(features), -1, 3)
    return bool(np.abs(np.linalg.norm(columns, axis=-1) - 1).mean() > _UNIT_OFF)


def _implausible_leg(features: np.ndarray) -> str | None:
    positions = features[:, POSITIONS].reshape(len(features), JOINTS - 1, 3)
    hip, knee, ankle = (positions[:, JOINT_INDEX[name] - 1] for name in ("r_hip", "r_knee", "r_ankle"))
    leg = np.linalg.norm(knee - hip, axis=1) + np.linalg.norm(ankle - knee, axis=1)
    length = float(np.median(leg))
    if not LEG_LENGTH_RANGE[0] <= length <= LEG_LENGTH_RANGE[1]:
        return f"{length:.3g} m"
    if leg.std() > _LEG_VARIES * length:
        return f"{leg.min():.2f} to {leg.max():.2f} m"
    return None


def _check_captions(dataset: HumanML3D, ids: Iterable[str], lengths: Mapping[str, int], found: _Found) -> int:
    """How many captions there are."""
    total = 0
    for id in ids:
        try:
            captions, broken = read_captions(dataset.folder / "texts" / f"{id}.txt")
        except AtomError as error:
            found.add("encoding", f"{id}: {str(error).partition(': ')[2]}")
            continue
        total += len(captions)
        for line in broken:
            found.add("lines", f"{id} line {line.line}: {line.reason}")
        if not captions and not broken:
            found.add("empty", id)
        for caption in captions:
            frames = len(range(lengths.get(id, 0))[span(caption)])
            if id in lengths and not caption.is_whole_clip and find_length_problem(frames):
                found.add("part", f"{id}, {caption.start:g} to {caption.end:g} s: {frames} frames")
    return total


def _check_statistics(dataset: HumanML3D, training: list[str], found: _Found) -> None:
    if missing := [name for name in ("Mean.npy", "Std.npy") if not (dataset.folder / name).is_file()]:
        found.add("no statistics", " and ".join(missing))
        return
    try:
        given = dataset.statistics()
    except AtomError as error:
        found.add("statistics", str(error))
        return
    if given.name == "MotionGPT":
        found.add("motiongpt", str(dataset.folder))
        return
    for name, block in BLOCKS.items():
        low, high = given.std[block].min(), given.std[block].max()
        if high - low > _EVEN * high:
            found.add("uneven", f"{name}: {low:.3g} to {high:.3g}")
    if len(training) < MIN_MEASURED_CLIPS:
        return
    try:
        measured = measure_statistics(sample_clips(dataset, training))
    except AtomError:  # none is finite, which was found already
        return
    for kind, places in find_statistics_mismatches(given, measured, min(len(training), MAX_MEASURED_CLIPS)).items():
        for place in places:
            found.add(kind, place)


def _steps(ids: Sequence[str], progress: Progress | None) -> Iterator[str]:
    for done, id in enumerate(ids, start=1):
        yield id
        if progress:
            progress(done, len(ids))


def _names(folder: Path, suffix: str) -> list[str]:
    return sorted(path.stem for path in folder.glob(f"*{suffix}") if path.is_file())
