"""The evaluation of votes: win rates, scores, and the agreement of people with each other and with the judges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from atom.evaluation.agreement import fleiss_kappa, krippendorff_alpha, share, weighted_kappa
from atom.evaluation.comparison import BASE, MIN_PROMPTS, TUNED, compare
from atom.evaluation.resampling import PromptBootstrap
from atom.events import TASKS
from atom.review.judge_agreement import compare_with_judges, find_disagreements
from atom.review.tally import (
    PEOPLE,
    aggregate_people_scores,
    build_rating_matrix,
    keep_latest_votes,
    tabulate_clip_votes,
    tabulate_pair_votes,
)
from atom.review.votes import Vote

OUTCOMES = {"wins": 1.0, "ties": 0.5, "losses": 0.0}

Figure = dict[str, Any]
"""`{value, interval}`: [low, high] is the 95 % interval of a bootstrap over prompts. Both are None where the votes do
not define them; the interval is also None for fewer than six prompts."""


def summarise_votes(
    votes: Sequence[Vote],
    judged: pd.DataFrame,
    prompts: Mapping[str, str] | None = None,
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """Evaluates the votes on a run.

    Args:
        votes: of several votes by one voter on one item, the last counts.
        judged: the scores of judges, one row per motion and judge: `motion_id, judge, score` (see
            `tally.aggregate_judge_scores`); may be empty.
        prompts: the text of each prompt_id.
        resamples: of the bootstrap over prompts.
        seed: of the bootstrap.

    Returns:
        An object ready for JSON:

        - `votes`: the number of votes on `pairs` and on `clips`, of `skipped` ones, of `voters` and of `prompts`.
        - `win_rates`: see `compute_win_rates`; tuned against base comes first.
        - `scores`: base and tuned by the mean score of people for each clip, as `compare` gives it for a judge; None
          where people scored no prompt of both.
        - `among_people`: see `measure_people_agreement`. `judges`: see `compare_with_judges`. `voters`: see
          `summarise_voters`.
        - `disagreements`: see `find_disagreements`, each with its `prompt`.
        - `verdict`: the above in sentences, the most important first.
    """
    latest = keep_latest_votes(votes)
    pairs, clips = tabulate_pair_votes(latest), tabulate_clip_votes(latest)
    summary: dict[str, Any] = {
        "votes": {
            "pairs": len(pairs),
            "clips": len(clips),
            "skipped": sum(vote.is_skip for vote in latest),
            "voters": len({vote.voter for vote in latest}),
            "prompts": len({vote.prompt_id for vote in latest}),
        },
        "win_rates": compute_win_rates(pairs, resamples=resamples, seed=seed),
        "scores": _compare_arms(latest, resamples, seed),
        "among_people": measure_people_agreement(pairs, clips, resamples=resamples, seed=seed),
        "judges": compare_with_judges(latest, judged, resamples=resamples, seed=seed),
        "voters": summarise_voters(latest),
        "disagreements": [
            row | {"prompt": (prompts or {}).get(row["prompt_id"], "")} for row in find_disagreements(latest, judged)
        ],
    }
    return summary | {"verdict": _write_verdict(summary)}


def compute_win_rates(pairs: pd.DataFrame, *, resamples: int = 2000, seed: int = 0) -> list[dict[str, Any]]:
    """The win rates of each two arms that people compared.

    Args:
        pairs: of `tabulate_pair_votes`.
        resamples: of the bootstrap over prompts.
        seed: of the bootstrap.

    Returns:
        For each two arms: `arm`, `against`, and for `overall` and each task with votes
        `{votes, prompts, wins, ties, losses, win_rate, shares, verdict}`. `wins`, `ties` and `losses` of `arm` count
        votes. `win_rate`, ties as half, and the `shares` of the three are figures: means within a prompt, then over
        prompts, so that a prompt with more voters has no more weight. The verdict says on which side of one half the
        interval of the win rate is: "better", "worse", "within noise" (it holds one half) or "too few prompts".
    """
    compared = pairs[pairs["arm"] != pairs["against"]]
    rows = []
    for (arm, against), votes in compared.groupby(["arm", "against"]):
        groups = {"overall": votes} | {task: votes[votes["task"] == task] for task in TASKS}
        rates = {name: _win_rate(group, resamples, seed) for name, group in groups.items() if len(group)}
        rows.append({"arm": arm, "against": against, **rates})
    return sorted(rows, key=lambda row: (row["arm"], row["against"]) != (TUNED, BASE))


def _win_rate(votes: pd.DataFrame, resamples: int, seed: int) -> dict[str, Any]:
    outcomes = pd.DataFrame({name: votes["outcome"] == value for name, value in OUTCOMES.items()})
    means = outcomes.assign(rate=votes["outcome"]).groupby(votes["prompt_id"]).mean()
    bootstrap = PromptBootstrap(means.index, resamples, seed)
    figures = {name: bootstrap.figure(partial(share, means[name].to_numpy(float))) for name in means}
    rate = figures.pop("rate")
    return {
        "votes": len(votes),
        "prompts": len(means),
        **{name: int(count) for name, count in outcomes.sum().items()},
        "win_rate": rate,
        "shares": figures,
        "verdict": _judge_interval(rate["interval"]),
    }


def _judge_interval(interval: Sequence[float] | None) -> str:
    if interval is None:
        return "too few prompts"
    low, high = interval
    return "within noise" if low <= 0.5 <= high else "better" if low > 0.5 else "worse"


def _compare_arms(votes: Sequence[Vote], resamples: int, seed: int) -> dict[str, Any] | None:
    rows = aggregate_people_scores(votes)
    base_prompts, tuned_prompts = (set(rows[rows["arm"] == arm]["prompt_id"]) for arm in (BASE, TUNED))
    if not base_prompts & tuned_prompts:
        return None
    rows["sample"] = rows.groupby(["arm", "prompt_id"]).cumcount()
    return compare(rows, resamples=resamples, seed=seed)[PEOPLE]


def measure_people_agreement(
    pairs: pd.DataFrame, clips: pd.DataFrame, *, resamples: int = 2000, seed: int = 0
) -> dict[str, dict[str, Any]]:
    """How far people agree with each other beyond chance, on items with at least two votes.

    Args:
        pairs: of `tabulate_pair_votes`.
        clips: of `tabulate_clip_votes`.
        resamples: of the bootstrap over prompts.
        seed: of the bootstrap.

    Returns:
        - `pairs`: the number of `items`; `krippendorff_alpha` (nominal: first, second or tie); and `fleiss_kappa`,
          which needs the same number of raters for each item: it covers the `items` that have the most common number of
          `raters`, and `left_out` counts the others.
        - `clips`: the number of `items`, and `krippendorff_alpha` of the scores (ordinal).
    """
    return {
        "pairs": _krippendorff(pairs, "outcome", "nominal", resamples, seed)
        | {"fleiss_kappa": _fleiss(pairs, resamples, seed)},
        "clips": _krippendorff(clips, "score", "ordinal", resamples, seed),
    }


def _krippendorff(votes: pd.DataFrame, value: str, metric: Any, resamples: int, seed: int) -> dict[str, Any]:
    ratings, prompts = build_rating_matrix(votes, value)
    shared = np.isfinite(ratings).sum(0) > 1
    measure = partial(krippendorff_alpha, ratings[:, shared], metric)
    return {
        "items": int(shared.sum()),
        "krippendorff_alpha": PromptBootstrap(prompts, resamples, seed).figure(measure, shared),
    }


def _fleiss(votes: pd.DataFrame, resamples: int, seed: int) -> dict[str, Any]:
    ratings, prompts = build_rating_matrix(votes, "outcome")
    counts = (ratings[..., None] == list(OUTCOMES.values())).sum(0)  # (items, outcomes)
    raters = counts.sum(1)
    several = raters[raters > 1]
    # Of two numbers of raters that are equally common, the larger one.
    common = int(max(np.unique(several), key=lambda number: ((several == number).sum(), number), default=0))
    equal = (raters == common) & (raters > 1)
    figure = PromptBootstrap(prompts, resamples, seed).figure(partial(fleiss_kappa, counts[equal]), equal)
    return figure | {"raters": common, "items": int(equal.sum()), "left_out": len(several) - int(equal.sum())}


def summarise_voters(votes: Sequence[Vote]) -> list[dict[str, Any]]:
    """One row per voter, those with the most votes first.

    `votes` counts the votes of `voter` without the `skipped` ones, `seconds` is their median time. Of votes on pairs,
    `ties` is the share of ties and `left` the share of the others in which the motion on the left is chosen, 0.5
    without a bias. Agreement with other voters on the same items: `agrees` is the share of their votes on pairs that
    choose the same, `kappa` the weighted kappa of clip scores with the mean of the others. None where it is undefined.
    """
    latest = keep_latest_votes(votes)
    pairs, clips = tabulate_pair_votes(latest), tabulate_clip_votes(latest)
    rows = []
    for voter in dict.fromkeys(vote.voter for vote in latest):
        own = pairs[pairs["voter"] == voter]
        seconds = [*own["seconds"], *clips[clips["voter"] == voter]["seconds"]]
        rows.append(
            {
                "voter": voter,
                "votes": len(seconds),
                "skipped": sum(vote.is_skip for vote in latest if vote.voter == voter),
                "seconds": round(float(np.median(seconds)), 2) if seconds else None,
                "ties": _mean_or_none(own["outcome"] == OUTCOMES["ties"]),
                "left": _mean_or_none(own["left"].dropna()),
                "agrees": _mean_or_none(_compare_with_other_voters(pairs, voter)),
                "kappa": _kappa_with_others(clips, voter),
            }
        )
    return sorted(rows, key=lambda row: (-row["votes"], row["voter"]))


def _compare_with_other_voters(pairs: pd.DataFrame, voter: str) -> pd.Series:
    own, others = pairs[pairs["voter"] == voter], pairs[pairs["voter"] != voter]
    both = own.merge(others, on="item_id", suffixes=("", "_other"))
    return both["outcome"] == both["outcome_other"]


def _kappa_with_others(clips: pd.DataFrame, voter: str) -> float | None:
    own, others = clips[clips["voter"] == voter], clips[clips["voter"] != voter]
    both = own.merge(others.groupby("item_id")["score"].mean().reset_index(), on="item_id", suffixes=("", "_other"))
    return _round_or_none(weighted_kappa(both["score"], both["score_other"]))


def _mean_or_none(values: pd.Series) -> float | None:
    return _round_or_none(share(values.to_numpy(float)))


def _round_or_none(value: Any) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None


def _write_verdict(summary: Mapping[str, Any]) -> list[str]:
    votes = summary["votes"]
    number = votes["pairs"] + votes["clips"]
    if not number:
        return ["There is no vote yet that decides anything."]
    sentences = [_describe_win_rate(row) for row in summary["win_rates"][:1]]
    if summary["scores"]:
        sentences.append(_describe_gain(summary["scores"]["overall"]))
    for kind, words in (("pairs", "which motion is better"), ("clips", "the score of a motion")):
        alpha = summary["among_people"][kind]["krippendorff_alpha"]["value"]
        if alpha is not None:
            sentences.append(f"On {words} people agree with Krippendorff's alpha {alpha:.2f}.")
    for name, judge in summary["judges"].items():
        accuracy = judge["pairs"]["pair_accuracy"]["value"]
        if accuracy is not None:
            sentences.append(f"The {name} judge orders {accuracy:.0%} of {judge['pairs']['n']} pairs as people do.")
    people = f"{votes['voters']} {'person' if votes['voters'] == 1 else 'people'}"
    return sentences or [f"{_pluralise(number, 'vote')} by {people}, which compare no two models yet."]


def _describe_win_rate(row: Mapping[str, Any]) -> str:
    overall, rate = row["overall"], row["overall"]["win_rate"]
    interval = "" if rate["interval"] is None else "; 95 % interval {:.0%} to {:.0%}".format(*rate["interval"])
    meaning = {
        "better": f"people find {row['arm']} better",
        "worse": f"people find {row['against']} better",
        "within noise": "the difference is within noise",
        "too few prompts": f"fewer than {MIN_PROMPTS} prompts can't tell that from chance",
    }[overall["verdict"]]
    return (
        f"{row['arm'].capitalize()} wins against {row['against']} in {rate['value']:.0%} of the votes (ties as half"
        f"{interval}; {_pluralise(overall['votes'], 'vote')} on {_pluralise(overall['prompts'], 'prompt')}): {meaning}."
    )


def _pluralise(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _describe_gain(overall: Mapping[str, Any]) -> str:
    low, high = overall["gain_low"], overall["gain_high"]
    interval = "" if low is None else f"95 % interval {low:+.2f} to {high:+.2f}, "
    return (
        f"By the scores of people, tuning moved the mean from {overall['base']:.2f} to {overall['tuned']:.2f} "
        f"({overall['gain']:+.2f}, {interval}{overall['n']} prompts): {overall['verdict']}."
    )
