"""How far two judges agree on the same motions, beyond what chance would give.

Every measure of scores takes `weights`, how often each unit counts: (units,) gives one figure, (resamples, units) one a
resample, so that a whole bootstrap is a few matrix products. Without weights each unit counts once. A figure that the
units don't define, as where a judge always says the same, is nan.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any, Literal

import numpy as np
import pandas as pd

from atom.errors import AtomError

Metric = Literal["nominal", "ordinal", "interval"]
METRICS: tuple[Metric, ...] = ("nominal", "ordinal", "interval")
Figures = float | np.ndarray  # one, or one a resample
LEVELS = 5


def cohens_kappa(first: np.ndarray, second: np.ndarray) -> float:
    """Agreement of two yes/no judgements (n,) beyond chance (Cohen 1960); nan where both always say the same."""
    first, second = np.asarray(first, bool), np.asarray(second, bool)
    chance = first.mean() * second.mean() + (1 - first.mean()) * (1 - second.mean())
    return float((np.mean(first == second) - chance) / (1 - chance)) if chance < 1 else float("nan")


def rounded(scores: np.ndarray, levels: int = LEVELS) -> np.ndarray:
    """Scores as whole levels 1..`levels`, halves rounded up."""
    return np.clip(np.floor(np.asarray(scores, float) + 0.5), 1, levels).astype(int)


def confusion(
    first: np.ndarray, second: np.ndarray, levels: int = LEVELS, *, weights: np.ndarray | None = None
) -> np.ndarray:
    """How often the first judge's level (row) meets the second's (column): (levels, levels), or one such table for each
    row of weights."""
    first, second = _pairs(first, second)
    cells = levels * (rounded(first, levels) - 1) + rounded(second, levels) - 1
    table = _weights(weights, len(first)) @ _one_hot(cells, levels**2)
    return table.reshape(*table.shape[:-1], levels, levels)


def weighted_kappa(
    first: np.ndarray, second: np.ndarray, levels: int = LEVELS, *, weights: np.ndarray | None = None
) -> Figures:
    """Agreement of two scores (units,) of 1..`levels` beyond chance, a disagreement weighing as the square of its size
    (Cohen 1968). Scores are rounded to whole levels first."""
    table = confusion(first, second, levels, weights=weights)
    places = np.arange(levels)
    distance = np.square(places[:, None] - places)
    by_chance = table.sum(-1)[..., None] * table.sum(-2)[..., None, :]
    expected = _ratio((by_chance * distance).sum((-2, -1)), table.sum((-2, -1)))
    return 1 - _ratio((table * distance).sum((-2, -1)), expected)


def fleiss_kappa(counts: np.ndarray, *, weights: np.ndarray | None = None) -> Figures:
    """Agreement of raters on categories beyond chance (Fleiss 1971).

    counts (units, categories) tell how many raters gave each unit each category. AtomError where not every unit has the
    same number of raters, two at least: the measure is not defined there, Krippendorff's alpha is.
    """
    counts = np.asarray(counts, float)
    raters = counts.sum(1)
    if len(counts) and (raters[0] < 2 or (raters != raters[0]).any()):
        raise AtomError(
            "Fleiss' kappa needs the same number of raters for every unit, two at least: leave out the others"
        )
    weights = _weights(weights, len(counts))
    agreeing = (counts * (counts - 1)).sum(1) / (raters * (raters - 1))
    observed = _ratio(weights @ agreeing, weights.sum(-1))
    totals = weights @ counts
    by_chance = np.square(_ratio(totals, totals.sum(-1, keepdims=True))).sum(-1)
    return _ratio(observed - by_chance, 1 - by_chance)


def krippendorff_alpha(
    ratings: np.ndarray, metric: Metric = "interval", *, weights: np.ndarray | None = None
) -> Figures:
    """Agreement of any number of raters beyond chance (Krippendorff 2011, Computing Krippendorff's Alpha-Reliability).

    ratings are (raters, units), nan where a rater said nothing; a unit that fewer than two rated tells nothing. The
    metric says how far two values are apart: "nominal" equal or not, "ordinal" by the ranks between them, "interval"
    by the square of their difference. AtomError for another metric.
    """
    if metric not in METRICS:
        raise AtomError(f"unknown metric {metric!r} of Krippendorff's alpha; known metrics: {', '.join(METRICS)}")
    ratings = np.asarray(ratings, float)
    weights = _weights(weights, ratings.shape[1])
    values = np.unique(ratings[np.isfinite(ratings)])
    told = (ratings[..., None] == values).sum(0)  # (units, values): how many raters gave the unit this value
    paired = told.sum(1) > 1
    told, weights = told[paired], weights[..., paired]
    totals = weights @ told
    distance = _distances(values, totals, metric)
    within = (told @ distance * told).sum(-1) / (told.sum(1) - 1)
    between = (totals[..., None, :] @ distance @ totals[..., None])[..., 0, 0]
    return 1 - _ratio((weights * within).sum(-1), _ratio(between, totals.sum(-1) - 1))


def spearman(first: np.ndarray, second: np.ndarray, *, weights: np.ndarray | None = None) -> Figures:
    """Rank correlation (Spearman 1904) of two scores (units,), ties sharing their middle rank."""
    first, second = _pairs(first, second)
    weights = _weights(weights, len(first))
    one, other = _ranks(first, weights), _ranks(second, weights)
    total = weights.sum(-1, keepdims=True)
    one, other = (ranks - _ratio((weights * ranks).sum(-1, keepdims=True), total) for ranks in (one, other))
    together, *alone = ((weights * a * b).sum(-1) for a, b in ((one, other), (one, one), (other, other)))
    return _ratio(together, np.sqrt(alone[0] * alone[1]))


def pair_accuracy(
    truth: np.ndarray, judged: np.ndarray, groups: Sequence[Any], *, weights: np.ndarray | None = None
) -> Figures:
    """Share of the pairs of one group whose truth differs that the judge puts in the true order; a tie of the judge
    counts half, so guessing gives 0.5. All (units,). A group counts as often as its units, which share their weight."""
    truth, judged = _pairs(truth, judged)
    units = pd.DataFrame({"group": list(groups), "unit": range(len(truth))})
    pairs = units.merge(units, on="group", suffixes=("", "_other"))
    one, other = (pairs[side].to_numpy() for side in ("unit", "unit_other"))
    higher = truth[one] > truth[other]
    one, other = one[higher], other[higher]
    credit = (1 + np.sign(judged[one] - judged[other])) / 2
    return share(credit, weights=_weights(weights, len(truth))[..., one])


def share(values: np.ndarray, *, weights: np.ndarray | None = None) -> Figures:
    """The mean of values (units,): for yes and no, the share of yes."""
    values = np.asarray(values, float)
    weights = _weights(weights, len(values))
    return _ratio(weights @ values, weights.sum(-1))


def agreement(rows: pd.DataFrame, *, resamples: int = 1000, seed: int = 0) -> list[dict[str, Any]]:
    """For each two judges in evaluation rows (`judge, motion_id, prompt_id, score, exact`): Cohen's kappa on exact
    match with its 95 % bootstrap interval over prompts, Spearman's rank correlation of the scores, and `n` motions."""
    found = []
    for first, second in combinations(rows["judge"].unique(), 2):
        sides = [rows[rows["judge"] == judge].set_index("motion_id") for judge in (first, second)]
        both = sides[0].join(sides[1][["score", "exact"]].add_suffix("_other"), how="inner")
        both = both.dropna(subset=["score", "score_other"])
        one, other = both["exact"].to_numpy(bool), both["exact_other"].to_numpy(bool)
        prompts = list(both.reset_index().groupby("prompt_id").indices.values())
        rng = np.random.default_rng(seed)
        drawn = []
        for _ in range(resamples):
            picked = np.concatenate([prompts[i] for i in rng.integers(len(prompts), size=len(prompts))])
            drawn.append(cohens_kappa(one[picked], other[picked]))
        low, high = np.nanquantile(drawn, [0.025, 0.975]) if np.isfinite(drawn).any() else (np.nan, np.nan)
        figures = {
            "kappa": cohens_kappa(one, other),
            "kappa_low": float(low),
            "kappa_high": float(high),
            "spearman": float(spearman(both["score"], both["score_other"])),
        }
        found.append(
            {"judges": [first, second], "n": len(both)}
            | {name: value if np.isfinite(value) else None for name, value in figures.items()}
        )
    return found


def _pairs(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.asarray(first, float), np.asarray(second, float)
    if first.shape != second.shape or first.ndim != 1 or not np.isfinite([first, second]).all():
        raise AtomError(
            f"scores of shape {first.shape} and {second.shape} can't be compared: give two equally long lists of "
            "numbers, without the units that one side did not score"
        )
    return first, second


def _weights(weights: np.ndarray | None, units: int) -> np.ndarray:
    return np.ones(units) if weights is None else np.asarray(weights, float)


def _one_hot(places: np.ndarray, size: int) -> np.ndarray:
    return np.equal(places[:, None], np.arange(size)).astype(float)


def _ranks(scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    values, place = np.unique(scores, return_inverse=True)
    return _middle_ranks(weights @ _one_hot(place, len(values)))[..., place]


def _middle_ranks(totals: np.ndarray) -> np.ndarray:
    """The middle rank of each value, up to one constant, where `totals` (..., values) tells how often each occurs."""
    return totals.cumsum(-1) - totals / 2


def _distances(values: np.ndarray, totals: np.ndarray, metric: Metric) -> np.ndarray:
    if metric == "nominal":
        return 1.0 - np.eye(len(values))
    places = values if metric == "interval" else _middle_ranks(totals)
    return np.square(places[..., :, None] - places[..., None, :])


def _ratio(above: np.ndarray, below: np.ndarray) -> Figures:
    """above / below, nan where there is nothing to divide by."""
    above, below = np.broadcast_arrays(above, below)
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)[()]
