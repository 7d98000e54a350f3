"""Every threshold of the kinematic judge at its boundary: just above it a body does the action, just below it does not.

The signals are set by hand, so that one quantity at a time decides. The numbers are those of the judge's description,
written out: a changed constant, comparison or sign is a failure here.
"""

from dataclasses import fields

import numpy as np
import pytest

from atom.judging.airborne import Flight, find_flights, find_jacks, find_jumps, find_unexplained_flights
from atom.judging.arms import find_arm_events
from atom.judging.detected_events import DetectedEvent
from atom.judging.posture import find_bows, find_dips
from atom.judging.signals import Signals
from atom.judging.travel import find_kicks, find_sidesteps, find_turns, find_walks

FRAMES, MIDDLE = 80, 40
LEFT, RIGHT = 0, 1


def standing(**changes) -> Signals:
    """The signals of a body that stands still with hanging arms, except for what `changes` replaces."""
    sides = np.zeros((FRAMES, 2))
    zeros = {
        "heading": (FRAMES,),
        "drop": (FRAMES,),
        "pitch": (FRAMES,),
        "foot": (FRAMES, 2, 3),
        "hands_middle": (FRAMES, 3),
    }
    values = {field.name: np.zeros(zeros.get(field.name, sides.shape)) for field in fields(Signals)}
    values |= {"frames": FRAMES, "leg": 0.82, "hands_apart": np.full(FRAMES, 1.0), "over_head": sides - 1}
    values |= {"knee_height": sides + 0.5, "hand_height": sides + 0.8, "arm_lift": sides + 10, "reach": sides + 0.95}
    values["hand"] = np.tile([0.0, -0.95, 0.0], (FRAMES, 2, 1))
    values["foot"] = values["foot"] + np.array([[0.1, -1.0, 0.1], [-0.1, -1.0, 0.1]])
    return Signals(**values | changes)


def hill(height: float, reach: int = 6, at: int = MIDDLE) -> np.ndarray:
    """A triangle: 0, rising to `height` in frame `at`, and 0 again `reach` frames later."""
    return height * np.clip(1 - np.abs(np.arange(FRAMES) - at) / reach, 0, None)


def plateau(height: float, start: int, end: int) -> np.ndarray:
    """`height` in frames [start, end), 0 elsewhere."""
    frames = np.arange(FRAMES)
    return height * ((frames >= start) & (frames < end)).astype(float)


def one_side(values: np.ndarray, side: int, other: float = 0.0) -> np.ndarray:
    """A signal of the left and the right: `values` on one side, `other` on the opposite one."""
    pair = np.full((FRAMES, 2), float(other))
    pair[:, side] = values
    return pair


def both(values: np.ndarray) -> np.ndarray:
    return np.stack([values, values], 1)


def feet(sideways=(0.1, -0.1), ahead=(0.1, 0.1)) -> np.ndarray:
    """The toes from the pelvis (T, 2, 3): leftward and ahead of the left and of the right foot."""
    places = np.full((FRAMES, 2, 3), -1.0)
    for side in (LEFT, RIGHT):
        places[:, side, 0], places[:, side, 2] = sideways[side], ahead[side]
    return places


def names(events) -> list[str]:
    return [event.action for event in events]


# What a value of one quantity leads to, as the names of all detected events.


def turned(angle, frames=10, feet_share=(1.0, 1.0), strictness=1.0):
    heading = np.clip(np.arange(FRAMES) - 30, 0, frames) / frames * angle
    found = find_turns(standing(heading=heading, feet_heading=np.outer(heading, feet_share)), strictness)
    return [(event.action, event.count) for event in found]


def turned_twice(slow):
    """Two turns of six degrees a frame, with `slow` times that rate between them."""
    rate = 6.0 * (plateau(1, 10, 25) + plateau(slow, 25, 37) + plateau(1, 37, 52))
    heading = np.cumsum(rate)
    return len(find_turns(standing(heading=heading, feet_heading=both(heading)), 1.0))


