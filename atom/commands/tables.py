"""Tables in the terminal."""

from __future__ import annotations

from rich.table import Column


def right_aligned(*names: str) -> list[Column]:
    """Columns of numbers."""
    return [Column(name, justify="right") for name in names]
