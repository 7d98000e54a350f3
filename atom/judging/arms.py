"""Detectors of arm events: waves, raised arms, throws, punches and claps."""

from __future__ import annotations

import numpy as np

from atom.judging.detected_events import DetectedEvent, confidence
from atom.judging.peak_detection import FrameRange, find_peak_extent, find_peaks, find_runs_with_hysteresis, overlap
from atom.judging.signals import Signals

SIDES = ("left", "right")
LIFTED_ANGLE = 100.0  # degrees from hanging at which an arm counts as lifted
RAISE_HEIGHT = 0.2  # arm lengths between the head and a raised hand
WAVE_SWING = 0.12  # arm lengths between the turning points of a waving hand
WAVE_TURNING_POINTS = 3
THROW_BEHIND, THROW_AHEAD = 0.25, 0.45  # arm lengths between shoulder and hand: first behind it, then ahead
PUNCH_GUARD, PUNCH_REACH = 0.68, 0.82  # arm lengths from shoulder to wrist, before and at the end of a punch
CLAP_DISTANCE = 0.42  # arm lengths between the wrists when the palms meet
FOLDED_FRAMES = 10  # hands that stay together longer are folded
PAIR_FRAMES = 7  # frames between the middles of two raises that are one raise of both arms


def find_arm_events(
    s: Signals, busy: list[FrameRange], leaps: list[FrameRange], strictness: float
) -> list[DetectedEvent]:
    """Find all arm events.

    A throw explains the stretched arm of its release, and a punch the lifted arms of its guard: neither is an event of
    its own.

    Args:
        s: the signals of the clip.
        busy: frames in which another event explains the arms.
        leaps: frames of runs and jumps, whose arm swing can look like a clap.
        strictness: the factor on all thresholds.

    Returns:
        The events in no particular order, repeats not yet merged.
    """
    lifted = [
        (i, run)
        for i in range(2)
        # To the power 0.3, because an arm has at most 180 degrees: see `find_jacks`.
        for run in find_runs_with_hysteresis(s.arm_lift[:, i], LIFTED_ANGLE * strictness**0.3, 65.0)
        if not any(overlap(run, other) > 0.4 * (run[1] - run[0]) for other in busy)
    ]
    throws = {(i, run): _find_throw(s, i, run, strictness) for i, run in lifted}
    events = [DetectedEvent(f"throw_{SIDES[i]}", 1, *throw) for (i, _), throw in throws.items() if throw]
    punches = _find_punches(s, [*busy, *((e.start, e.end) for e in events)], strictness)
    raised: tuple[list[DetectedEvent], list[DetectedEvent]] = ([], [])
    for i, run in lifted:
        if throws[i, run] or any(overlap(run, (e.start + 5, e.end - 5)) > 0 for e in punches):
            continue
        if _is_wave(s, i, run, strictness):
            events.append(DetectedEvent(f"wave_{SIDES[i]}", 1, *run))
        else:
            raised[i].extend(_find_raises(s, i, run, strictness))
    events += punches + _pair_raises(*raised)
    return events + _find_claps(s, [*busy, *leaps, *((e.start, e.end) for e in events)], strictness)


def _find_throw(s: Signals, i: int, run: FrameRange, strictness: float) -> FrameRange | None:
    """The frames of a throw: a hand above the shoulder swings from behind it to far ahead; None if there is none."""
    ahead, lift = s.hand[:, i, 2], s.arm_lift[:, i]
    high = np.flatnonzero(lift[slice(*run)] > 80) + run[0]
    if not len(high):  # a judge of low strictness takes lower arms for lifted
        return None
    back = int(high[ahead[high].argmin()])  # the end of the wind-up
    if ahead[back] > -THROW_BEHIND * strictness:
        return None
    after = ahead[back : back + 12]
    return (run[0], max(run[1], back + 1)) if after.max() > THROW_AHEAD * strictness else None


