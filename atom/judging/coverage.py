"""What each judge scored: motions with a score, those that it can't judge, and those without an answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from atom.judging.judgement import NOT_JUDGED
from atom.judging.votes import aggregate_votes

COVERAGE_COLUMNS = ("motion_id", "judge", "score", "exact", "model", "error")  # that `count_coverage` reads
AUTO = "auto"  # the judge that sends to the vision judge only what the kinematic one can't see


@dataclass
class JudgeCoverage:
    """How many motions a judge scored and why the others have no score; part of the layout of `report.json`.

    Attributes:
        judge: whose scores these are.
        motions: all that it was given.
        scored: those with a score.
        not_judged: those whose prompt has an action that the judge can't see.
        failed: those without a score for another reason, such as no answer of a language model.
        by_vision: of the judge "auto", those that went to a vision-language model; None for every other judge.
    """

    judge: str
    motions: int = 0
    scored: int = 0
    not_judged: int = 0
    failed: int = 0
    by_vision: int | None = None


def is_not_judged(row: Mapping[str, Any]) -> bool:
    """Whether a row of a scores table has no score because its judge can't see an action of the prompt."""
    return row["score"] is None and (row["error"] or "").startswith(NOT_JUDGED)


def count_coverage(shards: Iterable[Iterable[Mapping[str, Any]]]) -> list[JudgeCoverage]:
    """Counts what each judge scored.

    Args:
        shards: rows of scores tables, a shard at a time, with `motion_id, judge, score, exact, model, error`. All votes
            of a judge on a motion are in one shard.

    Returns:
        One entry for each judge, in the order of the rows.
    """
    found: dict[str, JudgeCoverage] = {}
    for rows in shards:
        for (_, judge), row in aggregate_votes(rows).items():
            entry = found.setdefault(judge, JudgeCoverage(judge, by_vision=0 if judge == AUTO else None))
            entry.motions += 1
            if row["score"] is not None:
                entry.scored += 1
            elif is_not_judged(row):
                entry.not_judged += 1
            else:
                entry.failed += 1
            if entry.by_vision is not None and row["model"] is not None:
                entry.by_vision += 1
    return list(found.values())


def sum_coverage(entries: Iterable[JudgeCoverage]) -> list[JudgeCoverage]:
    """Adds up the numbers of each judge; one entry for each, in the order of the entries."""
    total: dict[str, JudgeCoverage] = {}
    for entry in entries:
        other = total.get(entry.judge)
        if other is None:
            total[entry.judge] = replace(entry)
            continue
        other.motions += entry.motions
        other.scored += entry.scored
        other.not_judged += entry.not_judged
        other.failed += entry.failed
        if other.by_vision is not None:
            other.by_vision += entry.by_vision or 0
    return list(total.values())
