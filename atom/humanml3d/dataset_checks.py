"""Checks of a dataset in HumanML3D's layout, to find its faults before training or evaluation suffers from them."""

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
from atom.humanml3d.captions import find_mirror_damage, read_captions
from atom.humanml3d.dataset import SPLITS, HumanML3D, caption_rows, find_length_problem
from atom.motion.feature_statistics import BLOCKS, FeatureStatistics, measure_statistics
from atom.motion.features import FEATURES, POSITIONS, ROTATIONS
from atom.motion.npy_files import read_array
from atom.motion.skeleton import JOINT_INDEX, JOINTS, LEG_LENGTH_RANGE, MIN_FRAMES

Severity = Literal["error", "warning", "note"]
ProgressCallback = Callable[[int, int], None]

MAX_PLACES = 5  # places that a finding names
MAX_MEASURED_CLIPS = 2000  # a larger training split is sampled
MIN_MEASURED_CLIPS = 50  # fewer clips say too little about mean and std
MEAN_TOLERANCE = 0.25  # of Mean, in stds of the data
STD_TOLERANCE = 1.25  # of Std, as a factor
_BLOCK_STD_TOLERANCE = 1e-4  # relative spread of the std inside a block
_UNIT_LENGTH_TOLERANCE = 0.2  # mean error of the length of rotation columns, which have length 1 in raw features
_MAX_LEG_SPREAD = 0.05  # std of a leg's length over a clip, relative to the length

# The kinds of findings: severity, description and remedy. A warning is about data that is left out or may be misread.
FINDING_KINDS: dict[str, tuple[Severity, str, str]] = {
    "split": ("error", "a split that can't be read", "restore the file from HumanML3D"),
    "no captions folder": ("error", "no folder texts", "unpack texts.zip of HumanML3D into the dataset"),
    "absent": ("error", "ids of a split with neither features nor captions", "restore them, or remove the ids"),
    "no features": ("error", "ids of a split without features", "create new_joint_vecs/ID.npy, or remove the ids"),
    "no captions": ("error", "ids of a split without captions", "restore texts/ID.txt, or remove the ids"),
    "overlap": ("error", "ids in two splits", "leave each in one split: training data can't be test data"),
    "mirror leak": ("error", "mirror images in another split than their original", "move each to the original's split"),
    "unreadable": ("error", "features that can't be read", "create or copy these files again"),
    "width": ("error", f"features of another shape than (frames, {FEATURES})", "create them with HumanML3D's code"),
    "normalised": ("error", "features that look normalised", "undo it (times Std, plus Mean): features must be raw"),
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
    "not finite": ("warning", "clips with NaN or infinity", "create them again; they are left out"),
    "body": (
        "warning",
        "bodies whose leg length is not human or not constant",
        "look at these clips, create them again",
    ),
    "orphan": ("warning", "mirror images without their original", "restore the originals, or do without"),
    "twice": ("warning", "ids that a split names twice", "name each once; the second is ignored"),
    "duplicate": ("warning", "clips that equal another clip", "leave one of each in the splits"),
    "lines": ("warning", "broken lines in caption files", "correct them; these lines are left out"),
    "mirrored words": (
        "warning",
        "captions that mirroring damaged",
        "correct the words; plain ones, such as upleft, are read as what they stand for",
    ),
    "empty": ("warning", "caption files without a caption", "restore them; their clips are left out"),
    "no statistics": ("warning", "no Mean.npy or Std.npy", "copy HumanML3D's, or atom data statistics --write"),
    "short": ("note", "clips that are too short", "none, other models leave them out too"),
    "long": ("note", "clips that are too long", "none, other models leave them out too"),
    "part": ("note", "captions of a part that is too short, too long or missing", "none, they are left out"),
    "no split": ("note", "splits that the dataset lacks", "restore the file if you need it"),
    "unused": ("note", "clips that no split names", "none, they are not read"),
}


@dataclass(frozen=True)
class Finding:
    """One kind of fault: `count` is the number of places that have it, and `where` names the first of them."""

    kind: str
    severity: Severity
    what: str
    count: int
    where: tuple[str, ...]
    remedy: str


