"""`atom motions render`: a clip or a contact sheet of motions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from atom.commands.motion_source import FpsOption, UnitOption, UpOption, parse_settings, read_motion_with_remarks
from atom.commands.motions.output import make_labels
from atom.config import View
from atom.config.base import VIEW_HELP
from atom.errors import AtomError


def render(
    sources: Annotated[
        list[Path], typer.Argument(help="motion files of any format; `atom motions formats` lists them")
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", help="a clip of all motions (.mp4, .gif, .webp) or a contact sheet (.png, .jpg)"
        ),
    ],
    view: Annotated[View, typer.Option(help=VIEW_HELP)] = "follow",
    size: Annotated[int | None, typer.Option(min=64, max=1024, help="width and height of a frame in pixels")] = None,
    columns: Annotated[
        int | None, typer.Option(min=1, help="motions in a row, or frames in a row of a contact sheet")
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="a contact sheet shows every n-th frame")] = 8,
    title: Annotated[str, typer.Option(help="title above several motions")] = "",
    fps: FpsOption = None,
    up: UpOption = None,
    unit: UnitOption = None,
) -> None:
    """Draw motions: one as a clip or a contact sheet, several side by side under their file names."""
    from atom.rendering import render_contact_sheet, write_grid, write_video

    settings = parse_settings(fps, up, unit)
    motions = [
        (label, read_motion_with_remarks(source, settings)) for label, source in zip(make_labels(sources), sources)
    ]
    if output.suffix.lower() in (".png", ".jpg", ".jpeg"):
        if len(motions) > 1:
            raise AtomError(f"a contact sheet shows one motion, not {len(motions)}: name a .mp4 for all of them")
        sheet = render_contact_sheet(motions[0][1], every, size or 224, columns, view=view)
        try:
            sheet.save(output)
        except OSError as error:
            raise AtomError(f"can't write {output}: {error.strerror or error}") from error
    elif len(motions) == 1 and not title:
        write_video(output, motions[0][1], size or 512, view=view)
    else:
        write_grid(output, motions, size or 384, columns, title, view=view)
    Console().print(str(output), soft_wrap=True, markup=False)
