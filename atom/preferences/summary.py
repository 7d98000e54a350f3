"""Summary statistics of a set of pairs, for people and for the record of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from atom.events import TASKS

UNSPECIFIED = "not told"  # stands for a missing task; part of the records of runs


def summarise_pairs(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Summary statistics of rows of the preferences table, JSON-able.

    `pairs` and `prompts` are counts. `tasks` has a dict for each task, the pairs without a task last: task, prompts,
    pairs, mean chosen_score and rejected_score, and longer_by, the mean number of tokens by which the chosen motion is
    longer. A mean is null where no row has the value.
    """
    tasks = [task for task in TASKS if any(row["task"] == task for row in rows)]
    entries = [_summarise_task(task, [row for row in rows if row["task"] == task]) for task in tasks]
    if rest := [row for row in rows if row["task"] not in TASKS]:
        entries.append(_summarise_task(UNSPECIFIED, rest))
    return {"pairs": len(rows), "prompts": len({row["prompt_id"] for row in rows}), "tasks": entries}


def _summarise_task(task: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    with_tokens = [row for row in rows if row["chosen_tokens"] and row["rejected_tokens"]]
    return {
        "task": task,
        "prompts": len({row["prompt_id"] for row in rows}),
        "pairs": len(rows),
        "chosen_score": _mean(row["chosen_score"] for row in rows),
        "rejected_score": _mean(row["rejected_score"] for row in rows),
        "longer_by": _mean(len(row["chosen_tokens"]) - len(row["rejected_tokens"]) for row in with_tokens),
    }


def _mean(values: Iterable[float | None]) -> float | None:
    present = [float(value) for value in values if value is not None]
    return fmean(present) if present else None
