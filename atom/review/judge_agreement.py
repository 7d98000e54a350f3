"""The agreement of people with judges, and the motions on which they disagree."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from atom.evaluation.agreement import pair_accuracy, share, spearman, weighted_kappa
from atom.evaluation.resampling import PromptBootstrap
from atom.review.tally import aggregate_pair_votes, aggregate_people_scores
from atom.review.votes import Vote

MIN_DISAGREEMENT = 1.0  # points between a judge's score and the mean of people


def compare_with_judges(
    votes: Sequence[Vote], judged: pd.DataFrame, *, resamples: int = 2000, seed: int = 0
) -> dict[str, dict[str, Any]]:
    """Measures how far each judge agrees with people.

    Args:
        votes: the votes of people.
        judged: the scores of judges, one row per motion and judge: `motion_id, judge, score`.
        resamples: of the bootstrap over prompts.
        seed: of the bootstrap.

    Returns:
        For each judge that scored a motion that people voted on:

        - `clips`, over the `n` motions of `prompts` prompts that both scored: `weighted_kappa`, `spearman`,
          `pair_accuracy` (over pairs of motions of one prompt to which people gave different scores) and `mean_error`,
          judge minus people in points;
        - `pairs`, over the `n` pairs of `prompts` prompts on which people are not evenly split and whose motions the
          judge scored: `pair_accuracy`, the share that the judge orders as most people do, its ties as half; `split`
          counts the pairs that are left out because people are evenly split.

        Figures are `{value, interval}`, see `vote_results.Figure`.
    """
    people, pairs = aggregate_people_scores(votes), aggregate_pair_votes(votes)
    by_judge = {}
    for name, rows in judged.groupby("judge", sort=False):
        scores = rows.dropna(subset=["score"]).set_index("motion_id")["score"]
        on_clips = _compare_scores(people, scores, resamples, seed)
        on_pairs = _compare_choices(pairs, scores, resamples, seed)
        if on_clips["n"] or on_pairs["n"] or on_pairs["split"]:
            by_judge[str(name)] = {"clips": on_clips, "pairs": on_pairs}
    return by_judge


def find_disagreements(votes: Sequence[Vote], judged: pd.DataFrame) -> list[dict[str, Any]]:
    """Lists where a judge and people disagree.

    Args:
        votes: the votes of people.
        judged: the scores of judges, one row per motion and judge: `motion_id, judge, score`.

    Returns:
        One row per disagreement, the largest first. Of `kind` "pair": most people prefer the first of `motion_ids`, but
        the judge gives the second a higher score; `people` is the share of votes for the first, ties as half. Of `kind`
        "clip": the mean score of `people` and the judge's score differ by a point or more. Each row also has `judge`,
        its `scores` of the motions, `arms`, `prompt_id`, `task` and the number of `votes`.
    """
    people, pairs = aggregate_people_scores(votes), aggregate_pair_votes(votes)
    rows = []
    for name, judge_rows in judged.groupby("judge", sort=False):
        scores = judge_rows.dropna(subset=["score"]).set_index("motion_id")["score"]
        for pair in _add_score_gap(pairs, scores).itertuples():
            if pair.lead * pair.gap < 0:
                order = -1 if pair.lead < 0 else 1  # the motion that people prefer comes first
                ids = [pair.motion_id, pair.other_id][::order]
                rows.append(
                    {
                        "judge": name,
                        "kind": "pair",
                        "motion_ids": ids,
                        "arms": [pair.arm, pair.against][::order],
                        "people": 0.5 + abs(pair.lead),
                        "scores": [float(scores[motion_id]) for motion_id in ids],
                        "prompt_id": pair.prompt_id,
                        "task": pair.task,
                        "votes": pair.votes,
                        "apart": abs(pair.lead) * 2 * abs(pair.gap),
                    }
                )
        for clip in people[people["motion_id"].isin(scores.index)].itertuples():
            score = float(scores[clip.motion_id])
            if abs(score - clip.score) >= MIN_DISAGREEMENT:
                rows.append(
                    {
                        "judge": name,
                        "kind": "clip",
                        "motion_ids": [clip.motion_id],
                        "arms": [clip.arm],
                        "people": float(clip.score),
                        "scores": [score],
                        "prompt_id": clip.prompt_id,
                        "task": clip.task,
                        "votes": clip.voters,
                        "apart": abs(score - clip.score),
                    }
                )
    rows.sort(key=lambda row: (-row["apart"], row["judge"], row["motion_ids"]))
    return [{name: value for name, value in row.items() if name != "apart"} for row in rows]


def _compare_scores(people_scores: pd.DataFrame, scores: pd.Series, resamples: int, seed: int) -> dict[str, Any]:
    both = people_scores[people_scores["motion_id"].isin(scores.index)]
    people, judge = both["score"].to_numpy(float), scores.reindex(both["motion_id"]).to_numpy(float)
    bootstrap = PromptBootstrap(both["prompt_id"], resamples, seed)
    measures = {
        "weighted_kappa": partial(weighted_kappa, people, judge),
        "spearman": partial(spearman, people, judge),
        "pair_accuracy": partial(pair_accuracy, people, judge, both["prompt_id"]),
        "mean_error": partial(share, judge - people),
    }
    return {
        "n": len(both),
        "prompts": bootstrap.prompts,
        **{name: bootstrap.figure(measure) for name, measure in measures.items()},
    }


def _compare_choices(pairs: pd.DataFrame, scores: pd.Series, resamples: int, seed: int) -> dict[str, Any]:
    scored = _add_score_gap(pairs, scores)
    decided = scored[scored["lead"] != 0]
    credit = (1 + np.sign(decided["lead"] * decided["gap"]).to_numpy(float)) / 2  # 1 agrees, 0.5 judge's tie, 0 not
    bootstrap = PromptBootstrap(decided["prompt_id"], resamples, seed)
    return {
        "n": len(decided),
        "prompts": bootstrap.prompts,
        "split": len(scored) - len(decided),
        "pair_accuracy": bootstrap.figure(partial(share, credit)),
    }


def _add_score_gap(pairs: pd.DataFrame, scores: pd.Series) -> pd.DataFrame:
    """The pairs whose motions both have a score, with the columns `lead`, people's share for the first motion minus one
    half, and `gap`, the judge's score of the first minus that of the second."""
    scored = pairs[pairs["motion_id"].isin(scores.index) & pairs["other_id"].isin(scores.index)]
    first, second = (scores.reindex(scored[column]).to_numpy(float) for column in ("motion_id", "other_id"))
    return scored.assign(lead=scored["outcome"].astype(float) - 0.5, gap=first - second)
