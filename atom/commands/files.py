"""Files that several commands write."""

from __future__ import annotations

from pathlib import Path

from atom.errors import AtomError


def check_page_path(path: Path) -> None:
    """Raise AtomError unless the path ends in .html or .htm."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise AtomError(f"{path}: a page is written as .html, give a name that ends in .html")


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically.

    Args:
        path: the file to write or replace.
        text: its content.

    Raises:
        AtomError: the file can't be written.
    """
    from atom.atomic_write import write_atomically

    try:
        write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    except OSError as error:
        raise AtomError(f"{path}: can't be written ({error.strerror}), choose another place") from None
