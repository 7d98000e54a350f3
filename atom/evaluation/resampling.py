"""Figures of units that belong to prompts, with intervals from a bootstrap over prompts.

As in `statistics`, a prompt is what was drawn at random. Its units, such as clips or votes, are not averaged first:
each counts as often as its prompt was drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from atom.evaluation.comparison import MIN_PROMPTS

Measure = Callable[..., Any]
"""A measure of atom.evaluation.agreement with its units: takes `weights`, gives one figure or one a resample."""


class PromptResamples:
    """The same resamples of prompts for all figures of one set of units, whose prompts `prompt_ids` (units,) names."""

    def __init__(self, prompt_ids: Sequence[Any], resamples: int = 1000, seed: int = 0) -> None:
        names, self._places = np.unique(np.asarray(prompt_ids), return_inverse=True)
        n = max(len(names), 1)
        self._draws = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples)
        self.prompts = len(names)

    def count(self, units: np.ndarray | slice = slice(None)) -> int:
        """How many prompts these units have."""
        return len(np.unique(self._places[units]))

    def figure(self, measure: Measure, units: np.ndarray | slice = slice(None)) -> dict[str, Any]:
        """`{value, interval}` of a measure of these units (a mask, or their numbers, once or more): None where it is
        undefined; the interval [low, high] of 95 % is None with too few prompts too."""
        places = self._places[units]
        value = float(measure(weights=np.ones(len(places))))
        drawn = measure(weights=self._draws[:, places]) if len(places) else np.array([])
        drawn = drawn[np.isfinite(drawn)]
        known = np.isfinite(value) and len(drawn) and self.count(units) >= MIN_PROMPTS
        return {
            "value": round(value, 4) if np.isfinite(value) else None,
            "interval": [round(float(end), 4) for end in np.quantile(drawn, [0.025, 0.975])] if known else None,
        }
