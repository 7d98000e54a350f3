"""What motions show, from a file or by their prompts, where the kinematic judge can't see it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from atom.captions.actions_in_words import action_side
from atom.errors import AtomError
from atom.events import MAX_ACTION_LENGTH, Event
from atom.judging.detected_events import DetectedEvent
from atom.prompts.reading import canonical_action

_JOINT_STEP = 2.0**-13  # metres; the store rounds joints to it


@dataclass(frozen=True)
class ShownEvent:
    """An action that a motion shows `count` times in frames [start, end); without frames it takes its share of the
    motion, in the order of the list."""

    action: str
    count: int = 1
    start: int | None = None
    end: int | None = None


class ShownEvents:
    """Events by what names their motion.

    Args:
        events: the events by (name of a key, its value), as in the file.
    """

    def __init__(self, events: dict[tuple[str, ...], tuple[ShownEvent, ...]]) -> None:
        self._events = events

    def __len__(self) -> int:
        return len(self._events)

    def find(
        self, motion_id: str = "", prompt_id: str = "", sample: int | None = None, joints: np.ndarray | None = None
    ) -> tuple[ShownEvent, ...] | None:
        """The events of a stored motion; None if the file does not name it.

        Args:
            motion_id: its id.
            prompt_id: the id of its prompt.
            sample: its number among the candidates of its prompt.
            joints: (T, 22, 3) in metres.
        """
        keys = [("motion_id", motion_id), ("prompt_id", prompt_id, str(sample)), ("prompt_id", prompt_id)]
        for key in keys:
            if key in self._events:
                return self._events[key]
        return None if joints is None else self._events.get(("joints", hash_joints(joints)))

    def find_by_picture(self, sha256: str) -> tuple[ShownEvent, ...] | None:
        """The events of the motion of a picture, given the sha256 of its bytes."""
        return self._events.get(("picture", sha256))


class _EventRow(BaseModel):
    model_config = ConfigDict(extra="forbid")
    action: Annotated[str, Field(min_length=1, max_length=MAX_ACTION_LENGTH)]
    count: int = Field(1, ge=1, le=1000)
    start: int | None = Field(None, ge=0)
    end: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _check_frames(self) -> _EventRow:
        if (self.start is None) != (self.end is None):
            raise ValueError("give both start and end, or none")
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise ValueError("end is not after start")
        return self


class _MotionRow(BaseModel):
    model_config = ConfigDict(extra="forbid")
    motion_id: str | None = None
    prompt_id: str | None = None
    sample: int | None = None
    joints: str | None = None
    picture: str | None = None
    events: list[_EventRow]

    @model_validator(mode="after")
    def _check_name(self) -> _MotionRow:
        if sum(name is not None for name in (self.motion_id, self.prompt_id, self.joints, self.picture)) != 1:
            raise ValueError("name the motion by one of motion_id, prompt_id, joints and picture")
        if self.sample is not None and self.prompt_id is None:
            raise ValueError("sample goes with prompt_id")
        if len({event.start is None for event in self.events}) > 1:
            raise ValueError("give start and end for all events of a motion, or for none")
        return self

    @property
    def key(self) -> tuple[str, ...]:
        if self.prompt_id is not None:
            return ("prompt_id", self.prompt_id, *([] if self.sample is None else [str(self.sample)]))
        name = next(name for name in ("motion_id", "joints", "picture") if getattr(self, name) is not None)
        return name, getattr(self, name)


def read_shown_events(path: str | Path) -> ShownEvents:
    """Reads a file that says what motions show: JSON lines, an object a motion.

    A motion is named by `motion_id`, by `prompt_id` and perhaps `sample`, by `joints` (see `hash_joints`), or by
    `picture`, the sha256 of one of its pictures. `events` is a list of {action, count, start, end}: the name or the
    base-form words of an action, how often, and its frames [start, end). Only `action` is needed.

    Args:
        path: the file.

    Returns:
        The events.

    Raises:
        AtomError: the file can't be read, or names the first faulty line.
    """
    events: dict[tuple[str, ...], tuple[ShownEvent, ...]] = {}
    try:
        lines = Path(path).read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise AtomError(f"{path}: can't be read ({reason}), give a file of JSON lines") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        row = _parse_row(line, f"{path}, line {number}")
        if row.key in events:
            raise AtomError(f"{path}, line {number}: {' '.join(row.key)} is in the file twice, keep one")
        events[row.key] = tuple(
            ShownEvent(canonical_action(event.action, action_side(event.action)), event.count, event.start, event.end)
            for event in row.events
        )
    if not events:
        raise AtomError(f"{path}: names no motion, write an object with `motion_id` and `events` a line")
    return ShownEvents(events)


def hash_joints(joints: np.ndarray) -> str:
    """The sha256 of the joints of a motion in steps of 1/8192 m, the same before and after they are stored.

    Args:
        joints: (T, 22, 3) in metres.
    """
    steps = np.rint(np.asarray(joints, dtype=np.float64) / _JOINT_STEP).astype("<i4")
    return hashlib.sha256(np.ascontiguousarray(steps).tobytes()).hexdigest()


def show_prompt(events: Iterable[Event]) -> tuple[ShownEvent, ...]:
    """The events of a motion that does what its prompt says; once where the prompt gives no count."""
    return tuple(ShownEvent(event.action, event.count or 1) for event in events)


def place_events(events: Sequence[ShownEvent], frames: int) -> tuple[DetectedEvent, ...]:
    """The events of a motion as a judge detects them, cut at its end; those that come after it are not seen.

    Args:
        events: what it shows.
        frames: its length.
    """
    placed = []
    for number, event in enumerate(events):
        start, end = event.start, event.end
        if start is None or end is None:
            start = number * frames // len(events)
            end = max((number + 1) * frames // len(events), start + 1)
        if start < frames:
            placed.append(DetectedEvent(event.action, event.count, start, min(end, frames)))
    return tuple(placed)


def _parse_row(line: str, where: str) -> _MotionRow:
    try:
        value: Any = json.loads(line)
    except (ValueError, RecursionError):
        raise AtomError(f"{where}: is not JSON, write one object a line") from None
    try:
        return _MotionRow.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        message = first["msg"].removeprefix("Value error, ")
        raise AtomError(f"{where}: {f'{place}: ' if place else ''}{message}") from None
