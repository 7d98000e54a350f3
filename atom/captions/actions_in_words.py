"""What the words of an open action say of it: whether it can be counted, its side, and its mirror image."""

from __future__ import annotations

import re
from typing import Literal

from atom.captions.reader import read_caption

_SIDE = re.compile(r"\b(left|right)\b")
_MIRRORED = {
    "left": "right",
    "right": "left",
    "clockwise": "counterclockwise",
    "counterclockwise": "clockwise",
}
_MIRRORED_WORD = re.compile(rf"\b(?:{'|'.join(_MIRRORED)})\b")


def action_is_countable(action: str) -> bool:
    """Whether the repetitions of an open action can be counted.

    Args:
        action: its words in base form, such as `hurl ball with left hand`.

    Returns:
        True for bounded and cyclic acts (jump, kick, wave), False for locomotion, holds and diffuse activity.
    """
    events = read_caption(f"a person can {action}").events
    return events[0].countable if events else True


def action_side(action: str) -> Literal["left", "right"] | None:
    """The one side that the words of an action name.

    Args:
        action: its words in base form.

    Returns:
        "left", "right", or None where the words name no side or both.
    """
    sides = set(_SIDE.findall(action))
    return sides.pop() if len(sides) == 1 else None  # type: ignore[return-value]


def mirror_words(action: str) -> str:
    """The words with left and right, clockwise and counterclockwise exchanged.

    Args:
        action: its words in base form.

    Returns:
        The words of the mirror image.
    """
    return _MIRRORED_WORD.sub(lambda match: _MIRRORED[match[0]], action)
