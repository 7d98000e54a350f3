"""What a person said of a pair of motions, or of one."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

from atom.errors import AtomError

Choice = Literal["first", "second", "tie", "skip"]


@dataclass(frozen=True)
class Vote:
    """One judgement of one voter; it stands alone, without the run.

    A pair has both motions and a `choice`. A clip has the first only, and a `score` of 1 to 5 with the asked events
    that were `seen`, in the prompt's order; both are None where it was skipped. `arms` are who made the motions, such
    as base and tuned, or chosen and rejected. `choice` speaks of this order, wherever they were shown. `swapped`: the
    second motion was shown on the left.
    """

    voter: str
    item_id: str
    prompt_id: str
    task: str
    motion_ids: tuple[str, ...]  # one or two
    arms: tuple[str, ...]  # as many
    choice: Choice | None = None
    score: int | None = None
    seen: tuple[bool, ...] | None = None
    swapped: bool = False
    note: str = ""
    seconds: float = 0.0  # from the showing to the vote
    cast_at: str = ""  # UTC, ISO 8601


def normalise_voter_name(text: str) -> str:
    """The name as it is stored: spaces at its ends and repeated ones count for nothing. AtomError when it is none."""
    name = re.sub(" +", " ", unicodedata.normalize("NFC", text).strip(" "))
    if not re.fullmatch(r"[\w .-]{1,40}", name):
        raise AtomError("a name has 1 to 40 letters, digits, spaces, dots, - and _")
    return name
