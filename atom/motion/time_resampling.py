"""Resampling of motions to another number of frames."""

from __future__ import annotations

import numpy as np


def resample(joints: np.ndarray, factor: float) -> np.ndarray:
    """Resample a motion in time by linear interpolation.

    Args:
        joints: (T, 22, 3), T > 1.
        factor: the number of steps between frames, T - 1, is multiplied by it, to at least one step.
    """
    times = np.linspace(0, len(joints) - 1, max(round((len(joints) - 1) * factor), 1) + 1)
    before = np.minimum(times.astype(int), len(joints) - 2)
    weight = (times - before)[:, None, None]
    return joints[before] * (1 - weight) + joints[before + 1] * weight
