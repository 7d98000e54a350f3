"""A motion as text, `<motion_id_512>` codes `<motion_id_513>`, the way the peers put it into a language model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from reprlib import repr as shortened

from atom.errors import AtomError

CODES = 512  # of MotionGPT's codebook, and of every generator here

_TOKEN = re.compile(r"<motion_id_(\d{1,6})>")
_STRING = re.compile(rf"({_TOKEN.pattern})+")


def motion_string(tokens: Sequence[int], codes: int = CODES) -> str:
    """The codes between the start and the end token, which follow the codebook's own `codes`."""
    return "".join(f"<motion_id_{token}>" for token in (codes, *tokens, codes + 1))


def parse_motion_string(text: str, codes: int = CODES) -> tuple[int, ...]:
    """The codes of a motion's text; start and end token may be missing. Raises AtomError if anything else is there."""
    if not _STRING.fullmatch(text.strip()):
        raise AtomError(f"{shortened(text)} is no motion, expected <motion_id_{codes}>...<motion_id_{codes + 1}>")
    tokens = [int(number) for number in _TOKEN.findall(text)]
    inner = tokens[tokens[0] == codes : len(tokens) - (tokens[-1] == codes + 1)]
    return check_tokens(inner, codes)


def check_tokens(tokens: Sequence[int], codes: int = CODES) -> tuple[int, ...]:
    """The tokens, if there are any and all are entries of the codebook; else AtomError."""
    if not tokens:
        raise AtomError("the motion has no tokens")
    if outside := [token for token in tokens if not 0 <= token < codes]:
        raise AtomError(f"token {outside[0]} is not in the codebook, whose entries are 0 to {codes - 1}")
    return tuple(tokens)
