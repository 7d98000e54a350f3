"""The animation of one event: keyframes, additive waves and foot steps, which become channels over frames."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from atom.corpus.rig import SIDES, Body, Channels
from atom.motion.skeleton import FPS

GRAVITY = 9.81


def minimum_jerk(u: np.ndarray) -> np.ndarray:
    """Ease from 0 to 1 with zero velocity and acceleration at both ends (the minimum-jerk polynomial)."""
    u = np.clip(u, 0, 1)
    return u**3 * (10 - 15 * u + 6 * u**2)


@dataclass(frozen=True)
class MotionStyle:
    """How one person moves in one clip."""

    time_scale: float = 1.0  # factor on the duration of everything
    amplitude: float = 1.0  # factor on the size of movements
    forward_lean: float = 0.0  # degrees that the trunk leans forward at rest

    @staticmethod
    def sample(rng: np.random.Generator) -> MotionStyle:
        """Draw a random style."""
        return MotionStyle(rng.uniform(0.88, 1.12), rng.uniform(0.9, 1.1), rng.uniform(-2, 6))


@dataclass(frozen=True)
class _Step:
    side: int
    start: float
    end: float
    target: tuple[float, float, float]  # x, z and yaw of the root under which the foot lands
    offset: tuple[float, float]  # x, z of the toe from that root, relative to its heading
    height: Callable[[np.ndarray], np.ndarray]  # toe height above the floor at 0..1 of the step's time


class EventAnimation:
    """The keyframes, waves and foot steps of one event.

    Times are nominal frames (20 a second), which `build` stretches by the style's time scale.

    Args:
        body: the body to animate.
        rest: the channel values at the start, to which the body returns.
        style: how the person moves.
        rng: random numbers for the variation of movements.
    """

    def __init__(self, body: Body, rest: dict[str, float], style: MotionStyle, rng: np.random.Generator) -> None:
        self.body, self.rest, self.style, self.rng = body, rest, style, rng
        self.end_frame = 0.0
        self._keyframes: dict[str, list[tuple[float, float]]] = defaultdict(list)
        self._waves: list[tuple[str, float, float, Callable[[np.ndarray], np.ndarray]]] = []
        self._steps: list[_Step] = []

    def vary(self, value: float, spread: float = 0.12) -> float:
        """Vary a value at random.

        Args:
            value: the mean value.
            spread: the factor is drawn between 1 - `spread` and 1 + `spread`.
        """
        return value * self.rng.uniform(1 - spread, 1 + spread)

    def to_seconds(self, frames: float) -> float:
        """The duration in seconds of nominal frames."""
        return frames * self.style.time_scale / FPS

    def keyframe(self, at: float, **values: float) -> None:
        """Set keyframes of channels.

        Args:
            at: the frame.
            values: the value of each channel.
        """
        for name, value in values.items():
            self._keyframes[name].append((at, value))

    def side_keyframe(self, at: float, prefix: str, **values: float) -> None:
        """Set keyframes of channels of one side.

        Args:
            at: the frame.
            prefix: the side, "l" or "r".
            values: the value of each channel, named without the prefix.
        """
        self.keyframe(at, **{f"{prefix}_{name}": value for name, value in values.items()})

    def return_to_rest(self, at: float, *names: str) -> None:
        """Set keyframes that bring channels back to rest.

        Args:
            at: the frame.
            names: the channels.
        """
        self.keyframe(at, **{name: self.rest[name] for name in names})

    def return_arms_to_rest(self, at: float, *prefixes: str) -> None:
        """Set keyframes that bring arms back to rest.

        Args:
            at: the frame.
            prefixes: the sides, "l" or "r".
        """
        for prefix in prefixes:
            self.return_to_rest(at, *(f"{prefix}_{name}" for name in ("el", "az", "re", "out")))

    def add_wave(self, name: str, start: float, end: float, shape: Callable[[np.ndarray], np.ndarray]) -> None:
        """Add a curve to a channel, on top of its keyframes.

        Args:
            name: the channel.
            start: frame at which the curve starts.
            end: frame at which it ends.
            shape: the curve over 0..1; it should be 0 at both ends.
        """
        self._waves.append((name, start, end, shape))

    def add_step(
        self,
        side: int,
        start: float,
        end: float,
        target: tuple[float, float, float],
        *,
        clearance: float = 0.09,
        offset: tuple[float, float] | None = None,
        height: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> None:
        """Add a step of one foot.

        Args:
            side: 0 for the left foot, 1 for the right.
            start: frame of the take-off.
            end: frame of the landing.
            target: x, z and yaw of the root under which the foot lands.
            clearance: height of the step in metres, if `height` is not given.
            offset: x, z of the toe from the target, relative to its heading; by default that of the neutral stance.
            height: the toe's height in metres above the floor over 0..1 of the step.
        """
        sign = 1 if side == 0 else -1
        offset = offset or (sign * self.body.half_stance, self.body.ankle_offset[1] - 0.02)
        lift = height or (lambda u: clearance * np.sin(np.pi * np.clip(u, 0, 1) ** 0.85))
        self._steps.append(_Step(side, start, end, target, offset, lift))

    def add_gait(
        self,
        path: Callable[[float], tuple[float, float, float]],
        steps: int,
        *,
        start: float,
        step: float,
        swing: float,
        first: int,
        clearance: float,
        heel: float = 0.0,
        height: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> float:
        """Add alternating steps below the path of the root.

        A foot lands where the root will be in the middle of that foot's stance phase, as in walking.

        Args:
            path: from a frame to x, z and yaw of the root.
            steps: number of steps.
            start: frame of the first take-off.
            step: frames between two take-offs.
            swing: frames that a foot is in the air.
            first: 0 if the left foot steps first, 1 if the right.
            clearance: height of the steps in metres.
            heel: degrees that the foot pitches at push-off.
            height: the toe's height over 0..1 of a step, instead of `clearance`.

        Returns:
            The frame at which the last foot lands.
        """
        for number in range(steps):
            side = (first + number) % 2
            take_off, landing = start + number * step, start + number * step + swing
            is_last = number >= steps - 2  # of this foot
            # The middle of the stance phase, which ends when this foot takes off again.
            middle = math.inf if is_last else (landing + take_off + 2 * step) / 2
            self.add_step(side, take_off, landing, path(middle), clearance=clearance, height=height)
            if heel:
                name = f"{SIDES[side]}_heel"
                push_off = 0.35 * step if number else 0.2 * step
                self.keyframe(max(take_off - push_off, start * 0.5), **{name: 0.0})
                self.keyframe(take_off + 0.1 * swing, **{name: heel if number else 0.6 * heel})
                self.keyframe(take_off + 0.75 * swing, **{name: 0.0})
        return start + (steps - 1) * step + swing

    def build(self) -> tuple[Channels, int]:
        """Compute all channels over the event's frames.

        Returns:
            The channels, relative to place and heading of the root at the start, and the number of frames.
        """
        frames = max(round(self.end_frame * self.style.time_scale), 1)
        time = np.arange(1, frames + 1) / self.style.time_scale
        channels = {name: np.full(frames, float(value)) for name, value in self.rest.items()}
        for name, keyframes in self._keyframes.items():
            # Doubled values at both ends make the curve start and end at rest.
            times, values = [-1.0, 0.0], [self.rest[name]] * 2
            for at, value in sorted(keyframes):
                if at > times[-1] + 1e-6:
                    times.append(at)
                    values.append(value)
                else:
                    values[-1] = value
            times.append(max(times[-1], self.end_frame) + 1)
            values.append(values[-1])
            channels[name] = PchipInterpolator(times, values)(time)
        for step in sorted(self._steps, key=lambda s: s.start):
            prefix = SIDES[step.side]
            x, z, yaw = step.target
            c, s = math.cos(math.radians(yaw)), math.sin(math.radians(yaw))
            goals = {
                "toe_x": x + c * step.offset[0] + s * step.offset[1],
                "toe_z": z - s * step.offset[0] + c * step.offset[1],
                "toe_yaw": yaw + (1 if step.side == 0 else -1) * self.body.toe_out,
            }
            u = (time - step.start) / (step.end - step.start)
            for name, goal in goals.items():
                values = channels[f"{prefix}_{name}"]
                before = values[-1]
                channels[f"{prefix}_{name}"] = np.where(u > 0, before + (goal - before) * minimum_jerk(u), values)
            inside = (u > 0) & (u < 1)
            channels[f"{prefix}_toe_y"] += np.where(inside, step.height(np.clip(u, 0, 1)), 0)
        for name, start, end, shape in self._waves:
            u = (time - start) / (end - start)
            channels[name] += np.where((u > 0) & (u < 1), shape(np.clip(u, 0, 1)), 0)
        return channels, frames
