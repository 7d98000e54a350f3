"""What a run made as tables to look at: its prompts, motions, scores and pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from atom.errors import AtomError
from atom.report.run_tables import RunTables

RowKind = Literal["prompts", "motions", "scores", "pairs"]

CANDIDATE = "candidate"  # the arm of motions that pairs are made of
SCORE_COLUMN = {
    "prompts": "tuned",
    "motions": "score",
    "scores": "score",
    "pairs": "margin",
}  # what least and most are of
SORTED = {"prompts": "gain", "motions": "score", "scores": "score", "pairs": "-margin"}


@dataclass(frozen=True)
class RowFilters:
    """Which rows are wanted; None: any. `prompt` is a part of the text in upper or lower case, `least` and `most` are
    limits of the score (`SCORE_COLUMN`)."""

    task: str | None = None
    split: str | None = None
    arm: str | None = None
    judge: str | None = None
    prompt: str | None = None
    least: float | None = None
    most: float | None = None


def query_run(tables: RunTables, what: RowKind, wanted: RowFilters, sort: str | None = None) -> pd.DataFrame:
    """The rows of one kind that are wanted, sorted by a column, `-column` from the highest; missing values come last.

    - prompts: `prompt_id, task, split, prompt`, the mean score of its `base` and `tuned` motions, `gain`, the share of
      them that match exactly, `base_exact` and `tuned_exact`, and the mean score of its `candidates`.
    - motions: `motion_id, prompt_id, task, split, arm` (base, tuned, candidate or a baseline), `sample, seed, frames,
      score, exact, prompt`.
    - scores: `motion_id, prompt_id, task, split, arm, judge, score, exact, seen` (action and count in order),
      `rationale, cost, prompt`.
    - pairs: `prompt_id, task, split, chosen_score, rejected_score, margin, degree, decided_by, chosen_motion_id,
      rejected_motion_id, prompt`.

    Prompts and motions have the scores of `wanted.judge`, by default the judge of the run's config.

    Raises AtomError where a filter or the column to sort by does not fit the kind, or names what the run does not have.
    """
    table = _MAKERS[what](tables, wanted)
    for column in ("task", "split", "arm", "judge"):
        value = getattr(wanted, column)
        if value is None or (column == "judge" and what in ("prompts", "motions")):
            continue
        if column not in table:
            raise AtomError(f"{what} have no {column}: leave --{column} out, or show other rows with --what")
        if len(table) and value not in set(table[column]):
            known = ", ".join(sorted(map(str, table[column].dropna().unique())))
            raise AtomError(f"no {what} with {column} {value!r} in run {tables.run_id}; it has {known}")
        table = table[table[column] == value]
    if wanted.prompt is not None:
        table = table[table["prompt"].str.contains(wanted.prompt, case=False, regex=False)]
    if wanted.least is not None:
        table = table[table[SCORE_COLUMN[what]] >= wanted.least]
    if wanted.most is not None:
        table = table[table[SCORE_COLUMN[what]] <= wanted.most]
    return _sorted(table, sort or SORTED[what])


def _sorted(table: pd.DataFrame, sort: str) -> pd.DataFrame:
    column = sort.removeprefix("-")
    if column not in table:
        raise AtomError(f"can't sort by {column!r}; choose {', '.join(table.columns)}")
    table = table.sort_values(column, ascending=not sort.startswith("-"), kind="stable").reset_index(drop=True)
    return table.round({name: 4 for name in table.select_dtypes("float") if name != "cost"})


def _prompts(tables: RunTables, wanted: RowFilters) -> pd.DataFrame:
    motions = _motions(tables, wanted)
    means = {
        arm: motions[motions["arm"] == arm].astype({"exact": "Float64"}).groupby("prompt_id")[["score", "exact"]].mean()
        for arm in ("base", "tuned", CANDIDATE)
    }
    rows = pd.DataFrame(
        [
            {"prompt_id": prompt_id, "task": prompt["task"], "split": prompt["split"], "prompt": prompt["text"]}
            for prompt_id, prompt in tables.prompts.items()
        ],
        columns=["prompt_id", "task", "split", "prompt"],
    )

    def of(arm: str, column: str) -> np.ndarray:
        return means[arm][column].reindex(rows["prompt_id"]).to_numpy(float, na_value=float("nan"))

    rows = rows.assign(base=of("base", "score"), tuned=of("tuned", "score"))
    return rows.assign(
        gain=rows["tuned"] - rows["base"],
        base_exact=of("base", "exact"),
        tuned_exact=of("tuned", "exact"),
        candidates=of(CANDIDATE, "score"),
    )


def _motions(tables: RunTables, wanted: RowFilters) -> pd.DataFrame:
    motions = tables.motions.reset_index().assign(arm=lambda rows: rows["stage"].map(_arm))
    judge = wanted.judge or tables.record["config"]["judging"]["judge"]
    judges = {name for _, name in tables.scores}
    if judges and judge not in judges:
        raise AtomError(f"no judge {judge!r} scored motions of run {tables.run_id}; it has {', '.join(sorted(judges))}")
    given = [tables.scores.get((motion_id, judge), _NOT_SCORED) for motion_id in motions["motion_id"]]
    motions = motions.assign(
        score=pd.Series([row["score"] for row in given], dtype=float),
        exact=pd.Series([row["exact"] for row in given], dtype="boolean"),
    )
    columns = ["motion_id", "prompt_id", "task", "split", "arm", "sample", "seed", "frames", "score", "exact", "prompt"]
    return _with_prompts(motions, tables)[columns]


def _scores(tables: RunTables, wanted: RowFilters) -> pd.DataFrame:
    columns = [
        "motion_id",
        "prompt_id",
        "task",
        "split",
        "arm",
        "judge",
        "score",
        "exact",
        "seen",
        "rationale",
        "cost",
        "prompt",
    ]
    arms = tables.motions["stage"].map(_arm).to_dict()
    rows = [
        {name: row[name] for name in ("motion_id", "prompt_id", "judge", "score", "exact", "rationale", "cost")}
        | {"arm": arms.get(row["motion_id"]), "seen": ", ".join(_seen(event) for event in row["events"])}
        for row in tables.scores.values()
    ]
    table = _with_prompts(pd.DataFrame(rows, columns=[name for name in columns if name not in _OF_PROMPT]), tables)
    return table[columns].astype({"score": float, "exact": "boolean", "cost": float})


def _pairs(tables: RunTables, wanted: RowFilters) -> pd.DataFrame:
    columns = [
        "prompt_id",
        "task",
        "split",
        "chosen_score",
        "rejected_score",
        "margin",
        "degree",
        "decided_by",
        "chosen_motion_id",
        "rejected_motion_id",
        "prompt",
    ]
    rows = pd.DataFrame([{name: row[name] for name in columns} for row in tables.preferences], columns=columns)
    return rows.astype({"chosen_score": float, "rejected_score": float, "margin": float})


_MAKERS = {"prompts": _prompts, "motions": _motions, "scores": _scores, "pairs": _pairs}
_NOT_SCORED: Mapping[str, Any] = {"score": None, "exact": None}
_OF_PROMPT = ("task", "split", "prompt")


def _with_prompts(rows: pd.DataFrame, tables: RunTables) -> pd.DataFrame:
    """With the task, the split and the text of each row's prompt; empty where the run has it no more."""
    found = [tables.prompts.get(prompt_id, {}) for prompt_id in rows["prompt_id"]]
    named = {"task": "task", "split": "split", "prompt": "text"}
    return rows.assign(**{column: [prompt.get(name, "") for prompt in found] for column, name in named.items()})


def _arm(stage: str) -> str:
    """Of the name of a stage that made motions."""
    return stage.removeprefix("test motions ") if stage.startswith("test motions ") else CANDIDATE


def _seen(event: Mapping[str, Any]) -> str:
    return event["action"] + (f" x{event['count']}" if event["count"] != 1 else "")
