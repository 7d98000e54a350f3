"""The kinematic judge: which events happen in a motion, how often, when, and how well that fits what was asked.

Detectors run in the order in which one thing explains another: a jumping jack explains its flights and its raised
arms, a run its flights, a jump the crouch before it, a punch the guard. What is explained is not told again.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from atom.config import JudgingConfig
from atom.events import Event, Task
from atom.judging.airborne import find_flights, find_jacks, find_jumps, unexplained
from atom.judging.arms import find_arm_events
from atom.judging.judgement import Judgement, judge_seen
from atom.judging.posture import find_bows, find_dips
from atom.judging.seen import SeenEvent, in_order
from atom.judging.signals import measure
from atom.judging.travel import find_kicks, find_sidesteps, find_turns, find_walks


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
        return judge_seen(self.detect(joints), events, task)
