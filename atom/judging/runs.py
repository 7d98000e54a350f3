"""Small tools on one-dimensional signals: runs of frames and counted peaks."""

from __future__ import annotations

import numpy as np
from scipy.signal import find_peaks

Run = tuple[int, int]  # [start, end) in frames


def runs(mask: np.ndarray) -> list[Run]:
    """The maximal runs of True of a mask (T,), in order."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2])]


def hysteresis(signal: np.ndarray, enter: float, leave: float) -> list[Run]:
    """Runs above `leave` in which the signal (T,) somewhere reaches `enter` (>= leave)."""
    return [(a, b) for a, b in runs(signal > leave) if signal[a:b].max() >= enter]


def peaks(signal: np.ndarray, height: float, prominence: float, distance: int = 1) -> list[int]:
    """Frames of the peaks of a signal (T,); one at the edge of the clip counts too."""
    if signal.max() < height:
        return []
    low = min(float(signal.min()), height) - prominence
    found, _ = find_peaks(np.concatenate([[low], signal, [low]]), height=height, prominence=prominence,
                          distance=distance)  # fmt: skip
    return [int(frame) - 1 for frame in found]


def foot_of_peak(signal: np.ndarray, peak: int, level: float) -> Run:
    """The run around a peak in which the signal stays above `level`, as [start, end)."""
    below = np.flatnonzero(signal <= level)
    before, after = below[below < peak], below[below > peak]
    return int(before[-1]) + 1 if len(before) else 0, int(after[0]) if len(after) else len(signal)


def ranked(values: np.ndarray, share: float) -> float:
    """The value (T,) below which about `share` (0..1) of the values lie; a quick quantile without interpolation."""
    return float(np.sort(values)[round(share * (len(values) - 1))])


def overlap(a: Run, b: Run) -> int:
    """How many frames two runs share; negative: how far they lie apart."""
    return min(a[1], b[1]) - max(a[0], b[0])
