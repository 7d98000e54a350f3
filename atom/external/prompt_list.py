"""A generator's list of prompts: a text a line, as MoMask, MARDM and MDM take it."""

from __future__ import annotations

import re
from pathlib import Path

from atom.errors import AtomError

_LENGTH = re.compile(r"\s*#\s*\d+\s*$")  # MoMask: "a person walks#120", the frames to generate


def read_prompt_list(path: str | Path) -> list[str]:
    """Reads the texts of a list, in the order by which the generator numbers its motions.

    Args:
        path: a text file in UTF-8, a prompt a line; a length after a `#`, as MoMask takes it, is left out.

    Returns:
        The texts; an empty line keeps its number.

    Raises:
        AtomError: the file can't be read or holds no text.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise AtomError(f"{path}: can't be read as text in UTF-8, give the generator's list of prompts") from error
    texts = [_LENGTH.sub("", line).strip() for line in lines]
    if not any(texts):
        raise AtomError(f"{path}: holds no text, write a prompt a line")
    return texts
