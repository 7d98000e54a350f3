"""How each action of `atom.events` is performed: a function writes one event into a EventAnimation.

Every action starts and ends at rest (standing, or in the low posture it was given), so any two can follow each other.
Times are nominal frames at 20 fps; angles are degrees; `prefix` is "l" or "r".
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.interpolate import PchipInterpolator

from atom.corpus.event_animation import GRAVITY, EventAnimation, minimum_jerk
from atom.corpus.rig import SIDES
from atom.events import ACTIONS, Event

Performance = Callable[[EventAnimation, int], None]


def _other(prefix: str) -> str:
    return "r" if prefix == "l" else "l"


def _foot(prefix: str) -> int:
    return SIDES.index(prefix)


def _sign(prefix: str) -> int:
    return 1 if prefix == "l" else -1


# --- locomotion -------------------------------------------------------------------------------------------------------


def _speed_profile(u: np.ndarray, ramp: float) -> np.ndarray:
    """Distance share 0..1 at time share u, with speed that rises and falls over `ramp` of the time."""
    fine = np.linspace(0, 1, 401)
    speed = minimum_jerk(fine / ramp) * minimum_jerk((1 - fine) / ramp)
    distance = np.concatenate([[0], np.cumsum((speed[1:] + speed[:-1]) / 2)])
    return np.interp(u, fine, distance / distance[-1])


def _travel(
    p: EventAnimation,
    *,
    distance: float,
    steps: int,
    step: float,
    swing: float,
    clearance: float,
    heel: float,
    arms: float,
    bounce: float,
    lean: float,
    ramp: float,
    elbow: float = 0.95,
) -> None:
    """Walking and running: a straight path with alternating steps, arms swinging against the legs."""
    start = 3.0
    end = start + (steps - 1) * step + swing
    root_start, root_end = start - 2, end - 0.15 * swing

    def along(at: float | np.ndarray) -> np.ndarray:
        return distance * _speed_profile((np.asarray(at) - root_start) / (root_end - root_start), ramp)

    first = int(p.rng.integers(2))
    p.gait(
        lambda at: (0.0, float(along(min(at, end))), 0.0),
        steps,
        start=start,
        step=step,
        swing=swing,
        first=first,
        clearance=clearance,
        heel=heel,
    )
    p.now = end + 3
    for at in np.linspace(root_start, root_end, 4 * steps):
        p.key(float(at), z=float(along(at)))
    length = end - start

    def envelope(u: np.ndarray) -> np.ndarray:
        return minimum_jerk(u / 0.15) * minimum_jerk((1 - u) / 0.15)

    cycles = length / (2 * step)
    lead = 1 if first == 0 else -1  # the left foot swings first: the right arm goes ahead with it
    for prefix in SIDES:
        p.limb(start + 4, prefix, az=12.0, re=elbow)
        p.limb(end - 4, prefix, az=12.0, re=elbow)
        p.arm_home(end + 3, prefix)
        phase = -lead * _sign(prefix)
        p.wave(
            f"{prefix}_el",
            start,
            end,
            lambda u, phase=phase: envelope(u) * (phase * arms * np.sin(2 * np.pi * cycles * u) - 6),
        )
    p.wave("twist", start, end, lambda u: -lead * 5 * envelope(u) * np.sin(2 * np.pi * cycles * u))
    p.wave("turn", start, end, lambda u: lead * 9 * envelope(u) * np.sin(2 * np.pi * cycles * u))
    p.wave("shift_x", start, end, lambda u: -lead * 0.02 * envelope(u) * np.sin(2 * np.pi * cycles * u))
    p.wave("lift", start, end, lambda u: bounce * envelope(u) * (-np.cos(4 * np.pi * cycles * u) - 1.0))
    p.key(start + 5, bend=p.rest["bend"] + lean)
    p.key(end - 5, bend=p.rest["bend"] + lean)
    p.home(end + 2, "bend")


def walk_forward(p: EventAnimation, count: int) -> None:
    steps, step = int(p.rng.integers(4, 6)), p.vary(9.2, 0.1)
    stride = p.vary(0.58, 0.15) * p.style.size
    _travel(
        p,
        distance=stride * (steps - 1),
        steps=steps,
        step=step,
        swing=0.86 * step,
        clearance=0.09,
        heel=32,
        arms=p.vary(22, 0.3),
        bounce=0.014,
        lean=2,
        ramp=0.22,
    )


def walk_backward(p: EventAnimation, count: int) -> None:
    steps, step = int(p.rng.integers(4, 6)), p.vary(9.5, 0.1)
    stride = p.vary(0.42, 0.15) * p.style.size
    _travel(
        p,
        distance=-stride * (steps - 1),
        steps=steps,
        step=step,
        swing=0.84 * step,
        clearance=0.09,
        heel=10,
        arms=p.vary(12, 0.3),
        bounce=0.012,
        lean=-3,
        ramp=0.22,
    )


def run_forward(p: EventAnimation, count: int) -> None:
    steps, step = int(p.rng.integers(6, 9)), p.vary(6.4, 0.06)
    stride = p.vary(0.92, 0.1) * p.style.size
    start, swing = 3.0, 1.36 * step
    _travel(
        p,
        distance=stride * (steps - 1.5),
        steps=steps,
        step=step,
        swing=swing,
        clearance=0.24,
        heel=48,
        arms=p.vary(42, 0.2),
        bounce=0.0,
        lean=10,
        ramp=0.3,
        elbow=0.66,
    )
    end = start + (steps - 1) * step + swing
    for prefix in SIDES:
        p.limb(start + 4, prefix, el=24.0, out=0.0)
        p.limb(end - 4, prefix, el=24.0)
    for number in range(1, steps):
        # Both feet are up from the later foot's leaving to the earlier one's landing: the body is thrown there.
        middle = start + number * step + (swing - step) / 2
        p.wave("lift", middle - step / 2, middle + step / 2, lambda u: 0.055 * np.sin(np.pi * u) ** 2)
    p.wave("lift", start, end, lambda u: -0.06 * minimum_jerk(u / 0.15) * minimum_jerk((1 - u) / 0.15))


def sidestep(prefix: str) -> Performance:
    def perform(p: EventAnimation, count: int) -> None:
        sign, lead, trail = _sign(prefix), _foot(prefix), _foot(_other(prefix))
        width = p.vary(0.38, 0.15) * p.style.size
        swing, at, x = p.vary(6.2), 1.0, 0.0
        for number in range(count):
            goal = (sign * width * (number + 1), 0.0, 0.0)
            p.step(lead, at, at + swing, goal, clearance=0.07)
            p.key(at, x=x)
            p.step(trail, at + swing + 0.5, at + 2 * swing + 0.5, goal, clearance=0.06)
            x = goal[0]
            p.key(at + 2 * swing, x=x)
            p.wave("lift", at, at + 2 * swing + 0.5, lambda u: -0.035 * np.sin(np.pi * u) ** 2)
            at += 2 * swing + 2.0
        p.now = at

    return perform


def _rotate(p: EventAnimation, angle: float, step: float) -> None:
    """Turns in place by `angle` degrees (left positive) with steps of at most some 50 degrees."""
    steps = max(2 * math.ceil(abs(angle) / 100), 2) + int(p.rng.integers(0, 2)) * 2
    start = 2.0
    end = start + (steps - 1) * step + 0.85 * step

    def yaw(at: float) -> float:
        return angle * float(_speed_profile(np.asarray((at - start + 1) / (end - start - 0.5)), 0.3))

    first = 0 if angle > 0 else 1
    p.gait(
        lambda at: (0.0, 0.0, yaw(min(at, end))),
        steps,
        start=start,
        step=step,
        swing=0.85 * step,
        first=first,
        clearance=0.06,
    )
    for at in np.linspace(start - 1, end, 3 * steps + 2):
        p.key(float(at), yaw=yaw(float(at)))
    side = math.copysign(1, angle)
    p.wave("turn", start, end, lambda u: side * 12 * np.sin(np.pi * u) ** 2)
    p.wave("lift", start, end, lambda u: -0.02 * np.sin(np.pi * u) ** 2)
    p.now = end + 2


def turn(prefix: str) -> Performance:
    return lambda p, count: _rotate(p, _sign(prefix) * p.rng.uniform(78, 104), p.vary(5.4))


def turn_around(p: EventAnimation, count: int) -> None:
    _rotate(p, float(p.rng.choice([-1, 1])) * p.rng.uniform(165, 195), p.vary(5.4))


def spin(p: EventAnimation, count: int) -> None:
    _rotate(p, float(p.rng.choice([-1, 1])) * 360 * count, p.vary(3.7, 0.08))


# --- jumps ------------------------------------------------------------------------------------------------------------


def _flight(
    p: EventAnimation, at: float, frames: float, *, crouch: float, distance: float, base: float, arms: float
) -> float:
    """One jump with both feet that starts to crouch at `at` and is upright again at the returned frame."""
    down, push, absorb = p.vary(4.5), 3.0, p.vary(3.5)
    off = at + down + push
    land = off + frames
    rise = GRAVITY * p.seconds(frames) ** 2 / 8
    extended = 0.05

    p.key(at, lift=0.0, bend=p.rest["bend"], z=base)
    p.key(at + down, lift=-crouch, bend=p.rest["bend"] + 20, shift_z=-0.06)
    p.key(off, lift=extended, bend=p.rest["bend"] + 4, shift_z=0.0, z=base + 0.06 * distance)
    for u in np.linspace(0.15, 0.85, 5):
        p.key(off + u * frames, lift=extended * (1 - u) + 4 * rise * u * (1 - u))
    p.key(land, lift=0.0, z=base + 0.96 * distance)
    p.key(land + absorb, lift=-0.75 * crouch, bend=p.rest["bend"] + 18, z=base + distance)
    for side, prefix in enumerate(SIDES):
        p.limb(at + down, prefix, heel=0.0)
        p.limb(off, prefix, heel=42.0)
        p.limb(land - 0.4 * frames, prefix, heel=30.0)
        p.limb(land + 0.4, prefix, heel=0.0)
        p.step(side, off, land, (0.0, base + distance, 0.0), height=lambda u: 4 * (rise + 0.03) * u * (1 - u))
        p.limb(at + down, prefix, el=-32.0, az=8.0, re=0.9)
        p.limb(off + 0.3 * frames, prefix, el=arms, az=14.0, re=0.85)
        p.limb(land + absorb, prefix, el=20.0, az=20.0, re=0.9)
    up = land + absorb + p.vary(4.5)
    p.key(up, lift=0.0, bend=p.rest["bend"], shift_z=0.0)
    return up


def _jumps(p: EventAnimation, count: int, frames: float, distance: float, crouch: float) -> None:
    at = 0.0
    for number in range(count):
        at = _flight(p, at, p.vary(frames, 0.06), crouch=crouch, distance=distance, base=number * distance, arms=75.0)
    p.arm_home(at + 1, "l", "r")
    p.now = at + 1


def jump_up(p: EventAnimation, count: int) -> None:
    _jumps(p, count, frames=p.rng.uniform(7.5, 9.2), distance=0.0, crouch=p.vary(0.22) * p.style.size)


def jump_forward(p: EventAnimation, count: int) -> None:
    _jumps(p, count, frames=p.rng.uniform(7.0, 8.6), distance=p.rng.uniform(0.5, 0.8), crouch=p.vary(0.24))


def hop(prefix: str) -> Performance:
    def perform(p: EventAnimation, count: int) -> None:
        sign, side, other = _sign(prefix), _foot(prefix), _other(prefix)
        travel = p.rng.uniform(0.0, 0.22)
        flight = p.rng.uniform(5.2, 6.2)
        raised = p.rng.uniform(0.22, 0.32)
        begin, z = 6.0, 0.0
        p.key(begin, shift_x=sign * 0.7 * p.body.stance, lift=-0.02)
        at = begin
        for _ in range(count):
            down, off = at + 3.0, at + 5.0
            land = off + flight
            rise = GRAVITY * p.seconds(flight) ** 2 / 8
            p.key(down, lift=-0.12, bend=p.rest["bend"] + 12, z=z)
            p.key(off, lift=0.03, bend=p.rest["bend"] + 5)
            for u in (0.25, 0.5, 0.75):
                p.key(off + u * flight, lift=0.03 * (1 - u) + 4 * rise * u * (1 - u))
            p.key(land, lift=0.0, z=z + 0.95 * travel)
            p.step(side, off, land, (0.0, z + travel, 0.0), height=lambda u, rise=rise: 4 * (rise + 0.02) * u * (1 - u))
            p.limb(down, prefix, heel=0.0)
            p.limb(off, prefix, heel=38.0)
            p.limb(land + 0.4, prefix, heel=0.0)
            z += travel
            at = land
        p.key(at + 3, lift=-0.09, z=z, bend=p.rest["bend"] + 10)
        p.key(at + 6, lift=-0.01, shift_x=sign * 0.6 * p.body.stance, bend=p.rest["bend"])
        end = at + 11
        # The free foot is held up behind from the first frames to the last.
        span = end - 1

        def held(u: np.ndarray) -> np.ndarray:
            return raised * minimum_jerk(u * span / 6) * minimum_jerk((1 - u) * span / 6)

        back = p.vary(0.16)
        p.step(_foot(other), 0.5, 0.5 + span, (0.0, z, 0.0), height=held)
        p.wave(f"{other}_toe_z", 0.5, 0.5 + span, lambda u: -back * held(u) / raised)
        # Between lift-off and landing of the free foot it follows the body, not the smooth path of one long step.
        p.limb(6.0, other, heel=45.0)
        p.limb(at + 4, other, heel=45.0)
        p.limb(at + 9, other, heel=0.0)
        for arm in SIDES:
            p.limb(begin, arm, el=38.0, az=70.0, re=0.85)
            p.limb(at + 3, arm, el=38.0, az=70.0, re=0.85)
            p.arm_home(end + 1, arm)
        p.key(end, shift_x=0.0, lift=0.0)
        p.now = end + 1

    return perform


def jumping_jack(p: EventAnimation, count: int) -> None:
    width, at = p.vary(0.30) * p.style.size, 0.0
    p.key(0.0, lift=0.0)
    for _ in range(count):
        for apart in (True, False):
            crouch, off = at + 2.2, at + 3.6
            flight = 4.6
            land = off + flight
            rise = GRAVITY * p.seconds(flight) ** 2 / 8 + 0.02
            p.key(crouch, lift=-0.08)
            p.key(off, lift=0.0)
            p.key(off + 0.5 * flight, lift=rise)
            p.key(land, lift=-0.02)
            for side, prefix in enumerate(SIDES):
                x = _sign(prefix) * (p.body.stance + (width if apart else 0.0))
                p.step(
                    side,
                    off,
                    land,
                    (0.0, 0.0, 0.0),
                    offset=(x, p.body.foot[1] - 0.02),
                    height=lambda u, rise=rise: 4 * (rise + 0.015) * u * (1 - u),
                )
                p.limb(off - 1, prefix, el=160.0 if not apart else 14.0, az=88.0, re=0.985)
                p.limb(land, prefix, el=162.0 if apart else 14.0, az=88.0, re=0.985)
                p.limb(crouch, prefix, heel=0.0)
                p.limb(off, prefix, heel=24.0)
                p.limb(land + 0.4, prefix, heel=0.0)
            at = land + 0.6
    p.key(at + 2.5, lift=-0.05)
    p.key(at + 6, lift=0.0)
    p.arm_home(at + 6, "l", "r")
    p.now = at + 6


# --- whole body, in place ---------------------------------------------------------------------------------------------


def squat(p: EventAnimation, count: int) -> None:
    depth = p.vary(0.40, 0.1) * p.style.size * p.body.leg / 0.83
    style = p.rng.integers(2)
    at = 0.0
    for _ in range(count):
        low, hold = at + p.vary(9), p.vary(2.5, 0.5)
        p.key(at, lift=0.0, shift_z=0.0, bend=p.rest["bend"], tilt=0.0)
        for when in (low, low + hold):
            p.key(when, lift=-depth, shift_z=-0.17, bend=p.rest["bend"] + 22, tilt=14.0)
        up = low + hold + p.vary(9)
        p.key(up, lift=0.0, shift_z=0.0, bend=p.rest["bend"], tilt=0.0)
        for prefix in SIDES:
            if style:
                p.limb(low, prefix, el=105.0, az=4.0, re=0.93)
                p.limb(low + hold, prefix, el=105.0, az=4.0, re=0.93)
                p.arm_home(up, prefix)
            else:
                p.limb(low, prefix, el=62.0, az=-8.0, re=0.6)
                p.limb(low + hold, prefix, el=62.0, az=-8.0, re=0.6)
                p.arm_home(up, prefix)
        at = up + 1.5
    p.now = at


def sit_down(p: EventAnimation, count: int) -> None:
    end = p.vary(17)
    seat = p.body.foot[0] + 0.97 * p.body.bone("l_ankle")
    p.key(0.35 * end, bend=p.rest["bend"] + 20, tilt=12.0)
    p.key(0.6 * end, bend=p.rest["bend"] + 26, tilt=14.0)
    p.key(end, lift=seat - p.body.standing + 0.03, shift_z=-0.98 * p.body.bone("l_knee"), tilt=-4.0, bend=4.0)
    for prefix in SIDES:
        p.limb(0.5 * end, prefix, el=30.0, az=10.0, re=0.88)
        p.limb(end, prefix, el=38.0, az=6.0, re=0.82)
    p.now = end + 3


def kneel_down(p: EventAnimation, count: int) -> None:
    knee = str(p.rng.choice(SIDES))
    front = _other(knee)
    shin, thigh = p.body.bone("l_ankle"), p.body.bone("l_knee")
    ankle_rise = p.body.bone("l_foot") * 0.98
    back = 0.75 * shin
    p.step(_foot(knee), 1, 8, (0.0, -back, 0.0), clearance=0.07)
    p.step(_foot(front), 9, 15, (0.0, 0.72 * thigh, 0.0), clearance=0.06)
    p.limb(3, knee, heel=0.0)
    p.limb(8, knee, heel=38.0)
    p.limb(19, knee, heel=82.0)
    p.key(7, lift=-0.10, bend=p.rest["bend"] + 8)
    height = 0.065 + thigh + 0.6 * p.body.bone("l_hip")
    knee_z = -back + p.body.foot[1] - 0.02 + 0.02 + math.sqrt(shin**2 - (ankle_rise - 0.06) ** 2)
    p.key(19, lift=height - p.body.standing, shift_z=knee_z, bend=p.rest["bend"] + 4)
    p.limb(19, front, el=42.0, az=8.0, re=0.8)
    p.limb(19, knee, el=12.0, az=35.0, re=0.93)
    p.now = 22


def get_up(p: EventAnimation, count: int) -> None:
    neutral = p.body.neutral()
    seated = p.rest["shift_z"] < -0.1
    if seated:
        end = p.vary(17)
        p.key(0.3 * end, bend=28.0, tilt=18.0, lift=p.rest["lift"])
        p.key(0.55 * end, bend=24.0, tilt=10.0)
    else:
        knee = max(SIDES, key=lambda prefix: p.rest[f"{prefix}_heel"])
        end = 21.0
        p.key(10, lift=0.45 * p.rest["lift"], shift_z=0.6 * p.rest["shift_z"], bend=p.rest["bend"] + 12)
        p.limb(10, knee, heel=45.0)
        p.limb(16, knee, heel=0.0)
        p.step(_foot(_other(knee)), 8, 14, (0.0, 0.0, 0.0), clearance=0.06)
        p.step(_foot(knee), 14.5, 20.5, (0.0, 0.0, 0.0), clearance=0.06)
    p.key(end, lift=0.0, shift_z=0.0, tilt=0.0, bend=p.style.posture)
    for prefix in SIDES:
        p.limb(end, prefix, **{name: neutral[f"{prefix}_{name}"] for name in ("el", "az", "re", "out")})
    p.now = end + 2


def bow(p: EventAnimation, count: int) -> None:
    depth = p.vary(62, 0.18)
    at = 0.0
    for _ in range(count):
        low = at + p.vary(9)
        hold = low + p.vary(4, 0.5)
        p.key(at, bend=p.rest["bend"], tilt=0.0, shift_z=0.0, nod=0.0)
        for when in (low, hold):
            p.key(when, bend=0.62 * depth, tilt=0.38 * depth, shift_z=-0.10, nod=8.0)
            for prefix in SIDES:
                p.limb(when, prefix, el=0.55 * depth, az=6.0, re=0.95)
        up = hold + p.vary(9)
        p.key(up, bend=p.rest["bend"], tilt=0.0, shift_z=0.0, nod=0.0)
        p.arm_home(up, "l", "r")
        at = up + 2
    p.now = at


def pick_up(p: EventAnimation, count: int) -> None:
    hand = str(p.rng.choice(SIDES))
    low = p.vary(13)
    hold = low + p.vary(3, 0.3)
    for when in (low, hold):
        p.key(when, lift=-0.40 * p.body.leg / 0.83, shift_z=-0.16, bend=58.0, tilt=30.0, turn=-_sign(hand) * 10)
        p.limb(when, hand, el=92.0, az=4.0, re=0.97)
        p.limb(when, _other(hand), el=55.0, az=10.0, re=0.7)
    up = hold + p.vary(13)
    p.key(up, lift=0.0, shift_z=0.0, bend=p.rest["bend"], tilt=0.0, turn=0.0)
    p.limb(up, hand, el=40.0, az=8.0, re=0.62)
    p.arm_home(up, _other(hand))
    p.arm_home(up + 6, hand)
    p.now = up + 7


def kick(prefix: str) -> Performance:
    def perform(p: EventAnimation, count: int) -> None:
        sign, foot, other = _sign(prefix), _foot(prefix), _other(prefix)
        leg = p.body.leg
        height, reach = p.vary(0.78, 0.15) * leg * p.style.size, 0.95 * leg
        at = 5.0
        p.key(4, shift_x=-sign * 0.7 * p.body.stance, lift=-0.015)
        for _ in range(count):
            duration = p.vary(14, 0.08)
            begin, peak, end = at, at + 0.5 * duration, at + duration
            u = np.array([-0.1, 0.0, 0.22, 0.5, 0.62, 1.0, 1.1])
            rise = PchipInterpolator(u, [0, 0, 0.16, height, 0.7 * height, 0, 0])
            ahead = PchipInterpolator(u, [0, 0, -0.24 * leg, reach, 0.75 * reach, 0, 0])
            p.step(foot, begin, end, (0.0, 0.0, 0.0), height=rise)
            p.wave(f"{prefix}_toe_z", begin, end, ahead)
            p.limb(begin, prefix, heel=0.0)
            p.limb(begin + 0.22 * duration, prefix, heel=45.0)
            p.limb(peak, prefix, heel=-48.0)
            p.limb(end - 1, prefix, heel=0.0)
            p.key(begin, tilt=0.0, twist=0.0)
            p.key(peak, tilt=-12.0, twist=sign * -8.0, bend=p.rest["bend"] + 8)
            p.key(end, tilt=0.0, twist=0.0, bend=p.rest["bend"])
            p.limb(peak, other, el=45.0, az=25.0, re=0.85)
            p.limb(peak, prefix, el=-30.0, az=25.0, re=0.9)
            p.limb(begin, other, el=20.0, az=40.0, re=0.9)
            p.limb(begin, prefix, el=20.0, az=40.0, re=0.9)
            at = end + 1.5
        p.key(at, shift_x=-sign * 0.7 * p.body.stance, lift=-0.015)
        p.key(at + 4, shift_x=0.0, lift=0.0)
        p.arm_home(at + 4, "l", "r")
        p.now = at + 4

    return perform


def lunge(prefix: str) -> Performance:
    def perform(p: EventAnimation, count: int) -> None:
        foot, other = _foot(prefix), _other(prefix)
        stride = p.vary(0.78, 0.08) * p.body.leg / 0.83 * p.style.size
        depth = p.vary(0.26, 0.12)
        at = 1.0
        for _ in range(count):
            out = at + 8
            low, hold = out + 4, out + 6
            p.step(foot, at, out, (0.0, stride, 0.0), clearance=0.10)
            p.key(at, lift=0.0, shift_z=0.0)
            p.key(out, lift=-0.4 * depth, shift_z=0.42 * stride)
            for when in (low, hold):
                p.key(when, lift=-depth, shift_z=0.50 * stride)
            back = hold + 4
            p.key(back, lift=-0.4 * depth, shift_z=0.36 * stride)
            p.step(foot, back, back + 8, (0.0, 0.0, 0.0), clearance=0.10)
            p.key(back + 8, lift=0.0, shift_z=0.0)
            p.limb(at + 2, other, heel=0.0)
            p.limb(out, other, heel=32.0)
            p.limb(low, other, heel=58.0)
            p.limb(hold, other, heel=58.0)
            p.limb(back + 3, other, heel=20.0)
            p.limb(back + 7, other, heel=0.0)
            at = back + 10
        for arm in SIDES:
            p.limb(7, arm, el=42.0, az=112.0, re=0.62)
            p.limb(at - 8, arm, el=42.0, az=112.0, re=0.62)
            p.arm_home(at, arm)
        p.now = at

    return perform


# --- arms (in any posture) --------------------------------------------------------------------------------------------


def wave(prefix: str) -> Performance:
    def perform(p: EventAnimation, count: int) -> None:
        cycles, period = float(p.rng.choice([3, 3.5, 4])), p.vary(7.4, 0.12)
        up = p.vary(8)
        end = up + cycles * period
        swing = p.vary(24, 0.15) * p.style.size
        for when in (up, end):
            p.limb(when, prefix, el=138.0, az=p.vary(84, 0.05), re=0.8, out=1.0)

        def side_to_side(u: np.ndarray) -> np.ndarray:
            return swing * np.sin(2 * np.pi * cycles * u) * minimum_jerk(u / 0.12) * minimum_jerk((1 - u) / 0.12)

        p.wave(f"{prefix}_el", up - 1, end + 1, side_to_side)
        p.arm_home(end + 9, prefix)
        p.now = end + 9

    return perform


def _raise(p: EventAnimation, count: int, prefixes: tuple[str, ...]) -> None:
    sideways = p.rng.random() < 0.4
    azimuth = 88.0 if sideways else p.rng.uniform(2, 20)
    at = 0.0
    for number in range(count):
        top = at + p.vary(9)
        hold = top + p.vary(3, 0.4)
        down = hold + p.vary(9)
        for prefix in prefixes:
            if number == 0:
                p.limb(0.3 * top, prefix, az=azimuth, re=0.95)
            for when in (top, hold):
                p.limb(when, prefix, el=p.vary(168, 0.03), az=azimuth, re=0.99)
            p.limb(down, prefix, el=14.0, az=azimuth, re=0.95)
        at = down + 1
    p.arm_home(at + 2, *prefixes)
    p.now = at + 2


def raise_arm(prefix: str) -> Performance:
    return lambda p, count: _raise(p, count, (prefix,))


def raise_arms(p: EventAnimation, count: int) -> None:
    _raise(p, count, ("l", "r"))


def clap(p: EventAnimation, count: int) -> None:
    period = p.vary(7.6, 0.12)
    ready = p.vary(7)
    # Palms meet where sin(el) sin(az) re arm reaches back over half the shoulder width.
    half = p.body.bone("l_shoulder") + 0.5 * p.body.bone("l_collar")
    reach, elevation = 0.68, 72.0
    across = math.degrees(math.asin(min(half / (reach * p.body.arm * math.sin(math.radians(elevation))), 0.95)))
    closed, opened = -across + 4, -across + p.vary(38, 0.1)
    for prefix in SIDES:
        p.limb(ready, prefix, el=elevation, az=opened, re=reach, out=0.6)
        for number in range(count):
            p.limb(ready + (number + 0.5) * period, prefix, az=closed)
            p.limb(ready + (number + 1.0) * period, prefix, az=opened)
        p.limb(ready + count * period, prefix, el=elevation, re=reach, out=0.6)
        p.arm_home(ready + count * period + 7, prefix)
    p.now = ready + count * period + 7


def punch(prefix: str) -> Performance:
    def perform(p: EventAnimation, count: int) -> None:
        sign, other = _sign(prefix), _other(prefix)
        ready = p.vary(6.5)
        guard = {"el": 84.0, "az": -6.0, "re": 0.42, "out": 0.15}
        for arm in SIDES:
            p.limb(ready, arm, **guard)
        at = ready
        for _ in range(count):
            out, back = at + p.vary(4.2), at + p.vary(9.4, 0.06)
            p.key(at, turn=0.0)
            p.limb(at, prefix, **guard)
            p.limb(out, prefix, el=91.0, az=-12.0, re=0.99, out=0.15)
            p.key(out, turn=-sign * 24.0)
            p.limb(back, prefix, **guard)
            p.key(back, turn=0.0)
            at = back + 1.2
        p.limb(at, other, **guard)
        for arm in SIDES:
            p.arm_home(at + 7, arm)
        p.now = at + 7

    return perform


def throw(prefix: str) -> Performance:
    def perform(p: EventAnimation, count: int) -> None:
        sign, other = _sign(prefix), _other(prefix)
        back, release, follow = p.vary(10), 14.5, 19.0
        back = min(back, 11.0)
        p.limb(0.5 * back, prefix, el=80.0, az=105.0, re=0.75, out=0.8)
        p.limb(back, prefix, el=122.0, az=138.0, re=0.72, out=1.0)
        p.key(back, turn=sign * 34.0, bend=p.rest["bend"] - 8)
        p.limb(0.5 * (back + release), prefix, el=140.0, az=85.0, re=0.8, out=0.8)
        p.limb(release, prefix, el=112.0, az=8.0, re=0.98, out=0.2)
        p.key(release, turn=-sign * 12.0, bend=p.rest["bend"] + 8)
        p.limb(follow, prefix, el=46.0, az=-34.0, re=0.93, out=0.0)
        p.key(follow, turn=-sign * 30.0, bend=p.rest["bend"] + 18)
        p.limb(back, other, el=72.0, az=8.0, re=0.92)
        p.limb(follow, other, el=-15.0, az=20.0, re=0.9)
        end = 29.0
        p.key(end, turn=0.0, bend=p.rest["bend"])
        p.arm_home(end, "l", "r")
        p.now = end

    return perform


_SIDED_ACTIONS: dict[str, Callable[[str], Performance]] = {
    "sidestep": sidestep,
    "turn": turn,
    "hop": hop,
    "wave": wave,
    "raise_arm": raise_arm,
    "punch": punch,
    "kick": kick,
    "throw": throw,
    "lunge": lunge,
}
_CENTRAL_ACTIONS: dict[str, Performance] = {
    "walk_forward": walk_forward,
    "walk_backward": walk_backward,
    "run_forward": run_forward,
    "turn_around": turn_around,
    "spin": spin,
    "jump_up": jump_up,
    "jump_forward": jump_forward,
    "squat": squat,
    "sit_down": sit_down,
    "kneel_down": kneel_down,
    "get_up": get_up,
    "bow": bow,
    "raise_arms": raise_arms,
    "clap": clap,
    "jumping_jack": jumping_jack,
    "pick_up": pick_up,
}
PERFORMANCES: dict[str, Performance] = {
    name: _SIDED_ACTIONS[action.family](action.side[0]) if action.side else _CENTRAL_ACTIONS[action.family]
    for name, action in ACTIONS.items()
}


def perform(phrase: EventAnimation, event: Event) -> None:
    """Writes `event` into the phrase; `phrase.now` is the nominal frame at which it ends."""
    PERFORMANCES[event.action](phrase, event.count)
