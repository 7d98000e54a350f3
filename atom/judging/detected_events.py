"""Events that a judge detects in a motion, with their frames and a confidence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from atom.events import counts_repetitions

MERGE_GAP = 40  # frames between two repeats; farther apart they stay two events


@dataclass(frozen=True)
class DetectedEvent:
    """An action that a judge sees in a motion.

    Attributes:
        action: its name.
        count: how often it happens in a row.
        start: its first frame.
        end: the frame after its last one.
        confidence: from 0 to 1.
    """

    action: str
    count: int
    start: int
    end: int
    confidence: float = 1.0


def sort_and_merge(events: Iterable[DetectedEvent]) -> list[DetectedEvent]:
    """Sort events by the middle of their frames, and merge repeats of one action in a row by adding their counts.

    An action that can't be counted keeps the count 1.
    """
    merged: list[DetectedEvent] = []
    # By their middles: events that overlap have no order by start or end alone. The name breaks ties.
    for event in sorted(events, key=lambda e: (e.start + e.end, e.action)):
        last = merged[-1] if merged else None
        if last and last.action == event.action and event.start - last.end <= MERGE_GAP:
            count = last.count + event.count if counts_repetitions(event.action) else 1
            weight = last.count / (last.count + event.count)
            mean_confidence = weight * last.confidence + (1 - weight) * event.confidence
            merged[-1] = replace(last, count=count, end=max(last.end, event.end), confidence=mean_confidence)
        else:
            merged.append(event)
    return merged


def confidence(value: float, threshold: float) -> float:
    """Turn a value above its detection threshold into a confidence.

    Args:
        value: the measured quantity, in the unit of `threshold`.
        threshold: what the value has to reach for a detection.

    Returns:
        0.5 for a value at the threshold, rising to 1 at one and a half times the threshold.
    """
    return float(min(max(value / threshold - 0.5, 0.5), 1.0))