def walked(speed, frames=40, stride=0.3, passes=3, flights=(), strictness=1.0):
    """A body that travels ahead while one foot passes the other."""
    turns = np.sign(np.cos(np.pi * passes * (np.arange(FRAMES) - 20) / frames + 1e-6))
    ahead = np.where((np.arange(FRAMES) >= 20) & (np.arange(FRAMES) < 20 + frames), turns, 1.0) * stride / 2
    velocity = np.stack([np.zeros(FRAMES), plateau(speed, 20, 20 + frames)], 1)
    return names(find_walks(standing(velocity=velocity, foot=feet(ahead=(ahead, -ahead))), list(flights), strictness))


def stride_at(start):
    return Flight(start, start + 2, start + 4, "stride", 0.1)


def ran(speed, gap=8):
    return walked(speed, frames=36, flights=[stride_at(30), stride_at(34 + gap)])


def sidestepped(spread=0.3, sideways=0.2, ahead=0.0, turn=0.0, busy=()):
    """The feet open by `spread` while the pelvis moves; `sideways` and `ahead` are metres in the thirteen frames."""
    velocity = np.stack([plateau(sideways * 20 / 13, 34, 47), plateau(ahead * 20 / 13, 34, 47)], 1)
    heading = np.clip(np.arange(FRAMES) - 34, 0, 12) / 12 * turn
    opened = hill(spread) / 2
    body = standing(velocity=velocity, heading=heading, foot=feet(sideways=(0.1 + opened, -0.1 - opened)))
    return names(find_sidesteps(body, list(busy), 1.0))


def kicked(height=0.6, ahead=0.7, other=0.0, side=LEFT, strictness=1.0):
    reach = (hill(ahead), np.zeros(FRAMES)) if side == LEFT else (np.zeros(FRAMES), hill(ahead))
    return names(
        find_kicks(standing(toe_height=one_side(hill(height), side, other), foot=feet(ahead=reach)), strictness)
    )


def flew(lift, reach=4, other=None, apart=0.0, strictness=1.0):
    """Both toes leave the floor; `other` is the height of the free foot, `apart` the stride."""
    heights = both(hill(lift, reach))
    if other is not None:
        heights[:, RIGHT] = np.maximum(heights[:, RIGHT], other)
    body = standing(toe_height=heights, foot=feet(ahead=(apart, 0.0)))
    return [flight.kind for flight in find_flights(body, strictness)]


def flew_long(frames, apart):
    heights = both(plateau(0.1, 30, 30 + frames))
    return len(find_flights(standing(toe_height=heights, foot=feet(ahead=(apart, 0.0))), 1.0))


def did_jack(spread=0.7, lift=150.0, away=4):
    opened = (0.1 + hill(spread - 0.2) / 2, -0.1 - hill(spread - 0.2) / 2)
    flight = Flight(MIDDLE + away - 2, MIDDLE + away, MIDDLE + away + 2, "both", 0.1)
    body = standing(foot=feet(sideways=opened), arm_lift=both(10 + hill(lift - 10)))
    return names(find_jacks(body, [flight], 1.0))


def jumped(ahead=0.0, sideways=0.0, heading=0.0, strictness=1.0):
    """A jump of the feet by so many metres, ahead along the heading and to its left."""
    yaw = np.radians(heading)
    step = ahead * np.array([np.sin(yaw), np.cos(yaw)]) + sideways * np.array([np.cos(yaw), -np.sin(yaw)])
    place = np.outer(np.arange(FRAMES) >= MIDDLE, step)
    body = standing(feet_middle=place, heading=np.full(FRAMES, float(heading)))
    return names(find_jumps(body, [Flight(38, 40, 43, "both", 0.1)], strictness))


def unexplained(gap):
    return len(
        find_unexplained_flights([Flight(20, 22, 24, "both", 0.1)], [DetectedEvent("run_forward", 1, 24 + gap, 60)])
    )


def dipped(depth=0.4, reach=8, stay=0, flights=(), strictness=1.0, **changes):
    """A dip of the pelvis that stays at the bottom for so many frames more."""
    before, after = np.arange(FRAMES) - MIDDLE, np.arange(FRAMES) - MIDDLE - stay
    drop = depth * np.clip(1 + np.minimum(before, 0) / reach - np.maximum(after, 0) / reach, 0, None)
    return names(find_dips(standing(drop=drop, **changes), list(flights), strictness))


