"""`atom motions import`: the motions of any generator as a set of this project's own form."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from atom.commands.motion_source import FpsOption, UnitOption, UpOption, parse_settings
from atom.commands.motions.output import print_rejected


def import_motions(
    path: Annotated[
        Path, typer.Argument(help="a folder as the generator left it, a file of it, or a set with an index")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="the folder to write")],
    form: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="the format; `atom motions formats` lists them")
    ] = None,
    fps: FpsOption = None,
    up: UpOption = None,
    unit: UnitOption = None,
    texts: Annotated[
        Path | None, typer.Option(help="the generator's list of prompts, a text a line, for MoMask's numbered files")
    ] = None,
) -> None:
    """Import the motions of any generator: 22 joints in metres, Y up, at 20 fps.

    Format, frame rate, axis and unit are told. Nothing is guessed that a body can't show: where nobody says the frame
    rate, the import stops and asks.

    Exit status 1 when some motions can't be used; they are listed in rejected.jsonl.
    """
    from atom.external.importing import import_motions as run_import
    from atom.external.motion_set import read_motion_set
    from atom.external.prompt_list import read_prompt_list
    from atom.motion_formats.formats import find_format

    settings = parse_settings(fps, up, unit)
    known = find_format(form) if form else None
    prompts = read_prompt_list(texts) if texts else ()
    errors = Console(stderr=True)
    with errors.status("looking at the files") as status:
        motions = read_motion_set(
            path, lambda rows: status.update(f"looking at the files: {rows:,}"), known, settings, prompts
        )
    with Progress(console=errors, transient=True) as bar:
        task = bar.add_task("importing", total=len(motions.entries))
        counts = run_import(motions, output, lambda done: bar.update(task, completed=done))
    console = Console()
    table = Table("motions", "format", "fps", "up", "unit", box=None)
    for source, number in counts.sources.most_common():
        table.add_row(f"{number:,}", *source)
    console.print(table)
    if listing := motions.listing:
        passed_over = sum(bool(file.passed_over) for file in listing.files)
        if passed_over:
            console.print(f"{passed_over:,} files hold the same motions again and are passed over")
        if listing.hidden:
            console.print(f"{listing.hidden:,} hidden files are passed over")
    for sentence in counts.remarks.sentences():
        console.print(sentence, soft_wrap=True, markup=False, highlight=False)
    total = counts.written + len(counts.rejected)
    console.print(f"{counts.written:,} of {total:,} motions written to {output}", soft_wrap=True, markup=False)
    if counts.rejected:
        print_rejected(console, counts.rejected)
        raise typer.Exit(1)