@dataclass(frozen=True)
class DatasetReport:
    """The result of a check: counts of clips, frames, captions and ids of each split, and findings, the worst first."""

    folder: str
    counts: dict[str, int]
    findings: tuple[Finding, ...]

    @property
    def is_sound(self) -> bool:
        """Whether no finding is an error."""
        return not any(finding.severity == "error" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-able data."""
        return {**asdict(self), "sound": self.is_sound}


class _FindingCollector:
    """Collects places by the kind of their fault."""

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


def check_dataset(folder: str | Path, progress: ProgressCallback | None = None) -> DatasetReport:
    """Check every clip and every caption file of a dataset.

    Args:
        folder: the dataset.
        progress: called with the number of files done and in total.

    Raises:
        AtomError: the folder has no `new_joint_vecs`; all other faults become findings.
    """
    dataset, findings = HumanML3D(folder), _FindingCollector()
    clip_ids = _file_stems(dataset.folder / "new_joint_vecs", ".npy")
    caption_ids = _file_stems(dataset.folder / "texts", ".txt")
    splits = _check_splits(dataset, findings)
    counts = {name: len(ids) for name, ids in splits.items()}
    split_ids = list(dict.fromkeys(id for ids in splits.values() for id in ids))
    _check_presence(split_ids, set(clip_ids), set(caption_ids), findings)
    if not (dataset.folder / "texts").is_dir():
        findings.add("no captions folder", str(dataset.folder))

    # One iterator over both kinds of files, so that progress counts through.
    ids = _with_progress([*clip_ids, *caption_ids], progress)
    lengths = _check_clips(dataset, islice(ids, len(clip_ids)), findings)
    captions = _check_captions(dataset, ids, lengths, findings)
    counts |= {"clips": len(clip_ids), "frames": sum(lengths.values()), "captions": captions}
    training = [id for id in splits.get("train") or clip_ids if id in lengths]
    _check_statistics(dataset, training, findings)
    return DatasetReport(str(dataset.folder), counts, findings.findings())


def sample_clips(
    dataset: HumanML3D, ids: Sequence[str], max_clips: int | None = MAX_MEASURED_CLIPS
) -> Iterator[np.ndarray]:
    """Read an evenly spaced sample of clips; those that can't be read are skipped.

    Args:
        dataset: the dataset.
        ids: the ids to sample from.
        max_clips: the size of the sample, None for all.
    """
    count = min(len(ids), max_clips or len(ids))
    for number in range(count):
        try:
            yield dataset.read_clip(ids[number * len(ids) // count])
        except AtomError:
            continue


def find_statistics_mismatches(
    stored: FeatureStatistics, measured: FeatureStatistics, clips: int
) -> dict[str, list[str]]:
    """Find blocks in which stored statistics do not fit the data.

    Args:
        stored: the dataset's Mean and Std.
        measured: the statistics of the data.
        clips: the number of clips that were measured. Frames of one clip are alike, so the tolerance depends on the
            number of clips: it is wider for few.

    Returns:
        Descriptions of the mismatches, under "mean" and "std".
    """
    slack = 8 / np.sqrt(clips)
    deviation = np.abs(stored.mean - measured.mean) / measured.std
    mismatches: dict[str, list[str]] = {"mean": [], "std": []}
    for name, block in BLOCKS.items():
        worst = block.start + int(deviation[block].argmax())
        if deviation[worst] > MEAN_TOLERANCE + slack:
            mismatches["mean"].append(f"{name}: feature {worst} is {deviation[worst]:.2f} std off")
        ratio = stored.std[block].mean() / measured.std[block].mean()
        if not 1 / (STD_TOLERANCE + slack) <= ratio <= STD_TOLERANCE + slack:
            mismatches["std"].append(f"{name}: {ratio:.3g} times the data's")
    return mismatches


def _check_splits(dataset: HumanML3D, findings: _FindingCollector) -> dict[str, list[str]]:
    splits: dict[str, list[str]] = {}
    for name in SPLITS:
        path = dataset.folder / f"{name}.txt"
        if not path.is_file():
            findings.add("no split", path.name)
            continue
        try:
            splits[name] = dataset.read_ids(name)
        except AtomError as error:
            findings.add("split", f"{path.name}: {error}")
            continue
        repetitions = Counter(path.read_text(encoding="utf-8-sig").split())
        for id in (id for id, count in repetitions.items() if count > 1):
            findings.add("twice", f"{id} in {name}")
    if not {"train", "val", "test"} & splits.keys():
        findings.add("split", f"none of train.txt, val.txt and test.txt is in {dataset.folder}")
    _check_separation({name: set(ids) for name, ids in splits.items()}, findings)
    return splits


def _check_separation(splits: Mapping[str, set[str]], findings: _FindingCollector) -> None:
    for one, other in (("train", "val"), ("train", "test"), ("val", "test"), ("train_val", "test")):
        first, second = splits.get(one, set()), splits.get(other, set())
        shared = first & second
        for id in sorted(shared):
            findings.add("overlap", f"{id} in {one} and {other}")
        for id in sorted((first | second) - shared):
            original = id.removeprefix("M")  # M + ID is the mirror image of ID
            if original != id and ((id in first and original in second) or (id in second and original in first)):
                findings.add("mirror leak", f"{id}: {one} and {other}")


def _check_presence(
    split_ids: Sequence[str], clip_ids: set[str], caption_ids: set[str], findings: _FindingCollector
) -> None:
    in_splits = set(split_ids)
    for id in split_ids:
        if id not in clip_ids and id not in caption_ids:
            findings.add("absent", id)
        elif id not in clip_ids:
            findings.add("no features", id)
        elif id not in caption_ids:
            findings.add("no captions", id)
    for id in sorted(clip_ids):
        if id not in in_splits:
            findings.add("unused", id)
        if id.startswith("M") and id[1:] not in clip_ids:
            findings.add("orphan", id)


def _check_clips(dataset: HumanML3D, ids: Iterable[str], findings: _FindingCollector) -> dict[str, int]:
    """Check the clips, and return the number of frames of each that has the right shape."""
    lengths: dict[str, int] = {}
    first_with_hash: dict[bytes, str] = {}
    for id in ids:
        try:
            features = read_array(dataset.folder / "new_joint_vecs" / f"{id}.npy")
        except AtomError as error:
            findings.add("unreadable", f"{id}: {str(error).partition(': ')[2]}")
        else:
            if features.ndim != 2 or features.shape[1] != FEATURES or not np.issubdtype(features.dtype, np.floating):
                findings.add("width", f"{id}: {features.dtype} {features.shape}")
            else:
                lengths[id] = len(features)
                _check_clip(id, features, first_with_hash, findings)
    return lengths


def _check_clip(id: str, features: np.ndarray, first_with_hash: dict[bytes, str], findings: _FindingCollector) -> None:
    if find_length_problem(len(features)):
        findings.add("short" if len(features) < MIN_FRAMES else "long", f"{id}: {len(features)} frames")
    if not len(features):
        return
    if not np.isfinite(features).all():
        findings.add("not finite", id)
        return
    original = first_with_hash.setdefault(hashlib.sha256(np.ascontiguousarray(features)).digest(), id)
    if original != id:
        findings.add("duplicate", f"{id} = {original}")
    if _looks_normalised(features):
        findings.add("normalised", id)
    elif reason := _implausible_leg(features):
        findings.add("body", f"{id}: {reason}")


def _looks_normalised(features: np.ndarray) -> bool:
    columns = features[:, ROTATIONS].reshape(len(features), -1, 3)
    return bool(np.abs(np.linalg.norm(columns, axis=-1) - 1).mean() > _UNIT_LENGTH_TOLERANCE)


def _implausible_leg(features: np.ndarray) -> str | None:
    positions = features[:, POSITIONS].reshape(len(features), JOINTS - 1, 3)
    hip, knee, ankle = (positions[:, JOINT_INDEX[name] - 1] for name in ("r_hip", "r_knee", "r_ankle"))
    leg = np.linalg.norm(knee - hip, axis=1) + np.linalg.norm(ankle - knee, axis=1)
    length = float(np.median(leg))
    if not LEG_LENGTH_RANGE[0] <= length <= LEG_LENGTH_RANGE[1]:
        return f"{length:.3g} m"
    if leg.std() > _MAX_LEG_SPREAD * length:
        return f"{leg.min():.2f} to {leg.max():.2f} m"
    return None


def _check_captions(
    dataset: HumanML3D, ids: Iterable[str], lengths: Mapping[str, int], findings: _FindingCollector
) -> int:
    """Check the caption files, and return the number of captions."""
    total = 0
    for id in ids:
        try:
            captions, broken = read_captions(dataset.folder / "texts" / f"{id}.txt")
        except AtomError as error:
            findings.add("encoding", f"{id}: {str(error).partition(': ')[2]}")
            continue
        total += len(captions)
        for line in broken:
            findings.add("lines", f"{id} line {line.line}: {line.reason}")
        if not captions and not broken:
            findings.add("empty", id)
        is_mirrored = id.startswith("M")
        for caption in captions:
            if damaged := find_mirror_damage(caption.text, is_mirrored):
                findings.add("mirrored words", f"{id}: {damaged}")
            frames = len(range(lengths.get(id, 0))[caption_rows(caption)])
            if id in lengths and not caption.is_whole_clip and find_length_problem(frames):
                findings.add("part", f"{id}, {caption.start:g} to {caption.end:g} s: {frames} frames")
    return total


def _check_statistics(dataset: HumanML3D, training: list[str], findings: _FindingCollector) -> None:
    if missing := [name for name in ("Mean.npy", "Std.npy") if not (dataset.folder / name).is_file()]:
        findings.add("no statistics", " and ".join(missing))
        return
    try:
        stored = dataset.read_statistics()
    except AtomError as error:
        findings.add("statistics", str(error))
        return
    if stored.name == "MotionGPT":
        findings.add("motiongpt", str(dataset.folder))
        return
    for name, block in BLOCKS.items():
        low, high = stored.std[block].min(), stored.std[block].max()
        if high - low > _BLOCK_STD_TOLERANCE * high:
            findings.add("uneven", f"{name}: {low:.3g} to {high:.3g}")
    if len(training) < MIN_MEASURED_CLIPS:
        return
    try:
        measured = measure_statistics(sample_clips(dataset, training))
    except AtomError:  # no clip is finite, which is a finding already
        return
    for kind, places in find_statistics_mismatches(stored, measured, min(len(training), MAX_MEASURED_CLIPS)).items():
        for place in places:
            findings.add(kind, place)


def _with_progress(ids: Sequence[str], progress: ProgressCallback | None) -> Iterator[str]:
    for done, id in enumerate(ids, start=1):
        yield id
        if progress:
            progress(done, len(ids))


def _file_stems(folder: Path, suffix: str) -> list[str]:
    return sorted(path.stem for path in folder.glob(f"*{suffix}") if path.is_file())
