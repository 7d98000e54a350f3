"""Queries on a run: its prompts, motions, scores and pairs as filtered and sorted tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from atom.errors import AtomError
from atom.report.row_filters import SCORE_COLUMN, RowFilters, RowKind
from atom.report.run_tables import RunTables

CANDIDATE = "candidate"  # the arm of the motions that pairs are built from
DEFAULT_SORT = {"prompts": "gain", "motions": "score", "scores": "score", "pairs": "-margin"}


def query_run(tables: RunTables, kind: RowKind, filters: RowFilters, sort: str | None = None) -> pd.DataFrame:
    """Queries the rows of one kind.

    Args:
        tables: the run.
        kind: the kind of rows.
        filters: which rows. Prompts and motions have the scores of `filters.judge`, by default the judge of the run's
            config.
        sort: the column to sort by, `-column` for descending order; by default `DEFAULT_SORT`. Missing values come
            last.

    Returns:
        - prompts: `prompt_id, task, split, prompt`, the mean score of its `base` and `tuned` motions, `gain`, the share
          of exact matches among them, `base_exact` and `tuned_exact`, and the mean score of its `candidates`.
        - motions: `motion_id, prompt_id, task, split, arm` (base, tuned, candidate or a baseline), `sample, seed,
          frames, score, exact, prompt`.
        - scores: `motion_id, prompt_id, task, split, arm, judge, score, exact, seen` (actions and counts in order),
          `rationale, error` (why there is no score), `cost, prompt`.
        - pairs: `prompt_id, task, split, chosen_score, rejected_score, margin, degree, decided_by, chosen_motion_id,
          rejected_motion_id, prompt`.

    Raises:
        AtomError: a filter or `sort` names a column that the kind does not have, or a value that the run does not have.
    """
    table = _TABLE_BUILDERS[kind](tables, filters)
    for column in ("task", "split", "arm", "judge"):
        value = getattr(filters, column)
        if value is None or (column == "judge" and kind in ("prompts", "motions")):
            continue
        if column not in table:
            raise AtomError(f"{kind} have no {column}: leave --{column} out, or show other rows with --what")
        if len(table) and value not in set(table[column]):
            known = ", ".join(sorted(map(str, table[column].dropna().unique())))
            raise AtomError(f"no {kind} with {column} {value!r} in run {tables.run_id}; it has {known}")
        table = table[table[column] == value]
    if filters.prompt is not None:
        table = table[table["prompt"].str.contains(filters.prompt, case=False, regex=False)]
    if filters.min_score is not None:
        table = table[table[SCORE_COLUMN[kind]] >= filters.min_score]
    if filters.max_score is not None:
        table = table[table[SCORE_COLUMN[kind]] <= filters.max_score]
    return _sort_rows(table, sort or DEFAULT_SORT[kind])


def _sort_rows(table: pd.DataFrame, sort: str) -> pd.DataFrame:
    column = sort.removeprefix("-")
    if column not in table:
        raise AtomError(f"can't sort by {column!r}; choose {', '.join(table.columns)}")
    table = table.sort_values(column, ascending=not sort.startswith("-"), kind="stable").reset_index(drop=True)
    return table.round({name: 4 for name in table.select_dtypes("float") if name != "cost"})


def _query_prompts(tables: RunTables, filters: RowFilters) -> pd.DataFrame:
    motions = _query_motions(tables, filters)
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

    def mean_of(arm: str, column: str) -> np.ndarray:
        return means[arm][column].reindex(rows["prompt_id"]).to_numpy(float, na_value=float("nan"))

    rows = rows.assign(base=mean_of("base", "score"), tuned=mean_of("tuned", "score"))
    return rows.assign(
        gain=rows["tuned"] - rows["base"],
        base_exact=mean_of("base", "exact"),
        tuned_exact=mean_of("tuned", "exact"),
        candidates=mean_of(CANDIDATE, "score"),
    )


def _query_motions(tables: RunTables, filters: RowFilters) -> pd.DataFrame:
    motions = tables.motions.reset_index().assign(arm=lambda rows: rows["stage"].map(_arm))
    judge = filters.judge or tables.record["config"]["judging"]["judge"]
    judges = {name for _, name in tables.scores}
    if judges and judge not in judges:
        raise AtomError(f"no judge {judge!r} scored motions of run {tables.run_id}; it has {', '.join(sorted(judges))}")
    scores = [tables.scores.get((motion_id, judge), _NO_SCORE) for motion_id in motions["motion_id"]]
    motions = motions.assign(
        score=pd.Series([row["score"] for row in scores], dtype=float),
        exact=pd.Series([row["exact"] for row in scores], dtype="boolean"),
    )
    columns = ["motion_id", "prompt_id", "task", "split", "arm", "sample", "seed", "frames", "score", "exact", "prompt"]
    return _add_prompts(motions, tables)[columns]


def _query_scores(tables: RunTables, filters: RowFilters) -> pd.DataFrame:
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
        "error",
        "cost",
        "prompt",
    ]
    arms = tables.motions["stage"].map(_arm).to_dict()
    rows = [
        {
            name: row[name]
            for name in ("motion_id", "prompt_id", "judge", "score", "exact", "rationale", "error", "cost")
        }
        | {"arm": arms.get(row["motion_id"]), "seen": ", ".join(_format_event(event) for event in row["events"])}
        for row in tables.scores.values()
    ]
    table = _add_prompts(pd.DataFrame(rows, columns=[name for name in columns if name not in _PROMPT_COLUMNS]), tables)
    return table[columns].astype({"score": float, "exact": "boolean", "cost": float})


def _query_pairs(tables: RunTables, filters: RowFilters) -> pd.DataFrame:
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


_TABLE_BUILDERS = {"prompts": _query_prompts, "motions": _query_motions, "scores": _query_scores, "pairs": _query_pairs}
_NO_SCORE: Mapping[str, Any] = {"score": None, "exact": None}
_PROMPT_COLUMNS = ("task", "split", "prompt")


def _add_prompts(rows: pd.DataFrame, tables: RunTables) -> pd.DataFrame:
    """Adds the task, the split and the text of each row's prompt, empty where the run lacks the prompt."""
    prompts = [tables.prompts.get(prompt_id, {}) for prompt_id in rows["prompt_id"]]
    fields = {"task": "task", "split": "split", "prompt": "text"}
    return rows.assign(**{column: [prompt.get(field, "") for prompt in prompts] for column, field in fields.items()})


def _arm(stage: str) -> str:
    """The arm of the motions of a stage, from the stage's name."""
    return stage.removeprefix("test motions ") if stage.startswith("test motions ") else CANDIDATE


def _format_event(event: Mapping[str, Any]) -> str:
    return event["action"] + (f" x{event['count']}" if event["count"] != 1 else "")
