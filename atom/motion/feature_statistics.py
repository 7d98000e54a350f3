"""Mean and standard deviation of the 263 features over a dataset, by which networks normalise them.

Two public pairs exist and are easily confused: HumanML3D's official one, and the one that MotionGPT's networks were
trained with. MotionGPT's std is about 25 times smaller for the root and the contacts, so features that were normalised
by the wrong pair look plausible and mean something else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from atom.errors import AtomError
from atom.motion.features import CONTACTS, FEATURES, HEIGHT, POSITIONS, ROTATIONS, STEP, VELOCITIES, YAW
from atom.motion.npy_files import read_array

StatisticsName = Literal["HumanML3D", "MotionGPT", "unknown"]

# HumanML3D gives all features of a block one std, the mean over the block.
BLOCKS: dict[str, slice] = {
    "root turn": slice(YAW, YAW + 1),
    "root step": STEP,
    "root height": slice(HEIGHT, HEIGHT + 1),
    "positions": POSITIONS,
    "rotations": ROTATIONS,
    "velocities": VELOCITIES,
    "contacts": CONTACTS,
}

# sha256 of the values as little-endian float32, which both pairs are or were made from.
_KNOWN_MEANS: dict[str, StatisticsName] = {
    "6c4577daa0769102e1c2ceb7d552be3fe47b34e2b0da36dd024fa99588320ddf": "HumanML3D",
    "30e2481958581a3b2cb9abea389a3649eefc20244f3b116a779f75e79129bfec": "MotionGPT",
}
_KNOWN_STDS: dict[str, StatisticsName] = {
    "c9b072f7aa8c0472628f5c37c07ff8928521bc303d3fbf10c3963fc4cfabfa2a": "HumanML3D",
    "055100bc7b9cbe2d945d4549e2f0cca799582ff79572d59b84cccdd347c08ff3": "MotionGPT",
}


@dataclass(frozen=True, eq=False)
class FeatureStatistics:
    """`mean` and `std` (263,) float32 of raw features; `name` tells which public pair they are.

    Raises AtomError if they are of another shape, not finite, or if a std is not positive.
    """

    mean: np.ndarray
    std: np.ndarray
    name: StatisticsName = "unknown"

    def __post_init__(self) -> None:
        for what, values in (("mean", self.mean), ("std", self.std)):
            _check(what, values)
        if (low := self.std <= 0).any():
            raise AtomError(f"the std of feature {low.argmax()} is {self.std[low.argmax()]:.3g}, it must be above 0")


def read_statistics(mean: Path, std: Path) -> FeatureStatistics:
    """The pair in two .npy files, such as HumanML3D's `Mean.npy` and `Std.npy`; nothing in them is unpickled.

    Raises AtomError if a file is missing or holds anything but 263 finite numbers, if the two are swapped, or if they
    belong to two different public pairs.
    """
    arrays = []
    for what, path in (("mean", mean), ("std", std)):
        values = read_array(path)
        try:
            _check(what, values)
        except AtomError as error:
            raise AtomError(f"{path}: {error}") from None
        arrays.append(values.astype("<f4"))
    first, second = arrays
    if _swapped(first, second):
        raise AtomError(f"{mean} holds a std and {std} a mean: they are swapped, give the mean first")
    of_mean, of_std = _KNOWN_MEANS.get(_fingerprint(first)), _KNOWN_STDS.get(_fingerprint(second))
    if of_mean and of_std and of_mean != of_std:
        raise AtomError(f"{mean} is {of_mean}'s mean but {std} is {of_std}'s std: give both of one pair")
    try:
        return FeatureStatistics(first, second, identify_statistics(first, second))
    except AtomError as error:
        raise AtomError(f"{std}: {error}") from None


def identify_statistics(mean: np.ndarray, std: np.ndarray) -> StatisticsName:
    """Which public pair `mean` and `std` (263,) are, to the last bit of float32; "unknown" for all else."""
    of_mean, of_std = _KNOWN_MEANS.get(_fingerprint(mean)), _KNOWN_STDS.get(_fingerprint(std))
    return of_mean if of_mean is not None and of_mean == of_std else "unknown"


def measure_statistics(clips: Iterable[np.ndarray]) -> FeatureStatistics:
    """The statistics of `clips`, each (T, 263): over all frames, the std averaged inside each of the seven blocks.

    Clips with NaN or infinity are left out, as in HumanML3D's `cal_mean_variance`. One clip is held at a time, and sums
    are float64. Raises AtomError if no frame is left or if a whole block never changes.
    """
    frames, mean, squares = 0, np.zeros(FEATURES), np.zeros(FEATURES)
    for clip in clips:
        clip = np.asarray(clip, dtype=np.float64)
        if clip.ndim != 2 or clip.shape[1] != FEATURES:
            raise AtomError(f"features of shape {clip.shape} are not a motion: expected (frames, {FEATURES})")
        if not len(clip) or not np.isfinite(clip).all():
            continue
        total, own = frames + len(clip), clip.mean(axis=0)
        squares += ((clip - own) ** 2).sum(axis=0) + (own - mean) ** 2 * (frames * len(clip) / total)
        mean += (own - mean) * (len(clip) / total)
        frames = total
    if not frames:
        raise AtomError("there is no frame to take mean and std of: every clip is missing, empty or holds NaN")
    std = np.sqrt(squares / frames)
    for block in BLOCKS.values():
        std[block] = std[block].mean()
    return FeatureStatistics(mean.astype(np.float32), std.astype(np.float32))


def _check(what: str, values: np.ndarray) -> None:
    if values.shape != (FEATURES,):
        raise AtomError(f"the {what} has shape {values.shape}, expected ({FEATURES},)")
    if not np.issubdtype(values.dtype, np.floating):
        raise AtomError(f"the {what} holds values of type {values.dtype}, expected float32 or float64")
    if (bad := ~np.isfinite(values)).any():
        raise AtomError(f"the {what} of feature {bad.argmax()} is {values[bad.argmax()]}, it must be a finite number")


def _swapped(mean: np.ndarray, std: np.ndarray) -> bool:
    """Means are negative somewhere; stds are not, and one number in a block."""
    return bool((std < 0).any() and (mean > 0).all())


def _fingerprint(values: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(values, dtype="<f4").tobytes()).hexdigest()
