"""The texts of motions, in files beside them or in the names of their files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from atom.errors import AtomError

_MAX_BYTES = 1 << 20  # of a text or a small JSON file


def read_text_file(path: Path) -> str | None:
    """The text of a small file on one line; None if there is no such file or it is empty.

    Raises:
        AtomError: the file is no text in UTF-8, or larger than 1 MiB.
    """
    if not path.is_file():
        return None
    if path.stat().st_size > _MAX_BYTES:
        raise AtomError(f"{path}: has more than {_MAX_BYTES >> 20} MiB, it holds no prompt")
    try:
        return " ".join(path.read_text(encoding="utf-8-sig").split()) or None
    except (OSError, UnicodeDecodeError) as error:
        raise AtomError(f"{path}: can't be read as text in UTF-8, write it again") from error


def read_json_object(path: Path) -> dict[str, Any]:
    """The object of a small JSON file; {} if there is no such file.

    Raises:
        AtomError: the file holds no JSON object, or is larger than 1 MiB.
    """
    text = read_text_file(path)
    if text is None:
        return {}
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise AtomError(f"{path}: holds no JSON object, write it again")
    return content


def text_of(content: dict[str, Any]) -> str | None:
    """The prompt in a generator's record: `text`, `texts` or `prompt`, a text or a list of them that follow in time."""
    for name in ("text", "texts", "prompt", "prompts"):
        value = content.get(name)
        parts = value if isinstance(value, list) else [value]
        if parts and all(isinstance(part, str) and part.strip() for part in parts):
            return " ".join(part.strip() for part in parts)
    return None
