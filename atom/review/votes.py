"""A vote: the judgement of one person on a pair of motions, or on one."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

from atom.errors import AtomError

Choice = Literal["first", "second", "tie", "skip"]
DecisionSource = Literal["human", "judge", "corrected"]
"""Who decides the pairs of an export; see `preferences_from_votes`."""


@dataclass(frozen=True)
class Vote:
    """One judgement of one voter. It can be read without the run.

    A vote on a pair has two motions and a `choice`, which refers to the order of `motion_ids`, not to the side of the
    screen. A vote on a clip has one motion, a `score` and `seen`; both are None where the clip was skipped.
    """

    voter: str
    item_id: str
    prompt_id: str
    task: str
    motion_ids: tuple[str, ...]  # one or two
    arms: tuple[str, ...]  # of each motion: base, tuned, chosen, rejected, ...
    choice: Choice | None = None
    score: int | None = None  # 1 to 5
    seen: tuple[bool, ...] | None = None  # for each event of the prompt, in its order
    swapped: bool = False  # the second motion was on the left
    note: str = ""
    seconds: float = 0.0  # from when the item was shown to the vote
    cast_at: str = ""  # UTC, ISO 8601

    @property
    def is_skip(self) -> bool:
        """Whether the voter gave no judgement."""
        return self.score is None and self.choice in (None, "skip")


def normalise_voter_name(text: str) -> str:
    """The name as it is stored, without leading, trailing and repeated spaces. AtomError when it is not valid."""
    name = re.sub(" +", " ", unicodedata.normalize("NFC", text).strip(" "))
    if not re.fullmatch(r"[\w .-]{1,40}", name):
        raise AtomError("a name has 1 to 40 letters, digits, spaces, dots, - and _")
    return name
