"""Motions that commands read from files: options that say how, and remarks on what was assumed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    import numpy as np

    from atom.motion_formats.conversion import SourceSettings

FpsOption = Annotated[float | None, typer.Option(help="frames a second of the file, where it doesn't say them")]
UpOption = Annotated[str | None, typer.Option(help="the axis that points up in the file: y, z, -y or -z")]
UnitOption = Annotated[str | None, typer.Option(help="unit of the file: m, dm, cm, mm, in, ft, or metres as a number")]


def parse_settings(fps: float | None, up: str | None, unit: str | None) -> SourceSettings:
    """The options as settings. AtomError if one of them is no frame rate, axis or unit."""
    from atom.motion_formats.conversion import SourceSettings

    return SourceSettings.parse(fps, up, unit)


def read_motion_with_remarks(path: Path, settings: SourceSettings | None = None) -> np.ndarray:
    """Reads the joints (T, 22, 3) of a motion of any format, and prints what was assumed to standard error."""
    from atom.motion.skeleton import FPS
    from atom.motion_formats.formats import read_converted

    motion = read_converted(path, settings, assumed_fps=FPS)
    console = Console(stderr=True)
    for remark in motion.record.remarks:
        console.print(f"{path}: {remark}", soft_wrap=True, markup=False, highlight=False)
    return motion.joints
