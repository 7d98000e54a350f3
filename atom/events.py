"""Actions and events: the vocabulary that prompts, corpus and judges share."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from atom.errors import AtomError

Side = Literal["left", "right"]
Task = Literal["integrity", "temporal", "frequency"]
Split = Literal["train", "val", "test"]

TASKS: tuple[Task, ...] = ("integrity", "temporal", "frequency")
MAX_EVENTS = 4
MAX_COUNT = 5


@dataclass(frozen=True)
class Action:
    """One thing that a body can do.

    `countable` says whether its repetitions can be counted (jumps can, walking can't). `starts` and `ends` name the
    posture before and after the action: "stand", "low" (seated or kneeling), or "any" (the posture stays as it is).
    """

    name: str
    family: str
    side: Side | None = None
    countable: bool = True
    starts: Literal["stand", "low", "any"] = "stand"
    ends: Literal["stand", "low", "any"] = "stand"


def _both_sides(family: str, **options: Any) -> list[Action]:
    return [Action(f"{family}_{side}", family, side, **options) for side in ("left", "right")]


ACTIONS: dict[str, Action] = {
    action.name: action
    for action in [
        Action("walk_forward", "walk_forward", countable=False),
        Action("walk_backward", "walk_backward", countable=False),
        *_both_sides("sidestep"),
        Action("run_forward", "run_forward", countable=False),
        *_both_sides("turn", countable=False),
        Action("turn_around", "turn_around", countable=False),
        Action("spin", "spin"),
        Action("jump_up", "jump_up"),
        Action("jump_forward", "jump_forward"),
        *_both_sides("hop"),
        Action("squat", "squat"),
        Action("sit_down", "sit_down", countable=False, ends="low"),
        Action("kneel_down", "kneel_down", countable=False, ends="low"),
        Action("get_up", "get_up", countable=False, starts="low"),
        Action("bow", "bow"),
        *_both_sides("wave", countable=False, starts="any", ends="any"),
        *_both_sides("raise_arm", starts="any", ends="any"),
        Action("raise_arms", "raise_arms", starts="any", ends="any"),
        Action("clap", "clap", starts="any", ends="any"),
        *_both_sides("punch", starts="any", ends="any"),
        *_both_sides("kick"),
        *_both_sides("throw", countable=False, starts="any", ends="any"),
        *_both_sides("lunge"),
        Action("jumping_jack", "jumping_jack"),
        Action("pick_up", "pick_up", countable=False),
    ]
}


@dataclass(frozen=True)
class Event:
    """An action and how often it happens in a row. `phrase` is the wording in a text; equality ignores it."""

    action: str
    count: int = 1
    phrase: str = ""

    def __post_init__(self) -> None:
        if self.action not in ACTIONS:
            raise AtomError(f"unknown action {self.action!r}; known actions: {', '.join(sorted(ACTIONS))}")
        if not 1 <= self.count <= MAX_COUNT:
            raise AtomError(f"count {self.count} of {self.action!r} is outside 1..{MAX_COUNT}")
        if self.count > 1 and not ACTIONS[self.action].countable:
            raise AtomError(f"{self.action!r} can't be counted, so its count must be 1, not {self.count}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Event) and (self.action, self.count) == (other.action, other.count)

    def __hash__(self) -> int:
        return hash((self.action, self.count))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def mirror_action(action: str) -> str:
    """The same action with the other side of the body; an action without a side stays as it is."""
    name, _, side = action.rpartition("_")
    return {"left": f"{name}_right", "right": f"{name}_left"}.get(side, action)


Composition = tuple[Event, ...]


def composition_key(events: Iterable[Event]) -> str:
    """The ordered events as text, without their phrases: `walk_forward*1>jump_up*3`."""
    return ">".join(f"{event.action}*{event.count}" for event in events)


def assign_split(events: Iterable[Event]) -> Split:
    """Assign a composition to a split: 80 % train, 10 % val, 10 % test, fixed for ever by a hash of its ordered events.

    Corpus, prompts and judges all use this rule, so that a held-out composition is held out everywhere. Single events
    are always in train, because a model can't compose events that it has never seen.
    """
    events = tuple(events)
    if len(events) == 1:
        return "train"
    bucket = int.from_bytes(hashlib.sha256(composition_key(events).encode()).digest()[:4], "big") % 10
    return "test" if bucket == 0 else "val" if bucket == 1 else "train"


def postures_fit(events: Iterable[Event]) -> bool:
    """Whether a body that starts standing can perform these events in this order (no walking while seated)."""
    posture = "stand"
    for event in events:
        action = ACTIONS[event.action]
        if action.starts not in ("any", posture):
            return False
        posture = posture if action.ends == "any" else action.ends
    return True
