"""Votes as tables: which side of a pair was found better, what score a clip got, and what people say of a motion."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from atom.evaluation.comparison import BASE, TUNED
from atom.judging.votes import aggregate_votes
from atom.review.votes import Vote

PEOPLE = "people"  # their name among judges
BEST = 5

_STANDING = {TUNED: 0, "chosen": 0, BASE: 2, "rejected": 2}  # which arm of a pair is spoken of: the first that is here

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


def counted(votes: Iterable[Vote]) -> list[Vote]:
    """The votes that count: of several by one voter on one item, the last."""
    return list({(vote.voter, vote.item_id): vote for vote in votes}.values())


def skipped(vote: Vote) -> bool:
    return vote.score is None and vote.choice in (None, "skip")


def pair_votes(votes: Iterable[Vote]) -> pd.DataFrame:
    """A row a vote on a pair, without those skipped: `voter, item_id, prompt_id, task, seconds, note`; `arm` and
    `against`, who made the two motions, tuned and chosen before others, base and rejected after them; `motion_id` and
    `other_id`, the motions in the same order; `outcome`, 1 where the first of these was found better, 0.5 for a tie, 0;
    and `left`, whether what stood on the left was found better, None for a tie."""
    rows = [_pair_row(vote) for vote in counted(votes) if len(vote.motion_ids) == 2 and not skipped(vote)]
    return pd.DataFrame(rows, columns=list(_PAIR_COLUMNS))


def clip_votes(votes: Iterable[Vote]) -> pd.DataFrame:
    """A row a vote on one motion, without those skipped: `voter, item_id, prompt_id, task, arm, motion_id, score` (1 to
    5), `seconds, note`."""
    rows = [_clip_row(vote) for vote in counted(votes) if len(vote.motion_ids) == 1 and not skipped(vote)]
    return pd.DataFrame(rows, columns=list(_CLIP_COLUMNS))


def aggregate_people_scores(votes: Iterable[Vote]) -> pd.DataFrame:
    """What people say of each motion that they scored, as rows that stand beside those of a judge: `motion_id,
    prompt_id, task, arm, judge` (people), `score`, the mean of the voters, `exact`, whether more than half of them gave
    it 5, `voters`, how many, and `seconds`, the median that one of them took."""
    cast = clip_votes(votes)
    cast["best"] = cast["score"] == BEST
    found = cast.groupby("motion_id", sort=False).agg(
        prompt_id=("prompt_id", "first"),
        task=("task", "first"),
        arm=("arm", "first"),
        score=("score", "mean"),
        exact=("best", "mean"),
        voters=("score", "size"),
        seconds=("seconds", "median"),
    )
    return found.reset_index().assign(judge=PEOPLE, exact=lambda rows: rows["exact"].astype(float) > 0.5)


def aggregate_pair_votes(votes: Iterable[Vote]) -> pd.DataFrame:
    """A row a pair of motions that people compared, in the order and with the columns of `pair_votes`: `motion_id,
    other_id, prompt_id, task, arm, against`; `outcome`, the mean over the votes on it under whichever item, so 0.5 is
    undecided; and `votes`, how many."""
    cast = pair_votes(votes)
    found = cast.groupby(["motion_id", "other_id"], sort=False).agg(
        prompt_id=("prompt_id", "first"),
        task=("task", "first"),
        arm=("arm", "first"),
        against=("against", "first"),
        outcome=("outcome", "mean"),
        votes=("outcome", "size"),
    )
    return found.reset_index()


def aggregate_judge_scores(score_rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows of scores tables as one a motion and judge: `motion_id, prompt_id, task, judge, score, exact`, nan and None
    where the judge gave none, and the sums over its votes of `cost` (US dollars, nan where unknown) and `seconds`."""
    columns = ["motion_id", "prompt_id", "task", "judge", "score", "exact"]
    table = pd.DataFrame(
        [[row[name] for name in columns] for row in aggregate_votes(score_rows).values()], columns=columns
    )
    spent: dict[tuple[str, str], np.ndarray] = defaultdict(lambda: np.zeros(2))
    for row in score_rows:
        cost = np.nan if row["cost"] is None else row["cost"]
        spent[row["motion_id"], row["judge"]] += cost, row["latency"]
    took = np.array([spent[place] for place in zip(table["motion_id"], table["judge"])]).reshape(-1, 2)
    return table.astype({"score": float}).assign(cost=took[:, 0], seconds=took[:, 1])


def ratings(cast: pd.DataFrame, value: str) -> tuple[np.ndarray, list[str]]:
    """Votes as (voters, items), nan where a voter said nothing, and the prompt of each item."""
    table = cast.pivot(index="voter", columns="item_id", values=value)
    prompts = cast.drop_duplicates("item_id").set_index("item_id")["prompt_id"]
    return table.to_numpy(float), list(prompts.reindex(table.columns))


def _pair_row(vote: Vote) -> tuple[Any, ...]:
    first, second = sorted((0, 1), key=lambda place: _rank(vote.arms[place], vote.motion_ids[place]))
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


def _rank(arm: str, motion_id: str) -> Sequence[Any]:
    return _STANDING.get(arm, 1), arm, motion_id


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
