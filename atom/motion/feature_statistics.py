"""Mean and standard deviation of the 263 features over a dataset; networks normalise their inputs with them.

Two public pairs are easily confused: the official one of HumanML3D, and the one that MotionGPT's networks were trained
with. MotionGPT's std is about 25 times smaller for the root and the contacts, so features that are normalised with the
wrong pair look plausible but are wrong.
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

# HumanML3D uses one std for all features of a block: the mean over the block.
BLOCKS: dict[str, slice] = {
    "root turn": slice(YAW, YAW + 1),
    "root step": STEP,
    "root height": slice(HEIGHT, HEIGHT + 1),
    "positions": POSITIONS,
    "rotations": ROTATIONS,
    "velocities": VELOCITIES,
    "contacts": CONTACTS,
}

# sha256 of the values as little-endian float32, the type of both published pairs.
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
    """`mean` and `std` (263,) float32 of raw features; `name` says which public pair they are.

    Raises AtomError if they have another shape, are not finite, or if a std is not positive.
    """

    mean: np.ndarray
    std: np.ndarray
    name: StatisticsName = "unknown"

    def __post_init__(self) -> None:
        for kind, values in (("mean", self.mean), ("std", self.std)):
            _check_values(kind, values)
        if (low := self.std <= 0).any():
            raise AtomError(f"the std of feature {low.argmax()} is {self.std[low.argmax()]:.3g}, it must be above 0")


def read_statistics(mean: Path, std: Path) -> FeatureStatistics:
    """Read mean and std from two .npy files, without unpickling.

    Args:
        mean: the file of the mean, such as HumanML3D's `Mean.npy`.
        std: the file of the std, such as `Std.npy`.

    Raises:
        AtomError: a file is missing or does not hold 263 finite numbers, the two files are swapped, or they belong to
            different public pairs.
    """
    arrays = []
    for kind, path in (("mean", mean), ("std", std)):
        values = read_array(path)
        try:
            _check_values(kind, values)
        except AtomError as error:
            raise AtomError(f"{path}: {error}") from None
        arrays.append(values.astype("<f4"))
    mean_values, std_values = arrays
    if _look_swapped(mean_values, std_values):
        raise AtomError(f"{mean} holds a std and {std} a mean: they are swapped, give the mean first")
    mean_owner = _KNOWN_MEANS.get(_fingerprint(mean_values))
    std_owner = _KNOWN_STDS.get(_fingerprint(std_values))
    if mean_owner and std_owner and mean_owner != std_owner:
        raise AtomError(f"{mean} is {mean_owner}'s mean but {std} is {std_owner}'s std: give both of one pair")
    try:
        return FeatureStatistics(mean_values, std_values, identify_statistics(mean_values, std_values))
    except AtomError as error:
        raise AtomError(f"{std}: {error}") from None


def identify_statistics(mean: np.ndarray, std: np.ndarray) -> StatisticsName:
    """Say which public pair two arrays are.

    Args:
        mean: (263,).
        std: (263,).

    Returns:
        The name of the public pair that equals both to the last bit of float32, else "unknown".
    """
    mean_owner, std_owner = _KNOWN_MEANS.get(_fingerprint(mean)), _KNOWN_STDS.get(_fingerprint(std))
    return mean_owner if mean_owner is not None and mean_owner == std_owner else "unknown"


def measure_statistics(clips: Iterable[np.ndarray]) -> FeatureStatistics:
    """Compute the statistics over all frames of `clips`, each (T, 263), one clip in memory at a time.

    The std is averaged inside each of the seven blocks, and clips with NaN or infinity are skipped, as in HumanML3D's
    `cal_mean_variance`. Raises AtomError if no frame is left or if a whole block is constant.
    """
    frames, mean, squares = 0, np.zeros(FEATURES), np.zeros(FEATURES)
    for clip in clips:
        clip = np.asarray(clip, dtype=np.float64)
        if clip.ndim != 2 or clip.shape[1] != FEATURES:
            raise AtomError(f"features of shape {clip.shape} are not a motion: expected (frames, {FEATURES})")
        if not len(clip) or not np.isfinite(clip).all():
            continue
        # Chan et al.'s parallel update of mean and variance: stable, where E[x^2] - E[x]^2 would cancel.
        total, clip_mean = frames + len(clip), clip.mean(axis=0)
        squares += ((clip - clip_mean) ** 2).sum(axis=0) + (clip_mean - mean) ** 2 * (frames * len(clip) / total)
        mean += (clip_mean - mean) * (len(clip) / total)
        frames = total
    if not frames:
        raise AtomError("there is no frame to compute mean and std from: every clip is missing, empty or holds NaN")
    std = np.sqrt(squares / frames)
    for block in BLOCKS.values():
        std[block] = std[block].mean()
    return FeatureStatistics(mean.astype(np.float32), std.astype(np.float32))


def _check_values(kind: str, values: np.ndarray) -> None:
    if values.shape != (FEATURES,):
        raise AtomError(f"the {kind} has shape {values.shape}, expected ({FEATURES},)")
    if not np.issubdtype(values.dtype, np.floating):
        raise AtomError(f"the {kind} holds values of type {values.dtype}, expected float32 or float64")
    if (bad := ~np.isfinite(values)).any():
        raise AtomError(f"the {kind} of feature {bad.argmax()} is {values[bad.argmax()]}, it must be a finite number")


def _look_swapped(mean: np.ndarray, std: np.ndarray) -> bool:
    """Whether the std has negative values, as every real mean has, and the mean has none."""
    return bool((std < 0).any() and (mean > 0).all())


def _fingerprint(values: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(values, dtype="<f4").tobytes()).hexdigest()