def _is_wave(s: Signals, i: int, run: FrameRange, strictness: float) -> bool:
    sideways = s.hand[slice(*run), i, 0][s.arm_lift[slice(*run), i] > 80]
    if len(sideways) < 12:
        return False
    # A wave turns at both sides. The ends of the run are no turns: there the hand comes up and goes down.
    turns = [
        *_find_inner_peaks(sideways, WAVE_SWING * strictness),
        *_find_inner_peaks(-sideways, WAVE_SWING * strictness),
    ]
    return len(turns) >= WAVE_TURNING_POINTS


def _find_inner_peaks(signal: np.ndarray, prominence: float) -> list[int]:
    found = find_peaks(signal, float(signal.min()) - 1, prominence, distance=1)
    return [peak for peak in found if 1 < peak < len(signal) - 2]


def _find_raises(s: Signals, i: int, run: FrameRange, strictness: float) -> list[DetectedEvent]:
    lift, over = s.arm_lift[slice(*run), i], s.over_head[slice(*run), i]
    raises = []
    for peak in find_peaks(lift, 120.0 * strictness**0.3, 35.0 * strictness, distance=4):
        if over[max(peak - 2, 0) : peak + 3].max() < RAISE_HEIGHT * strictness:
            continue
        start, end = find_peak_extent(lift, peak, 0.5 * lift[peak])
        raises.append(
            DetectedEvent(
                f"raise_arm_{SIDES[i]}",
                1,
                start + run[0],
                end + run[0],
                confidence(float(over[peak]), RAISE_HEIGHT * strictness),
            )
        )
    return raises


def _pair_raises(left: list[DetectedEvent], right: list[DetectedEvent]) -> list[DetectedEvent]:
    """Merge raises of the left and the right arm at about the same time into raises of both."""
    both, alone = [], list(right)
    for event in left:
        partner = next((o for o in alone if abs(o.start + o.end - event.start - event.end) <= 2 * PAIR_FRAMES), None)
        if partner:
            alone.remove(partner)
            both.append(
                DetectedEvent(
                    "raise_arms",
                    1,
                    min(event.start, partner.start),
                    max(event.end, partner.end),
                    min(event.confidence, partner.confidence),
                )
            )
        else:
            both.append(event)
    return both + alone


def _find_punches(s: Signals, busy: list[FrameRange], strictness: float) -> list[DetectedEvent]:
    """A punch moves the fist from a guard near the shoulder to a stretched arm ahead and back."""
    punches = []
    for i, side in enumerate(SIDES):
        reach, lift = s.reach[:, i], s.arm_lift[:, i]
        for peak in find_peaks(reach, PUNCH_REACH * strictness**0.3, 0.18 * strictness, distance=4):
            # A punch goes ahead at the height of the shoulder: higher it is a raised arm, lower a reach for something.
            if not 65 < lift[peak] < 120 or s.hand[peak, i, 2] <= 0.6 or _is_inside(peak, busy):
                continue
            start, end = max(peak - 8, 0), min(peak + 8, s.frames)
            before, after = slice(start, peak), slice(peak, end)
            guarded = (reach[before] < PUNCH_GUARD) & (lift[before] > 50)
            returns = (reach[after] < 0.5 * (PUNCH_GUARD + reach[peak])) & (lift[after] > 45)
            if guarded.any() and returns.any():
                punches.append(
                    DetectedEvent(f"punch_{side}", 1, start, end, confidence(float(reach[peak]), PUNCH_REACH))
                )
    return punches


def _find_claps(s: Signals, busy: list[FrameRange], strictness: float) -> list[DetectedEvent]:
    """In a clap the palms meet in front of the chest and part again soon, unlike folded hands."""
    claps = []
    for peak in find_peaks(-s.hands_apart, -CLAP_DISTANCE / strictness, 0.15 * strictness, distance=3):
        _, up, ahead = s.hands_middle[peak]
        start, end = find_peak_extent(-s.hands_apart, peak, -s.hands_apart[peak] - 0.12)
        if end - start <= FOLDED_FRAMES and ahead > 0.2 and -0.5 < up < 0.35 and not _is_inside(peak, busy):
            claps.append(DetectedEvent("clap", 1, max(peak - 4, 0), min(peak + 5, s.frames)))
    return claps


def _is_inside(frame: int, runs: list[FrameRange]) -> bool:
    return any(start <= frame < end for start, end in runs)
