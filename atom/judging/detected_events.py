"""What a judge saw: events with their place in time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from atom.events import ACTIONS

MERGE_GAP = 40  # frames: repeats that lie farther apart are told as two events


@dataclass(frozen=True)
class DetectedEvent:
    """An action that was seen `count` times in frames [start, end), with a confidence in 0..1."""

    action: str
    count: int
    start: int
    end: int
    confidence: float = 1.0


def sort_and_merge(events: Iterable[DetectedEvent]) -> list[DetectedEvent]:
    """Events by time of their middle, repeats of one action in a row merged into one with their counts added.

    An action that can't be counted keeps the count 1.
    """
    merged: list[DetectedEvent] = []
    for event in sorted(events, key=lambda e: (e.start + e.end, e.action)):
        last = merged[-1] if merged else None
        if last and last.action == event.action and event.start - last.end <= MERGE_GAP:
            count = last.count + event.count if ACTIONS[event.action].countable else 1
            weight = last.count / (last.count + event.count)
            confidence = weight * last.confidence + (1 - weight) * event.confidence
            merged[-1] = replace(last, count=count, end=max(last.end, event.end), confidence=confidence)
        else:
            merged.append(event)
    return merged


def confidence(value: float, threshold: float) -> float:
    """Confidence of something that passed its threshold: 0.5 when barely, 1 from one and a half times on."""
    return float(min(max(value / threshold - 0.5, 0.5), 1.0))
