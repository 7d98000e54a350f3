"""Markdown for model cards and reports; text from outside is escaped."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

_MAX_LENGTH = 200
# An underscore inside a word is no markup.
_MARKUP = re.compile(r"[\\`*\[\]<>#|~&$!]|(?<![a-zA-Z0-9])_|_(?![a-zA-Z0-9])")


def markdown_header(header: Mapping[str, Any]) -> str:
    """Return the YAML header that Hugging Face reads at the top of a card."""
    # An infinite width keeps long values on one line.
    return f"---\n{yaml.safe_dump(dict(header), sort_keys=False, allow_unicode=True, width=math.inf)}---"


def markdown_table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Return a table with escaped cells.

    Args:
        head: the column titles.
        rows: the cells of each row. A cell of more than 200 characters is cut.
    """
    head = list(head)
    lines = [
        [escape_markdown(cell) for cell in head],
        ["---"] * len(head),
        *([escape_markdown(str(cell)) for cell in row] for row in rows),
    ]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def escape_markdown(text: str, max_length: int | None = _MAX_LENGTH) -> str:
    """Escape `text` so that it stays plain text inside a table cell.

    Args:
        text: any text; line breaks become spaces and unprintable characters are dropped.
        max_length: longer text is cut and ends in "..."; None keeps it all.
    """
    text = "".join(character for character in " ".join(text.split()) if character.isprintable())
    if max_length is not None and len(text) > max_length:
        text = text[: max_length - 3] + "..."
    return _MARKUP.sub(r"\\\g<0>", text)
