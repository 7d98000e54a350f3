"""Runs and peaks of signals, compared with SciPy and with their own definition."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import signal as scipy_signal

from atom.judging.peak_detection import find_peak_extent, find_peaks, find_runs, find_runs_with_hysteresis


def signals(count: int):
    """Noise, walks and walks with flat stretches, of 1 to 200 frames."""
    rng = np.random.default_rng(0)
    for number in range(count):
        noise = rng.normal(size=rng.integers(1, 200))
        walk = np.cumsum(noise)
        yield rng, (noise, walk, np.repeat(walk, rng.integers(1, 4, len(walk))))[number % 3]


def test_peaks_are_scipys_with_the_edges_as_slopes():
    for rng, signal in signals(600):
        height, prominence, distance = rng.normal(), abs(rng.normal()), int(rng.integers(1, 12))
        ground = min(signal.min(), height) - prominence
        expected, _ = scipy_signal.find_peaks(
            [ground, *signal, ground], height=height, prominence=prominence, distance=distance
        )
        assert find_peaks(signal, height, prominence, distance) == [frame - 1 for frame in expected]


def test_runs_are_all_that_is_true():
    for rng, signal in signals(200):
        mask = signal > rng.normal()
        found = find_runs(mask)
        inside = [frame for start, end in found for frame in range(start, end)]
        assert inside == np.flatnonzero(mask).tolist()
        assert all(before[1] < after[0] for before, after in pairwise(found))
        assert find_runs_with_hysteresis(signal, 1.5, 0.5) == [
            (a, b) for a, b in find_runs(signal > 0.5) if signal[a:b].max() >= 1.5
        ]


def test_the_extent_of_a_peak_ends_where_the_signal_falls_to_the_level():
    hill = np.array([0.0, 3, 1, 2, 5, 4, 1, 6])
    assert find_peak_extent(hill, 4, 1.0) == (3, 6)
    assert find_peak_extent(hill, 4, 0.5) == (1, 8)
    assert find_peak_extent(hill, 4, 4.5) == (4, 5)


@pytest.mark.parametrize(
    "found", [find_peaks(np.zeros(5), 1.0, 0.5, 2), find_runs(np.zeros(3, bool)), find_runs(np.zeros(0, bool))]
)
def test_where_there_is_nothing_nothing_is_found(found):
    assert found == []
