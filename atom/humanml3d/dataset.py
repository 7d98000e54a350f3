"""Reading of a dataset in HumanML3D's layout, by the rules with which text-to-motion models are trained and evaluated.

    new_joint_vecs/ID.npy    raw features (T, 263); M + ID is the mirror image of ID
    texts/ID.txt             captions, one a line
    train.txt, val.txt, test.txt, train_val.txt, all.txt    the ids of a split, one a line
    Mean.npy, Std.npy        mean and std that normalise the features

Source: Guo et al., "Generating Diverse and Natural 3D Human Motions from Text" (CVPR 2022), repositories HumanML3D and
text-to-motion (`Text2MotionDatasetV2`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from atom.errors import AtomError
from atom.humanml3d.captions import Caption, read_captions
from atom.motion.feature_statistics import FeatureStatistics, read_statistics
from atom.motion.features import FEATURES
from atom.motion.npy_files import read_array
from atom.motion.skeleton import FPS, MIN_FRAMES

SPLITS = ("train", "val", "test", "train_val", "all")
LENGTH_LIMIT = 200  # frames: clips with this many or more are left out, as in `Text2MotionDatasetV2`

QuarantineEntry = tuple[str, str]
"""What was left out (a clip, or a line of its captions), and the reason."""

_ID = re.compile(r"\w[\w.-]*")


@dataclass(frozen=True)
class CaptionedMotion:
    """A caption and the raw features (T, 263) float32 that it describes: a whole clip, or a part of one."""

    id: str
    caption: Caption
    features: np.ndarray


class HumanML3D:
    """A dataset in a folder; clips and captions are read from disk when a method needs them.

    Raises AtomError if the folder has no `new_joint_vecs`.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not (self.folder / "new_joint_vecs").is_dir():
            raise AtomError(
                f"{self.folder}: holds no folder new_joint_vecs, give a dataset in HumanML3D's layout "
                "(new_joint_vecs/ID.npy, texts/ID.txt, train.txt)"
            )

    def read_ids(self, split: str) -> list[str]:
        """Read the ids in SPLIT.txt, in order and without repetitions.

        Raises AtomError if the file is missing or has an id that can't be a file name.
        """
        return read_split_ids(self.folder, split)

    def features_path(self, id: str) -> Path:
        """The file of a clip's features."""
        return self.folder / "new_joint_vecs" / f"{_check_name(id)}.npy"

    def captions_path(self, id: str) -> Path:
        """The file of a clip's captions."""
        return self.folder / "texts" / f"{_check_name(id)}.txt"

    def read_clip(self, id: str) -> np.ndarray:
        """Read raw features (T, 263) float32. Raises AtomError if they are missing, of another shape, or not finite."""
        path = self.features_path(id)
        features = read_array(path)
        if features.ndim != 2 or features.shape[1] != FEATURES or not np.issubdtype(features.dtype, np.floating):
            raise AtomError(
                f"{path}: holds {features.dtype} of shape {features.shape}, expected floats (frames, {FEATURES})"
            )
        if (bad := ~np.isfinite(features).all(axis=1)).any():
            raise AtomError(f"{path}: {bad.sum()} of {len(features)} frames hold NaN or infinity, first {bad.argmax()}")
        return features.astype(np.float32, copy=False)

    def read_captions(self, id: str) -> list[Caption]:
        """Read the captions of a clip without broken lines. Raises AtomError if the file is missing or not UTF-8."""
        return read_captions(self.captions_path(id))[0]

    def read_statistics(self) -> FeatureStatistics:
        """Read Mean.npy and Std.npy. Raises AtomError as `atom.motion.feature_statistics.read_statistics`."""
        return read_statistics(self.folder / "Mean.npy", self.folder / "Std.npy")

    def read_captioned_motions(
        self, split: str, quarantined: list[QuarantineEntry] | None = None
    ) -> Iterator[CaptionedMotion]:
        """Read every caption of a split with its motion, in the order of the split and of the caption files.

        Args:
            split: the name of the split.
            quarantined: receives what is left out: clips and parts of clips with fewer than 40 or more than 199 frames,
                missing and damaged clips, and broken caption lines.
        """
        for motion in self._motions(split, quarantined):
            yield from motion

    def draw_one_caption_each(
        self, split: str, seed: int, quarantined: list[QuarantineEntry] | None = None
    ) -> Iterator[CaptionedMotion]:
        """Read every motion of a split once, with one of its captions, as evaluation metrics need it.

        A caption with a time span makes a motion of its own, as in `Text2MotionDatasetV2`.

        Args:
            split: the name of the split.
            seed: draws the caption. The draw depends on the seed and the id alone, so that adding or removing a clip
                does not change the captions of others.
            quarantined: as in `read_captioned_motions`.
        """
        for motion in self._motions(split, quarantined):
            draw = hashlib.sha256(f"{seed} {motion[0].id}".encode()).digest()
            yield motion[int.from_bytes(draw) % len(motion)]

    def _motions(self, split: str, quarantined: list[QuarantineEntry] | None) -> Iterator[list[CaptionedMotion]]:
        """Read the captions of one motion at a time: those of a whole clip together, those of its parts alone."""
        left_out = [] if quarantined is None else quarantined
        for id in self.read_ids(split):
            try:
                features = self.read_clip(id)
                captions, broken = read_captions(self.captions_path(id))
            except AtomError as error:
                left_out.append((id, str(error)))
                continue
            if reason := find_length_problem(len(features)):
                left_out.append((id, reason))
                continue
            left_out += [(f"{id} line {line.line}", line.reason) for line in broken]
            if not captions:
                left_out.append((id, "has no caption"))
            if whole := [CaptionedMotion(id, caption, features) for caption in captions if caption.is_whole_clip]:
                yield whole
            for caption in captions:
                if caption.is_whole_clip:
                    continue
                part = features[caption_rows(caption)]
                if reason := find_length_problem(len(part)):
                    left_out.append((f"{id}, {caption.start:g} to {caption.end:g} s", reason))
                else:
                    yield [CaptionedMotion(id, caption, part)]


def read_split_ids(folder: Path, split: str) -> list[str]:
    """Read the ids in SPLIT.txt of a dataset's folder; see `HumanML3D.read_ids`."""
    path = folder / f"{_check_name(split)}.txt"
    try:
        lines = path.read_text(encoding="utf-8-sig").split()
    except FileNotFoundError:
        known = ", ".join(name for name in SPLITS if (folder / f"{name}.txt").is_file()) or "none"
        raise AtomError(f"{path}: no such file, the dataset has the splits {known}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise AtomError(f"{path}: can't be read as a list of ids, restore the file ({error})") from error
    return [_check_name(id) for id in dict.fromkeys(lines)]


def caption_rows(caption: Caption) -> slice:
    """The rows of a clip's features that the caption describes."""
    return slice(None) if caption.is_whole_clip else slice(int(caption.start * FPS), int(caption.end * FPS))


def find_length_problem(frames: int) -> str | None:
    """Explain why a motion with this many frames is left out, or return None if it is not."""
    if MIN_FRAMES <= frames < LENGTH_LIMIT:
        return None
    return f"has {frames} frames, {MIN_FRAMES} to {LENGTH_LIMIT - 1} are allowed"


def _check_name(name: str) -> str:
    """Return `name` if it is a safe file name, so that an id in a split file can't lead out of the dataset."""
    if not _ID.fullmatch(name):
        raise AtomError(f"{name!r} can't be the name of a clip or a split: use letters, digits, '.', '_' and '-'")
    return name
