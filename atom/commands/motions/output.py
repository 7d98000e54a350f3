"""Output that several `atom motions` commands share."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

_MAX_ROWS = 20


def make_labels(sources: list[Path]) -> list[str]:
    """A label for each file: its name without a suffix, or the whole paths if two names are equal."""
    stems = [source.stem for source in sources]
    return stems if len(set(stems)) == len(stems) else [str(source) for source in sources]


def print_rejected(console: Console, rejected: list[tuple[str, str]]) -> None:
    """Print a table of what can't be used.

    Args:
        console: where to print it.
        rejected: what is rejected, and why; only the first rows are printed.
    """
    table = Table("not used", "why")
    for where, reason in rejected[:_MAX_ROWS]:
        table.add_row(escape(where), escape(reason))
    if len(rejected) > _MAX_ROWS:
        table.add_row(f"{len(rejected) - _MAX_ROWS:,} more", "")
    console.print(table)
