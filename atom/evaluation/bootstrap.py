"""Paired bootstrap over prompts.

A prompt is the unit that was drawn at random, and its samples depend on each other. So every quantity is first averaged
within a prompt, then whole prompts are resampled. Both models are always compared on the same resample, so that what
makes a prompt hard for both cancels out of the difference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Statistic = Callable[[np.ndarray], np.ndarray]
"""The number of draws of each prompt (resamples, prompts) -> the quantity on each resample (resamples,)."""


@dataclass(frozen=True)
class Difference:
    """One quantity of two models, and the percentile interval of `gain = tuned - base` over `n` prompts."""

    base: float
    tuned: float
    gain: float
    gain_low: float
    gain_high: float
    n: int


def paired_bootstrap(
    base: Statistic, tuned: Statistic, n: int, *, resamples: int = 2000, seed: int = 0, level: float = 0.95
) -> Difference:
    """Bootstrap the difference of two statistics of the same prompts.

    Memory is resamples x n floats. Resamples on which a statistic is undefined (nan) don't count for the interval.

    Args:
        base: the statistic of the base model.
        tuned: the statistic of the tuned model.
        n: the number of prompts.
        resamples: the number of resamples.
        seed: decides the resamples.
        level: of the percentile interval.

    Raises:
        ValueError: without a prompt.
    """
    if n < 1:
        raise ValueError("a paired bootstrap needs at least one prompt")
    each_once = np.ones((1, n))
    before, after = float(base(each_once)[0]), float(tuned(each_once)[0])
    # How often each prompt is drawn says all about a resample: no rows have to be gathered.
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples).astype(np.float64)
    # The same draws for both: what makes a prompt easy or hard cancels out.
    gains = tuned(counts) - base(counts)
    # A resample may lack what the statistic needs, such as two different prompts.
    gains = gains[np.isfinite(gains)]
    tail = (1 - level) / 2
    low, high = np.quantile(gains, [tail, 1 - tail]) if len(gains) else (np.nan, np.nan)
    return Difference(before, after, after - before, float(low), float(high), n)


def mean_statistic(values: np.ndarray) -> Statistic:
    """The statistic that is the mean of one value for each prompt, (n,)."""
    values = np.asarray(values, dtype=np.float64)
    return lambda counts: counts @ values / counts.sum(axis=1)


def ratio_statistic(numerators: np.ndarray, denominators: np.ndarray) -> Statistic:
    """Make the statistic that is the mean of the numerators over the mean of the denominators.

    Args:
        numerators: (n,), one value for each prompt.
        denominators: (n,), one value for each prompt.
    """
    numerators, denominators = np.asarray(numerators, dtype=np.float64), np.asarray(denominators, dtype=np.float64)
    return lambda counts: (counts @ numerators) / (counts @ denominators)


def mean_distance_statistic(distances: np.ndarray) -> Statistic:
    """The statistic that is the mean of symmetric distances (n, n) over pairs of different prompts.

    A prompt that is drawn twice is no pair with itself.
    """
    off_diagonal = np.asarray(distances, dtype=np.float64).copy()
    np.fill_diagonal(off_diagonal, 0)

    def statistic(counts: np.ndarray) -> np.ndarray:
        # Pairs of one prompt with itself are left out: their distance of 0 would lower the mean.
        pairs = counts.sum(axis=1) ** 2 - (counts**2).sum(axis=1)
        total = ((counts @ off_diagonal) * counts).sum(axis=1)
        return np.divide(total, pairs, out=np.full(len(counts), np.nan), where=pairs > 0)

    return statistic
