"""The comparison of a base model, its tuned version and any baselines, judge by judge: rows in, plain numbers out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, Literal

import numpy as np
import pandas as pd

from atom.errors import AtomError
from atom.evaluation.bootstrap import Difference, mean, mean_distance, paired_bootstrap, ratio
from atom.evaluation.diversity import pairwise_distances
from atom.events import TASKS

BASE, TUNED = "base", "tuned"
REQUIRED = ("prompt_id", "task", "arm", "sample", "judge", "score")
MIN_PROMPTS = 6  # with fewer, prompts that all lean one way by chance would already pass for a difference

Direction = Literal["higher is better", "lower is better", "neutral"]
Figure = dict[str, Any]


def compare(
    rows: pd.DataFrame | Iterable[Mapping[str, Any]], *, resamples: int = 2000, seed: int = 0
) -> dict[str, Any]:
    """Summarise judged motions as `{judge: summary}`, ready for JSON.

    Args:
        rows: one a sample, judge and arm, with `prompt_id, task, arm, sample, judge, score` (1 to 5; missing where the
            judge failed) and, where known, `exact` (bool), `frames`, `true_frames` (the length a motion of that
            prompt's events has in the corpus), `foot_skate` (m/s), `jerk` (m/s^3) and `descriptor` (see
            `motion_descriptor`). The arms are "base", "tuned" and any others, which are the baselines.
        resamples: of the paired bootstrap over prompts, seeded with `seed`.

    A summary has a figure `{base, tuned, gain, gain_low, gain_high, n, verdict}` for `overall` and each task (mean
    score), `exact_match` (share), `length_ratio` (mean frames over mean true frames), `foot_skate` (m/s), `jerk`
    (m/s^3), `diversity` (mean distance in metres between motions of different prompts) and, with several samples a
    prompt, `multimodality` (the same between motions of one prompt). `n` counts prompts. What the rows don't tell is
    absent.

    `baselines` holds the same figures for each other arm, which then stands in the place of `tuned`, and
    `tuned_over_baseline`: the mean score of the tuned model (`tuned`) against that arm (`base`).
    `left_out` counts the samples without a score and the prompts that only one of base and tuned has.

    Raises:
        AtomError: a column or one of the two models is missing, a sample is there twice, no prompt is shared.
    """
    table = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))
    _check(table)
    return {
        str(judge): _summarise(str(judge), seen, resamples, seed) for judge, seen in table.groupby("judge", sort=False)
    }


def verdict(difference: Difference, direction: Direction = "higher is better") -> str:
    """ "better", "worse" (or "higher", "lower"), "within noise" if the interval holds 0, or "too few prompts"."""
    if difference.n < MIN_PROMPTS or not math.isfinite(difference.gain_low):
        return "too few prompts"
    if difference.gain_low <= 0 <= difference.gain_high:
        return "within noise"
    up = difference.gain_low > 0
    if direction == "neutral":
        return "higher" if up else "lower"
    return "better" if up == (direction == "higher is better") else "worse"


def _check(table: pd.DataFrame) -> None:
    missing = [column for column in REQUIRED if column not in table]
    if missing:
        raise AtomError(f"evaluation rows have no column {', '.join(missing)}; they need {', '.join(REQUIRED)}")
    twice = table.duplicated(["judge", "arm", "prompt_id", "sample"])
    if twice.any():
        first = table[twice].iloc[0]
        raise AtomError(
            f"evaluation rows hold sample {first['sample']} of prompt {first['prompt_id']!r} ({first['arm']}, judge "
            f"{first['judge']!r}) more than once; pass each sample once a judge"
        )


def _summarise(judge: str, seen: pd.DataFrame, resamples: int, seed: int) -> dict[str, Any]:
    scored = seen[seen["score"].notna()]
    arms = {str(arm): rows for arm, rows in scored.groupby("arm", sort=False)}
    for needed in (BASE, TUNED):
        if needed not in arms:
            raise AtomError(f"judge {judge!r} scored no motion of the {needed!r} model; evaluate it before comparing")
    base, tuned = arms.pop(BASE), arms.pop(TUNED)
    summary = _figures(judge, base, tuned, resamples, seed)
    summary["left_out"] = {
        "samples_without_score": len(seen) - len(scored),
        "prompts_of_one_model": len(set(base["prompt_id"]) ^ set(tuned["prompt_id"])),
    }
    if arms:
        summary["baselines"] = {
            name: _figures(judge, base, rows, resamples, seed)
            | {"tuned_over_baseline": _mean_figure(rows, tuned, "score", "higher is better", resamples, seed)}
            for name, rows in arms.items()
        }
    return summary


def _figures(judge: str, base: pd.DataFrame, other: pd.DataFrame, resamples: int, seed: int) -> dict[str, Any]:
    """Every figure that both arms have the columns for, on the prompts that both arms have."""
    shared = set(base["prompt_id"]) & set(other["prompt_id"])
    if not shared:
        raise AtomError(
            f"judge {judge!r} scored no prompt of both arms; base and tuned must be sampled on the same prompts"
        )
    base, other = (rows[rows["prompt_id"].isin(shared)] for rows in (base, other))
    figures: dict[str, Figure | None] = {
        "overall": _mean_figure(base, other, "score", "higher is better", resamples, seed)
    }
    for task in TASKS:
        both = [rows[rows["task"] == task] for rows in (base, other)]
        figures[task] = _mean_figure(*both, "score", "higher is better", resamples, seed)
    figures["exact_match"] = _mean_figure(base, other, "exact", "higher is better", resamples, seed)
    figures["length_ratio"] = _length_figure(base, other, resamples, seed)
    figures["foot_skate"] = _mean_figure(base, other, "foot_skate", "lower is better", resamples, seed)
    figures["jerk"] = _mean_figure(base, other, "jerk", "lower is better", resamples, seed)
    figures["diversity"] = _diversity_figure(base, other, resamples, seed)
    figures["multimodality"] = _multimodality_figure(base, other, resamples, seed)
    return {name: figure for name, figure in figures.items() if figure is not None}


def _mean_figure(
    base: pd.DataFrame, other: pd.DataFrame, column: str, direction: Direction, resamples: int, seed: int
) -> Figure | None:
    before, after = _aligned(_by_prompt(base, column), _by_prompt(other, column))
    if not len(before):
        return None
    difference = paired_bootstrap(mean(before), mean(after), len(before), resamples=resamples, seed=seed)
    return _figure(difference, direction)


def _length_figure(base: pd.DataFrame, other: pd.DataFrame, resamples: int, seed: int) -> Figure | None:
    """Neither longer nor shorter is better in itself, so the verdict only names the direction."""
    before, after, truth = _aligned(
        _by_prompt(base, "frames"), _by_prompt(other, "frames"), _by_prompt(base, "true_frames")
    )
    if not len(before):
        return None
    ratios = ratio(before, truth), ratio(after, truth)
    return _figure(paired_bootstrap(*ratios, len(before), resamples=resamples, seed=seed), "neutral")


def _diversity_figure(base: pd.DataFrame, other: pd.DataFrame, resamples: int, seed: int) -> Figure | None:
    before, after = _described(base), _described(other)
    prompts = sorted(set(before) & set(after))
    if len(prompts) < 2:
        return None
    distances = [_distances_between([motions[prompt] for prompt in prompts]) for motions in (before, after)]
    statistics = [mean_distance(between) for between in distances]
    return _figure(paired_bootstrap(*statistics, len(prompts), resamples=resamples, seed=seed), "neutral")


def _multimodality_figure(base: pd.DataFrame, other: pd.DataFrame, resamples: int, seed: int) -> Figure | None:
    before, after = _aligned(*(_distance_within(_described(rows)) for rows in (base, other)))
    if not len(before):
        return None
    difference = paired_bootstrap(mean(before), mean(after), len(before), resamples=resamples, seed=seed)
    return _figure(difference, "neutral")


def _figure(difference: Difference, direction: Direction) -> Figure:
    """JSON has no nan: an interval that can't be had is null."""
    numbers = {name: value if math.isfinite(value) else None for name, value in asdict(difference).items()}
    return numbers | {"verdict": verdict(difference, direction)}


