"""The same motion in more or fewer frames."""

from __future__ import annotations

import numpy as np


def resample(joints: np.ndarray, pace: float) -> np.ndarray:
    """Joints (T, 22, 3), T > 1, in `pace` times as many steps, at least one, by linear interpolation between frames."""
    at = np.linspace(0, len(joints) - 1, max(round((len(joints) - 1) * pace), 1) + 1)
    below = np.minimum(at.astype(int), len(joints) - 2)
    share = (at - below)[:, None, None]
    return joints[below] * (1 - share) + joints[below + 1] * share
