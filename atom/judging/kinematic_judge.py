"""The kinematic judge: which events happen in a motion, how often, when, and how well that fits what was asked.

Detectors run in the order in which one thing explains another: a jumping jack explains its flights and its raised
arms, a run its flights, a jump the crouch before it, a punch the guard. What is explained is not told again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from atom.config import JudgingConfig
from atom.events import Event, Task
from atom.judging.airborne import find_flights, find_jacks, find_jumps, unexplained
from atom.judging.arms import find_arm_events
from atom.judging.detected_events import DetectedEvent, sort_and_merge
from atom.judging.judgement import Judgement, judge_seen
from atom.judging.posture import find_bows, find_dips
from atom.judging.signals import Signals, measure
from atom.judging.travel import find_kicks, find_sidesteps, find_turns, find_walks

STRICTNESS = (0.25, 0.35, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 1.8, 2.2, 2.8, 3.5)


class KinematicJudge:
    """Judges motions from joints alone; the same joints always give the same judgement."""

    def __init__(self, config: JudgingConfig | None = None) -> None:
        self._strict = 1 / (config or JudgingConfig()).sensitivity

    def detect(self, joints: np.ndarray) -> list[DetectedEvent]:
        """Events in order of time in joints (T,22,3): metres, 20 fps, Y up, any heading, place and body size.

        A clip under 8 frames or a body without size holds none. AtomError for another shape or numbers not finite.
        """
        s = measure(joints)
        return [] if s is None else _detect(s, self._strict)

    def evidence(self, joints: np.ndarray) -> dict[str, float]:
        """How strict a judge may be and still see each action in joints (T,22,3): 1 is this judge, 2 asks for movements
        twice as large, 0.5 is content with half of them. An action that is not in it is seen by none of them.

        What a more lenient judge explains as something else it does not see; neither does a stricter one see an action
        only because it no longer sees what explains it.
        """
        s = measure(joints)
        seen: dict[str, list[float]] = defaultdict(list)
        for share in STRICTNESS if s is not None else ():
            for event in _detect(s, share * self._strict):
                seen[event.action].append(share)
        found = {
            action: seen_by if 1.0 in seen_by else [share for share in seen_by if share < 1]
            for action, seen_by in seen.items()
        }
        return {action: max(seen_by) for action, seen_by in found.items() if seen_by}

    def judge(self, joints: np.ndarray, events: Sequence[Event], task: Task) -> Judgement:
        """Scores joints (T,22,3) against the asked events. AtomError for bad joints, an unknown task or no events."""
        return judge_seen(self.detect(joints), events, task)


def _detect(s: Signals, strict: float) -> list[DetectedEvent]:
    """The events in the signals of a clip, for movements `strict` times as large as the thresholds say."""
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
    return sort_and_merge(events)
