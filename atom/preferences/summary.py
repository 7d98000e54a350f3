"""What a set of pairs looks like, for people and for the record of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from atom.events import TASKS


def summarise_pairs(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Figures of rows of the preferences table, JSON-able.

    `pairs` and `prompts` count all; `tasks` has a dict a task, those without one last as "not told": task, prompts,
    pairs, mean chosen_score and rejected_score, and longer_by, the tokens by which the chosen motion is longer on
    average; each of these null where no row tells it.
    """
    tasks = [task for task in TASKS if any(row["task"] == task for row in rows)]
    entries = [_entry(task, [row for row in rows if row["task"] == task]) for task in tasks]
    if untold := [row for row in rows if row["task"] not in TASKS]:
        entries.append(_entry("not told", untold))
    return {"pairs": len(rows), "prompts": len({row["prompt_id"] for row in rows}), "tasks": entries}


def _entry(task: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
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
    known = [float(value) for value in values if value is not None]
    return fmean(known) if known else None
