"""Getting about on the floor: walking, running, sidesteps, turns, and kicks."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.ndimage import gaussian_filter1d

from atom.judging.airborne import Flight
from atom.judging.detected_events import DetectedEvent, confidence
from atom.judging.peak_detection import Run, hysteresis, overlap, peaks, ranked, runs
from atom.judging.signals import Signals

WALK_SPEED, WALK_TRAVEL = 0.45, 0.5  # metres a second, metres
RUN_SPEED = 1.6  # metres a second, mean of a run with its start and end: 1.9 and more at its fastest
RUN_GAP = 14  # frames between two flights of one run
SIDESTEP = 0.13  # metres that the pelvis moves sideways
SPREAD = 0.17  # leg lengths that the feet open beyond standing
TURN_RATE, TURN = 1.5, 50.0  # degrees a frame, degrees
REST = 0.33  # share of the rates around it at which a rotation nearly rests
KICK_HEIGHT, KICK_AHEAD = 0.45, 0.5  # leg lengths of the toe above the floor and ahead of the pelvis


def find_turns(s: Signals, strict: float) -> list[DetectedEvent]:
    """Turns in either direction; a continuous rotation is one turn of its whole angle."""
    rate = gaussian_filter1d(np.gradient(s.heading), 1.5)
    turns = []
    for side, signed in (("left", rate), ("right", -rate)):
        found = hysteresis(signed, TURN_RATE * strict, 0.45)
        for start, end in (part for run in found for part in _apart(signed, run)):
            angle = abs(float(s.heading[end - 1] - s.heading[start]))
            if angle < TURN * strict or not _feet_follow(s, (start, end), angle):
                continue
            action, count = f"turn_{side}", 1
            if angle >= 270:
                action, count = "spin", round(angle / 360)
            elif angle >= 135:
                action = "turn_around"
            turns.append(DetectedEvent(action, count, start, end, confidence(angle, TURN * strict)))
    return turns


def _apart(rate: np.ndarray, run: Run) -> list[Run]:
    """Splits a run of one-way rotation where it nearly comes to rest: there one turn ends and the next begins."""
    start, end = run
    inside = rate[start:end]
    before, after = np.maximum.accumulate(inside), np.maximum.accumulate(inside[::-1])[::-1]
    cuts = [start + (a + b) // 2 for a, b in runs(inside < REST * np.minimum(before, after))]
    return list(pairwise([start, *cuts, end]))


def _feet_follow(s: Signals, run: Run, angle: float) -> bool:
    """Whether both feet turn with the body: who only twists to strike or to look back does not turn."""
    before, after = max(run[0] - 3, 0), min(run[1] + 3, s.frames - 1)
    return bool((np.abs(s.feet_heading[after] - s.feet_heading[before]) > 0.35 * angle).all())


def _feet_pass(s: Signals, run: Run) -> int:
    """How often the feet pass each other along the heading within a run."""
    apart = s.foot[slice(*run), 0, 2] - s.foot[slice(*run), 1, 2]
    ahead = np.sign(apart)[np.abs(apart) > 0.12]
    return int((np.diff(ahead) != 0).sum())


def _travelled(s: Signals, run: Run) -> float:
    """Metres along the heading, signed."""
    return float(s.velocity[slice(*run), 1].sum()) / 20


def find_walks(s: Signals, flights: list[Flight], strict: float) -> list[DetectedEvent]:
    """Walks either way and runs: the pelvis travels along the heading while the feet pass each other."""
    speed = gaussian_filter1d(s.velocity[:, 1], 2.0)
    strides = [flight for flight in flights if flight.kind == "stride"]
    events = []
    for action, signed in (("walk_forward", speed), ("walk_backward", -speed)):
        for bout in hysteresis(signed, WALK_SPEED * strict, 0.18):
            rest = [bout]
            if action == "walk_forward":
                for chain in _chains(strides, bout):
                    if signed[slice(*chain)].mean() < RUN_SPEED * strict:
                        continue
                    rest = [part for run in rest for part in ((run[0], chain[0]), (chain[1], run[1]))]
                    rest = [run for run in rest if _walked(s, run, 0.9, 2)]
                    events.append(
                        DetectedEvent("run_forward", 1, *chain, confidence(signed[slice(*chain)].max(), RUN_SPEED))
                    )
            events += [
                DetectedEvent(action, 1, *run, confidence(abs(_travelled(s, run)), WALK_TRAVEL * strict))
                for run in rest
                if _walked(s, run, WALK_TRAVEL * strict, 1)
            ]
    return events


def _walked(s: Signals, run: Run, travel: float, passes: int) -> bool:
    return run[1] - run[0] > 5 and abs(_travelled(s, run)) >= travel and _feet_pass(s, run) >= passes


def _chains(strides: list[Flight], bout: Run) -> list[Run]:
    """Runs of two or more running flights close to each other, with a step before and after."""
    chains: list[list[Flight]] = []
    for flight in strides:
        if overlap(flight.run, bout) <= 0:
            continue
        if chains and flight.start - chains[-1][-1].end <= RUN_GAP:
            chains[-1].append(flight)
        else:
            chains.append([flight])
    return [(max(c[0].start - 5, bout[0]), min(c[-1].end + 5, bout[1])) for c in chains if len(c) > 1]


def find_sidesteps(s: Signals, busy: list[Run], strict: float) -> list[DetectedEvent]:
    """One event each time the feet open and close again while the pelvis moves sideways."""
    spread = s.foot[:, 0, 0] - s.foot[:, 1, 0]
    standing = ranked(spread, 0.2)
    steps = []
    for peak in peaks(spread, standing + SPREAD * strict, 0.8 * SPREAD * strict, distance=4):
        start, end = max(peak - 6, 0), min(peak + 7, s.frames)
        sideways, ahead = s.velocity[start:end].sum(0) / 20
        turned = abs(float(s.heading[end - 1] - s.heading[start]))
        if any(overlap((peak, peak + 1), run) > 0 for run in busy) or turned > 35:
            continue
        if abs(sideways) >= SIDESTEP * strict and abs(sideways) > 1.2 * abs(ahead):
            action = "sidestep_left" if sideways > 0 else "sidestep_right"
            steps.append(DetectedEvent(action, 1, start, end, confidence(abs(sideways), SIDESTEP * strict)))
    return steps


def find_kicks(s: Signals, strict: float) -> list[DetectedEvent]:
    """One event each time a foot swings up ahead above knee height while the other one stands."""
    kicks = []
    for i, side in enumerate(("left", "right")):
        height, ahead = s.toe_height[:, i], s.foot[:, i, 2]
        for peak in peaks(height, KICK_HEIGHT * strict, 0.3 * strict, distance=5):
            near = slice(max(peak - 3, 0), peak + 4)
            if ahead[near].max() < KICK_AHEAD * strict or s.toe_height[near, 1 - i].min() > 0.12:
                continue
            start, end = max(peak - 6, 0), min(peak + 7, s.frames)
            kicks.append(
                DetectedEvent(f"kick_{side}", 1, start, end, confidence(float(height[peak]), KICK_HEIGHT * strict))
            )
    return kicks
