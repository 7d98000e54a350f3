"""A folder in HumanML3D's layout, read by the rules that text-to-motion models are trained and measured with.

    new_joint_vecs/ID.npy    raw features (T, 263); M + ID is the mirror image of ID
    texts/ID.txt             captions, a line each
    train.txt, val.txt, test.txt, train_val.txt, all.txt    the ids of a split, a line each
    Mean.npy, Std.npy        by which the features are normalised

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
LENGTH_LIMIT = 200  # frames: clips of so many or more are left out

QuarantineEntry = tuple[str, str]
"""Which clip or line, and why it was left out."""

_ID = re.compile(r"\w[\w.-]*")


@dataclass(frozen=True)
class CaptionedMotion:
    """A caption and the features (T, 263) float32 that it describes: a whole clip, or the part in its time."""

    id: str
    caption: Caption
    features: np.ndarray


class HumanML3D:
    """The dataset in `folder`; whatever is asked for is read then, one clip at a time.

    Raises AtomError if the folder holds no `new_joint_vecs`.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not (self.folder / "new_joint_vecs").is_dir():
            raise AtomError(
                f"{self.folder}: holds no folder new_joint_vecs, give a dataset in HumanML3D's layout "
                "(new_joint_vecs/ID.npy, texts/ID.txt, train.txt)"
            )

    def ids(self, split: str) -> list[str]:
        """The ids that SPLIT.txt names, in its order, each once.

        Raises AtomError if the file is missing or names something that can't be the name of a file.
        """
        path = self.folder / f"{_checked(split)}.txt"
        try:
            lines = path.read_text(encoding="utf-8-sig").split()
        except FileNotFoundError:
            known = ", ".join(name for name in SPLITS if (self.folder / f"{name}.txt").is_file()) or "none"
            raise AtomError(f"{path}: no such file, the dataset has the splits {known}") from None
        except (OSError, UnicodeDecodeError) as error:
            raise AtomError(f"{path}: can't be read as a list of ids, restore the file ({error})") from error
        return [_checked(id) for id in dict.fromkeys(lines)]

    def features_path(self, id: str) -> Path:
        return self.folder / "new_joint_vecs" / f"{_checked(id)}.npy"

    def captions_path(self, id: str) -> Path:
        return self.folder / "texts" / f"{_checked(id)}.txt"

    def clip(self, id: str) -> np.ndarray:
        """Raw features (T, 263) float32. AtomError if the file is missing, of another shape, or not finite."""
        path = self.features_path(id)
        features = read_array(path)
        if features.ndim != 2 or features.shape[1] != FEATURES or not np.issubdtype(features.dtype, np.floating):
            raise AtomError(
                f"{path}: holds {features.dtype} of shape {features.shape}, expected floats (frames, {FEATURES})"
            )
        if (bad := ~np.isfinite(features).all(axis=1)).any():
            raise AtomError(f"{path}: {bad.sum()} of {len(features)} frames hold NaN or infinity, first {bad.argmax()}")
        return features.astype(np.float32, copy=False)

    def captions(self, id: str) -> list[Caption]:
        """The captions of a clip without its broken lines. AtomError if the file is missing or not UTF-8."""
        return read_captions(self.captions_path(id))[0]

    def statistics(self) -> FeatureStatistics:
        """Mean.npy and Std.npy; AtomError as `read_statistics` raises it."""
        return read_statistics(self.folder / "Mean.npy", self.folder / "Std.npy")

    def captioned_motions(
        self, split: str, quarantined: list[QuarantineEntry] | None = None
    ) -> Iterator[CaptionedMotion]:
        """Every caption of the split with its features, in the order of the split and of the caption files.

        Clips and parts of clips count from 40 frames to 199. What is left out joins `quarantined`, if given: clips of
        other lengths, missing or damaged ones, broken lines.
        """
        for motion in self._motions(split, quarantined):
            yield from motion

    def draw_one_caption_each(
        self, split: str, seed: int, quarantined: list[QuarantineEntry] | None = None
    ) -> Iterator[CaptionedMotion]:
        """Every motion of the split once, as metrics need it; `seed` draws which of its captions stands for a clip.

        A caption with a time of its own makes a motion of its own, as in the original. The draw depends on the seed
        and the id alone, so a clip more or less in the split changes no other.
        """
        for motion in self._motions(split, quarantined):
            draw = hashlib.sha256(f"{seed} {motion[0].id}".encode()).digest()
            yield motion[int.from_bytes(draw) % len(motion)]

    def _motions(self, split: str, quarantined: list[QuarantineEntry] | None) -> Iterator[list[CaptionedMotion]]:
        """The captioned_motions of one motion at a time: all that share a whole clip, and each part of a clip alone."""
        left_out = [] if quarantined is None else quarantined
        for id in self.ids(split):
            try:
                features = self.clip(id)
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
                part = features[span(caption)]
                if reason := find_length_problem(len(part)):
                    left_out.append((f"{id}, {caption.start:g} to {caption.end:g} s", reason))
                else:
                    yield [CaptionedMotion(id, caption, part)]


def span(caption: Caption) -> slice:
    """The rows of a clip's features that the caption describes."""
    return slice(None) if caption.is_whole_clip else slice(int(caption.start * FPS), int(caption.end * FPS))


def find_length_problem(frames: int) -> str | None:
    """Why a motion of so many frames does not count, None if it does."""
    if MIN_FRAMES <= frames < LENGTH_LIMIT:
        return None
    return f"has {frames} frames, {MIN_FRAMES} to {LENGTH_LIMIT - 1} count"


def _checked(name: str) -> str:
    if not _ID.fullmatch(name):
        raise AtomError(f"{name!r} can't be the name of a clip or a split: letters, digits, '.', '_' and '-' can")
    return name