def low_knee(height):
    return dipped(0.5, stay=12, knee_height=one_side(np.full(FRAMES, float(height)), LEFT, 0.5))


def lunged(apart, side=LEFT):
    return dipped(foot=feet(ahead=(apart, 0.0) if side == LEFT else (0.0, apart)))


def sat(ahead=0.6, stay=12):
    return dipped(0.6, stay=stay, foot=feet(ahead=(ahead, ahead)))


def reached_down(hand=0.1, pitch=60.0):
    return dipped(0.4, hand_height=one_side(np.full(FRAMES, float(hand)), LEFT, 0.8), pitch=hill(pitch))


def crouched(away):
    """A dip with a jump that leaves the floor so many frames after its lowest point."""
    return dipped(0.5, reach=14, flights=[Flight(MIDDLE + away, MIDDLE + away + 3, MIDDLE + away + 20, "both", 0.1)])


def bowed(angle=50.0, drop=0.0, knee=0.0, speed=0.0, hand=0.8, strictness=1.0):
    body = standing(
        pitch=hill(angle, 12),
        drop=np.full(FRAMES, float(drop)),
        knee_bend=one_side(np.full(FRAMES, float(knee)), RIGHT),
        velocity=one_side(np.full(FRAMES, float(speed)), 1),
        hand_height=one_side(np.full(FRAMES, float(hand)), LEFT, 0.8),
    )
    return names(find_bows(body, strictness))


def arm_events(strictness=1.0, busy=(), leaps=(), **changes):
    return names(find_arm_events(standing(**changes), list(busy), list(leaps), strictness))


def raised(lift=160.0, over=0.5, side=LEFT):
    return arm_events(
        arm_lift=one_side(10 + hill(lift - 10, 10), side, 10.0), over_head=one_side(hill(over, 10), side, -1)
    )


def raised_both(later):
    lifts = np.stack([10 + hill(150, 8, 30), 10 + hill(150, 8, 30 + later)], 1)
    return sorted(arm_events(arm_lift=lifts, over_head=both(np.full(FRAMES, 0.5))))


def waved(swing=0.3, turns=4, lift=150.0, side=RIGHT):
    """A lifted hand that goes to and fro with so many turning points, from far on one side to far on the other."""
    points = [swing * (number % 2 == turns % 2) for number in range(1, turns + 1)]
    points = [1.0 if turns % 2 == 0 else -1.0, *points, -1.0]
    places = 30 + 4 * np.arange(len(points))
    hand = np.tile([0.0, 0.9, 0.0], (FRAMES, 2, 1))
    hand[:, side, 0] = np.interp(np.arange(FRAMES), places, points)
    lifts = 10 + plateau(lift - 10, 30, places[-1] + 1)
    return arm_events(
        arm_lift=one_side(lifts, side, 10.0), hand=hand, over_head=one_side(np.full(FRAMES, 0.5), side, -1)
    )


def threw(behind=0.5, ahead=0.8, later=6, strictness=1.0):
    hand = np.tile([0.0, 0.5, 0.0], (FRAMES, 2, 1))
    hand[:, RIGHT, 2] = -hill(behind, 3, 35) + hill(ahead, 3, 35 + later)
    return arm_events(strictness, arm_lift=one_side(plateau(110.0, 28, 60), RIGHT, 10), hand=hand)


def punched(reach=0.95, guard=0.4, lift=90.0, ahead=0.9, back=0.4, side=LEFT):
    """A fist that goes from its guard to `reach` and comes back."""
    path = np.where(np.arange(FRAMES) < MIDDLE, guard, back).astype(float)
    path[MIDDLE - 1 : MIDDLE + 2] = (guard + reach) / 2, reach, (back + reach) / 2
    hand = np.tile([0.0, 0.0, float(ahead)], (FRAMES, 2, 1))
    return arm_events(
        reach=one_side(path, side, 0.3), arm_lift=one_side(np.full(FRAMES, float(lift)), side, 10), hand=hand
    )


