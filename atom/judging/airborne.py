"""What happens off the floor: jumps, hops, jumping jacks, the flight phases of running."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from atom.judging.detected_events import DetectedEvent, confidence
from atom.judging.peak_detection import Run, foot_of_peak, overlap, peaks
from atom.judging.signals import Signals

LIFT, STRIDE_LIFT = 0.055, 0.04  # leg lengths that both toes must clear the floor by: in a jump, in running
LONGEST, STRIDE_LONGEST = 20, 8  # frames; feet that are up longer dangle or drag through a long step
HELD = 0.11  # leg lengths that the free foot of a hop stays up
STRIDE = 0.35  # leg lengths between the feet, along the heading, in a running flight
ADVANCE = 0.3  # metres of travel that make a jump a forward one
JACK_SPREAD = 0.5  # leg lengths between the feet, sideways
JACK_ARMS = 112.0  # degrees both arms are lifted
JACK_REACH = 9  # frames from the open pose to the flights around it

Kind = Literal["both", "left", "right", "stride"]


@dataclass(frozen=True)
class Flight:
    """Frames [start, end) with both toes off the floor; `kind` tells which foot or feet carried it."""

    start: int
    peak: int
    end: int
    kind: Kind
    height: float  # leg lengths

    @property
    def run(self) -> Run:
        return self.start, self.end


def find_flights(s: Signals, strict: float) -> list[Flight]:
    lowest = s.toe_height.min(1)
    flights = []
    for peak in peaks(lowest, STRIDE_LIFT * strict, STRIDE_LIFT * strict, distance=2):
        start, end = foot_of_peak(lowest, peak, max(0.25 * lowest[peak], 0.015))
        kind, height = _kind(s, start, end), float(lowest[peak])
        longest, least = (STRIDE_LONGEST, STRIDE_LIFT) if kind == "stride" else (LONGEST, LIFT)
        if end - start <= longest and height >= least * strict:
            flights.append(Flight(start, peak, end, kind, height))
    return flights


def _kind(s: Signals, start: int, end: int) -> Kind:
    around = slice(max(start - 3, 0), end + 3)
    resting = s.toe_height[around].min(0)
    free = int(resting.argmax())
    if resting[free] > HELD and resting[1 - free] < 0.5 * resting[free]:
        return ("right", "left")[free]
    stride = np.abs(s.foot[start:end, 0, 2] - s.foot[start:end, 1, 2]).mean()
    return "stride" if stride > STRIDE else "both"


def find_jacks(s: Signals, flights: list[Flight], strict: float) -> list[DetectedEvent]:
    """Open poses (feet apart, both hands overhead) that were reached or left through the air, one event each."""
    spread = s.foot[:, 0, 0] - s.foot[:, 1, 0]
    openness = np.minimum(spread / (JACK_SPREAD * strict), s.arm_lift.min(1) / (JACK_ARMS * strict**0.3))
    jacks = []
    for peak in peaks(openness, 1.0, 0.35, distance=5):
        if any(abs(flight.peak - peak) <= JACK_REACH for flight in flights):
            start, end = max(peak - JACK_REACH, 0), min(peak + JACK_REACH, s.frames)
            jacks.append(DetectedEvent("jumping_jack", 1, start, end, confidence(float(openness[peak]), 1.0)))
    return jacks


def find_jumps(s: Signals, flights: list[Flight], strict: float) -> list[DetectedEvent]:
    """Jumps with both feet and hops, one event for each flight."""
    jumps = []
    for flight in flights:
        if flight.kind == "stride":
            continue
        if flight.kind == "both":
            before, after = max(flight.start - 1, 0), min(flight.end, s.frames - 1)
            travel = s.feet_middle[after] - s.feet_middle[before]
            yaw = np.radians(s.heading[flight.peak])
            ahead = travel @ (np.sin(yaw), np.cos(yaw))
            if ahead >= ADVANCE * strict:
                action = "jump_forward"
            elif np.hypot(*travel) < 0.5:
                action = "jump_up"
            else:
                continue  # a leap to the side or back has no name here
        else:
            action = f"hop_{flight.kind}"
        jumps.append(DetectedEvent(action, 1, flight.start, flight.end, confidence(flight.height, LIFT * strict)))
    return jumps


def unexplained(flights: list[Flight], events: list[DetectedEvent]) -> list[Flight]:
    """The flights that none of the events accounts for, not even nearly (the last bound of a run)."""
    return [f for f in flights if not any(overlap(f.run, (e.start, e.end)) > -3 for e in events)]
