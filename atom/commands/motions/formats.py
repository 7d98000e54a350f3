"""`atom motions formats`: the motion files that can be read."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table


def formats() -> None:
    """List the formats of motion files that can be read, and how each is recognised."""
    from atom.motion_formats.formats import FORMATS

    table = Table(box=None, padding=(0, 2, 1, 0))
    for name in ("name", "fps", "up", "unit"):
        table.add_column(name, no_wrap=True)
    table.add_column("written by, and recognised by")
    for form in FORMATS:
        known = form.defaults.settings
        table.add_row(
            form.name,
            "file or --fps" if known.fps is None else f"{known.fps:g}",
            known.up or "by body",
            "by body" if known.metres is None else "m",
            f"{escape(form.written_by)}\n[dim]{escape(form.recognised_by)}[/dim]",
        )
    Console().print(table)
