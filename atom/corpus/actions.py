"""The animation of each action of `atom.events`: a function writes one event into an `EventAnimation`.

Every action starts and ends at rest (standing, or in the low posture that it starts from), so that any two can follow
each other. Times are nominal frames at 20 fps, angles are degrees, and `prefix` is "l" or "r".
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.interpolate import PchipInterpolator

from atom.corpus.event_animation import GRAVITY, EventAnimation, minimum_jerk
from atom.corpus.rig import SIDES
from atom.events import ACTIONS, Event

Animator = Callable[[EventAnimation, int], None]


def _opposite(prefix: str) -> str:
    return "r" if prefix == "l" else "l"


def _side_index(prefix: str) -> int:
    return SIDES.index(prefix)


def _sign(prefix: str) -> int:
    return 1 if prefix == "l" else -1


# --- locomotion -------------------------------------------------------------------------------------------------------


def _speed_profile(u: np.ndarray, ramp: float) -> np.ndarray:
    """The fraction of the distance at time fraction `u`; speed rises and falls over the fraction `ramp` of the time."""
    fine = np.linspace(0, 1, 401)
    speed = minimum_jerk(fine / ramp) * minimum_jerk((1 - fine) / ramp)
    distance = np.concatenate([[0], np.cumsum((speed[1:] + speed[:-1]) / 2)])
    return np.interp(u, fine, distance / distance[-1])


def _travel(
    anim: EventAnimation,
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
    """Walk or run along a straight path with alternating steps; the arms swing against the legs.

    A step starts every `step` frames and lasts `swing` frames. `clearance` and `bounce` are heights of feet and
    pelvis in metres; `heel`, `arms` and `lean` are degrees. Speed rises and falls over the fraction `ramp` of the time.
    """
    start = 3.0
    end = start + (steps - 1) * step + swing
    root_start, root_end = start - 2, end - 0.15 * swing

    def along(at: float | np.ndarray) -> np.ndarray:
        return distance * _speed_profile((np.asarray(at) - root_start) / (root_end - root_start), ramp)

    first = int(anim.rng.integers(2))
    anim.add_gait(
        lambda at: (0.0, float(along(min(at, end))), 0.0),
        steps,
        start=start,
        step=step,
        swing=swing,
        first=first,
        clearance=clearance,
        heel=heel,
    )
    anim.end_frame = end + 3
    for at in np.linspace(root_start, root_end, 4 * steps):
        anim.keyframe(float(at), z=float(along(at)))
    length = end - start

    def envelope(u: np.ndarray) -> np.ndarray:
        return minimum_jerk(u / 0.15) * minimum_jerk((1 - u) / 0.15)

    cycles = length / (2 * step)
    lead = 1 if first == 0 else -1  # if the left foot swings first, the right arm swings forward with it
    for prefix in SIDES:
        anim.side_keyframe(start + 4, prefix, az=12.0, re=elbow)
        anim.side_keyframe(end - 4, prefix, az=12.0, re=elbow)
        anim.return_arms_to_rest(end + 3, prefix)
        phase = -lead * _sign(prefix)
        anim.add_wave(
            f"{prefix}_el",
            start,
            end,
            lambda u, phase=phase: envelope(u) * (phase * arms * np.sin(2 * np.pi * cycles * u) - 6),
        )
    anim.add_wave("twist", start, end, lambda u: -lead * 5 * envelope(u) * np.sin(2 * np.pi * cycles * u))
    anim.add_wave("turn", start, end, lambda u: lead * 9 * envelope(u) * np.sin(2 * np.pi * cycles * u))
    anim.add_wave("shift_x", start, end, lambda u: -lead * 0.02 * envelope(u) * np.sin(2 * np.pi * cycles * u))
    anim.add_wave("lift", start, end, lambda u: bounce * envelope(u) * (-np.cos(4 * np.pi * cycles * u) - 1.0))
    anim.keyframe(start + 5, bend=anim.rest["bend"] + lean)
    anim.keyframe(end - 5, bend=anim.rest["bend"] + lean)
    anim.return_to_rest(end + 2, "bend")


def walk_forward(anim: EventAnimation, count: int) -> None:
    """Walk four or five steps forward."""
    steps, step = int(anim.rng.integers(4, 6)), anim.vary(9.2, 0.1)
    stride = anim.vary(0.58, 0.15) * anim.style.amplitude
    _travel(
        anim,
        distance=stride * (steps - 1),
        steps=steps,
        step=step,
        swing=0.86 * step,
        clearance=0.09,
        heel=32,
        arms=anim.vary(22, 0.3),
        bounce=0.014,
        lean=2,
        ramp=0.22,
    )


def walk_backward(anim: EventAnimation, count: int) -> None:
    """Walk four or five steps backward."""
    steps, step = int(anim.rng.integers(4, 6)), anim.vary(9.5, 0.1)
    stride = anim.vary(0.42, 0.15) * anim.style.amplitude
    _travel(
        anim,
        distance=-stride * (steps - 1),
        steps=steps,
        step=step,
        swing=0.84 * step,
        clearance=0.09,
        heel=10,
        arms=anim.vary(12, 0.3),
        bounce=0.012,
        lean=-3,
        ramp=0.22,
    )


def run_forward(anim: EventAnimation, count: int) -> None:
    """Run six to eight steps forward."""
    steps, step = int(anim.rng.integers(6, 9)), anim.vary(6.4, 0.06)
    stride = anim.vary(0.92, 0.1) * anim.style.amplitude
    start, swing = 3.0, 1.36 * step
    _travel(
        anim,
        distance=stride * (steps - 1.5),
        steps=steps,
        step=step,
        swing=swing,
        clearance=0.24,
        heel=48,
        arms=anim.vary(42, 0.2),
        bounce=0.0,
        lean=10,
        ramp=0.3,
        elbow=0.66,
    )
    end = start + (steps - 1) * step + swing
    for prefix in SIDES:
        anim.side_keyframe(start + 4, prefix, el=24.0, out=0.0)
        anim.side_keyframe(end - 4, prefix, el=24.0)
    for number in range(1, steps):
        # Flight phase: both feet are in the air from the take-off of one to the landing of the other.
        middle = start + number * step + (swing - step) / 2
        anim.add_wave("lift", middle - step / 2, middle + step / 2, lambda u: 0.055 * np.sin(np.pi * u) ** 2)
    anim.add_wave("lift", start, end, lambda u: -0.06 * minimum_jerk(u / 0.15) * minimum_jerk((1 - u) / 0.15))


def sidestep(prefix: str) -> Animator:
    """Step to the side `count` times."""

    def animate(anim: EventAnimation, count: int) -> None:
        sign, lead, trail = _sign(prefix), _side_index(prefix), _side_index(_opposite(prefix))
        width = anim.vary(0.38, 0.15) * anim.style.amplitude
        swing, at, x = anim.vary(6.2), 1.0, 0.0
        for number in range(count):
            goal = (sign * width * (number + 1), 0.0, 0.0)
            anim.add_step(lead, at, at + swing, goal, clearance=0.07)
            anim.keyframe(at, x=x)
            anim.add_step(trail, at + swing + 0.5, at + 2 * swing + 0.5, goal, clearance=0.06)
            x = goal[0]
            anim.keyframe(at + 2 * swing, x=x)
            anim.add_wave("lift", at, at + 2 * swing + 0.5, lambda u: -0.035 * np.sin(np.pi * u) ** 2)
            at += 2 * swing + 2.0
        anim.end_frame = at

    return animate


def _rotate(anim: EventAnimation, angle: float, step: float) -> None:
    """Turn in place by `angle` degrees (left is positive), with steps of at most about 50 degrees."""
    steps = max(2 * math.ceil(abs(angle) / 100), 2) + int(anim.rng.integers(0, 2)) * 2
    start = 2.0
    end = start + (steps - 1) * step + 0.85 * step

    def yaw(at: float) -> float:
        return angle * float(_speed_profile(np.asarray((at - start + 1) / (end - start - 0.5)), 0.3))

    first = 0 if angle > 0 else 1
    anim.add_gait(
        lambda at: (0.0, 0.0, yaw(min(at, end))),
        steps,
        start=start,
        step=step,
        swing=0.85 * step,
        first=first,
        clearance=0.06,
    )
    for at in np.linspace(start - 1, end, 3 * steps + 2):
        anim.keyframe(float(at), yaw=yaw(float(at)))
    side = math.copysign(1, angle)
    anim.add_wave("turn", start, end, lambda u: side * 12 * np.sin(np.pi * u) ** 2)
    anim.add_wave("lift", start, end, lambda u: -0.02 * np.sin(np.pi * u) ** 2)
    anim.end_frame = end + 2


def turn(prefix: str) -> Animator:
    """Turn by about 90 degrees in place."""
    return lambda anim, count: _rotate(anim, _sign(prefix) * anim.rng.uniform(78, 104), anim.vary(5.4))


def turn_around(anim: EventAnimation, count: int) -> None:
    """Turn by about 180 degrees in place, to a random side."""
    _rotate(anim, float(anim.rng.choice([-1, 1])) * anim.rng.uniform(165, 195), anim.vary(5.4))


def spin(anim: EventAnimation, count: int) -> None:
    """Spin by `count` full turns, to a random side."""
    _rotate(anim, float(anim.rng.choice([-1, 1])) * 360 * count, anim.vary(3.7, 0.08))


# --- jumps ------------------------------------------------------------------------------------------------------------


def _flight(
    anim: EventAnimation, at: float, frames: float, *, crouch: float, distance: float, base: float, arms: float
) -> float:
    """Write one jump with both feet: the crouch starts at frame `at`, and the body is upright at the returned frame."""
    down, push, absorb = anim.vary(4.5), 3.0, anim.vary(3.5)
    off = at + down + push
    land = off + frames
    rise = GRAVITY * anim.to_seconds(frames) ** 2 / 8
    extended = 0.05

    anim.keyframe(at, lift=0.0, bend=anim.rest["bend"], z=base)
    anim.keyframe(at + down, lift=-crouch, bend=anim.rest["bend"] + 20, shift_z=-0.06)
    anim.keyframe(off, lift=extended, bend=anim.rest["bend"] + 4, shift_z=0.0, z=base + 0.06 * distance)
    for u in np.linspace(0.15, 0.85, 5):
        anim.keyframe(off + u * frames, lift=extended * (1 - u) + 4 * rise * u * (1 - u))
    anim.keyframe(land, lift=0.0, z=base + 0.96 * distance)
    anim.keyframe(land + absorb, lift=-0.75 * crouch, bend=anim.rest["bend"] + 18, z=base + distance)
    for side, prefix in enumerate(SIDES):
        anim.side_keyframe(at + down, prefix, heel=0.0)
        anim.side_keyframe(off, prefix, heel=42.0)
        anim.side_keyframe(land - 0.4 * frames, prefix, heel=30.0)
        anim.side_keyframe(land + 0.4, prefix, heel=0.0)
        anim.add_step(side, off, land, (0.0, base + distance, 0.0), height=lambda u: 4 * (rise + 0.03) * u * (1 - u))
        anim.side_keyframe(at + down, prefix, el=-32.0, az=8.0, re=0.9)
        anim.side_keyframe(off + 0.3 * frames, prefix, el=arms, az=14.0, re=0.85)
        anim.side_keyframe(land + absorb, prefix, el=20.0, az=20.0, re=0.9)
    up = land + absorb + anim.vary(4.5)
    anim.keyframe(up, lift=0.0, bend=anim.rest["bend"], shift_z=0.0)
    return up


def _jumps(anim: EventAnimation, count: int, frames: float, distance: float, crouch: float) -> None:
    at = 0.0
    for number in range(count):
        at = _flight(
            anim, at, anim.vary(frames, 0.06), crouch=crouch, distance=distance, base=number * distance, arms=75.0
        )
    anim.return_arms_to_rest(at + 1, "l", "r")
    anim.end_frame = at + 1


def jump_up(anim: EventAnimation, count: int) -> None:
    """Jump up with both feet."""
    _jumps(anim, count, frames=anim.rng.uniform(7.5, 9.2), distance=0.0, crouch=anim.vary(0.22) * anim.style.amplitude)


def jump_forward(anim: EventAnimation, count: int) -> None:
    """Jump forward with both feet."""
    _jumps(anim, count, frames=anim.rng.uniform(7.0, 8.6), distance=anim.rng.uniform(0.5, 0.8), crouch=anim.vary(0.24))


def hop(prefix: str) -> Animator:
    """Hop on one foot, in place or slightly forward."""

    def animate(anim: EventAnimation, count: int) -> None:
        sign, side, other = _sign(prefix), _side_index(prefix), _opposite(prefix)
        travel = anim.rng.uniform(0.0, 0.22)
        flight = anim.rng.uniform(5.2, 6.2)
        raised = anim.rng.uniform(0.22, 0.32)
        begin, z = 6.0, 0.0
        anim.keyframe(begin, shift_x=sign * 0.7 * anim.body.half_stance, lift=-0.02)
        at = begin
        for _ in range(count):
            down, off = at + 3.0, at + 5.0
            land = off + flight
            rise = GRAVITY * anim.to_seconds(flight) ** 2 / 8
            anim.keyframe(down, lift=-0.12, bend=anim.rest["bend"] + 12, z=z)
            anim.keyframe(off, lift=0.03, bend=anim.rest["bend"] + 5)
            for u in (0.25, 0.5, 0.75):
                anim.keyframe(off + u * flight, lift=0.03 * (1 - u) + 4 * rise * u * (1 - u))
            anim.keyframe(land, lift=0.0, z=z + 0.95 * travel)
            anim.add_step(
                side, off, land, (0.0, z + travel, 0.0), height=lambda u, rise=rise: 4 * (rise + 0.02) * u * (1 - u)
            )
            anim.side_keyframe(down, prefix, heel=0.0)
            anim.side_keyframe(off, prefix, heel=38.0)
            anim.side_keyframe(land + 0.4, prefix, heel=0.0)
            z += travel
            at = land
        anim.keyframe(at + 3, lift=-0.09, z=z, bend=anim.rest["bend"] + 10)
        anim.keyframe(at + 6, lift=-0.01, shift_x=sign * 0.6 * anim.body.half_stance, bend=anim.rest["bend"])
        end = at + 11
        # The free foot is raised behind the body during the whole hop.
        span = end - 1

        def raised_height(u: np.ndarray) -> np.ndarray:
            return raised * minimum_jerk(u * span / 6) * minimum_jerk((1 - u) * span / 6)

        back = anim.vary(0.16)
        anim.add_step(_side_index(other), 0.5, 0.5 + span, (0.0, z, 0.0), height=raised_height)
        anim.add_wave(f"{other}_toe_z", 0.5, 0.5 + span, lambda u: -back * raised_height(u) / raised)
        # Keep the raised foot pitched until the last landing.
        anim.side_keyframe(6.0, other, heel=45.0)
        anim.side_keyframe(at + 4, other, heel=45.0)
        anim.side_keyframe(at + 9, other, heel=0.0)
        for arm in SIDES:
            anim.side_keyframe(begin, arm, el=38.0, az=70.0, re=0.85)
            anim.side_keyframe(at + 3, arm, el=38.0, az=70.0, re=0.85)
            anim.return_arms_to_rest(end + 1, arm)
        anim.keyframe(end, shift_x=0.0, lift=0.0)
        anim.end_frame = end + 1

    return animate


def jumping_jack(anim: EventAnimation, count: int) -> None:
    """Jump with legs apart and arms up, and back."""
    width, at = anim.vary(0.30) * anim.style.amplitude, 0.0
    anim.keyframe(0.0, lift=0.0)
    for _ in range(count):
        for apart in (True, False):
            crouch, off = at + 2.2, at + 3.6
            flight = 4.6
            land = off + flight
            rise = GRAVITY * anim.to_seconds(flight) ** 2 / 8 + 0.02
            anim.keyframe(crouch, lift=-0.08)
            anim.keyframe(off, lift=0.0)
            anim.keyframe(off + 0.5 * flight, lift=rise)
            anim.keyframe(land, lift=-0.02)
            for side, prefix in enumerate(SIDES):
                x = _sign(prefix) * (anim.body.half_stance + (width if apart else 0.0))
                anim.add_step(
                    side,
                    off,
                    land,
                    (0.0, 0.0, 0.0),
                    offset=(x, anim.body.ankle_offset[1] - 0.02),
                    height=lambda u, rise=rise: 4 * (rise + 0.015) * u * (1 - u),
                )
                anim.side_keyframe(off - 1, prefix, el=160.0 if not apart else 14.0, az=88.0, re=0.985)
                anim.side_keyframe(land, prefix, el=162.0 if apart else 14.0, az=88.0, re=0.985)
                anim.side_keyframe(crouch, prefix, heel=0.0)
                anim.side_keyframe(off, prefix, heel=24.0)
                anim.side_keyframe(land + 0.4, prefix, heel=0.0)
            at = land + 0.6
    anim.keyframe(at + 2.5, lift=-0.05)
    anim.keyframe(at + 6, lift=0.0)
    anim.return_arms_to_rest(at + 6, "l", "r")
    anim.end_frame = at + 6


# --- whole body, in place ---------------------------------------------------------------------------------------------


def squat(anim: EventAnimation, count: int) -> None:
    """Squat, with the arms forward or in front of the chest."""
    depth = anim.vary(0.40, 0.1) * anim.style.amplitude * anim.body.leg_length / 0.83
    style = anim.rng.integers(2)
    at = 0.0
    for _ in range(count):
        low, hold = at + anim.vary(9), anim.vary(2.5, 0.5)
        anim.keyframe(at, lift=0.0, shift_z=0.0, bend=anim.rest["bend"], tilt=0.0)
        for when in (low, low + hold):
            anim.keyframe(when, lift=-depth, shift_z=-0.17, bend=anim.rest["bend"] + 22, tilt=14.0)
        up = low + hold + anim.vary(9)
        anim.keyframe(up, lift=0.0, shift_z=0.0, bend=anim.rest["bend"], tilt=0.0)
        for prefix in SIDES:
            if style:
                anim.side_keyframe(low, prefix, el=105.0, az=4.0, re=0.93)
                anim.side_keyframe(low + hold, prefix, el=105.0, az=4.0, re=0.93)
                anim.return_arms_to_rest(up, prefix)
            else:
                anim.side_keyframe(low, prefix, el=62.0, az=-8.0, re=0.6)
                anim.side_keyframe(low + hold, prefix, el=62.0, az=-8.0, re=0.6)
                anim.return_arms_to_rest(up, prefix)
        at = up + 1.5
    anim.end_frame = at


def sit_down(anim: EventAnimation, count: int) -> None:
    """Sit down at the height of a chair, and stay seated."""
    end = anim.vary(17)
    seat = anim.body.ankle_offset[0] + 0.97 * anim.body.bone_length("l_ankle")
    anim.keyframe(0.35 * end, bend=anim.rest["bend"] + 20, tilt=12.0)
    anim.keyframe(0.6 * end, bend=anim.rest["bend"] + 26, tilt=14.0)
    anim.keyframe(
        end,
        lift=seat - anim.body.standing_height + 0.03,
        shift_z=-0.98 * anim.body.bone_length("l_knee"),
        tilt=-4.0,
        bend=4.0,
    )
    for prefix in SIDES:
        anim.side_keyframe(0.5 * end, prefix, el=30.0, az=10.0, re=0.88)
        anim.side_keyframe(end, prefix, el=38.0, az=6.0, re=0.82)
    anim.end_frame = end + 3


def kneel_down(anim: EventAnimation, count: int) -> None:
    """Kneel down on one knee, and stay there."""
    knee = str(anim.rng.choice(SIDES))
    front = _opposite(knee)
    shin, thigh = anim.body.bone_length("l_ankle"), anim.body.bone_length("l_knee")
    ankle_rise = anim.body.bone_length("l_foot") * 0.98
    back = 0.75 * shin
    anim.add_step(_side_index(knee), 1, 8, (0.0, -back, 0.0), clearance=0.07)
    anim.add_step(_side_index(front), 9, 15, (0.0, 0.72 * thigh, 0.0), clearance=0.06)
    anim.side_keyframe(3, knee, heel=0.0)
    anim.side_keyframe(8, knee, heel=38.0)
    anim.side_keyframe(19, knee, heel=82.0)
    anim.keyframe(7, lift=-0.10, bend=anim.rest["bend"] + 8)
    height = 0.065 + thigh + 0.6 * anim.body.bone_length("l_hip")
    knee_z = -back + anim.body.ankle_offset[1] - 0.02 + 0.02 + math.sqrt(shin**2 - (ankle_rise - 0.06) ** 2)
    anim.keyframe(19, lift=height - anim.body.standing_height, shift_z=knee_z, bend=anim.rest["bend"] + 4)
    anim.side_keyframe(19, front, el=42.0, az=8.0, re=0.8)
    anim.side_keyframe(19, knee, el=12.0, az=35.0, re=0.93)
    anim.end_frame = 22


def get_up(anim: EventAnimation, count: int) -> None:
    """Stand up from sitting or kneeling."""
    neutral = anim.body.neutral_channels()
    seated = anim.rest["shift_z"] < -0.1
    if seated:
        end = anim.vary(17)
        anim.keyframe(0.3 * end, bend=28.0, tilt=18.0, lift=anim.rest["lift"])
        anim.keyframe(0.55 * end, bend=24.0, tilt=10.0)
    else:
        knee = max(SIDES, key=lambda prefix: anim.rest[f"{prefix}_heel"])
        end = 21.0
        anim.keyframe(
            10, lift=0.45 * anim.rest["lift"], shift_z=0.6 * anim.rest["shift_z"], bend=anim.rest["bend"] + 12
        )
        anim.side_keyframe(10, knee, heel=45.0)
        anim.side_keyframe(16, knee, heel=0.0)
        anim.add_step(_side_index(_opposite(knee)), 8, 14, (0.0, 0.0, 0.0), clearance=0.06)
        anim.add_step(_side_index(knee), 14.5, 20.5, (0.0, 0.0, 0.0), clearance=0.06)
    anim.keyframe(end, lift=0.0, shift_z=0.0, tilt=0.0, bend=anim.style.forward_lean)
    for prefix in SIDES:
        anim.side_keyframe(end, prefix, **{name: neutral[f"{prefix}_{name}"] for name in ("el", "az", "re", "out")})
    anim.end_frame = end + 2


def bow(anim: EventAnimation, count: int) -> None:
    """Bow forward, and rise."""
    depth = anim.vary(62, 0.18)
    at = 0.0
    for _ in range(count):
        low = at + anim.vary(9)
        hold = low + anim.vary(4, 0.5)
        anim.keyframe(at, bend=anim.rest["bend"], tilt=0.0, shift_z=0.0, nod=0.0)
        for when in (low, hold):
            anim.keyframe(when, bend=0.62 * depth, tilt=0.38 * depth, shift_z=-0.10, nod=8.0)
            for prefix in SIDES:
                anim.side_keyframe(when, prefix, el=0.55 * depth, az=6.0, re=0.95)
        up = hold + anim.vary(9)
        anim.keyframe(up, bend=anim.rest["bend"], tilt=0.0, shift_z=0.0, nod=0.0)
        anim.return_arms_to_rest(up, "l", "r")
        at = up + 2
    anim.end_frame = at


def pick_up(anim: EventAnimation, count: int) -> None:
    """Bend down, reach for the floor with one hand, and rise."""
    hand = str(anim.rng.choice(SIDES))
    low = anim.vary(13)
    hold = low + anim.vary(3, 0.3)
    for when in (low, hold):
        anim.keyframe(
            when, lift=-0.40 * anim.body.leg_length / 0.83, shift_z=-0.16, bend=58.0, tilt=30.0, turn=-_sign(hand) * 10
        )
        anim.side_keyframe(when, hand, el=92.0, az=4.0, re=0.97)
        anim.side_keyframe(when, _opposite(hand), el=55.0, az=10.0, re=0.7)
    up = hold + anim.vary(13)
    anim.keyframe(up, lift=0.0, shift_z=0.0, bend=anim.rest["bend"], tilt=0.0, turn=0.0)
    anim.side_keyframe(up, hand, el=40.0, az=8.0, re=0.62)
    anim.return_arms_to_rest(up, _opposite(hand))
    anim.return_arms_to_rest(up + 6, hand)
    anim.end_frame = up + 7


def kick(prefix: str) -> Animator:
    """Kick forward with one leg."""

    def animate(anim: EventAnimation, count: int) -> None:
        sign, foot, other = _sign(prefix), _side_index(prefix), _opposite(prefix)
        leg = anim.body.leg_length
        height, reach = anim.vary(0.78, 0.15) * leg * anim.style.amplitude, 0.95 * leg
        at = 5.0
        anim.keyframe(4, shift_x=-sign * 0.7 * anim.body.half_stance, lift=-0.015)
        for _ in range(count):
            duration = anim.vary(14, 0.08)
            begin, peak, end = at, at + 0.5 * duration, at + duration
            u = np.array([-0.1, 0.0, 0.22, 0.5, 0.62, 1.0, 1.1])
            rise = PchipInterpolator(u, [0, 0, 0.16, height, 0.7 * height, 0, 0])
            ahead = PchipInterpolator(u, [0, 0, -0.24 * leg, reach, 0.75 * reach, 0, 0])
            anim.add_step(foot, begin, end, (0.0, 0.0, 0.0), height=rise)
            anim.add_wave(f"{prefix}_toe_z", begin, end, ahead)
            anim.side_keyframe(begin, prefix, heel=0.0)
            anim.side_keyframe(begin + 0.22 * duration, prefix, heel=45.0)
            anim.side_keyframe(peak, prefix, heel=-48.0)
            anim.side_keyframe(end - 1, prefix, heel=0.0)
            anim.keyframe(begin, tilt=0.0, twist=0.0)
            anim.keyframe(peak, tilt=-12.0, twist=sign * -8.0, bend=anim.rest["bend"] + 8)
            anim.keyframe(end, tilt=0.0, twist=0.0, bend=anim.rest["bend"])
            anim.side_keyframe(peak, other, el=45.0, az=25.0, re=0.85)
            anim.side_keyframe(peak, prefix, el=-30.0, az=25.0, re=0.9)
            anim.side_keyframe(begin, other, el=20.0, az=40.0, re=0.9)
            anim.side_keyframe(begin, prefix, el=20.0, az=40.0, re=0.9)
            at = end + 1.5
        anim.keyframe(at, shift_x=-sign * 0.7 * anim.body.half_stance, lift=-0.015)
        anim.keyframe(at + 4, shift_x=0.0, lift=0.0)
        anim.return_arms_to_rest(at + 4, "l", "r")
        anim.end_frame = at + 4

    return animate


def lunge(prefix: str) -> Animator:
    """Lunge forward with one leg, and step back."""

    def animate(anim: EventAnimation, count: int) -> None:
        foot, other = _side_index(prefix), _opposite(prefix)
        stride = anim.vary(0.78, 0.08) * anim.body.leg_length / 0.83 * anim.style.amplitude
        depth = anim.vary(0.26, 0.12)
        at = 1.0
        for _ in range(count):
            out = at + 8
            low, hold = out + 4, out + 6
            anim.add_step(foot, at, out, (0.0, stride, 0.0), clearance=0.10)
            anim.keyframe(at, lift=0.0, shift_z=0.0)
            anim.keyframe(out, lift=-0.4 * depth, shift_z=0.42 * stride)
            for when in (low, hold):
                anim.keyframe(when, lift=-depth, shift_z=0.50 * stride)
            back = hold + 4
            anim.keyframe(back, lift=-0.4 * depth, shift_z=0.36 * stride)
            anim.add_step(foot, back, back + 8, (0.0, 0.0, 0.0), clearance=0.10)
            anim.keyframe(back + 8, lift=0.0, shift_z=0.0)
            anim.side_keyframe(at + 2, other, heel=0.0)
            anim.side_keyframe(out, other, heel=32.0)
            anim.side_keyframe(low, other, heel=58.0)
            anim.side_keyframe(hold, other, heel=58.0)
            anim.side_keyframe(back + 3, other, heel=20.0)
            anim.side_keyframe(back + 7, other, heel=0.0)
            at = back + 10
        for arm in SIDES:
            anim.side_keyframe(7, arm, el=42.0, az=112.0, re=0.62)
            anim.side_keyframe(at - 8, arm, el=42.0, az=112.0, re=0.62)
            anim.return_arms_to_rest(at, arm)
        anim.end_frame = at

    return animate


# --- arms (in any posture) --------------------------------------------------------------------------------------------


def wave(prefix: str) -> Animator:
    """Raise one hand, and wave it from side to side."""

    def animate(anim: EventAnimation, count: int) -> None:
        cycles, period = float(anim.rng.choice([3, 3.5, 4])), anim.vary(7.4, 0.12)
        up = anim.vary(8)
        end = up + cycles * period
        swing = anim.vary(24, 0.15) * anim.style.amplitude
        for when in (up, end):
            anim.side_keyframe(when, prefix, el=138.0, az=anim.vary(84, 0.05), re=0.8, out=1.0)

        def side_to_side(u: np.ndarray) -> np.ndarray:
            return swing * np.sin(2 * np.pi * cycles * u) * minimum_jerk(u / 0.12) * minimum_jerk((1 - u) / 0.12)

        anim.add_wave(f"{prefix}_el", up - 1, end + 1, side_to_side)
        anim.return_arms_to_rest(end + 9, prefix)
        anim.end_frame = end + 9

    return animate


def _raise(anim: EventAnimation, count: int, prefixes: tuple[str, ...]) -> None:
    sideways = anim.rng.random() < 0.4
    azimuth = 88.0 if sideways else anim.rng.uniform(2, 20)
    at = 0.0
    for number in range(count):
        top = at + anim.vary(9)
        hold = top + anim.vary(3, 0.4)
        down = hold + anim.vary(9)
        for prefix in prefixes:
            if number == 0:
                anim.side_keyframe(0.3 * top, prefix, az=azimuth, re=0.95)
            for when in (top, hold):
                anim.side_keyframe(when, prefix, el=anim.vary(168, 0.03), az=azimuth, re=0.99)
            anim.side_keyframe(down, prefix, el=14.0, az=azimuth, re=0.95)
        at = down + 1
    anim.return_arms_to_rest(at + 2, *prefixes)
    anim.end_frame = at + 2


def raise_arm(prefix: str) -> Animator:
    """Raise one arm above the head, and lower it."""
    return lambda anim, count: _raise(anim, count, (prefix,))


def raise_arms(anim: EventAnimation, count: int) -> None:
    """Raise both arms above the head, and lower them."""
    _raise(anim, count, ("l", "r"))


def clap(anim: EventAnimation, count: int) -> None:
    """Clap the hands in front of the chest."""
    period = anim.vary(7.6, 0.12)
    ready = anim.vary(7)
    # The palms meet where the sideways reach, sin(el) sin(az) re arm_length, equals half the shoulder width.
    half = anim.body.bone_length("l_shoulder") + 0.5 * anim.body.bone_length("l_collar")
    reach, elevation = 0.68, 72.0
    across = math.degrees(
        math.asin(min(half / (reach * anim.body.arm_length * math.sin(math.radians(elevation))), 0.95))
    )
    closed, opened = -across + 4, -across + anim.vary(38, 0.1)
    for prefix in SIDES:
        anim.side_keyframe(ready, prefix, el=elevation, az=opened, re=reach, out=0.6)
        for number in range(count):
            anim.side_keyframe(ready + (number + 0.5) * period, prefix, az=closed)
            anim.side_keyframe(ready + (number + 1.0) * period, prefix, az=opened)
        anim.side_keyframe(ready + count * period, prefix, el=elevation, re=reach, out=0.6)
        anim.return_arms_to_rest(ready + count * period + 7, prefix)
    anim.end_frame = ready + count * period + 7


def punch(prefix: str) -> Animator:
    """Punch forward with one hand, from a guard."""

    def animate(anim: EventAnimation, count: int) -> None:
        sign, other = _sign(prefix), _opposite(prefix)
        ready = anim.vary(6.5)
        guard = {"el": 84.0, "az": -6.0, "re": 0.42, "out": 0.15}
        for arm in SIDES:
            anim.side_keyframe(ready, arm, **guard)
        at = ready
        for _ in range(count):
            out, back = at + anim.vary(4.2), at + anim.vary(9.4, 0.06)
            anim.keyframe(at, turn=0.0)
            anim.side_keyframe(at, prefix, **guard)
            anim.side_keyframe(out, prefix, el=91.0, az=-12.0, re=0.99, out=0.15)
            anim.keyframe(out, turn=-sign * 24.0)
            anim.side_keyframe(back, prefix, **guard)
            anim.keyframe(back, turn=0.0)
            at = back + 1.2
        anim.side_keyframe(at, other, **guard)
        for arm in SIDES:
            anim.return_arms_to_rest(at + 7, arm)
        anim.end_frame = at + 7

    return animate


def throw(prefix: str) -> Animator:
    """Throw overarm with one hand."""

    def animate(anim: EventAnimation, count: int) -> None:
        sign, other = _sign(prefix), _opposite(prefix)
        back, release, follow = anim.vary(10), 14.5, 19.0
        back = min(back, 11.0)
        anim.side_keyframe(0.5 * back, prefix, el=80.0, az=105.0, re=0.75, out=0.8)
        anim.side_keyframe(back, prefix, el=122.0, az=138.0, re=0.72, out=1.0)
        anim.keyframe(back, turn=sign * 34.0, bend=anim.rest["bend"] - 8)
        anim.side_keyframe(0.5 * (back + release), prefix, el=140.0, az=85.0, re=0.8, out=0.8)
        anim.side_keyframe(release, prefix, el=112.0, az=8.0, re=0.98, out=0.2)
        anim.keyframe(release, turn=-sign * 12.0, bend=anim.rest["bend"] + 8)
        anim.side_keyframe(follow, prefix, el=46.0, az=-34.0, re=0.93, out=0.0)
        anim.keyframe(follow, turn=-sign * 30.0, bend=anim.rest["bend"] + 18)
        anim.side_keyframe(back, other, el=72.0, az=8.0, re=0.92)
        anim.side_keyframe(follow, other, el=-15.0, az=20.0, re=0.9)
        end = 29.0
        anim.keyframe(end, turn=0.0, bend=anim.rest["bend"])
        anim.return_arms_to_rest(end, "l", "r")
        anim.end_frame = end

    return animate


_SIDED_ACTIONS: dict[str, Callable[[str], Animator]] = {
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
_CENTRAL_ACTIONS: dict[str, Animator] = {
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
ANIMATORS: dict[str, Animator] = {
    name: _SIDED_ACTIONS[action.family](action.side[0]) if action.side else _CENTRAL_ACTIONS[action.family]
    for name, action in ACTIONS.items()
}


def animate_event(anim: EventAnimation, event: Event) -> None:
    """Write an event into an animation.

    Args:
        anim: an empty animation; its `end_frame` becomes the nominal frame at which the event ends.
        event: the action and its count.
    """
    ANIMATORS[event.action](anim, event.count)