def _by_prompt(rows: pd.DataFrame, column: str) -> pd.Series:
    """The mean of a column within each prompt; empty where no row has it."""
    if column not in rows:
        return pd.Series(dtype=np.float64)
    known = rows[rows[column].notna()]
    return known[column].astype(np.float64).groupby(known["prompt_id"]).mean()


def _aligned(*series: pd.Series) -> list[np.ndarray]:
    """The values of the prompts that all series have, in one order."""
    return list(pd.concat(series, axis=1, join="inner").to_numpy(dtype=np.float64).T)


def _described(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """The descriptors of each prompt, (samples, d)."""
    if "descriptor" not in rows:
        return {}
    known = rows[rows["descriptor"].notna()]
    return {prompt: np.stack(list(values)) for prompt, values in known.groupby("prompt_id")["descriptor"]}


def _distances_between(motions: list[np.ndarray]) -> np.ndarray:
    """Descriptors (samples, d) of each of n prompts -> the mean distance of their samples, (n, n)."""
    samples = np.array([len(descriptors) for descriptors in motions])
    owner = np.repeat(np.eye(len(motions)) / samples[:, None], samples, axis=1)  # (n, all samples), rows sum to 1
    return owner @ pairwise_distances(np.concatenate(motions)) @ owner.T


def _distance_within(motions: Mapping[str, np.ndarray]) -> pd.Series:
    """The mean distance between the samples of each prompt that has at least two."""
    within = {}
    for prompt, descriptors in motions.items():
        samples = len(descriptors)
        if samples > 1:
            within[prompt] = pairwise_distances(descriptors).sum() / (samples * (samples - 1))
    return pd.Series(within, dtype=np.float64)
