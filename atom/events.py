"""Events: what a prompt asks a body to do. One place owns their identity, countability, side, order and task.

An action is known or open. The corpus can make the known ones and the kinematic judge can see them. Every other action
is open, and its name is its words in base form, such as `hurl ball with left hand`. What works on events works on both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any, Literal

from atom.captions.actions_in_words import action_is_countable, action_side, mirror_words
from atom.errors import AtomError

Side = Literal["left", "right"]
Task = Literal["integrity", "temporal", "frequency"]
Split = Literal["train", "val", "test"]

TASKS: tuple[Task, ...] = ("integrity", "temporal", "frequency")
MAX_EVENTS = 4  # of a prompt by the grammar
MAX_COUNT = 5  # of an event by the grammar
MAX_ACTION_LENGTH = 200  # characters


@dataclass(frozen=True)
class Action:
    """A known action: one thing that a body can do.

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
    """One described action of the body.

    Attributes:
        action: the name of a known action (`wave_left`), or the base-form words of an open one (`hurl ball`).
        count: how often in a row; None where the text does not say.
        phrase: the words of the text; equality ignores them.
        group: events of a text with the same number happen at the same time; None for one that happens alone.
    """

    action: str
    count: int | None = 1
    phrase: str = ""
    group: int | None = None

    def __post_init__(self) -> None:
        if not self.action.strip() or len(self.action) > MAX_ACTION_LENGTH:
            raise AtomError(f"an action has 1 to {MAX_ACTION_LENGTH} characters, not {len(self.action)}")
        if self.count is not None and self.count < 1:
            raise AtomError(f"count {self.count} of {self.action!r} is less than 1")
        if (self.count or 1) > 1 and is_known(self.action) and not is_countable(self.action):
            raise AtomError(f"{self.action!r} can't be counted, so its count must be 1, not {self.count}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Event) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> tuple[str, int | None, int | None]:
        return self.action, self.count, self.group

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Event:
        """An event from the row of a table. Rows of earlier versions have no group."""
        return cls(row["action"], row["count"], row["phrase"], row.get("group"))


def is_known(action: str) -> bool:
    """Whether the corpus can make an action and the kinematic judge can see it."""
    return action in ACTIONS


@lru_cache(maxsize=65536)
def is_countable(action: str) -> bool:
    """Whether the repetitions of an action can be counted: jumps can, walking can't."""
    return ACTIONS[action].countable if action in ACTIONS else action_is_countable(action)


def counts_repetitions(action: str) -> bool:
    """Whether a judge counts how often an action happens.

    A text may state the number of any open action, even of one that is rarely counted: "skips four times".
    """
    return action not in ACTIONS or ACTIONS[action].countable


def get_side(action: str) -> Side | None:
    """The side of the body or the direction that an action names."""
    return ACTIONS[action].side if action in ACTIONS else action_side(action)


def describe_action(action: str) -> str:
    """An action in plain words: `wave left`, `hurl ball with left hand`."""
    return action.replace("_", " ")


def mirror_action(action: str) -> str:
    """The same action with the other side of the body; an action without a side stays as it is."""
    if action not in ACTIONS:
        return mirror_words(action)
    name, _, side = action.rpartition("_")
    return {"left": f"{name}_right", "right": f"{name}_left"}.get(side, action)


Composition = tuple[Event, ...]


def composition_key(events: Iterable[Event]) -> str:
    """The ordered events as text, without their phrases: `walk_forward*1>jump_up*3`.

    A count that is not given is `?`; events that happen at the same time are joined by `&`, in alphabetical order.
    """
    parts: list[tuple[int | None, list[str]]] = []
    for event in events:
        text = f"{event.action}*{'?' if event.count is None else event.count}"
        if parts and event.group is not None and parts[-1][0] == event.group:
            parts[-1][1].append(text)
        else:
            parts.append((event.group, [text]))
    return ">".join("&".join(sorted(texts)) for _, texts in parts)


def infer_task(events: Sequence[Event]) -> Task:
    """The property of a motion that these events test.

    Frequency where a count is above 1, else temporal where several events have an order, else integrity.
    """
    if any((event.count or 1) > 1 for event in events):
        return "frequency"
    groups = {event.group for event in events}
    simultaneous = len(groups) == 1 and None not in groups
    return "temporal" if len(events) > 1 and not simultaneous else "integrity"


def number_groups(events: Iterable[Event]) -> Composition:
    """The events with their groups numbered from 0 in order; a group of one event is none."""
    events = tuple(events)
    sizes = {group: sum(event.group == group for event in events) for group in {event.group for event in events}}
    numbers: dict[int, int] = {}
    numbered = []
    for event in events:
        together = event.group is not None and sizes[event.group] > 1
        group = numbers.setdefault(event.group, len(numbers)) if together else None  # type: ignore[arg-type]
        numbered.append(replace(event, group=group))
    return tuple(numbered)


def assign_split(events: Iterable[Event], divide_single_events: bool = False) -> Split:
    """Assign a composition to a split: 80 % train, 10 % val, 10 % test, fixed for ever by a hash of its ordered events.

    Corpus, prompts and judges all use this rule, so that a held-out composition is held out everywhere. Single events
    are always in train, because a model can't compose events that it has never seen.

    Args:
        events: the composition.
        divide_single_events: put single events by their hash, too, as captions need it whose generator was trained on
            other data: most of them are single events.

    Returns:
        The split.
    """
    events = tuple(events)
    if len(events) == 1 and not divide_single_events:
        return "train"
    bucket = int.from_bytes(hashlib.sha256(composition_key(events).encode()).digest()[:4], "big") % 10
    return "test" if bucket == 0 else "val" if bucket == 1 else "train"


def postures_fit(events: Iterable[Event]) -> bool:
    """Whether a body that starts standing can perform these known events in this order (no walking while seated)."""
    posture = "stand"
    for event in events:
        action = ACTIONS[event.action]
        if action.starts not in ("any", posture):
            return False
        posture = posture if action.ends == "any" else action.ends
    return True
