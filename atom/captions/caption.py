"""What a caption says, as data: its events in order of happening, and which of them happen at once."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class CaptionEvent:
    """One described action of the body."""

    phrase: str  # verbatim piece of the text
    start: int
    end: int
    action: str  # base form with direction and limb: "turn left", "wave right hand"
    side: str | None = None
    count: int | None = None
    countable: bool = True

    def to_json(self) -> dict[str, Any]:
        """Gives the event in the form of the labelled captions."""
        return {
            "phrase": self.phrase,
            "action": self.action,
            "side": self.side,
            "count": self.count,
            "countable": self.countable,
        }


@dataclass(frozen=True)
class ReadCaption:
    """A caption and its events."""

    text: str
    events: tuple[CaptionEvent, ...] = ()
    together: tuple[tuple[int, ...], ...] = ()  # places in `events` of what happens at once
    remarks: list[str] = field(default_factory=list)

    @property
    def readable(self) -> bool:
        """Whether the caption describes any motion."""
        return bool(self.events)

    @property
    def task(self) -> str:
        """The property of a motion that this caption tests: "frequency", "temporal" or "integrity"."""
        if any(event.count is not None and event.count > 1 for event in self.events):
            return "frequency"
        if len(self.events) < 2 or any(len(group) == len(self.events) for group in self.together):
            return "integrity"
        return "temporal"

    def to_json(self) -> dict[str, Any]:
        """Gives the caption in the form of the labelled captions."""
        return {
            "text": self.text,
            "task": self.task,
            "readable": self.readable,
            "events": [event.to_json() for event in self.events],
            "together": [list(group) for group in self.together],
        }
