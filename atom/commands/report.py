"""`atom report`: show or write the report of a run, compare runs, compare judges."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown

from atom.commands.options import RunArgument, StoreOption
from atom.commands.report_judges import judges
from atom.errors import AtomError

if TYPE_CHECKING:
    from atom.report.run_tables import RunTables

report_app = typer.Typer(help="Show, write and compare reports of runs, from the store alone.", no_args_is_help=True)


@report_app.command()
def show(
    run: RunArgument = "latest",
    as_json: Annotated[bool, typer.Option("--json", help="print the report as one JSON object")] = False,
    store: StoreOption = "store",
) -> None:
    """Print the report of a run."""
    from atom.report.markdown_report import render_markdown_report
    from atom.report.report_builder import build_report
    from atom.report.sections import build_sections

    report = build_report(_open_tables(store, run))
    if as_json:
        print(report.model_dump_json())
    else:
        Console().print(Markdown(render_markdown_report(report, build_sections(report), plots=False)))


@report_app.command()
def write(
    run: RunArgument = "latest",
    store: StoreOption = "store",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="the folder to write; default: the run's own")
    ] = None,
) -> None:
    """Write the report of a run again: report.html, report.md with plots, report.json, both Hugging Face cards."""
    from atom.report.report_files import PAGE, write_report

    tables = _open_tables(store, run)
    with Console(stderr=True).status("writing the report"):
        files = write_report(tables, output)
    Console().print(f"{files[PAGE]}, and {len(files) - 1} more files in its folder", markup=False, soft_wrap=True)


@report_app.command()
def compare(
    runs: Annotated[list[str], typer.Argument(help="two or more runs; one may be 'latest'")],
    output: Annotated[Path, typer.Option("-o", "--output", help="the page to write (.html)")],
    store: StoreOption = "store",
) -> None:
    """Write a page that compares runs: gains, metrics, cost, and the differences between their configs."""
    from atom.report.report_builder import build_report
    from atom.report.run_comparison import render_comparison

    if output.suffix != ".html" or not output.parent.is_dir():
        raise AtomError(f"can't write a page to {output}: name a .html file in an existing folder")
    page = render_comparison([build_report(_open_tables(store, run)) for run in runs])
    output.write_text(page, encoding="utf-8")
    Console().print(f"{output}: {len(runs)} runs compared", markup=False, soft_wrap=True)


report_app.command()(judges)


def _open_tables(root: str, run: str) -> RunTables:
    from atom.report.run_tables import RunTables
    from storage import Store

    store = Store(root)
    return RunTables(store, store.run(run))
