"""What was seen held against what was asked: the score, the evidence for each event, and why in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from atom.events import ACTIONS, Event, Task
from atom.judging import rubric
from atom.judging.detected_events import DetectedEvent


@dataclass(frozen=True)
class Verdict:
    """What was seen of one asked event; frames [start, end) are None when it is missing."""

    asked: Event
    found: bool
    seen_count: int
    start: int | None
    end: int | None
    in_order: bool


@dataclass(frozen=True)
class Judgement:
    """score is 1 to 5 by the task's rubric; exact: all that was seen is what was asked, with counts and order."""

    score: float
    exact: bool
    seen: list[DetectedEvent]
    verdicts: list[Verdict]
    rationale: str


def judge_seen(seen: list[DetectedEvent], asked: Sequence[Event], task: Task) -> Judgement:
    """The judgement of the events that a judge saw. AtomError for an unknown task or when nothing was asked."""
    exact = rubric.exact(asked, seen)
    verdicts = _verdicts(asked, seen)
    return Judgement(rubric.score(task, asked, seen), exact, seen, verdicts, _rationale(verdicts, seen, exact))


def _verdicts(asked: Sequence[Event], seen: Sequence[DetectedEvent]) -> list[Verdict]:
    pairs = rubric.matches([event.action for event in asked], [event.action for event in seen])
    place = {i: (seen[j], ordered) for i, j, ordered in pairs}
    verdicts = []
    for i, event in enumerate(asked):
        if i in place:
            found, ordered = place[i]
            verdicts.append(Verdict(event, True, found.count, found.start, found.end, ordered))
        else:
            verdicts.append(Verdict(event, False, 0, None, None, False))
    return verdicts


def _rationale(verdicts: list[Verdict], seen: list[DetectedEvent], exact: bool) -> str:
    if exact:
        return "Everything asked happens, as often and in the order told, and nothing else."
    parts = []
    missing = [_named(v.asked.action) for v in verdicts if not v.found]
    if missing:
        parts.append(f"missing: {', '.join(missing)}")
    if any(v.found and not v.in_order for v in verdicts):
        parts.append("the order differs: " + ", then ".join(_named(e.action) for e in seen))
    for v in verdicts:
        if v.found and v.seen_count != v.asked.count and ACTIONS[v.asked.action].countable:
            parts.append(f"{_named(v.asked.action)} {v.seen_count} times instead of {v.asked.count}")
    known = {(v.asked.action, v.start) for v in verdicts if v.found}
    extra = [_named(event.action) for event in seen if (event.action, event.start) not in known]
    if extra:
        parts.append(f"not asked for: {', '.join(extra)}")
    sentence = "; ".join(parts) or "the same events are told in another grouping"
    return sentence[0].upper() + sentence[1:] + "."


def _named(action: str) -> str:
    return action.replace("_", " ")
