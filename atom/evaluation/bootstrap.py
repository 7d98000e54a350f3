"""Paired bootstrap over prompts.

A prompt is the unit that was drawn at random; its samples are not independent of each other. So every quantity is first
averaged within a prompt, then whole prompts are resampled, and both models are always looked at on the same resample:
what makes a prompt hard for both cancels out of the difference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Statistic = Callable[[np.ndarray], np.ndarray]
"""How often each prompt was drawn (resamples, prompts) -> the quantity on each resample (resamples,)."""


@dataclass(frozen=True)
class Difference:
    """Two models' value of one quantity and the percentile interval of `gain = tuned - base` over `n` prompts."""

    base: float
    tuned: float
    gain: float
    gain_low: float
    gain_high: float
    n: int


def paired_bootstrap(
    base: Statistic, tuned: Statistic, n: int, *, resamples: int = 2000, seed: int = 0, level: float = 0.95
) -> Difference:
    """The difference of two statistics of the same `n` prompts, with its `level` percentile interval.

    Memory is resamples x n floats. Statistics that are undefined on a resample (nan) are left out of the interval.
    """
    if n < 1:
        raise ValueError("a paired bootstrap needs at least one prompt")
    as_drawn = np.ones((1, n))
    before, after = float(base(as_drawn)[0]), float(tuned(as_drawn)[0])
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples).astype(np.float64)
    gains = tuned(counts) - base(counts)
    gains = gains[np.isfinite(gains)]
    tail = (1 - level) / 2
    low, high = np.quantile(gains, [tail, 1 - tail]) if len(gains) else (np.nan, np.nan)
    return Difference(before, after, after - before, float(low), float(high), n)


def mean(values: np.ndarray) -> Statistic:
    """The mean of one value a prompt, (n,)."""
    values = np.asarray(values, dtype=np.float64)
    return lambda counts: counts @ values / counts.sum(axis=1)


def ratio(numerators: np.ndarray, denominators: np.ndarray) -> Statistic:
    """The mean of the numerators over the mean of the denominators, each one value a prompt, (n,)."""
    numerators, denominators = np.asarray(numerators, dtype=np.float64), np.asarray(denominators, dtype=np.float64)
    return lambda counts: (counts @ numerators) / (counts @ denominators)


def mean_distance(distances: np.ndarray) -> Statistic:
    """The mean of a symmetric (n, n) over pairs of different prompts; a prompt drawn twice is no pair with itself."""
    between = np.asarray(distances, dtype=np.float64).copy()
    np.fill_diagonal(between, 0)

    def statistic(counts: np.ndarray) -> np.ndarray:
        pairs = counts.sum(axis=1) ** 2 - (counts**2).sum(axis=1)
        total = ((counts @ between) * counts).sum(axis=1)
        return np.divide(total, pairs, out=np.full(len(counts), np.nan), where=pairs > 0)

    return statistic
