"""Detectors of squats, lunges, sitting, kneeling, getting up, picking up and bowing. Lengths are in leg lengths."""

from __future__ import annotations

from atom.judging.airborne import Flight
from atom.judging.detected_events import DetectedEvent, confidence
from atom.judging.peak_detection import FrameRange, find_peak_extent, find_peaks
from atom.judging.signals import Signals

DIP_DEPTH = 0.2  # least depth of the pelvis below standing
SQUAT_DEPTH = 0.3
KNEEL_KNEE_HEIGHT = 0.17  # below this height a knee rests on the floor
LUNGE_LENGTH = 0.5  # distance of the feet along the heading
SEAT_OFFSET = 0.46  # distance of the feet ahead of the pelvis when sitting
PICK_UP_HAND_HEIGHT = 0.3  # below this height a hand picks something up
MIN_STAY_FRAMES = 5  # at the bottom, for sitting and kneeling
BOW_ANGLE = 33.0  # degrees from upright


def find_dips(s: Signals, flights: list[Flight], strictness: float) -> list[DetectedEvent]:
    """Find the events that lower the pelvis. The pose at the bottom of each dip decides which event it is.

    Args:
        s: the signals of the clip.
        flights: what `find_flights` found in it.
        strictness: the factor on all thresholds.

    Returns:
        One or two events a dip: who sits or kneels down may also get up.
    """
    drop = s.drop
    found = find_peaks(drop, DIP_DEPTH * strictness, 0.12 * strictness, distance=4)
    events: list[DetectedEvent] = []
    for number, peak in enumerate(found):
        start, end = find_peak_extent(drop, peak, 0.1)
        # Two dips that are not separated by standing are cut where the pelvis is highest between them.
        if number and found[number - 1] >= start:
            start = found[number - 1] + int(drop[found[number - 1] : peak].argmin())
        if number + 1 < len(found) and found[number + 1] < end:
            end = peak + int(drop[peak : found[number + 1]].argmin()) + 1
        stay = find_peak_extent(drop[start:end], peak - start, drop[peak] - 0.07)
        events += _classify_dip(s, (start, end), peak, (stay[0] + start, stay[1] + start), flights, strictness)
    return events


def _classify_dip(
    s: Signals, dip: FrameRange, peak: int, stay: FrameRange, flights: list[Flight], strictness: float
) -> list[DetectedEvent]:
    start, end = dip
    bottom = slice(*stay)
    depth = float(s.drop[peak])
    dip_confidence = confidence(depth, DIP_DEPTH * strictness)
    stays = stay[1] - stay[0] >= MIN_STAY_FRAMES
    rises = end < s.frames or depth - s.drop[-1] > 0.5 * depth
    sinks = start > 0 or depth - s.drop[0] > 0.5 * depth

    def lower_and_rise(action: str) -> list[DetectedEvent]:
        down = [DetectedEvent(action, 1, start, stay[0] + 1, dip_confidence)] if sinks else []
        return down + ([DetectedEvent("get_up", 1, stay[1] - 1, end, dip_confidence)] if rises else [])

    # Kneeling comes first: it lowers the pelvis as much as a squat, and only the knee tells them apart.
    if s.knee_height[bottom].min() < KNEEL_KNEE_HEIGHT and stays:
        return lower_and_rise("kneel_down")
    jumped = [f for f in flights if f.kind != "stride"]
    if any(abs(f.start - peak) <= 7 or abs(f.end - peak) <= 7 or abs(f.start - end) <= 3 for f in jumped):
        return []  # the crouch before a jump or the landing after it
    apart = float(s.foot[peak, 0, 2] - s.foot[peak, 1, 2])
    if abs(apart) > LUNGE_LENGTH * strictness:
        return (
            [DetectedEvent(f"lunge_{'left' if apart > 0 else 'right'}", 1, start, end, dip_confidence)] if rises else []
        )
    # The lean tells it from a deep squat, in which hanging hands come near the floor too.
    if s.hand_height[start:end].min() < PICK_UP_HAND_HEIGHT and s.pitch[start:end].max() > 40:
        return [DetectedEvent("pick_up", 1, start, end, dip_confidence)]
    if depth < SQUAT_DEPTH * strictness:
        return []
    behind = float(s.foot[bottom, :, 2].mean(1).max())
    # A seat holds the body behind its feet; a squat has to stay over them. Who stays down for more than 25 frames, or
    # ends down there, sits as well.
    if stays and (behind > SEAT_OFFSET or stay[1] - stay[0] > 25 or not (sinks and rises)):
        return lower_and_rise("sit_down")
    return (
        [DetectedEvent("squat", 1, start, end, confidence(depth, SQUAT_DEPTH * strictness))] if sinks and rises else []
    )


def find_bows(s: Signals, strictness: float) -> list[DetectedEvent]:
    """Find forward leans with nearly straight legs; with a hand near the floor it is a pick-up, otherwise a bow.

    Args:
        s: the signals of the clip.
        strictness: the factor on all thresholds.
    """
    bows = []
    for peak in find_peaks(s.pitch, BOW_ANGLE * strictness, 0.5 * BOW_ANGLE * strictness, distance=6):
        # A lean with bent knees belongs to a dip, one at speed to a run.
        if s.drop[peak] > 0.17 or s.knee_bend[peak].max() > 70 or abs(s.velocity[peak, 1]) > 1.0:
            continue
        start, end = find_peak_extent(s.pitch, peak, 0.5 * s.pitch[peak])
        action = "pick_up" if s.hand_height[start:end].min() < PICK_UP_HAND_HEIGHT else "bow"
        bows.append(DetectedEvent(action, 1, start, end, confidence(float(s.pitch[peak]), BOW_ANGLE * strictness)))
    return bows
