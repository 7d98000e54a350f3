"""`atom show`: browse the prompts, motions, scores and pairs of a run in the terminal, and its motions in 3D."""

from __future__ import annotations

import json
import tempfile
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from atom.commands.completion import complete_from
from atom.commands.files import check_page_path, write_text
from atom.commands.options import RunArgument, StoreOption, open_store
from atom.errors import AtomError
from atom.events import TASKS, Split
from atom.report.row_filters import SCORE_COLUMN, RowFilters, RowKind

if TYPE_CHECKING:
    import pandas as pd

    from atom.report.run_tables import RunTables

_ARMS = ("base", "tuned", "candidate")
_ID_WIDTH = 31  # characters of a motion's id
_DEFAULT_LIMIT = 30  # rows in a terminal, without --limit
_COLUMNS = {
    "prompts": ("prompt", "task", "base", "tuned", "gain", "base_exact", "tuned_exact", "candidates"),
    "motions": ("motion", "arm", "task", "frames", "score", "exact"),
    "scores": ("motion", "arm", "judge", "score", "exact", "seen, and why"),
    "pairs": ("chosen, rejected", "scores", "degree", "prompt"),
}
_FOLDED_COLUMNS = (
    "prompt",
    "motion",
    "seen, and why",
)  # wrapped in a narrow terminal; other columns, such as ids, stay whole


def show(
    run: RunArgument = "latest",
    store: StoreOption = "store",
    what: Annotated[RowKind, typer.Option(help="which table")] = "prompts",
    task: Annotated[
        str | None,
        typer.Option(help=f"only rows of this task: {', '.join(TASKS)}", autocompletion=complete_from(TASKS)),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(help="only rows of this split: train, val or test", autocompletion=complete_from(get_args(Split))),
    ] = None,
    arm: Annotated[
        str | None,
        typer.Option(help="only motions of this arm: base, tuned or candidate", autocompletion=complete_from(_ARMS)),
    ] = None,
    judge: Annotated[str | None, typer.Option(help="scores of this judge; default: the run's own")] = None,
    prompt: Annotated[str | None, typer.Option(help="only prompts that contain this text")] = None,
    least: Annotated[
        float | None,
        typer.Option(
            "--min", help=f"the lowest score; for prompts that of {SCORE_COLUMN['prompts']}, for pairs the margin"
        ),
    ] = None,
    most: Annotated[float | None, typer.Option("--max", help="the highest score")] = None,
    sort: Annotated[str | None, typer.Option(help="sort by this column; -COLUMN for descending order")] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1, help=f"maximum number of rows; default: {_DEFAULT_LIMIT} in the terminal, all with --json and --csv"
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print a JSON list with all columns")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="print CSV with all columns")] = False,
    open_: Annotated[
        list[str] | None, typer.Option("--open", help="show this motion in 3D; repeat it to see several side by side")
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="the .html that --open writes")] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="only print the path of the page")] = False,
) -> None:
    """Browse a run: which prompts gained, which motions failed, what the judges saw, which pairs were built.

    atom show --what motions --arm tuned --max 3 --prompt jump

    atom show --what scores --csv | duckdb -c "select judge, avg(score) from read_csv('/dev/stdin') group by all"
    """
    from atom.report.run_query import query_run
    from atom.report.run_tables import RunTables
    from atom.report.wording import describe_coverage

    if as_json and as_csv:
        raise AtomError("--json and --csv contradict each other, give one of them")
    if (output or no_browser) and not open_:
        raise AtomError("--output and --no-browser are for the page of a motion: name one with --open")
    artifacts = open_store(store)
    tables = RunTables(artifacts, artifacts.run(run))
    if open_:
        _open_motions(tables, open_, output, no_browser)
        return
    rows = query_run(tables, what, RowFilters(task, split, arm, judge, prompt, least, most), sort)
    if as_json:
        print(json.dumps(_to_records(rows.head(limit or len(rows))), allow_nan=False))
    elif as_csv:
        print(rows.head(limit or len(rows)).to_csv(index=False), end="")
    else:
        notes = describe_coverage(tables.coverage) if what == "scores" else ()
        _print_rows(tables.run_id, what, rows, limit or _DEFAULT_LIMIT, notes)


