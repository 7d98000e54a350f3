"""Votes as tables: the outcome of each pair, the score of each clip, and their means over voters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from atom.evaluation.comparison import BASE, TUNED
from atom.judging.votes import aggregate_votes
from atom.review.votes import Vote

PEOPLE = "people"  # the name under which voters appear among the judges
BEST_SCORE = 5

# The arm with the lower rank comes first in a row, so that an outcome of 1 means that it won.
_ARM_RANKS = {TUNED: 0, "chosen": 0, BASE: 2, "rejected": 2}
_OTHER_ARM_RANK = 1

_PAIR_COLUMNS = (
    "voter",
    "item_id",
    "prompt_id",
    "task",
    "arm",
    "against",
    "motion_id",
    "other_id",
    "outcome",
    "left",
    "seconds",
    "note",
)
_CLIP_COLUMNS = ("voter", "item_id", "prompt_id", "task", "arm", "motion_id", "score", "seconds", "note")


def keep_latest_votes(votes: Iterable[Vote]) -> list[Vote]:
    """The last vote of each voter on each item."""
    return list({(vote.voter, vote.item_id): vote for vote in votes}.values())


def tabulate_pair_votes(votes: Iterable[Vote]) -> pd.DataFrame:
    """One row per vote on a pair, without skips.

    The columns are `voter, item_id, prompt_id, task, seconds, note`; `arm` and `against`, the arms of the two motions,
    tuned or chosen first and base or rejected last; `motion_id` and `other_id`, the motions in the same order;
    `outcome`, 1 if the first motion is better, 0.5 for a tie, 0 if the second is better; and `left`, whether the motion
    on the left is better, None for a tie.
    """
    rows = [_pair_row(vote) for vote in keep_latest_votes(votes) if len(vote.motion_ids) == 2 and not vote.is_skip]
    return pd.DataFrame(rows, columns=list(_PAIR_COLUMNS))


def tabulate_clip_votes(votes: Iterable[Vote]) -> pd.DataFrame:
    """One row per vote on one motion, without skips: `voter, item_id, prompt_id, task, arm, motion_id, score` (1 to 5),
    `seconds, note`."""
    rows = [_clip_row(vote) for vote in keep_latest_votes(votes) if len(vote.motion_ids) == 1 and not vote.is_skip]
    return pd.DataFrame(rows, columns=list(_CLIP_COLUMNS))


def aggregate_people_scores(votes: Iterable[Vote]) -> pd.DataFrame:
    """One row per motion that people scored, in the layout of a judge's scores: `motion_id, prompt_id, task, arm`,
    `judge` (people), `score`, the mean over the voters, `exact`, whether more than half of them gave 5, `voters`, their
    number, and `seconds`, the median per vote."""
    rows = tabulate_clip_votes(votes)
    rows["best"] = rows["score"] == BEST_SCORE
    motions = rows.groupby("motion_id", sort=False).agg(
        prompt_id=("prompt_id", "first"),
        task=("task", "first"),
        arm=("arm", "first"),
        score=("score", "mean"),
        exact=("best", "mean"),
        voters=("score", "size"),
        seconds=("seconds", "median"),
    )
    return motions.reset_index().assign(judge=PEOPLE, exact=lambda table: table["exact"].astype(float) > 0.5)


def aggregate_pair_votes(votes: Iterable[Vote]) -> pd.DataFrame:
    """One row per pair of motions that people compared: `motion_id, other_id, prompt_id, task, arm, against` as in
    `tabulate_pair_votes`; `outcome`, the mean over all votes on the pair, so 0.5 is undecided; and `votes`, their
    number."""
    pairs = (
        tabulate_pair_votes(votes)
        .groupby(["motion_id", "other_id"], sort=False)
        .agg(
            prompt_id=("prompt_id", "first"),
            task=("task", "first"),
            arm=("arm", "first"),
            against=("against", "first"),
            outcome=("outcome", "mean"),
            votes=("outcome", "size"),
        )
    )
    return pairs.reset_index()


def aggregate_judge_scores(score_rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """One row per motion and judge from rows of scores tables: `motion_id, prompt_id, task, judge, score, exact`, nan
    and None where the judge gave no score, and `cost` (US dollars, nan where unknown) and `seconds`, both summed over
    the judge's votes."""
    columns = ["motion_id", "prompt_id", "task", "judge", "score", "exact"]
    table = pd.DataFrame(
        [[row[name] for name in columns] for row in aggregate_votes(score_rows).values()], columns=columns
    )
    spent: dict[tuple[str, str], np.ndarray] = defaultdict(lambda: np.zeros(2))
    for row in score_rows:
        cost = np.nan if row["cost"] is None else row["cost"]
        spent[row["motion_id"], row["judge"]] += cost, row["latency"]
    # The shape is given for the case of no rows, where the array would have one dimension.
    totals = np.array([spent[key] for key in zip(table["motion_id"], table["judge"])]).reshape(-1, 2)
    return table.astype({"score": float}).assign(cost=totals[:, 0], seconds=totals[:, 1])


def build_rating_matrix(rows: pd.DataFrame, value: str) -> tuple[np.ndarray, list[str]]:
    """The votes as a matrix of raters and units, as agreement measures take them.

    Args:
        rows: of `tabulate_pair_votes` or `tabulate_clip_votes`.
        value: the column that holds the rating.

    Returns:
        The ratings (voters, items), nan where a voter did not vote, and the prompt_id of each item.
    """
    table = rows.pivot(index="voter", columns="item_id", values=value)
    prompts = rows.drop_duplicates("item_id").set_index("item_id")["prompt_id"]
    return table.to_numpy(float), list(prompts.reindex(table.columns))


def _pair_row(vote: Vote) -> tuple[Any, ...]:
    first, second = sorted((0, 1), key=lambda side: _rank_side(vote.arms[side], vote.motion_ids[side]))
    better = {"first": 0, "second": 1}.get(vote.choice or "")
    outcome = 0.5 if better is None else float(better == first)
    left = None if better is None else (better == 1) == vote.swapped
    return (
        vote.voter,
        vote.item_id,
        vote.prompt_id,
        vote.task,
        vote.arms[first],
        vote.arms[second],
        vote.motion_ids[first],
        vote.motion_ids[second],
        outcome,
        left,
        vote.seconds,
        vote.note,
    )


def _rank_side(arm: str, motion_id: str) -> Sequence[Any]:
    return _ARM_RANKS.get(arm, _OTHER_ARM_RANK), arm, motion_id


def _clip_row(vote: Vote) -> tuple[Any, ...]:
    return (
        vote.voter,
        vote.item_id,
        vote.prompt_id,
        vote.task,
        vote.arms[0],
        vote.motion_ids[0],
        vote.score,
        vote.seconds,
        vote.note,
    )
