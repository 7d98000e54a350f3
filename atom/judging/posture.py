"""Going down and coming up: squats, lunges, sitting, kneeling, getting up, picking up, bowing."""

from __future__ import annotations

from atom.judging.airborne import Flight
from atom.judging.detected_events import DetectedEvent, confidence
from atom.judging.peak_detection import Run, foot_of_peak, peaks
from atom.judging.signals import Signals

DIP = 0.2  # leg lengths that the pelvis sinks at least
SQUAT = 0.3
KNEE_DOWN = 0.17  # height of a knee that rests on the floor
LUNGE = 0.5  # between the feet, along the heading
SEAT_BEHIND = 0.46  # how far the feet are ahead of the pelvis of one who sits
HAND_DOWN = 0.3  # height of a hand that picks something up
STAYS = 5  # frames at the bottom, for sitting and kneeling
BOW = 33.0  # degrees


def find_dips(s: Signals, flights: list[Flight], strict: float) -> list[DetectedEvent]:
    """Everything that lowers the pelvis, each dip told by what the body is like at its bottom."""
    drop = s.drop
    found = peaks(drop, DIP * strict, 0.12 * strict, distance=4)
    events: list[DetectedEvent] = []
    for number, peak in enumerate(found):
        start, end = foot_of_peak(drop, peak, 0.1)
        if number and found[number - 1] >= start:
            start = found[number - 1] + int(drop[found[number - 1] : peak].argmin())
        if number + 1 < len(found) and found[number + 1] < end:
            end = peak + int(drop[peak : found[number + 1]].argmin()) + 1
        stay = foot_of_peak(drop[start:end], peak - start, drop[peak] - 0.07)
        events += _name_dip(s, (start, end), peak, (stay[0] + start, stay[1] + start), flights, strict)
    return events


def _name_dip(s: Signals, dip: Run, peak: int, stay: Run, flights: list[Flight], strict: float) -> list[DetectedEvent]:
    start, end = dip
    bottom = slice(*stay)
    depth = float(s.drop[peak])
    sure = confidence(depth, DIP * strict)
    stays = stay[1] - stay[0] >= STAYS
    rises = end < s.frames or depth - s.drop[-1] > 0.5 * depth
    sinks = start > 0 or depth - s.drop[0] > 0.5 * depth

    def settled(action: str) -> list[DetectedEvent]:
        down = [DetectedEvent(action, 1, start, stay[0] + 1, sure)] if sinks else []
        return down + ([DetectedEvent("get_up", 1, stay[1] - 1, end, sure)] if rises else [])

    if s.knee_height[bottom].min() < KNEE_DOWN and stays:
        return settled("kneel_down")
    jumped = [f for f in flights if f.kind != "stride"]
    if any(abs(f.start - peak) <= 7 or abs(f.end - peak) <= 7 or abs(f.start - end) <= 3 for f in jumped):
        return []  # the crouch before a jump and the give after it
    apart = float(s.foot[peak, 0, 2] - s.foot[peak, 1, 2])
    if abs(apart) > LUNGE * strict:
        return [DetectedEvent(f"lunge_{'left' if apart > 0 else 'right'}", 1, start, end, sure)] if rises else []
    if s.hand_height[start:end].min() < HAND_DOWN and s.pitch[start:end].max() > 40:
        return [DetectedEvent("pick_up", 1, start, end, sure)]
    if depth < SQUAT * strict:
        return []
    behind = float(s.foot[bottom, :, 2].mean(1).max())
    if stays and (behind > SEAT_BEHIND or stay[1] - stay[0] > 25 or not (sinks and rises)):
        return settled("sit_down")
    return [DetectedEvent("squat", 1, start, end, confidence(depth, SQUAT * strict))] if sinks and rises else []


def find_bows(s: Signals, strict: float) -> list[DetectedEvent]:
    """Forward leans with nearly straight legs, one event each; with a hand near the floor it is a pick-up."""
    bows = []
    for peak in peaks(s.pitch, BOW * strict, 0.5 * BOW * strict, distance=6):
        if s.drop[peak] > 0.17 or s.knee_bend[peak].max() > 70 or abs(s.velocity[peak, 1]) > 1.0:
            continue
        start, end = foot_of_peak(s.pitch, peak, 0.5 * s.pitch[peak])
        action = "pick_up" if s.hand_height[start:end].min() < HAND_DOWN else "bow"
        bows.append(DetectedEvent(action, 1, start, end, confidence(float(s.pitch[peak]), BOW * strict)))
    return bows