def clapped(apart=0.2, frames=6, up=0.0, ahead=0.5, leaps=()):
    """The wrists meet for about so many frames, `up` and `ahead` of the shoulders."""
    distance = np.where((np.arange(FRAMES) >= MIDDLE) & (np.arange(FRAMES) < MIDDLE + frames), apart, 1.0)
    return arm_events(hands_apart=distance, hands_middle=np.tile([0.0, up, ahead], (FRAMES, 1)), leaps=leaps)


NOTHING: list = []
# quantity and unit: what a value gives, the threshold, a small step, the outcome below and above. An outcome at the
# threshold itself stands where it is exact in floating point.
LIMITS = {
    "turn, degrees": (lambda v: turned(v), 50, 0.5, NOTHING, [("turn_left", 1)]),
    "turn right, degrees": (lambda v: turned(-v), 50, 0.5, NOTHING, [("turn_right", 1)]),
    "turn around, degrees": (lambda v: turned(v), 135, 1, [("turn_left", 1)], [("turn_around", 1)]),
    "spin, degrees": (lambda v: turned(v, 20), 270, 1, [("turn_around", 1)], [("spin", 1)]),
    "two spins, degrees": (lambda v: turned(-v, 30), 540, 1, [("spin", 1)], [("spin", 2)]),
    "strict turn, degrees": (lambda v: turned(v, strictness=1.5), 75, 0.5, NOTHING, [("turn_left", 1)]),
    "turn, degrees a frame": (lambda v: turned(40 * v, 40), 1.5, 0.02, NOTHING, [("turn_left", 1)]),
    "left foot turns, share": (lambda v: turned(90, feet_share=(v, 1)), 0.35, 0.01, NOTHING, [("turn_left", 1)]),
    "right foot turns, share": (lambda v: turned(90, feet_share=(1, v)), 0.35, 0.01, NOTHING, [("turn_left", 1)]),
    "rest between turns, share": (turned_twice, 0.33, 0.01, 2, 1),
    "walk, m/s": (walked, 0.45, 0.01, NOTHING, ["walk_forward"]),
    "walk backward, m/s": (lambda v: walked(-v), 0.45, 0.01, NOTHING, ["walk_backward"]),
    "strict walk, m/s": (lambda v: walked(v, strictness=2.0), 0.9, 0.01, NOTHING, ["walk_forward"]),
    "walk, metres": (lambda v: walked(2 * v, 20 // 2), 0.5, 0.01, NOTHING, ["walk_forward"]),
    "walk, feet apart": (lambda v: walked(1.0, stride=v), 0.12, 0.005, NOTHING, ["walk_forward"]),
    "walk, passes of the feet": (lambda v: walked(1.0, passes=round(v)), 0.5, 0.5, NOTHING, ["walk_forward"]),
    "run, m/s": (ran, 1.6, 0.02, ["walk_forward"], ["run_forward"]),
    "run, frames between flights": (lambda v: ran(2.0, round(v)), 14.5, 0.5, ["run_forward"], ["walk_forward"]),
    "sidestep, legs": (lambda v: sidestepped(spread=v), 0.17, 0.005, NOTHING, ["sidestep_left"]),
    "sidestep left, metres": (lambda v: sidestepped(sideways=v), 0.13, 0.005, NOTHING, ["sidestep_left"]),
    "sidestep right, metres": (lambda v: sidestepped(sideways=-v), 0.13, 0.005, NOTHING, ["sidestep_right"]),
    "sidestep, ahead": (lambda v: sidestepped(0.3, 0.3, v), 0.25, 0.005, ["sidestep_left"], NOTHING),
    "sidestep, turning": (lambda v: sidestepped(turn=v), 35, 0.5, ["sidestep_left"], NOTHING),
    "kick, height": (lambda v: kicked(height=v), 0.45, 0.005, NOTHING, ["kick_left"]),
    "kick right, height": (lambda v: kicked(v, side=RIGHT), 0.45, 0.005, NOTHING, ["kick_right"]),
    "strict kick, height": (lambda v: kicked(v, 1.2, strictness=2.0), 0.9, 0.005, NOTHING, ["kick_left"]),
    "kick, ahead": (lambda v: kicked(ahead=v), 0.5, 0.005, NOTHING, ["kick_left"]),
    "strict kick, ahead": (lambda v: kicked(1.2, v, strictness=2.0), 1.0, 0.005, NOTHING, ["kick_left"]),
    "strict throw, behind": (lambda v: threw(v, 1.2, strictness=1.1), 0.275, 0.01, NOTHING, ["throw_right"]),
    "kick, other foot": (lambda v: kicked(other=v), 0.12, 0.005, ["kick_left"], NOTHING),
    "flight, lift": (flew, 0.055, 0.001, NOTHING, ["both"]),
    "strict flight, lift": (lambda v: flew(v, strictness=2.0), 0.11, 0.001, NOTHING, ["both"]),
    "stride, lift": (lambda v: flew(v, apart=0.5), 0.04, 0.001, NOTHING, ["stride"]),
    "stride, legs apart": (lambda v: flew(0.1, apart=v), 0.35, 0.005, ["both"], ["stride"]),
    "hop, free foot": (lambda v: flew(0.08, other=v), 0.11, 0.002, ["both"], ["left"]),
    "flight, frames": (lambda v: flew_long(round(v), 0.0), 20.5, 0.5, 1, 0),
    "stride, frames": (lambda v: flew_long(round(v), 0.5), 8.5, 0.5, 1, 0),
    "jack, feet apart": (lambda v: did_jack(spread=v), 0.5, 0.005, NOTHING, ["jumping_jack"]),
    "jack, arms": (lambda v: did_jack(lift=v), 112, 0.5, NOTHING, ["jumping_jack"]),
    "jack, frames to a flight": (lambda v: did_jack(away=round(v)), 9.5, 0.5, ["jumping_jack"], NOTHING),
    "jack, frames from a flight": (lambda v: did_jack(away=-round(v)), 9.5, 0.5, ["jumping_jack"], NOTHING),
    "jump forward, metres": (jumped, 0.3, 0.005, ["jump_up"], ["jump_forward"]),
    "jump forward turned": (lambda v: jumped(v, heading=90.0), 0.3, 0.005, ["jump_up"], ["jump_forward"]),
    "strict jump, metres": (lambda v: jumped(v, strictness=1.5), 0.45, 0.005, ["jump_up"], ["jump_forward"]),
    "jump to the side, metres": (lambda v: jumped(sideways=v), 0.5, 0.005, ["jump_up"], NOTHING),
    "jump back, metres": (lambda v: jumped(-v), 0.5, 0.005, ["jump_up"], NOTHING),
    "explained flight, frames": (lambda v: unexplained(round(v)), 2.5, 0.5, 0, 1),
    "squat, depth": (dipped, 0.3, 0.005, NOTHING, ["squat"]),
    "strict squat, depth": (lambda v: dipped(v, strictness=2.0), 0.6, 0.005, NOTHING, ["squat"]),
    "dip, depth": (lambda v: dipped(v, foot=feet(ahead=(0.8, 0.0))), 0.2, 0.005, NOTHING, ["lunge_left"]),
    "kneel, knee height": (low_knee, 0.17, 0.005, ["kneel_down", "get_up"], ["squat"]),
    "lunge left, legs": (lunged, 0.5, 0.005, ["squat"], ["lunge_left"]),
    "lunge right, legs": (lambda v: lunged(v, RIGHT), 0.5, 0.005, ["squat"], ["lunge_right"]),
    "sit, feet ahead": (sat, 0.46, 0.005, ["squat"], ["sit_down", "get_up"]),
    "sit, frames": (lambda v: sat(0.3, round(v) - 1), 25.5, 0.5, ["squat"], ["sit_down", "get_up"]),
    "pick up, hand height": (reached_down, 0.3, 0.005, ["pick_up"], ["squat"]),
    "pick up, pitch": (lambda v: reached_down(pitch=v), 40, 0.5, ["squat"], ["pick_up"]),
    "crouch, frames to a jump": (lambda v: crouched(round(v)), 7.5, 0.5, NOTHING, ["squat"]),
    "bow, degrees": (bowed, 33, 0.5, NOTHING, ["bow"]),
    "strict bow, degrees": (lambda v: bowed(v, strictness=2.0), 66, 0.5, NOTHING, ["bow"]),
    "bow, drop": (lambda v: bowed(drop=v), 0.17, 0.005, ["bow"], NOTHING),
    "bow, knees": (lambda v: bowed(knee=v), 70, 0.5, ["bow"], NOTHING),
    "bow, m/s": (lambda v: bowed(speed=-v), 1.0, 0.01, ["bow"], NOTHING),
    "bow, hand height": (lambda v: bowed(hand=v), 0.3, 0.005, ["pick_up"], ["bow"]),
    "raise, degrees": (lambda v: raised(lift=v), 120, 0.5, NOTHING, ["raise_arm_left"]),
    "raise, over the head": (lambda v: raised(over=v, side=RIGHT), 0.2, 0.005, NOTHING, ["raise_arm_right"]),
    "both arms, frames": (
        lambda v: raised_both(round(v)),
        7.5,
        0.5,
        ["raise_arms"],
        ["raise_arm_left", "raise_arm_right"],
    ),
    "wave, swing": (lambda v: waved(swing=v), 0.12, 0.005, ["raise_arm_right"], ["wave_right"]),
    "wave, turning points": (lambda v: waved(turns=round(v)), 2.5, 0.5, ["raise_arm_right"], ["wave_right"]),
    "throw, behind": (lambda v: threw(behind=v), 0.25, 0.01, NOTHING, ["throw_right"]),
    "throw, ahead": (lambda v: threw(ahead=v), 0.45, 0.01, NOTHING, ["throw_right"]),
    "throw, frames": (lambda v: threw(later=round(v)), 12.5, 0.5, ["throw_right"], NOTHING),
    "punch, reach": (lambda v: punched(reach=v), 0.82, 0.005, NOTHING, ["punch_left"]),
    "punch, guard": (lambda v: punched(guard=v), 0.68, 0.005, ["punch_left"], NOTHING),
    "punch, return": (lambda v: punched(back=v), 0.815, 0.005, ["punch_left"], NOTHING),
    "punch, least lift": (lambda v: punched(lift=v), 65, 0.5, NOTHING, ["punch_left"]),
    "punch, ahead": (lambda v: punched(ahead=v, side=RIGHT), 0.6, 0.005, NOTHING, ["punch_right"]),
    "clap, distance": (lambda v: clapped(apart=v), 0.42, 0.005, ["clap"], NOTHING),
    "clap, frames": (lambda v: clapped(frames=round(v)), 10.5, 0.5, ["clap"], NOTHING),
    "clap, ahead": (lambda v: clapped(ahead=v), 0.2, 0.005, NOTHING, ["clap"]),
    "clap, above": (lambda v: clapped(up=v), 0.35, 0.005, ["clap"], NOTHING),
    "clap, below": (lambda v: clapped(up=-v), 0.5, 0.005, ["clap"], NOTHING),
}


@pytest.mark.parametrize("quantity", LIMITS)
def test_a_body_just_above_a_threshold_is_told_from_one_just_below(quantity):
    outcome, threshold, step, below, above = LIMITS[quantity]
    assert outcome(threshold - step) == below
    assert outcome(threshold + step) == above


@pytest.mark.parametrize(
    ("outcome", "value", "expected"),
    [
        (kicked, 0.45, ["kick_left"]),
        (lambda v: kicked(ahead=v), 0.5, ["kick_left"]),
        (bowed, 33, ["bow"]),
        (lambda v: bowed(knee=v), 70, ["bow"]),
        (lambda v: bowed(drop=v), 0.17, ["bow"]),
        (lambda v: bowed(hand=v), 0.3, ["bow"]),
        (low_knee, 0.17, ["squat"]),
        (dipped, 0.3, ["squat"]),
        (lunged, 0.5, ["squat"]),
        (flew, 0.055, ["both"]),
        (lambda v: turned(v), 50, [("turn_left", 1)]),
        (lambda v: turned(v), 135, [("turn_around", 1)]),
        (lambda v: punched(ahead=v), 0.6, []),
        (lambda v: clapped(ahead=v), 0.2, []),
    ],
)  # fmt: skip
def test_a_value_at_the_threshold_counts_where_the_judge_says_at_least(outcome, value, expected):
    assert outcome(value) == expected


def test_a_quick_low_dip_is_no_kneeling():
    knees = one_side(np.full(FRAMES, 0.1), LEFT, 0.5)
    assert dipped(0.5, reach=15, knee_height=knees) == ["kneel_down", "get_up"]  # five frames within 0.07 of the bottom
    assert dipped(0.5, reach=14, knee_height=knees) == ["squat"]  # three frames


def test_a_body_that_is_down_at_first_only_gets_up_and_one_that_stays_down_only_sits():
    seated = feet(ahead=(0.6, 0.6))
    rising, sinking = (
        0.6 - 0.6 * np.clip((np.arange(FRAMES) - 30) / 10, 0, 1),
        0.6 * np.clip((np.arange(FRAMES) - 30) / 10, 0, 1),
    )
    assert names(find_dips(standing(drop=rising, foot=seated), [], 1.0)) == ["get_up"]
    assert names(find_dips(standing(drop=sinking, foot=seated), [], 1.0)) == ["sit_down"]


def test_what_another_event_explains_is_no_event():
    assert sidestepped(busy=[(40, 41)]) == [] and sidestepped(busy=[(41, 60), (20, 40)]) == ["sidestep_left"]
    assert clapped(leaps=[(30, 60)]) == [] and clapped(leaps=[(10, 30)]) == ["clap"]
    arms = both(10 + hill(150, 10))
    over = both(hill(0.5, 10))
    assert arm_events(arm_lift=arms, over_head=over, busy=[(20, 60)]) == []
    assert arm_events(arm_lift=arms, over_head=over, busy=[(20, 36)]) == ["raise_arms"]


def test_the_foot_that_pushes_off_names_the_hop():
    for free, hop in ((LEFT, "right"), (RIGHT, "left")):
        heights = both(hill(0.08, 4))
        heights[:, free] = np.maximum(heights[:, free], 0.3)
        (flight,) = find_flights(standing(toe_height=heights), 1.0)
        assert flight.kind == hop
        assert names(find_jumps(standing(), [flight], 1.0)) == [f"hop_{hop}"]


def test_events_lie_where_the_body_moves_and_are_surer_the_larger_they_are():
    for angle, sure in ((33.0, 0.5), (41.25, 0.75), (60.0, 1.0)):
        (bow,) = find_bows(standing(pitch=hill(angle, 12)), 1.0)
        assert bow.confidence == pytest.approx(sure)
    assert (bow.start, bow.end) == (35, 46)  # above half of the peak: five frames on each side
    (kick,) = find_kicks(standing(toe_height=one_side(hill(0.6), LEFT), foot=feet(ahead=(hill(0.7), 0.0))), 1.0)
    assert (kick.start, kick.end) == (34, 47)


@pytest.mark.parametrize(("frames", "kind"), [(3, "both"), (4, "left")])
def test_the_free_foot_of_a_hop_is_up_three_frames_before_and_after(frames, kind):
    """The flight is from frame 38 to 42."""
    for touches in (38 - frames, 42 + frames):
        heights = both(hill(0.08, 4))
        heights[:, RIGHT] = np.maximum(heights[:, RIGHT], 0.3)
        heights[touches, RIGHT] = 0.0
        (flight,) = find_flights(standing(toe_height=heights), 1.0)
        assert (flight.start, flight.end, flight.kind) == (38, 43, kind)


def test_a_raise_of_both_arms_lasts_from_the_first_to_the_last():
    lifts = np.stack([10 + hill(150, 8, 30), 10 + hill(150, 8, 35)], 1)
    (raise_,) = find_arm_events(standing(arm_lift=lifts, over_head=both(np.full(FRAMES, 0.5))), [], [], 1.0)
    # above 80 degrees, half of the peak, each arm is lifted for four frames before and after its highest
    assert (raise_.action, raise_.start, raise_.end) == ("raise_arms", 26, 40)
