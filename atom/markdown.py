"""Markdown for cards and reports: tables and headers in which text from outside stays text."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

_LONGEST = 200
_MARKUP = re.compile(r"[\\`*\[\]<>#|~&$!]|(?<![a-zA-Z0-9])_|_(?![a-zA-Z0-9])")


def markdown_header(header: Mapping[str, Any]) -> str:
    """The YAML that Hugging Face reads at the top of a card."""
    return f"---\n{yaml.safe_dump(dict(header), sort_keys=False, allow_unicode=True, width=math.inf)}---"


def markdown_table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """A table whose cells are escaped, and cut where they would be too long to read."""
    head = list(head)
    lines = [
        [escaped(cell) for cell in head],
        ["---"] * len(head),
        *([escaped(str(cell)) for cell in row] for row in rows),
    ]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def escaped(text: str, longest: int | None = _LONGEST) -> str:
    """Text in one line of at most `longest` characters that neither ends a table's cell nor becomes markup."""
    text = "".join(character for character in " ".join(text.split()) if character.isprintable())
    if longest is not None and len(text) > longest:
        text = text[: longest - 3] + "..."
    return _MARKUP.sub(r"\\\g<0>", text)
