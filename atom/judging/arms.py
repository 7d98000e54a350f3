"""What the arms do: waves, raised arms, throws, punches, claps."""

from __future__ import annotations

import numpy as np

from atom.judging.detected_events import DetectedEvent, confidence
from atom.judging.peak_detection import Run, foot_of_peak, hysteresis, overlap, peaks
from atom.judging.signals import Signals

SIDES = ("left", "right")
UP = 100.0  # degrees of an arm held up
OVERHEAD = 0.2  # arm lengths that a raised hand is above the head
SWING = 0.12  # arm lengths that a waving hand moves sideways between its turning points
TURNING_POINTS = 3
BEHIND, RELEASE = 0.25, 0.45  # arm lengths: hand behind the shoulder, then ahead of it
GUARD, STRETCHED = 0.68, 0.82  # reach, in arm lengths, before and at the end of a punch
PALMS = 0.42  # arm lengths between the wrists of palms that meet
FOLDED = 10  # frames from which on hands that have met are folded
TOGETHER = 7  # frames between two hands that rise together


def find_arm_events(s: Signals, busy: list[Run], leaps: list[Run], strict: float) -> list[DetectedEvent]:
    """All arm events outside of the `busy` runs in which something else explains the arms; claps outside `leaps` too.

    A throw explains the reach of its release, a punch the guard in which both hands are held up.
    """
    lifted = [
        (i, run)
        for i in range(2)
        for run in hysteresis(s.arm_lift[:, i], UP * strict**0.3, 65.0)
        if not any(overlap(run, other) > 0.4 * (run[1] - run[0]) for other in busy)
    ]
    throws = {(i, run): _throw(s, i, run, strict) for i, run in lifted}
    events = [DetectedEvent(f"throw_{SIDES[i]}", 1, *throw) for (i, _), throw in throws.items() if throw]
    punches = _punches(s, [*busy, *((e.start, e.end) for e in events)], strict)
    raised: tuple[list[DetectedEvent], list[DetectedEvent]] = ([], [])
    for i, run in lifted:
        if throws[i, run] or any(overlap(run, (e.start + 5, e.end - 5)) > 0 for e in punches):
            continue
        if _waves(s, i, run, strict):
            events.append(DetectedEvent(f"wave_{SIDES[i]}", 1, *run))
        else:
            raised[i].extend(_raises(s, i, run, strict))
    events += punches + _pair_raises(*raised)
    return events + _claps(s, [*busy, *leaps, *((e.start, e.end) for e in events)], strict)


def _throw(s: Signals, i: int, run: Run, strict: float) -> Run | None:
    """From the hand's way back to its release, if a hand above the shoulder swings from behind it to far ahead."""
    ahead, lift = s.hand[:, i, 2], s.arm_lift[:, i]
    high = np.flatnonzero(lift[slice(*run)] > 80) + run[0]
    if not len(high):  # a sensitive judge takes lower arms for lifted
        return None
    back = int(high[ahead[high].argmin()])
    if ahead[back] > -BEHIND * strict:
        return None
    after = ahead[back : back + 12]
    return (run[0], max(run[1], back + 1)) if after.max() > RELEASE * strict else None


def _waves(s: Signals, i: int, run: Run, strict: float) -> bool:
    sideways = s.hand[slice(*run), i, 0][s.arm_lift[slice(*run), i] > 80]
    if len(sideways) < 12:
        return False
    turns = [*_inner_peaks(sideways, SWING * strict), *_inner_peaks(-sideways, SWING * strict)]
    return len(turns) >= TURNING_POINTS


def _inner_peaks(signal: np.ndarray, prominence: float) -> list[int]:
    found = peaks(signal, float(signal.min()) - 1, prominence, distance=1)
    return [peak for peak in found if 1 < peak < len(signal) - 2]


def _raises(s: Signals, i: int, run: Run, strict: float) -> list[DetectedEvent]:
    lift, over = s.arm_lift[slice(*run), i], s.over_head[slice(*run), i]
    raises = []
    for peak in peaks(lift, 120.0 * strict**0.3, 35.0 * strict, distance=4):
        if over[max(peak - 2, 0) : peak + 3].max() < OVERHEAD * strict:
            continue
        start, end = foot_of_peak(lift, peak, 0.5 * lift[peak])
        raises.append(
            DetectedEvent(
                f"raise_arm_{SIDES[i]}",
                1,
                start + run[0],
                end + run[0],
                confidence(float(over[peak]), OVERHEAD * strict),
            )
        )
    return raises


def _pair_raises(left: list[DetectedEvent], right: list[DetectedEvent]) -> list[DetectedEvent]:
    both, alone = [], list(right)
    for event in left:
        partner = next((o for o in alone if abs(o.start + o.end - event.start - event.end) <= 2 * TOGETHER), None)
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


def _punches(s: Signals, busy: list[Run], strict: float) -> list[DetectedEvent]:
    """Fists that shoot from a guard near the shoulder to a stretched arm ahead and come back."""
    punches = []
    for i, side in enumerate(SIDES):
        reach, lift = s.reach[:, i], s.arm_lift[:, i]
        for peak in peaks(reach, STRETCHED * strict**0.3, 0.18 * strict, distance=4):
            if not 65 < lift[peak] < 120 or s.hand[peak, i, 2] <= 0.6 or _inside(peak, busy):
                continue
            start, end = max(peak - 8, 0), min(peak + 8, s.frames)
            before, after = slice(start, peak), slice(peak, end)
            guarded = (reach[before] < GUARD) & (lift[before] > 50)
            returns = (reach[after] < 0.5 * (GUARD + reach[peak])) & (lift[after] > 45)
            if guarded.any() and returns.any():
                punches.append(DetectedEvent(f"punch_{side}", 1, start, end, confidence(float(reach[peak]), STRETCHED)))
    return punches


def _claps(s: Signals, busy: list[Run], strict: float) -> list[DetectedEvent]:
    """Palms that meet in front of the chest and part again soon; folded hands don't clap."""
    claps = []
    for peak in peaks(-s.hands_apart, -PALMS / strict, 0.15 * strict, distance=3):
        _, up, ahead = s.hands_ahead[peak]
        start, end = foot_of_peak(-s.hands_apart, peak, -s.hands_apart[peak] - 0.12)
        if end - start <= FOLDED and ahead > 0.2 and -0.5 < up < 0.35 and not _inside(peak, busy):
            claps.append(DetectedEvent("clap", 1, max(peak - 4, 0), min(peak + 5, s.frames)))
    return claps


def _inside(frame: int, runs: list[Run]) -> bool:
    return any(start <= frame < end for start, end in runs)
