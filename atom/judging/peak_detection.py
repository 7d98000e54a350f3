"""Small tools on one-dimensional signals: runs of frames and counted peaks; compiled, for a judge uses them often."""

from __future__ import annotations

import numpy as np

from atom.jit import njit

Run = tuple[int, int]  # [start, end) in frames


@njit
def runs(mask: np.ndarray) -> list[Run]:
    """The maximal runs of True of a mask (T,), in order."""
    last = len(mask) - 1
    starts = [frame for frame in range(len(mask)) if mask[frame] and (frame == 0 or not mask[frame - 1])]
    ends = [frame + 1 for frame in range(len(mask)) if mask[frame] and (frame == last or not mask[frame + 1])]
    return list(zip(starts, ends))


@njit
def hysteresis(signal: np.ndarray, enter: float, leave: float) -> list[Run]:
    """Runs above `leave` in which the signal (T,) somewhere reaches `enter` (>= leave)."""
    return [(start, end) for start, end in runs(signal > leave) if signal[start:end].max() >= enter]


@njit
def peaks(signal: np.ndarray, height: float, prominence: float, distance: int) -> list[int]:
    """Frames of the peaks of a signal (T,), as `scipy.signal.find_peaks` finds them; one at the edge of the clip counts
    too. Of equally high ones that lie closer than `distance` the last is kept."""
    low = min(signal.min(), height) - prominence
    ground = np.full(len(signal) + 2, low)
    for frame, value in enumerate(signal):
        ground[frame + 1] = value
    found = _far_apart(ground, [top for top in _tops(ground) if ground[top] >= height], distance)
    return [top - 1 for top in found if _prominence(ground, top) >= prominence]


@njit
def _tops(signal: np.ndarray) -> list[int]:
    """Where the signal is higher than on both sides; the middle of a top that is flat."""
    tops = []
    start = 1
    while start < len(signal) - 1:
        end = start + 1
        if signal[start - 1] < signal[start]:
            while end < len(signal) - 1 and signal[end] == signal[start]:
                end += 1
            if signal[end] < signal[start]:
                tops.append((start + end - 1) // 2)
        start = end
    return tops


@njit
def _far_apart(signal: np.ndarray, tops: list[int], distance: int) -> list[int]:
    """The highest of the tops, then the highest of those that lie `distance` or more away from it, and so on."""
    kept, open_ones = np.zeros(len(tops), np.bool_), np.ones(len(tops), np.bool_)
    while open_ones.any():
        best = -1
        for i, top in enumerate(tops):
            if open_ones[i] and (best < 0 or signal[top] >= signal[tops[best]]):
                best = i
        kept[best] = True
        for i, top in enumerate(tops):
            open_ones[i] = open_ones[i] and i != best and abs(top - tops[best]) >= distance
    return [top for top, keep in zip(tops, kept) if keep]


@njit
def _prominence(signal: np.ndarray, top: int) -> float:
    """How far one has to go down from a top before a higher one can be climbed."""
    before = after = signal[top]
    frame = top
    while frame >= 0 and signal[frame] <= signal[top]:
        before = min(before, signal[frame])
        frame -= 1
    frame = top
    while frame < len(signal) and signal[frame] <= signal[top]:
        after = min(after, signal[frame])
        frame += 1
    return signal[top] - max(before, after)


@njit
def foot_of_peak(signal: np.ndarray, peak: int, level: float) -> Run:
    """The run around a peak in which the signal stays above `level`, as [start, end)."""
    start, end = peak, peak + 1
    while start > 0 and signal[start - 1] > level:
        start -= 1
    while end < len(signal) and signal[end] > level:
        end += 1
    return start, end


def ranked(values: np.ndarray, share: float) -> float:
    """The value (T,) below which about `share` (0..1) of the values lie; a quick quantile without interpolation."""
    return float(np.sort(values)[round(share * (len(values) - 1))])


def overlap(a: Run, b: Run) -> int:
    """How many frames two runs share; negative: how far they lie apart."""
    return min(a[1], b[1]) - max(a[0], b[0])
