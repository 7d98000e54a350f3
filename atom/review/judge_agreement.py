"""People against judges: how far a judge says what people say, and where it does not."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from atom.evaluation.agreement import pair_accuracy, share, spearman, weighted_kappa
from atom.evaluation.resampling import PromptResamples
from atom.review.tally import aggregate_pair_votes, aggregate_people_scores
from atom.review.votes import Vote

FAR = 1.0  # points between a judge's score and people's mean that make a disagreement


def compare_with_judges(
    votes: Sequence[Vote], judged: pd.DataFrame, *, resamples: int = 2000, seed: int = 0
) -> dict[str, dict[str, Any]]:
    """For each judge of `judged` (`motion_id, judge, score`) that scored a motion people voted on:

    - `clips`, over the `n` motions of `prompts` prompts that both scored: `weighted_kappa`, `spearman`, `pair_accuracy`
      (of the pairs of motions of one prompt to which people gave different scores) and `mean_error`, judge minus people
      in points;
    - `pairs`, over the `n` pairs of `prompts` prompts on which people are not evenly split and whose motions the judge
      scored: `pair_accuracy`, the share that it orders as most people do, its ties as half; `split` counts the pairs
      left out because people are evenly split.

    Figures are `{value, interval}`, see `results`.
    """
    scores, decided = aggregate_people_scores(votes), aggregate_pair_votes(votes)
    found = {}
    for name, given in judged.groupby("judge", sort=False):
        said = given.dropna(subset=["score"]).set_index("motion_id")["score"]
        clips, pairs = _clips(scores, said, resamples, seed), _pairs(decided, said, resamples, seed)
        if clips["n"] or pairs["n"] or pairs["split"]:
            found[str(name)] = {"clips": clips, "pairs": pairs}
    return found


def disagreements(votes: Sequence[Vote], judged: pd.DataFrame) -> list[dict[str, Any]]:
    """Where a judge says otherwise than people, the furthest apart first.

    `kind` "pair": most people prefer the first of `motion_ids`, the judge's score of the second is higher; `people` is
    the share of the votes for the first, ties as half. `kind` "clip": people's mean score `people` and the judge's lie
    a point or more apart. Each has `judge`, its `scores` of the motions, `arms`, `prompt_id`, `task` and how many
    `votes`.
    """
    scores, decided = aggregate_people_scores(votes), aggregate_pair_votes(votes)
    rows = []
    for name, given in judged.groupby("judge", sort=False):
        said = given.dropna(subset=["score"]).set_index("motion_id")["score"]
        for pair in _with_gap(decided, said).itertuples():
            if pair.lead * pair.gap < 0:
                turn = -1 if pair.lead < 0 else 1
                ids = [pair.motion_id, pair.other_id][::turn]
                rows.append(
                    {
                        "judge": name,
                        "kind": "pair",
                        "motion_ids": ids,
                        "arms": [pair.arm, pair.against][::turn],
                        "people": 0.5 + abs(pair.lead),
                        "scores": [float(said[motion_id]) for motion_id in ids],
                        "prompt_id": pair.prompt_id,
                        "task": pair.task,
                        "votes": pair.votes,
                        "apart": abs(pair.lead) * 2 * abs(pair.gap),
                    }
                )
        for clip in scores[scores["motion_id"].isin(said.index)].itertuples():
            score = float(said[clip.motion_id])
            if abs(score - clip.score) >= FAR:
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


def _clips(scores: pd.DataFrame, said: pd.Series, resamples: int, seed: int) -> dict[str, Any]:
    both = scores[scores["motion_id"].isin(said.index)]
    people, judge = both["score"].to_numpy(float), said.reindex(both["motion_id"]).to_numpy(float)
    drawn = PromptResamples(both["prompt_id"], resamples, seed)
    measures = {
        "weighted_kappa": partial(weighted_kappa, people, judge),
        "spearman": partial(spearman, people, judge),
        "pair_accuracy": partial(pair_accuracy, people, judge, both["prompt_id"]),
        "mean_error": partial(share, judge - people),
    }
    return {
        "n": len(both),
        "prompts": drawn.prompts,
        **{name: drawn.figure(measure) for name, measure in measures.items()},
    }


def _pairs(decided: pd.DataFrame, said: pd.Series, resamples: int, seed: int) -> dict[str, Any]:
    scored = _with_gap(decided, said)
    clear = scored[scored["lead"] != 0]
    credit = (1 + np.sign(clear["lead"] * clear["gap"]).to_numpy(float)) / 2
    drawn = PromptResamples(clear["prompt_id"], resamples, seed)
    return {
        "n": len(clear),
        "prompts": drawn.prompts,
        "split": len(scored) - len(clear),
        "pair_accuracy": drawn.figure(partial(share, credit)),
    }


def _with_gap(decided: pd.DataFrame, said: pd.Series) -> pd.DataFrame:
    """The pairs whose motions both have a score: `lead`, people's share for the first over one half, and `gap`, the
    judge's score of the first minus that of the second."""
    scored = decided[decided["motion_id"].isin(said.index) & decided["other_id"].isin(said.index)]
    first, second = (said.reindex(scored[side]).to_numpy(float) for side in ("motion_id", "other_id"))
    return scored.assign(lead=scored["outcome"].astype(float) - 0.5, gap=first - second)
