"""The kinematic judge: which events happen in a motion, how often, when, and how well that fits what was asked.

Detectors run in the order in which one thing explains another: a jumping jack explains its flights and its raised
arms, a run its flights, a jump the crouch before it, a punch the guard. What is explained is not told again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from atom.config import JudgingConfig
from atom.events import ACTIONS, Event, Task
from atom.judging import rubric
from atom.judging.airborne import find_flights, find_jacks, find_jumps, unexplained
from atom.judging.arms import find_arm_events
from atom.judging.posture import find_bows, find_dips
from atom.judging.seen import SeenEvent, in_order
from atom.judging.signals import measure
from atom.judging.travel import find_kicks, find_sidesteps, find_turns, find_walks


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
    seen: list[SeenEvent]
    verdicts: list[Verdict]
    rationale: str


class KinematicJudge:
    """Judges motions from joints alone; the same joints always give the same judgement."""

    def __init__(self, config: JudgingConfig | None = None) -> None:
        self._strict = 1 / (config or JudgingConfig()).sensitivity

    def detect(self, joints: np.ndarray) -> list[SeenEvent]:
        """Events in order of time in joints (T,22,3): metres, 20 fps, Y up, any heading, place and body size.

        A clip under 8 frames or a body without size holds none. AtomError for another shape or numbers not finite.
        """
        s = measure(joints)
        if s is None:
            return []
        strict = self._strict
        flights = find_flights(s, strict)
        jacks = find_jacks(s, flights, strict)
        walks = find_walks(s, flights, strict)
        runs = [event for event in walks if event.action == "run_forward"]
        jumps = find_jumps(s, unexplained(flights, [*jacks, *runs]), strict)
        kicks = find_kicks(s, strict)
        turns = find_turns(s, strict)
        dips = find_dips(s, flights, strict)
        in_place = [(e.start, e.end) for e in (*jacks, *jumps, *kicks, *dips)]
        events = [*jacks, *walks, *jumps, *kicks, *turns, *dips, *find_bows(s, strict)]
        events += find_sidesteps(s, in_place, strict)
        leaps = [(e.start - 6, e.end + 6) for e in (*runs, *jumps)]  # with the swing of the arms around them
        events += find_arm_events(s, [(e.start, e.end) for e in jacks], leaps, strict)
        return in_order(events)

    def judge(self, joints: np.ndarray, events: Sequence[Event], task: Task) -> Judgement:
        """Scores joints (T,22,3) against the asked events. AtomError for bad joints, an unknown task or no events."""
        seen = self.detect(joints)
        exact = rubric.exact(events, seen)
        verdicts = _verdicts(events, seen)
        return Judgement(rubric.score(task, events, seen), exact, seen, verdicts, _rationale(verdicts, seen, exact))


def _verdicts(asked: Sequence[Event], seen: Sequence[SeenEvent]) -> list[Verdict]:
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


def _rationale(verdicts: list[Verdict], seen: list[SeenEvent], exact: bool) -> str:
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
