"""Measures of agreement between judges on the same motions, corrected for chance.

Every measure of scores takes `weights`, how often each unit counts: (units,) gives one number, (resamples, units) one
for each resample, so that a whole bootstrap is a few matrix products. Without weights each unit counts once. A measure
that is undefined for the units, for instance because a judge always says the same, is nan.
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
Figures = float | np.ndarray  # one number, or one for each resample
LEVELS = 5  # of the rubric's scores
_AGREEMENT_FIGURES = ("kappa", "kappa_low", "kappa_high", "spearman")


def cohens_kappa(first: np.ndarray, second: np.ndarray) -> float:
    """Cohen's kappa (Cohen 1960), the agreement beyond chance of two judges that say yes or no.

    Args:
        first: (n,) bool, what the first judge says.
        second: (n,) bool, what the second judge says.

    Returns:
        1 for full agreement, 0 for that of chance, nan where both judges always say the same.
    """
    first, second = np.asarray(first, bool), np.asarray(second, bool)
    chance = first.mean() * second.mean() + (1 - first.mean()) * (1 - second.mean())
    return float((np.mean(first == second) - chance) / (1 - chance)) if chance < 1 else float("nan")


def round_to_levels(scores: np.ndarray, levels: int = LEVELS) -> np.ndarray:
    """Round scores to whole levels, halves up.

    Args:
        scores: of any shape.
        levels: the highest level; the lowest is 1.
    """
    # Halves go up: numpy's round takes them to the even level, 2.5 to 2 and 3.5 to 4.
    return np.clip(np.floor(np.asarray(scores, float) + 0.5), 1, levels).astype(int)


def confusion_matrix(
    first: np.ndarray, second: np.ndarray, levels: int = LEVELS, *, weights: np.ndarray | None = None
) -> np.ndarray:
    """Count how often each level of the first judge (row) meets each level of the second (column).

    Args:
        first: (units,), the scores of the first judge.
        second: (units,), the scores of the second judge.
        levels: the highest level; scores are rounded to whole levels first.
        weights: how often each unit counts, see the module.

    Returns:
        (levels, levels), or one such table for each row of weights.
    """
    first, second = _validate_scores(first, second)
    cells = levels * (round_to_levels(first, levels) - 1) + round_to_levels(second, levels) - 1
    table = _weights_or_ones(weights, len(first)) @ _one_hot(cells, levels**2)
    return table.reshape(*table.shape[:-1], levels, levels)


def weighted_kappa(
    first: np.ndarray, second: np.ndarray, levels: int = LEVELS, *, weights: np.ndarray | None = None
) -> Figures:
    """Weighted kappa (Cohen 1968) with quadratic weights, the agreement beyond chance of two judges that give levels.

    Args:
        first: (units,), the scores of the first judge.
        second: (units,), the scores of the second judge.
        levels: the highest level; scores are rounded to whole levels first.
        weights: how often each unit counts, see the module.

    Returns:
        1 for full agreement, 0 for that of chance: one number, or (resamples,) with weights.
    """
    table = confusion_matrix(first, second, levels, weights=weights)
    positions = np.arange(levels)
    # Quadratic weights: a disagreement by two levels counts four times one by one level.
    distance = np.square(positions[:, None] - positions)
    by_chance = table.sum(-1)[..., None] * table.sum(-2)[..., None, :]
    expected = _divide((by_chance * distance).sum((-2, -1)), table.sum((-2, -1)))
    return 1 - _divide((table * distance).sum((-2, -1)), expected)


def fleiss_kappa(counts: np.ndarray, *, weights: np.ndarray | None = None) -> Figures:
    """Fleiss' kappa (Fleiss 1971), the agreement beyond chance of raters on categories.

    Args:
        counts: (units, categories), how many raters gave each unit each category.
        weights: how often each unit counts, see the module.

    Returns:
        1 for full agreement, 0 for that of chance: one number, or (resamples,) with weights.

    Raises:
        AtomError: where not every unit has the same number of raters, at least two. Krippendorff's alpha is defined
            there.
    """
    counts = np.asarray(counts, float)
    raters = counts.sum(1)
    if len(counts) and (raters[0] < 2 or (raters != raters[0]).any()):
        raise AtomError(
            "Fleiss' kappa needs the same number of raters for every unit, two at least: leave out the others"
        )
    weights = _weights_or_ones(weights, len(counts))
    agreeing = (counts * (counts - 1)).sum(1) / (raters * (raters - 1))
    observed = _divide(weights @ agreeing, weights.sum(-1))
    totals = weights @ counts
    by_chance = np.square(_divide(totals, totals.sum(-1, keepdims=True))).sum(-1)
    return _divide(observed - by_chance, 1 - by_chance)


def krippendorff_alpha(
    ratings: np.ndarray, metric: Metric = "interval", *, weights: np.ndarray | None = None
) -> Figures:
    """Krippendorff's alpha, the agreement beyond chance of any number of raters.

    Source: Krippendorff 2011, Computing Krippendorff's Alpha-Reliability.

    Args:
        ratings: (raters, units), nan where a rater gave no value. Units with fewer than two ratings don't count.
        metric: the distance of two values: "nominal" for equal or not, "ordinal" for the ranks between them, "interval"
            for the square of their difference.
        weights: how often each unit counts, see the module.

    Returns:
        1 for full agreement, 0 for that of chance: one number, or (resamples,) with weights.

    Raises:
        AtomError: for another metric.
    """
    if metric not in METRICS:
        raise AtomError(f"unknown metric {metric!r} of Krippendorff's alpha; known metrics: {', '.join(METRICS)}")
    ratings = np.asarray(ratings, float)
    weights = _weights_or_ones(weights, ratings.shape[1])
    values = np.unique(ratings[np.isfinite(ratings)])
    value_counts = (ratings[..., None] == values).sum(0)  # (units, values): the raters that gave a unit a value
    is_paired = value_counts.sum(1) > 1
    value_counts, weights = value_counts[is_paired], weights[..., is_paired]
    totals = weights @ value_counts
    distance = _distances(values, totals, metric)
    within = (value_counts @ distance * value_counts).sum(-1) / (value_counts.sum(1) - 1)
    between = (totals[..., None, :] @ distance @ totals[..., None])[..., 0, 0]
    return 1 - _divide((weights * within).sum(-1), _divide(between, totals.sum(-1) - 1))


def spearman(first: np.ndarray, second: np.ndarray, *, weights: np.ndarray | None = None) -> Figures:
    """Spearman's rank correlation (Spearman 1904); ties share their middle rank.

    Args:
        first: (units,), the scores of the first judge.
        second: (units,), the scores of the second judge.
        weights: how often each unit counts, see the module.

    Returns:
        From -1 to 1: one number, or (resamples,) with weights.
    """
    first, second = _validate_scores(first, second)
    weights = _weights_or_ones(weights, len(first))
    one, other = _ranks(first, weights), _ranks(second, weights)
    total = weights.sum(-1, keepdims=True)
    one, other = (ranks - _divide((weights * ranks).sum(-1, keepdims=True), total) for ranks in (one, other))
    covariance, *variances = ((weights * a * b).sum(-1) for a, b in ((one, other), (one, one), (other, other)))
    return _divide(covariance, np.sqrt(variances[0] * variances[1]))


def pair_accuracy(
    truth: np.ndarray, judged: np.ndarray, groups: Sequence[Any], *, weights: np.ndarray | None = None
) -> Figures:
    """Pair accuracy: the share of pairs of units of one group that a judge puts in the true order.

    Only pairs whose truth differs count. A tie of the judge counts half, so that guessing gives 0.5.

    Args:
        truth: (units,), the true scores.
        judged: (units,), the scores of the judge.
        groups: (units,), the group of each unit, such as its prompt.
        weights: how often each unit counts, see the module. The units of one group must have the same weight.

    Returns:
        From 0 to 1: one number, or (resamples,) with weights.
    """
    truth, judged = _validate_scores(truth, judged)
    units = pd.DataFrame({"group": list(groups), "unit": range(len(truth))})
    pairs = units.merge(units, on="group", suffixes=("", "_other"))
    one, other = (pairs[side].to_numpy() for side in ("unit", "unit_other"))
    higher = truth[one] > truth[other]
    one, other = one[higher], other[higher]
    # 1 for the right order, 0 for the wrong one, half for a tie.
    credit = (1 + np.sign(judged[one] - judged[other])) / 2
    return share(credit, weights=_weights_or_ones(weights, len(truth))[..., one])


def share(values: np.ndarray, *, weights: np.ndarray | None = None) -> Figures:
    """The weighted mean; for values 0 and 1 it is the share of ones.

    Args:
        values: (units,).
        weights: how often each unit counts, see the module.
    """
    values = np.asarray(values, float)
    weights = _weights_or_ones(weights, len(values))
    return _divide(weights @ values, weights.sum(-1))


def agreement(rows: pd.DataFrame, *, resamples: int = 1000, seed: int = 0) -> list[dict[str, Any]]:
    """Measure the agreement of each two judges.

    Args:
        rows: evaluation rows with `judge, motion_id, prompt_id, score, exact`.
        resamples: of the bootstrap over prompts.
        seed: of the bootstrap.

    Returns:
        For each two `judges` the number `n` of motions that both scored, Cohen's `kappa` on exact match with its 95 %
        interval `kappa_low` to `kappa_high`, and Spearman's rank correlation of the scores (`spearman`). Undefined
        numbers are None.
    """
    found = []
    for first, second in combinations(rows["judge"].unique(), 2):
        sides = [rows[rows["judge"] == judge].set_index("motion_id") for judge in (first, second)]
        both = sides[0].join(sides[1][["score", "exact"]].add_suffix("_other"), how="inner")
        both = both.dropna(subset=["score", "score_other"])
        if both.empty:  # judges that see different actions
            found.append({"judges": [first, second], "n": 0, **dict.fromkeys(_AGREEMENT_FIGURES)})
            continue
        known = both.dropna(subset=["exact", "exact_other"])  # some judges give a score and no exact match
        one, other = known["exact"].to_numpy(bool), known["exact_other"].to_numpy(bool)
        prompts = list(known.reset_index().groupby("prompt_id").indices.values())
        rng = np.random.default_rng(seed)
        resampled_kappas = []
        for _ in range(resamples if prompts else 0):
            indices = np.concatenate([prompts[i] for i in rng.integers(len(prompts), size=len(prompts))])
            resampled_kappas.append(cohens_kappa(one[indices], other[indices]))
        is_defined = np.isfinite(resampled_kappas).any()
        low, high = np.nanquantile(resampled_kappas, [0.025, 0.975]) if is_defined else (np.nan, np.nan)
        correlation = float(spearman(both["score"], both["score_other"]))
        kappa = cohens_kappa(one, other) if prompts else np.nan
        figures = dict(zip(_AGREEMENT_FIGURES, (kappa, float(low), float(high), correlation)))
        found.append(
            {"judges": [first, second], "n": len(both)}
            | {name: value if np.isfinite(value) else None for name, value in figures.items()}
        )
    return found


def _validate_scores(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.asarray(first, float), np.asarray(second, float)
    if first.shape != second.shape or first.ndim != 1 or not np.isfinite([first, second]).all():
        raise AtomError(
            f"scores of shape {first.shape} and {second.shape} can't be compared: give two equally long lists of "
            "numbers, without the units that one side did not score"
        )
    return first, second


def _weights_or_ones(weights: np.ndarray | None, units: int) -> np.ndarray:
    return np.ones(units) if weights is None else np.asarray(weights, float)


def _one_hot(positions: np.ndarray, size: int) -> np.ndarray:
    return np.equal(positions[:, None], np.arange(size)).astype(float)


def _ranks(scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    values, position = np.unique(scores, return_inverse=True)
    return _mid_ranks(weights @ _one_hot(position, len(values)))[..., position]


def _mid_ranks(totals: np.ndarray) -> np.ndarray:
    """The middle rank of each value, up to a constant. `totals` (..., values) are the numbers of occurrences."""
    return totals.cumsum(-1) - totals / 2


def _distances(values: np.ndarray, totals: np.ndarray, metric: Metric) -> np.ndarray:
    if metric == "nominal":
        return 1.0 - np.eye(len(values))
    positions = values if metric == "interval" else _mid_ranks(totals)
    return np.square(positions[..., :, None] - positions[..., None, :])


def _divide(above: np.ndarray, below: np.ndarray) -> Figures:
    """The quotient above / below, nan where the divisor is not above 0."""
    above, below = np.broadcast_arrays(above, below)
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)[()]
