"""The kinematic judge: rules on joints that say which events happen in a motion, how often and when.

The detectors run in the order in which one event explains another: a jumping jack explains its flights and raised arms,
a run its flights, a jump the crouch before it, a punch its guard. What one event explains is no event of its own.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from atom.config import JudgingConfig
from atom.judging.airborne import find_flights, find_jacks, find_jumps, find_unexplained_flights
from atom.judging.arms import find_arm_events
from atom.judging.detected_events import DetectedEvent, sort_and_merge
from atom.judging.event_judge import EventJudge
from atom.judging.posture import find_bows, find_dips
from atom.judging.signals import Signals, measure_signals
from atom.judging.travel import find_kicks, find_sidesteps, find_turns, find_walks

STRICTNESS_FACTORS = (0.25, 0.35, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 1.8, 2.2, 2.8, 3.5)


class KinematicJudge(EventJudge):
    """A judge that reads only joints; the same joints always give the same judgement."""

    name = "kinematic"

    def __init__(self, config: JudgingConfig | None = None) -> None:
        """Sets the thresholds.

        Args:
            config: its `sensitivity` scales all of them; None takes the defaults.
        """
        self._strictness = 1 / (config or JudgingConfig()).sensitivity

    def detect(self, joints: np.ndarray) -> list[DetectedEvent]:
        """Detects the events of a motion.

        Args:
            joints: (T, 22, 3) in metres, 20 fps, Y up, of any heading, position and body size.

        Returns:
            The events in order of time; none in a clip under 8 frames or of a body without size.

        Raises:
            AtomError: the joints have another shape or a number that is not finite.
        """
        s = measure_signals(joints)
        return [] if s is None else _detect_events(s, self._strictness)

    def max_strictness(self, joints: np.ndarray) -> dict[str, float]:
        """Finds the highest strictness at which each action is still detected.

        1 is the strictness of this judge, 2 asks for movements twice as large, 0.5 for half as large. An action that
        this judge does not detect only counts at a lower strictness: a stricter judge may detect it just because it no
        longer detects what explains it.

        Args:
            joints: (T, 22, 3), as for `detect`.

        Returns:
            The strictness by action. An action that is missing is detected at none of `STRICTNESS_FACTORS`.
        """
        s = measure_signals(joints)
        detected_at: dict[str, list[float]] = defaultdict(list)
        for factor in STRICTNESS_FACTORS if s is not None else ():
            for event in _detect_events(s, factor * self._strictness):
                detected_at[event.action].append(factor)
        usable = {
            action: factors if 1.0 in factors else [factor for factor in factors if factor < 1]
            for action, factors in detected_at.items()
        }
        return {action: max(factors) for action, factors in usable.items() if factors}


def _detect_events(s: Signals, strictness: float) -> list[DetectedEvent]:
    """The events in the signals of a clip, with all thresholds multiplied by `strictness`."""
    flights = find_flights(s, strictness)
    jacks = find_jacks(s, flights, strictness)
    walks = find_walks(s, flights, strictness)
    runs = [event for event in walks if event.action == "run_forward"]
    jumps = find_jumps(s, find_unexplained_flights(flights, [*jacks, *runs]), strictness)
    kicks = find_kicks(s, strictness)
    turns = find_turns(s, strictness)
    dips = find_dips(s, flights, strictness)
    in_place = [(e.start, e.end) for e in (*jacks, *jumps, *kicks, *dips)]
    events = [*jacks, *walks, *jumps, *kicks, *turns, *dips, *find_bows(s, strictness)]
    events += find_sidesteps(s, in_place, strictness)
    leaps = [(e.start - 6, e.end + 6) for e in (*runs, *jumps)]  # with the swing of the arms around them
    events += find_arm_events(s, [(e.start, e.end) for e in jacks], leaps, strictness)
    return sort_and_merge(events)
