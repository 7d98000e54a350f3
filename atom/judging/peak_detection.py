"""Runs, peaks and quantiles of one-dimensional signals, compiled because the judges call them often."""

from __future__ import annotations

import numpy as np

from atom.jit import njit

FrameRange = tuple[int, int]  # [start, end) in frames


@njit
def find_runs(mask: np.ndarray) -> list[FrameRange]:
    """The maximal runs of True in a mask (T,), in order."""
    last = len(mask) - 1
    starts = [frame for frame in range(len(mask)) if mask[frame] and (frame == 0 or not mask[frame - 1])]
    ends = [frame + 1 for frame in range(len(mask)) if mask[frame] and (frame == last or not mask[frame + 1])]
    return list(zip(starts, ends))


@njit
def find_runs_with_hysteresis(signal: np.ndarray, enter: float, leave: float) -> list[FrameRange]:
    """Find the runs in which a signal stays above `leave` and somewhere reaches `enter`.

    Args:
        signal: (T,).
        enter: the upper threshold.
        leave: the lower threshold, at most `enter`.

    Returns:
        The runs in order, as [start, end) in frames.
    """
    return [(start, end) for start, end in find_runs(signal > leave) if signal[start:end].max() >= enter]


@njit
def find_peaks(signal: np.ndarray, height: float, prominence: float, distance: int) -> list[int]:
    """Find the peaks of a signal as `scipy.signal.find_peaks` does, and also those at the edges of the clip.

    Args:
        signal: (T,).
        height: the least value of a peak.
        prominence: the least prominence of a peak.
        distance: the least number of frames between two peaks; of equally high ones that are closer the last stays.

    Returns:
        The frames of the peaks, in order.
    """
    # A low value before the first and after the last frame makes peaks at the edges count.
    low = min(signal.min(), height) - prominence
    padded = np.full(len(signal) + 2, low)
    for frame, value in enumerate(signal):
        padded[frame + 1] = value
    found = _keep_highest(padded, [top for top in _find_tops(padded) if padded[top] >= height], distance)
    return [top - 1 for top in found if _prominence(padded, top) >= prominence]


@njit
def _find_tops(signal: np.ndarray) -> list[int]:
    """Frames where the signal is higher than on both sides; of a flat top its middle."""
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
def _keep_highest(signal: np.ndarray, tops: list[int], distance: int) -> list[int]:
    """Keep the highest top, then the highest of those at least `distance` away from it, and so on."""
    is_kept, is_open = np.zeros(len(tops), np.bool_), np.ones(len(tops), np.bool_)
    while is_open.any():
        best = -1
        for i, top in enumerate(tops):
            if is_open[i] and (best < 0 or signal[top] >= signal[tops[best]]):
                best = i
        is_kept[best] = True
        for i, top in enumerate(tops):
            is_open[i] = is_open[i] and i != best and abs(top - tops[best]) >= distance
    return [top for top, keep in zip(tops, is_kept) if keep]


@njit
def _prominence(signal: np.ndarray, top: int) -> float:
    """How far the signal falls from a top before it rises above it again, on the side where it falls less."""
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
def find_peak_extent(signal: np.ndarray, peak: int, level: float) -> FrameRange:
    """Find the frames around a peak in which a signal stays above a level.

    Args:
        signal: (T,).
        peak: the frame of the peak.
        level: the value that the signal has to exceed.

    Returns:
        The range [start, end) in frames; it always includes the peak.
    """
    start, end = peak, peak + 1
    while start > 0 and signal[start - 1] > level:
        start -= 1
    while end < len(signal) and signal[end] > level:
        end += 1
    return start, end


def nearest_quantile(values: np.ndarray, share: float) -> float:
    """Take a quantile without interpolation, which is faster than `np.quantile`.

    Args:
        values: (n,).
        share: the part of the values, 0 to 1, that lie below the quantile.
    """
    return float(np.sort(values)[round(share * (len(values) - 1))])


def overlap(a: FrameRange, b: FrameRange) -> int:
    """Count the frames that two ranges share.

    Args:
        a: a range of frames.
        b: another range of frames.

    Returns:
        The number of shared frames; a negative number says how many frames lie between the ranges.
    """
    return min(a[1], b[1]) - max(a[0], b[0])
