"""Measures of units that belong to prompts, with intervals from a bootstrap over prompts.

As in `bootstrap`, whole prompts are resampled. Their units, such as clips or votes, are not averaged first: each counts
as often as its prompt was drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from atom.evaluation.comparison import MIN_PROMPTS

Measure = Callable[..., Any]
"""A measure of atom.evaluation.agreement, bound to its units: takes `weights`, returns a number or one a resample."""


class PromptBootstrap:
    """A bootstrap over the prompts of a set of units, with the same resamples for every measure.

    Args:
        prompt_ids: (units,), the prompt of each unit.
        resamples: the number of resamples.
        seed: decides the resamples.
    """

    def __init__(self, prompt_ids: Sequence[Any], resamples: int = 1000, seed: int = 0) -> None:
        names, self._prompt_indices = np.unique(np.asarray(prompt_ids), return_inverse=True)
        n = max(len(names), 1)
        self._draws = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples)
        self.prompts = len(names)

    def count(self, units: np.ndarray | slice = slice(None)) -> int:
        """The number of prompts that some units belong to."""
        return len(np.unique(self._prompt_indices[units]))

    def figure(self, measure: Measure, units: np.ndarray | slice = slice(None)) -> dict[str, Any]:
        """Take a measure with its interval.

        Args:
            measure: the measure of the units, which takes `weights`.
            units: the units that it measures, as a mask or as numbers, in its order; numbers may repeat.

        Returns:
            `{value, interval}`: the value, and [low, high] of 95 %. Both are None where the measure is undefined, the
            interval also with too few prompts.
        """
        prompt_indices = self._prompt_indices[units]
        value = float(measure(weights=np.ones(len(prompt_indices))))
        resampled = measure(weights=self._draws[:, prompt_indices]) if len(prompt_indices) else np.array([])
        resampled = resampled[np.isfinite(resampled)]
        has_interval = np.isfinite(value) and len(resampled) and self.count(units) >= MIN_PROMPTS
        return {
            "value": round(value, 4) if np.isfinite(value) else None,
            "interval": [round(float(end), 4) for end in np.quantile(resampled, [0.025, 0.975])]
            if has_interval
            else None,
        }
