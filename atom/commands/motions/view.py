"""`atom motions view`: a page with motions in 3D."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from atom.commands.files import check_page_path, write_text
from atom.commands.motion_source import FpsOption, UnitOption, UpOption, parse_settings, read_motion_with_remarks
from atom.commands.motions.output import make_labels
from atom.errors import AtomError


def view(
    sources: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="a motion of any format; several are shown side by side")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="the .html to write")],
    title: Annotated[str | None, typer.Option(help="title of the page; default: the names of the files")] = None,
    fps: FpsOption = None,
    up: UpOption = None,
    unit: UnitOption = None,
) -> None:
    """Write an HTML page that shows motions in 3D: turn, scrub, slow motion. It works offline in any browser."""
    from atom.motion.skeleton import FPS
    from atom.rendering.viewer import ViewedMotion, render_viewer_page

    check_page_path(output)
    if not output.parent.is_dir():
        raise AtomError(f"the folder {output.parent} of {output.name} does not exist; make it first")
    motions = []
    for source, label in zip(sources, make_labels(sources)):
        joints = read_motion_with_remarks(source, parse_settings(fps, up, unit))
        motions.append(ViewedMotion(label, joints, f"{len(joints)} frames, {len(joints) / FPS:.1f} s"))
    page = render_viewer_page(motions, title or ", ".join(motion.label for motion in motions))
    write_text(output, page)
    number = "one motion" if len(motions) == 1 else f"{len(motions)} motions side by side"
    Console().print(f"{output}: {number}, {len(page) / 1e3:.0f} kB", soft_wrap=True, markup=False)
