"""`atom report judges`: all judges of a run, people among them, held against each other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from atom.errors import AtomError
from storage import Store, StoreError

_AGREEMENT = {
    "weighted_kappa": "weighted kappa",
    "spearman": "Spearman",
    "exact_kappa": "kappa of exact match",
    "pair_accuracy": "pair accuracy",
    "pair_accuracy_turned": "... turned",
}


def judges(
    run: Annotated[str, typer.Argument(help="a run, or 'latest'")] = "latest",
    store: Annotated[str, typer.Option("--store", help="folder or fsspec address of the artifacts")] = "store",
    book: Annotated[Path | None, typer.Option("--votes", help="a file of votes; by default that of the run")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Compare all judges that scored motions of a run, and the people who voted: mean score, cost, agreement."""
    from atom.report.judge_comparison import compare_judge_scores
    from atom.report.run_tables import RunTables

    artifacts = Store(store)
    if not artifacts.exists():
        raise StoreError(f"no store at {store!r}; `atom run` makes one, --store ROOT names another")
    with Console(stderr=True).status("reading the scores"):
        tables = RunTables(artifacts, artifacts.run(run))
        rows = _rows(artifacts, tables, book)
        if rows.empty:
            raise AtomError(f"no judge scored a motion of run {tables.run_id}: name another run, or resume it")
        found = compare_judge_scores(rows)
    if as_json:
        print(json.dumps(found, allow_nan=False))
    else:
        _show(found)


def _rows(store: Store, tables: Any, book: Path | None) -> pd.DataFrame:
    """A row a motion and judge, people's last."""
    from atom.report.judge_comparison import COLUMNS
    from atom.review.tally import aggregate_judge_scores, aggregate_people_scores
    from atom.review.vote_files import locate_votes_file, read_votes

    judged = aggregate_judge_scores(tables.score_rows)
    path = locate_votes_file(store, tables.run_id, book) if book or store.files.is_local else None
    people = aggregate_people_scores(read_votes(path) if path and path.is_file() else []).assign(cost=None)
    return pd.concat([table[list(COLUMNS)].astype(object) for table in (judged, people)])


def _show(found: Mapping[str, Any]) -> None:
    out = Console()
    table = Table(
        "judge", *_right("motions", "mean score", "95 % interval", "unscored", "$ a motion", "s a motion"), box=None
    )
    for name, judge in found["judges"].items():
        cost = "" if judge["cost"] is None else f"{judge['cost']:.4f}"
        table.add_row(
            Text(name),
            str(judge["motions"]),
            *_figure(judge["score"]),
            f"{judge['unscored']:.1%}",
            cost,
            f"{judge['seconds']:.2f}",
        )
    out.print(table)
    for pair in found["pairs"]:
        title = f"{pair['judges'][0]} and {pair['judges'][1]}, {pair['n']} motions of {pair['prompts']} prompts"
        out.print(title, style="italic", markup=False, highlight=False)
        table = Table("agreement", *_right("value", "95 % interval"), box=None)
        for name, words in _AGREEMENT.items():
            table.add_row(words, *_figure(pair[name]))
        out.print(table)
    out.print(
        "Pair accuracy: of the motions of one prompt that the first judge tells apart, the share of pairs that "
        "the second puts in the same order, ties as half; turned, with the second's order as the true one.",
        style="dim",
    )


def _figure(figure: Mapping[str, Any]) -> tuple[str, str]:
    value = "" if figure["value"] is None else f"{figure['value']:.2f}"
    return value, "{:.2f} to {:.2f}".format(*figure["interval"]) if figure["interval"] else ""


def _right(*names: str) -> list[Column]:
    return [Column(name, justify="right") for name in names]