def _to_records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return json.loads(rows.to_json(orient="records"))  # to_json writes missing values as null


def _print_rows(run_id: str, what: str, rows: pd.DataFrame, limit: int, notes: Sequence[str] = ()) -> None:
    out = Console()
    shown = _merge_columns(what, rows.head(limit))
    numbers = set(shown.select_dtypes("number").columns)
    names = [name for name in _COLUMNS[what] if name not in numbers or shown[name].notna().any()]
    several_folded = sum(name in _FOLDED_COLUMNS for name in names) > 1
    table = Table(*(_column(name, name in numbers, several_folded) for name in names), box=None)
    for row in _to_records(shown[names]):
        table.add_row(*(Text(_format_cell(name, value)) for name, value in row.items()))
    if len(rows):
        out.print(table)
    count = f"{min(limit, len(rows)):,} of {len(rows):,}" if len(rows) > limit else f"{len(rows):,}"
    out.print(f"{count} {what} of run {run_id}", markup=False, highlight=False, style="dim", soft_wrap=True)
    for line in notes:
        out.print(line, markup=False, highlight=False, style="dim", soft_wrap=True)


def _merge_columns(what: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Merge related columns into one, with a line for each."""
    if what == "pairs":
        ids = rows["chosen_motion_id"] + "\n" + rows["rejected_motion_id"]
        scores = [
            f"{_format_cell('', row.chosen_score)}\n{_format_cell('', row.rejected_score)}" for row in rows.itertuples()
        ]
        return rows.assign(**{"chosen, rejected": ids, "scores": scores})
    if what == "scores":
        why = rows["rationale"].where(rows["error"].isna(), rows["error"])
        rows = rows.assign(**{"seen, and why": (rows["seen"] + "\n" + why).str.lstrip("\n")})
    return rows.assign(motion=rows["motion_id"] + "\n" + rows["prompt"]) if what in ("motions", "scores") else rows


def _column(name: str, is_number: bool, several_folded: bool) -> Column:
    """A column of the table. If several columns are folded, a fixed width keeps the motion ids whole."""
    return Column(
        name.replace("_", "\n"),
        justify="right" if is_number else "left",
        overflow="fold",
        no_wrap=name not in _FOLDED_COLUMNS,
        width=_ID_WIDTH if name == "motion" and several_folded else None,
    )


def _format_cell(name: str, value: Any) -> str:
    if value is None or value != value:  # NaN
        return ""
    if name == "exact":
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:+.2f}" if name == "gain" else f"{value:.2f}"
    return str(value)


def _open_motions(tables: RunTables, motion_ids: Sequence[str], output: Path | None, no_browser: bool) -> None:
    from atom.rendering.viewer import ViewedMotion, render_viewer_page
    from atom.report.run_query import query_run

    if output:
        check_page_path(output)
    viewed = [
        (motion_id, tables.joints(motion_id)) for motion_id in motion_ids
    ]  # raises on a motion that the run lacks
    rows_by_id = query_run(tables, "motions", RowFilters()).set_index("motion_id")
    motions = [
        ViewedMotion(rows_by_id["arm"][motion_id], joints, _describe_motion(motion_id, rows_by_id["score"][motion_id]))
        for motion_id, joints in viewed
    ]
    title = "; ".join(dict.fromkeys(rows_by_id["prompt"][motion_id] for motion_id in motion_ids))
    path = output or Path(tempfile.mkdtemp(prefix="atom-show-")) / "motion.html"
    write_text(path, render_viewer_page(motions, title))
    print(path)
    if not no_browser and not webbrowser.open(path.resolve().as_uri()):
        raise AtomError("no browser could be opened: open the page yourself, or use --no-browser")


def _describe_motion(motion_id: str, score: float) -> str:
    return motion_id if score != score else f"{score:.1f} of 5, {motion_id}"
