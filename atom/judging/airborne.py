"""Detectors of flights: jumps, hops, jumping jacks and the flight phases of running."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from atom.judging.detected_events import DetectedEvent, confidence
from atom.judging.peak_detection import FrameRange, find_peak_extent, find_peaks, overlap
from atom.judging.signals import Signals

MIN_LIFT, MIN_STRIDE_LIFT = 0.055, 0.04  # leg lengths between the floor and both toes, in a jump and in running
MAX_FLIGHT_FRAMES, MAX_STRIDE_FRAMES = 20, 8  # feet that are up longer dangle, or drag through a long step
HOP_LIFT = 0.11  # leg lengths between the floor and the free foot of a hop
STRIDE_LENGTH = 0.35  # leg lengths between the feet, along the heading, in a running flight
FORWARD_TRAVEL = 0.3  # metres of travel that make a jump a jump forward
JACK_SPREAD = 0.5  # leg lengths between the feet, sideways
JACK_ARM_LIFT = 112.0  # degrees that both arms are lifted
JACK_WINDOW = 9  # frames from the open pose to the flights around it

FlightKind = Literal["both", "left", "right", "stride"]


@dataclass(frozen=True)
class Flight:
    """Frames [start, end) with both toes off the floor. `kind` is the foot or feet that push off and land."""

    start: int
    peak: int
    end: int
    kind: FlightKind
    height: float  # leg lengths

    @property
    def frame_range(self) -> FrameRange:
        return self.start, self.end


def find_flights(s: Signals, strictness: float) -> list[Flight]:
    """Find all flights of a clip.

    Args:
        s: the signals of the clip.
        strictness: the factor on all thresholds; 2 asks for movements twice as large.

    Returns:
        The flights in order of time.
    """
    lowest = s.toe_height.min(1)
    flights = []
    for peak in find_peaks(lowest, MIN_STRIDE_LIFT * strictness, MIN_STRIDE_LIFT * strictness, distance=2):
        start, end = find_peak_extent(lowest, peak, max(0.25 * lowest[peak], 0.015))
        kind, height = _classify_flight(s, start, end), float(lowest[peak])
        max_frames, min_lift = (
            (MAX_STRIDE_FRAMES, MIN_STRIDE_LIFT) if kind == "stride" else (MAX_FLIGHT_FRAMES, MIN_LIFT)
        )
        if end - start <= max_frames and height >= min_lift * strictness:
            flights.append(Flight(start, peak, end, kind, height))
    return flights


def _classify_flight(s: Signals, start: int, end: int) -> FlightKind:
    # In a hop the free foot stays up before and after the flight, in a jump both feet leave the floor.
    around = slice(max(start - 3, 0), end + 3)
    lowest = s.toe_height[around].min(0)
    free = int(lowest.argmax())
    if lowest[free] > HOP_LIFT and lowest[1 - free] < 0.5 * lowest[free]:
        return ("right", "left")[free]  # the foot that is not free hops
    stride = np.abs(s.foot[start:end, 0, 2] - s.foot[start:end, 1, 2]).mean()
    return "stride" if stride > STRIDE_LENGTH else "both"


def find_jacks(s: Signals, flights: list[Flight], strictness: float) -> list[DetectedEvent]:
    """Find jumping jacks: open poses (feet apart, both hands overhead) with a flight shortly before or after.

    Args:
        s: the signals of the clip.
        flights: what `find_flights` found in it.
        strictness: the factor on all thresholds.

    Returns:
        One event for each open pose.
    """
    spread = s.foot[:, 0, 0] - s.foot[:, 1, 0]
    # Legs and arms must be open in the same frame. The angle grows with strictness to the power 0.3: in proportion, a
    # strictness of 2 would ask for more than the 180 degrees that an arm can have.
    openness = np.minimum(spread / (JACK_SPREAD * strictness), s.arm_lift.min(1) / (JACK_ARM_LIFT * strictness**0.3))
    jacks = []
    for peak in find_peaks(openness, 1.0, 0.35, distance=5):
        if any(abs(flight.peak - peak) <= JACK_WINDOW for flight in flights):
            start, end = max(peak - JACK_WINDOW, 0), min(peak + JACK_WINDOW, s.frames)
            jacks.append(DetectedEvent("jumping_jack", 1, start, end, confidence(float(openness[peak]), 1.0)))
    return jacks


def find_jumps(s: Signals, flights: list[Flight], strictness: float) -> list[DetectedEvent]:
    """Find jumps with both feet and hops.

    Args:
        s: the signals of the clip.
        flights: those that no other event explains.
        strictness: the factor on all thresholds.

    Returns:
        One event for each flight that is a jump or a hop.
    """
    jumps = []
    for flight in flights:
        if flight.kind == "stride":
            continue
        if flight.kind == "both":
            before, after = max(flight.start - 1, 0), min(flight.end, s.frames - 1)
            travel = s.feet_middle[after] - s.feet_middle[before]
            yaw = np.radians(s.heading[flight.peak])
            ahead = travel @ (np.sin(yaw), np.cos(yaw))
            if ahead >= FORWARD_TRAVEL * strictness:
                action = "jump_forward"
            elif np.hypot(*travel) < 0.5:
                action = "jump_up"
            else:
                continue  # no action stands for a leap to the side or back
        else:
            action = f"hop_{flight.kind}"
        jumps.append(
            DetectedEvent(action, 1, flight.start, flight.end, confidence(flight.height, MIN_LIFT * strictness))
        )
    return jumps


def find_unexplained_flights(flights: list[Flight], events: list[DetectedEvent]) -> list[Flight]:
    """Find the flights that no event explains.

    Args:
        flights: the flights of a clip.
        events: events that explain the flights in their frames, and those less than three frames outside, such as the
            last step of a run.
    """
    return [f for f in flights if not any(overlap(f.frame_range, (e.start, e.end)) > -3 for e in events)]
