"""The comparison of a base model, its tuned version and any baselines on the same prompts, judge by judge."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, Literal

import numpy as np
import pandas as pd

from atom.errors import AtomError
from atom.evaluation.bootstrap import (
    Difference,
    mean_distance_statistic,
    mean_statistic,
    paired_bootstrap,
    ratio_statistic,
)
from atom.evaluation.diversity import pairwise_distances
from atom.events import TASKS

BASE, TUNED = "base", "tuned"
REQUIRED_COLUMNS = ("prompt_id", "task", "arm", "sample", "judge", "score")
MIN_PROMPTS = 6  # with fewer, prompts that lean one way by chance would already look like a difference
# Figures of the prompts with so many events, by their lowest and highest number; HumanML3D-E groups texts in this way.
EVENT_GROUPS = {
    "events_1": (1, 1),
    "events_2": (2, 2),
    "events_3": (3, 3),
    "events_4_or_more": (4, math.inf),
}

Direction = Literal["higher is better", "lower is better", "neutral"]
Figure = dict[str, Any]


def compare(
    rows: pd.DataFrame | Iterable[Mapping[str, Any]], *, resamples: int = 2000, seed: int = 0
) -> dict[str, Any]:
    """Compare the tuned model and the baselines with the base model, judge by judge, ready for JSON.

    Args:
        rows: one for each sample, judge and arm, with `prompt_id, task, arm, sample, judge, score` (1 to 5; missing
            where the judge failed) and, where known, `exact` (bool), `frames`, `true_frames` (the length of a motion of
            the prompt's events in the corpus), `foot_skate` (m/s), `jerk` (m/s^3), `descriptor` (see
            `motion_descriptor`) and `events` (the number of the prompt's events). The arms are "base", "tuned" and any
            others, which are the baselines.
        resamples: of the paired bootstrap over prompts.
        seed: of the bootstrap.

    Returns:
        For each judge that gave a score a summary of figures `{base, tuned, gain, gain_low, gain_high, n, verdict}`,
        where `n` counts prompts. A figure is absent where the rows lack its columns.

        - `overall`, each task and each of `EVENT_GROUPS`: the mean score; `exact_match`: the share of exact motions.
        - `length_ratio`: mean frames over mean true frames; `foot_skate` (m/s); `jerk` (m/s^3).
        - `diversity`: the mean distance in metres between motions of different prompts; `multimodality`: the same
          between motions of one prompt, where prompts have several samples.
        - `baselines`: the same figures for each other arm, which takes the place of `tuned`, and `tuned_over_baseline`:
          the mean score of the tuned model (`tuned`) against that arm (`base`).
        - `left_out`: the number of samples without a score, and of prompts that only one of base and tuned has.

    Raises:
        AtomError: a column or one of the two models is missing, a sample occurs twice, or no prompt is shared.
    """
    table = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))
    _check_rows(table)
    return {
        str(judge): _summarise(str(judge), judge_rows, resamples, seed)
        for judge, judge_rows in table.groupby("judge", sort=False)
        if judge_rows["score"].notna().any()  # a judge that can see no action of any prompt has no scores
    }


def tabulate_gains(comparison: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Tabulates a comparison of base and tuned.

    Args:
        comparison: the figures of each judge, from `compare`.

    Returns:
        A row for each judge and figure: `judge, figure, base, tuned, gain, gain_low, gain_high, n, verdict`. Baselines
        are left out.
    """
    columns = ["judge", "figure", "base", "tuned", "gain", "gain_low", "gain_high", "n", "verdict"]
    rows = [
        {"judge": judge, "figure": name} | figure
        for judge, figures in comparison.items()
        for name, figure in figures.items()
        if "gain" in figure
    ]
    return pd.DataFrame(rows, columns=columns)


def classify_difference(difference: Difference, direction: Direction = "higher is better") -> str:
    """Put a difference into words.

    Args:
        difference: the difference with its interval.
        direction: which direction is better, or "neutral".

    Returns:
        "better" or "worse" ("higher" or "lower" for a neutral direction), "within noise" if the interval includes 0, or
        "too few prompts".
    """
    if difference.n < MIN_PROMPTS or not math.isfinite(difference.gain_low):
        return "too few prompts"
    if difference.gain_low <= 0 <= difference.gain_high:
        return "within noise"
    up = difference.gain_low > 0
    if direction == "neutral":
        return "higher" if up else "lower"
    return "better" if up == (direction == "higher is better") else "worse"


def _check_rows(table: pd.DataFrame) -> None:
    missing = [column for column in REQUIRED_COLUMNS if column not in table]
    if missing:
        raise AtomError(f"evaluation rows have no column {', '.join(missing)}; they need {', '.join(REQUIRED_COLUMNS)}")
    is_repeated = table.duplicated(["judge", "arm", "prompt_id", "sample"])
    if is_repeated.any():
        first = table[is_repeated].iloc[0]
        raise AtomError(
            f"evaluation rows have sample {first['sample']} of prompt {first['prompt_id']!r} ({first['arm']}, judge "
            f"{first['judge']!r}) more than once; pass each sample once for each judge"
        )


def _summarise(judge: str, judge_rows: pd.DataFrame, resamples: int, seed: int) -> dict[str, Any]:
    scored = judge_rows[judge_rows["score"].notna()]
    arms = {str(arm): rows for arm, rows in scored.groupby("arm", sort=False)}
    for arm in (BASE, TUNED):
        if arm not in arms:
            raise AtomError(f"judge {judge!r} scored no motion of the {arm!r} model; evaluate it before comparing")
    base, tuned = arms.pop(BASE), arms.pop(TUNED)
    summary = _compare_arms(judge, base, tuned, resamples, seed)
    summary["left_out"] = {
        "samples_without_score": len(judge_rows) - len(scored),
        "prompts_of_one_model": len(set(base["prompt_id"]) ^ set(tuned["prompt_id"])),
    }
    if arms:
        summary["baselines"] = {
            name: _compare_arms(judge, base, rows, resamples, seed)
            | {"tuned_over_baseline": _compare_means(rows, tuned, "score", "higher is better", resamples, seed)}
            for name, rows in arms.items()
        }
    return summary


def _compare_arms(judge: str, base: pd.DataFrame, other: pd.DataFrame, resamples: int, seed: int) -> dict[str, Any]:
    """All figures for which both arms have the columns, on the prompts that both arms have."""
    shared = set(base["prompt_id"]) & set(other["prompt_id"])
    if not shared:
        raise AtomError(
            f"judge {judge!r} scored no prompt of both arms; base and tuned must be sampled on the same prompts"
        )
    base, other = (rows[rows["prompt_id"].isin(shared)] for rows in (base, other))
    figures: dict[str, Figure | None] = {
        "overall": _compare_means(base, other, "score", "higher is better", resamples, seed)
    }
    for task in TASKS:
        both = [rows[rows["task"] == task] for rows in (base, other)]
        figures[task] = _compare_means(*both, "score", "higher is better", resamples, seed)
    for group, (fewest, most) in EVENT_GROUPS.items() if "events" in base else ():
        both = [rows[rows["events"].between(fewest, most)] for rows in (base, other)]
        figures[group] = _compare_means(*both, "score", "higher is better", resamples, seed)
    figures["exact_match"] = _compare_means(base, other, "exact", "higher is better", resamples, seed)
    figures["length_ratio"] = _compare_lengths(base, other, resamples, seed)
    figures["foot_skate"] = _compare_means(base, other, "foot_skate", "lower is better", resamples, seed)
    figures["jerk"] = _compare_means(base, other, "jerk", "lower is better", resamples, seed)
    figures["diversity"] = _compare_diversity(base, other, resamples, seed)
    figures["multimodality"] = _compare_multimodality(base, other, resamples, seed)
    return {name: figure for name, figure in figures.items() if figure is not None}


def _compare_means(
    base: pd.DataFrame, other: pd.DataFrame, column: str, direction: Direction, resamples: int, seed: int
) -> Figure | None:
    before, after = _align_prompts(_mean_by_prompt(base, column), _mean_by_prompt(other, column))
    if not len(before):
        return None
    statistics = mean_statistic(before), mean_statistic(after)
    difference = paired_bootstrap(*statistics, len(before), resamples=resamples, seed=seed)
    return _to_figure(difference, direction)


def _compare_lengths(base: pd.DataFrame, other: pd.DataFrame, resamples: int, seed: int) -> Figure | None:
    """Neither longer nor shorter is better in itself, so the verdict only names the direction."""
    before, after, truth = _align_prompts(
        _mean_by_prompt(base, "frames"), _mean_by_prompt(other, "frames"), _mean_by_prompt(base, "true_frames")
    )
    if not len(before):
        return None
    ratios = ratio_statistic(before, truth), ratio_statistic(after, truth)
    return _to_figure(paired_bootstrap(*ratios, len(before), resamples=resamples, seed=seed), "neutral")


def _compare_diversity(base: pd.DataFrame, other: pd.DataFrame, resamples: int, seed: int) -> Figure | None:
    before, after = _descriptors_by_prompt(base), _descriptors_by_prompt(other)
    prompts = sorted(set(before) & set(after))
    if len(prompts) < 2:
        return None
    distances = [_distances_between([motions[prompt] for prompt in prompts]) for motions in (before, after)]
    statistics = [mean_distance_statistic(matrix) for matrix in distances]
    return _to_figure(paired_bootstrap(*statistics, len(prompts), resamples=resamples, seed=seed), "neutral")


def _compare_multimodality(base: pd.DataFrame, other: pd.DataFrame, resamples: int, seed: int) -> Figure | None:
    before, after = _align_prompts(*(_distance_within(_descriptors_by_prompt(rows)) for rows in (base, other)))
    if not len(before):
        return None
    statistics = mean_statistic(before), mean_statistic(after)
    difference = paired_bootstrap(*statistics, len(before), resamples=resamples, seed=seed)
    return _to_figure(difference, "neutral")


def _to_figure(difference: Difference, direction: Direction) -> Figure:
    """A figure ready for JSON, which has no nan: an undefined interval is null."""
    numbers = {name: value if math.isfinite(value) else None for name, value in asdict(difference).items()}
    return numbers | {"verdict": classify_difference(difference, direction)}


def _mean_by_prompt(rows: pd.DataFrame, column: str) -> pd.Series:
    """The mean of a column within each prompt; empty where no row has the column."""
    if column not in rows:
        return pd.Series(dtype=np.float64)
    # A figure that is missing for a sample leaves the sample out, not the prompt.
    known = rows[rows[column].notna()]
    return known[column].astype(np.float64).groupby(known["prompt_id"]).mean()


def _align_prompts(*series: pd.Series) -> list[np.ndarray]:
    """The values of the prompts that all series have, in the same order."""
    return list(pd.concat(series, axis=1, join="inner").to_numpy(dtype=np.float64).T)


def _descriptors_by_prompt(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """The descriptors (samples, d) of each prompt."""
    if "descriptor" not in rows:
        return {}
    known = rows[rows["descriptor"].notna()]
    return {prompt: np.stack(list(values)) for prompt, values in known.groupby("prompt_id")["descriptor"]}


def _distances_between(motions: list[np.ndarray]) -> np.ndarray:
    """Descriptors (samples, d) of each of n prompts -> the mean distance of their samples, (n, n)."""
    samples = np.array([len(descriptors) for descriptors in motions])
    # Distances between samples become mean distances between prompts, so that a prompt weighs the same with any number
    # of samples.
    averaging = np.repeat(np.eye(len(motions)) / samples[:, None], samples, axis=1)  # (n, all samples), rows sum to 1
    return averaging @ pairwise_distances(np.concatenate(motions)) @ averaging.T


def _distance_within(motions: Mapping[str, np.ndarray]) -> pd.Series:
    """The mean distance between the samples of each prompt that has at least two."""
    within = {}
    for prompt, descriptors in motions.items():
        samples = len(descriptors)
        if samples > 1:
            within[prompt] = pairwise_distances(descriptors).sum() / (samples * (samples - 1))
    return pd.Series(within, dtype=np.float64)
