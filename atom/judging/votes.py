"""Votes of a judge on one motion, aggregated to one score."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from statistics import fmean
from typing import Any

SECOND_JUDGE = "second vision"  # a judge whose scores only count where they disagree with the first


def aggregate_votes(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    """Aggregate the rows of a scores table, of which a judge may have several votes for a motion.

    The score is the mean over the votes with a score, `exact` the majority of them (None where the judge can't tell),
    and the other columns are those of the first such vote. Without any, `score` and `exact` are None. Returns the rows
    by (motion_id, judge).
    """
    votes: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        votes[row["motion_id"], row["judge"]].append(row)
    return {key: _aggregate(motion_votes) for key, motion_votes in votes.items()}


def _aggregate(motion_votes: list[Mapping[str, Any]]) -> dict[str, Any]:
    valid = [row for row in motion_votes if row["score"] is not None]
    if not valid:
        # The first row says why there is no score.
        return {**motion_votes[0], "score": None, "exact": None}
    exact = [row["exact"] for row in valid if row["exact"] is not None]
    return {
        **valid[0],
        "score": fmean(row["score"] for row in valid),
        # A majority, and no match in a tie.
        "exact": 2 * sum(exact) > len(exact) if exact else None,
    }
