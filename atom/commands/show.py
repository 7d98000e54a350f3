"""`atom show`: the prompts, motions, scores and pairs of a run in the terminal, and its motions in 3D."""

from __future__ import annotations

import json
import tempfile
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from atom.errors import AtomError
from atom.events import TASKS
from atom.report.run_query import SCORE_COLUMN, RowFilters, RowKind
from storage import Store, StoreError

if TYPE_CHECKING:
    import pandas as pd

    from atom.report.run_tables import RunTables

_ID = 31  # letters of a motion's id
_SHOWN = 30  # rows in a terminal, where --limit does not say
_COLUMNS = {
    "prompts": ("prompt", "task", "base", "tuned", "gain", "base_exact", "tuned_exact", "candidates"),
    "motions": ("motion", "arm", "task", "frames", "score", "exact"),
    "scores": ("motion", "arm", "judge", "score", "exact", "seen, and why"),
    "pairs": ("chosen, rejected", "scores", "degree", "prompt"),
}
_FOLDED = ("prompt", "motion", "seen, and why")  # where a terminal is narrow; the others, such as ids, stay whole


def show(
    run: Annotated[str, typer.Argument(help="a run, or 'latest'")] = "latest",
    store: Annotated[str, typer.Option("--store", help="folder or fsspec address of the artifacts")] = "store",
    what: Annotated[RowKind, typer.Option(help="which rows")] = "prompts",
    task: Annotated[str | None, typer.Option(help=f"only of this task: {', '.join(TASKS)}")] = None,
    split: Annotated[str | None, typer.Option(help="only of these prompts: train, val or test")] = None,
    arm: Annotated[str | None, typer.Option(help="only motions of base, tuned or candidate")] = None,
    judge: Annotated[str | None, typer.Option(help="the scores of this judge; by default the run's own")] = None,
    prompt: Annotated[str | None, typer.Option(help="only where the prompt holds this text")] = None,
    least: Annotated[
        float | None,
        typer.Option("--min", help=f"the least score ({SCORE_COLUMN['prompts']} of prompts, margin of pairs)"),
    ] = None,
    most: Annotated[float | None, typer.Option("--max", help="the highest score")] = None,
    sort: Annotated[str | None, typer.Option(help="by this column, -COLUMN from the highest")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help=f"rows; {_SHOWN} in the terminal, else all, by default")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON list, with all columns")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="print CSV, with all columns")] = False,
    open_: Annotated[
        list[str] | None, typer.Option("--open", help="a motion to see in 3D; give several to see them side by side")
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="the .html to write for --open")] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="only print where the page lies")] = False,
) -> None:
    """Look through a run: which prompts gained, which motions failed, what the judges saw, which pairs were made.

    atom show --what motions --arm tuned --max 3 --prompt jump

    atom show --what scores --csv | duckdb -c "select judge, avg(score) from read_csv('/dev/stdin') group by all"
    """
    from atom.report.run_query import query_run
    from atom.report.run_tables import RunTables

    if as_json and as_csv:
        raise AtomError("--json and --csv contradict each other, give one of them")
    if (output or no_browser) and not open_:
        raise AtomError("--output and --no-browser are for the page of a motion: name one with --open")
    artifacts = Store(store)
    if not artifacts.exists():
        raise StoreError(f"no store at {store!r}; `atom run` makes one, --store ROOT names another")
    tables = RunTables(artifacts, artifacts.run(run))
    if open_:
        _open(tables, open_, output, no_browser)
        return
    rows = query_run(tables, what, RowFilters(task, split, arm, judge, prompt, least, most), sort)
    if as_json:
        print(json.dumps(_plain(rows.head(limit or len(rows))), allow_nan=False))
    elif as_csv:
        print(rows.head(limit or len(rows)).to_csv(index=False), end="")
    else:
        _print(tables.run_id, what, rows, limit or _SHOWN)


def _plain(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return json.loads(rows.to_json(orient="records"))  # which writes what is missing as null


def _print(run_id: str, what: str, rows: pd.DataFrame, limit: int) -> None:
    out = Console()
    shown = _stacked(what, rows.head(limit))
    numbers = set(shown.select_dtypes("number").columns)
    names = [name for name in _COLUMNS[what] if name not in numbers or shown[name].notna().any()]
    beside = sum(name in _FOLDED for name in names) > 1
    table = Table(*(_column(name, name in numbers, beside) for name in names), box=None)
    for row in _plain(shown[names]):
        table.add_row(*(Text(_cell(name, value)) for name, value in row.items()))
    if len(rows):
        out.print(table)
    told = f"{min(limit, len(rows)):,} of {len(rows):,}" if len(rows) > limit else f"{len(rows):,}"
    out.print(f"{told} {what} of run {run_id}", markup=False, highlight=False, style="dim", soft_wrap=True)


def _stacked(what: str, rows: pd.DataFrame) -> pd.DataFrame:
    """With what belongs together in one cell, a line each."""
    if what == "pairs":
        ids = rows["chosen_motion_id"] + "\n" + rows["rejected_motion_id"]
        scores = [f"{_cell('', row.chosen_score)}\n{_cell('', row.rejected_score)}" for row in rows.itertuples()]
        return rows.assign(**{"chosen, rejected": ids, "scores": scores})
    if what == "scores":
        rows = rows.assign(**{"seen, and why": rows["seen"] + "\n" + rows["rationale"]})
    return rows.assign(motion=rows["motion_id"] + "\n" + rows["prompt"]) if what in ("motions", "scores") else rows


def _column(name: str, number: bool, beside: bool) -> Column:
    """`beside`: another column folds too, so this one must be told not to fold an id."""
    return Column(
        name.replace("_", "\n"),
        justify="right" if number else "left",
        overflow="fold",
        no_wrap=name not in _FOLDED,
        width=_ID if name == "motion" and beside else None,
    )


def _cell(name: str, value: Any) -> str:
    if value is None or value != value:
        return ""
    if name == "exact":
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:+.2f}" if name == "gain" else f"{value:.2f}"
    return str(value)


def _open(tables: RunTables, motion_ids: Sequence[str], output: Path | None, no_browser: bool) -> None:
    from atom.atomic_write import write_atomically
    from atom.rendering.viewer import ViewedMotion, render_viewer_page
    from atom.report.run_query import query_run

    if output and output.suffix.lower() not in (".html", ".htm"):
        raise AtomError(f"{output}: a page is written as .html, give a name that ends in .html")
    viewed = [(motion_id, tables.joints(motion_id)) for motion_id in motion_ids]  # says which one the run lacks
    known = query_run(tables, "motions", RowFilters()).set_index("motion_id")
    motions = [
        ViewedMotion(known["arm"][motion_id], joints, _detail(motion_id, known["score"][motion_id]))
        for motion_id, joints in viewed
    ]
    title = "; ".join(dict.fromkeys(known["prompt"][motion_id] for motion_id in motion_ids))
    path = output or Path(tempfile.mkdtemp(prefix="atom-show-")) / "motion.html"
    try:
        write_atomically(
            path, lambda temporary: temporary.write_text(render_viewer_page(motions, title), encoding="utf-8")
        )
    except OSError as error:
        raise AtomError(f"{path}: can't be written ({error.strerror}), choose another place") from None
    print(path)
    if not no_browser and not webbrowser.open(path.resolve().as_uri()):
        raise AtomError("no browser could be opened: open the page yourself, or say --no-browser")


def _detail(motion_id: str, score: float) -> str:
    return motion_id if score != score else f"{score:.1f} of 5, {motion_id}"
