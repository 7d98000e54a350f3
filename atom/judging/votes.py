"""Several votes on one motion become one score."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from statistics import fmean
from typing import Any

SECOND_JUDGE = "second vision"  # the judge that only has a say where it disagrees with the first


def aggregate_votes(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    """The rows of a scores table by motion and judge: the mean score of the votes that gave one, exact by more than
    half of them, and the other columns of the first such vote; score and exact are None where there is none."""
    votes: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        votes[row["motion_id"], row["judge"]].append(row)
    return {place: _settled(cast) for place, cast in votes.items()}


def _settled(cast: list[Mapping[str, Any]]) -> dict[str, Any]:
    valid = [row for row in cast if row["score"] is not None]
    if not valid:
        return {**cast[0], "score": None, "exact": None}
    exact = sum(bool(row["exact"]) for row in valid)
    return {**valid[0], "score": fmean(row["score"] for row in valid), "exact": 2 * exact > len(valid)}
