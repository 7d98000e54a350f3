"""Detectors of steps: walking, running, sidesteps, turns and kicks."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.ndimage import gaussian_filter1d

from atom.judging.airborne import Flight
from atom.judging.detected_events import DetectedEvent, confidence
from atom.judging.peak_detection import (
    FrameRange,
    find_peaks,
    find_runs,
    find_runs_with_hysteresis,
    nearest_quantile,
    overlap,
)
from atom.judging.signals import Signals

WALK_SPEED, WALK_TRAVEL = 0.45, 0.5  # metres a second, metres
RUN_SPEED = 1.6  # metres a second, the mean with start and end; at its fastest a run has 1.9 or more
RUN_GAP = 14  # frames between two flights of one run
SIDESTEP = 0.13  # metres of the pelvis sideways
SIDESTEP_SPREAD = 0.17  # leg lengths of the feet apart, beyond standing
TURN_RATE, TURN_ANGLE = 1.5, 50.0  # degrees a frame, degrees in all
REST_RATIO = 0.33  # a rotation rests below this share of the rates before and after
KICK_HEIGHT, KICK_AHEAD = 0.45, 0.5  # leg lengths of the toe above the floor and ahead of the pelvis


def find_turns(s: Signals, strictness: float) -> list[DetectedEvent]:
    """Find turns in either direction; a continuous rotation is one turn of its whole angle.

    Args:
        s: the signals of the clip.
        strictness: the factor on all thresholds.
    """
    rate = gaussian_filter1d(np.gradient(s.heading), 1.5)
    turns = []
    for side, signed in (("left", rate), ("right", -rate)):
        # The low second threshold keeps a slow beginning and end in the turn, whose whole angle counts.
        found = find_runs_with_hysteresis(signed, TURN_RATE * strictness, 0.45)
        for start, end in (part for run in found for part in _split_at_rest(signed, run)):
            angle = abs(float(s.heading[end - 1] - s.heading[start]))
            # A body that twists without its feet does not turn.
            if angle < TURN_ANGLE * strictness or not _do_feet_follow(s, (start, end), angle):
                continue
            action, count = f"turn_{side}", 1
            if angle >= 270:
                action, count = "spin", round(angle / 360)
            elif angle >= 135:
                action = "turn_around"
            turns.append(DetectedEvent(action, count, start, end, confidence(angle, TURN_ANGLE * strictness)))
    return turns


def _split_at_rest(rate: np.ndarray, run: FrameRange) -> list[FrameRange]:
    """Split a rotation in one direction where it nearly rests: there one turn ends and the next begins."""
    start, end = run
    inside = rate[start:end]
    before, after = np.maximum.accumulate(inside), np.maximum.accumulate(inside[::-1])[::-1]
    cuts = [start + (a + b) // 2 for a, b in find_runs(inside < REST_RATIO * np.minimum(before, after))]
    return list(pairwise([start, *cuts, end]))


def _do_feet_follow(s: Signals, run: FrameRange, angle: float) -> bool:
    """Whether both feet turn with the body; a twist of the trunk, as in a strike or a look back, is no turn."""
    before, after = max(run[0] - 3, 0), min(run[1] + 3, s.frames - 1)
    return bool((np.abs(s.feet_heading[after] - s.feet_heading[before]) > 0.35 * angle).all())


def _count_foot_passes(s: Signals, run: FrameRange) -> int:
    """How often the feet pass each other along the heading within the frames."""
    apart = s.foot[slice(*run), 0, 2] - s.foot[slice(*run), 1, 2]
    ahead = np.sign(apart)[np.abs(apart) > 0.12]
    return int((np.diff(ahead) != 0).sum())


def _distance_travelled(s: Signals, run: FrameRange) -> float:
    """Signed metres along the heading."""
    return float(s.velocity[slice(*run), 1].sum()) / 20


def find_walks(s: Signals, flights: list[Flight], strictness: float) -> list[DetectedEvent]:
    """Find runs, and walks forward and backward: the pelvis travels along the heading while the feet pass each other.

    Args:
        s: the signals of the clip.
        flights: what `find_flights` found in it; the strides among them make a run.
        strictness: the factor on all thresholds.
    """
    speed = gaussian_filter1d(s.velocity[:, 1], 2.0)
    strides = [flight for flight in flights if flight.kind == "stride"]
    events = []
    for action, signed in (("walk_forward", speed), ("walk_backward", -speed)):
        for bout in find_runs_with_hysteresis(signed, WALK_SPEED * strictness, 0.18):
            rest = [bout]
            if action == "walk_forward":
                for chain in _find_stride_chains(strides, bout):
                    # Skips and leaps in place have such flights too.
                    if signed[slice(*chain)].mean() < RUN_SPEED * strictness:
                        continue
                    # What is left before and after a run is a walk if it goes 0.9 m with two passes of the feet:
                    # speeding up and slowing down take a few steps too.
                    rest = [part for run in rest for part in ((run[0], chain[0]), (chain[1], run[1]))]
                    rest = [run for run in rest if _is_walk(s, run, 0.9, 2)]
                    events.append(
                        DetectedEvent("run_forward", 1, *chain, confidence(signed[slice(*chain)].max(), RUN_SPEED))
                    )
            events += [
                DetectedEvent(action, 1, *run, confidence(abs(_distance_travelled(s, run)), WALK_TRAVEL * strictness))
                for run in rest
                if _is_walk(s, run, WALK_TRAVEL * strictness, 1)
            ]
    return events


def _is_walk(s: Signals, run: FrameRange, travel: float, passes: int) -> bool:
    return run[1] - run[0] > 5 and abs(_distance_travelled(s, run)) >= travel and _count_foot_passes(s, run) >= passes


def _find_stride_chains(strides: list[Flight], bout: FrameRange) -> list[FrameRange]:
    """Frames of two or more strides in a row, with a step before and after, within a bout of forward travel."""
    chains: list[list[Flight]] = []
    for flight in strides:
        if overlap(flight.frame_range, bout) <= 0:
            continue
        if chains and flight.start - chains[-1][-1].end <= RUN_GAP:
            chains[-1].append(flight)
        else:
            chains.append([flight])
    return [(max(c[0].start - 5, bout[0]), min(c[-1].end + 5, bout[1])) for c in chains if len(c) > 1]


def find_sidesteps(s: Signals, busy: list[FrameRange], strictness: float) -> list[DetectedEvent]:
    """Find sidesteps: the feet open and close again while the pelvis moves sideways.

    Args:
        s: the signals of the clip.
        busy: frames in which another event explains the opening feet.
        strictness: the factor on all thresholds.
    """
    spread = s.foot[:, 0, 0] - s.foot[:, 1, 0]
    # The feet of this body at rest: some stand with their legs apart.
    standing = nearest_quantile(spread, 0.2)
    steps = []
    for peak in find_peaks(
        spread, standing + SIDESTEP_SPREAD * strictness, 0.8 * SIDESTEP_SPREAD * strictness, distance=4
    ):
        start, end = max(peak - 6, 0), min(peak + 7, s.frames)
        # Metres a second over 20 frames a second: the sum is the way in metres.
        sideways, ahead = s.velocity[start:end].sum(0) / 20
        turn_angle = abs(float(s.heading[end - 1] - s.heading[start]))
        # A step while turning opens the feet too.
        if any(overlap((peak, peak + 1), run) > 0 for run in busy) or turn_angle > 35:
            continue
        if abs(sideways) >= SIDESTEP * strictness and abs(sideways) > 1.2 * abs(ahead):
            action = "sidestep_left" if sideways > 0 else "sidestep_right"
            steps.append(DetectedEvent(action, 1, start, end, confidence(abs(sideways), SIDESTEP * strictness)))
    return steps


def find_kicks(s: Signals, strictness: float) -> list[DetectedEvent]:
    """Find kicks: a foot swings up ahead, above knee height, while the other foot stands.

    Args:
        s: the signals of the clip.
        strictness: the factor on all thresholds.
    """
    kicks = []
    for i, side in enumerate(("left", "right")):
        height, ahead = s.toe_height[:, i], s.foot[:, i, 2]
        for peak in find_peaks(height, KICK_HEIGHT * strictness, 0.3 * strictness, distance=5):
            near = slice(max(peak - 3, 0), peak + 4)
            # The other foot stands, or it is a jump.
            if ahead[near].max() < KICK_AHEAD * strictness or s.toe_height[near, 1 - i].min() > 0.12:
                continue
            start, end = max(peak - 6, 0), min(peak + 7, s.frames)
            kicks.append(
                DetectedEvent(f"kick_{side}", 1, start, end, confidence(float(height[peak]), KICK_HEIGHT * strictness))
            )
    return kicks
