"""What a judge needs of a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from atom.events import Event, Task


class JudgedPrompt(Protocol):
    """A prompt: its text, its events in order, and the task whose rubric applies."""

    @property
    def text(self) -> str:
        """The sentence."""
        ...

    @property
    def events(self) -> Sequence[Event]:
        """What the sentence describes, in order."""
        ...

    @property
    def task(self) -> Task:
        """The task whose rubric applies."""
        ...


@dataclass(frozen=True)
class PlainPrompt:
    """A prompt without an id or a split.

    Attributes:
        text: the sentence; may be empty for a judge that only reads the events.
        events: what it describes, in order.
        task: whose rubric applies.
    """

    text: str
    events: Sequence[Event]
    task: Task
