"""A motion as text, `<motion_id_512>` codes `<motion_id_513>`, as the peers give it to a language model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from reprlib import repr as shortened

from atom.errors import AtomError

CODES = 512  # of MotionGPT's codebook, and of every generator here

_TOKEN = re.compile(r"<motion_id_(\d{1,6})>")
_STRING = re.compile(rf"({_TOKEN.pattern})+")


def format_motion_string(tokens: Sequence[int], codes: int = CODES) -> str:
    """Writes a motion as text.

    Args:
        tokens: the codes of the motion.
        codes: the size of the codebook; `codes` and `codes + 1` are the start and the end token.

    Returns:
        The codes between the start and the end token.
    """
    return "".join(f"<motion_id_{token}>" for token in (codes, *tokens, codes + 1))


def parse_motion_string(text: str, codes: int = CODES) -> tuple[int, ...]:
    """Reads a motion's text.

    Args:
        text: as `format_motion_string` writes it; start and end token may be missing.
        codes: the size of the codebook.

    Returns:
        The codes of the motion.

    Raises:
        AtomError: the text is not a motion, or a code is not in the codebook.
    """
    if not _STRING.fullmatch(text.strip()):
        raise AtomError(f"{shortened(text)} is not a motion, expected <motion_id_{codes}>...<motion_id_{codes + 1}>")
    tokens = [int(number) for number in _TOKEN.findall(text)]
    inner = tokens[tokens[0] == codes : len(tokens) - (tokens[-1] == codes + 1)]
    return check_tokens(inner, codes)


def check_tokens(tokens: Sequence[int], codes: int = CODES) -> tuple[int, ...]:
    """Checks codes against the codebook.

    Args:
        tokens: the codes of a motion.
        codes: the size of the codebook.

    Returns:
        The same codes.

    Raises:
        AtomError: there are none, or one is not in the codebook.
    """
    if not tokens:
        raise AtomError("the motion has no tokens")
    if outside := [token for token in tokens if not 0 <= token < codes]:
        raise AtomError(f"token {outside[0]} is not in the codebook, which has the codes 0 to {codes - 1}")
    return tuple(tokens)
