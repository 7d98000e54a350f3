"""Writes the channels of one event: keyed values, additive waves, and steps of the feet."""

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
    """0 to 1 with no speed and no acceleration at either end."""
    u = np.clip(u, 0, 1)
    return u**3 * (10 - 15 * u + 6 * u**2)


@dataclass(frozen=True)
class MotionStyle:
    """How one person moves in one clip: `tempo` stretches time, `size` scales amplitudes."""

    tempo: float = 1.0
    size: float = 1.0
    posture: float = 0.0  # degrees the trunk habitually leans ahead

    @staticmethod
    def sample(rng: np.random.Generator) -> MotionStyle:
        return MotionStyle(rng.uniform(0.88, 1.12), rng.uniform(0.9, 1.1), rng.uniform(-2, 6))


@dataclass(frozen=True)
class _Step:
    side: int
    start: float
    end: float
    to: tuple[float, float, float]  # x, z, yaw of the root that the foot ends under
    offset: tuple[float, float]  # x, z of the toe from that root, in its heading
    height: Callable[[np.ndarray], np.ndarray]  # toe height above the floor at 0..1 of the step


class EventAnimation:
    """The channels of one event. Times are nominal frames (20 a second), stretched by the style's tempo in `build`."""

    def __init__(self, body: Body, rest: dict[str, float], style: MotionStyle, rng: np.random.Generator) -> None:
        self.body, self.rest, self.style, self.rng = body, rest, style, rng
        self.now = 0.0
        self._keys: dict[str, list[tuple[float, float]]] = defaultdict(list)
        self._waves: list[tuple[str, float, float, Callable[[np.ndarray], np.ndarray]]] = []
        self._steps: list[_Step] = []

    def vary(self, value: float, share: float = 0.12) -> float:
        """`value` times a random factor of 1 +- share."""
        return value * self.rng.uniform(1 - share, 1 + share)

    def seconds(self, frames: float) -> float:
        return frames * self.style.tempo / FPS

    def key(self, at: float, **values: float) -> None:
        """These channels pass through these values at frame `at`."""
        for name, value in values.items():
            self._keys[name].append((at, value))

    def limb(self, at: float, prefix: str, **values: float) -> None:
        """`key` for the channels of one side."""
        self.key(at, **{f"{prefix}_{name}": value for name, value in values.items()})

    def home(self, at: float, *names: str) -> None:
        """These channels are back at rest at frame `at`."""
        self.key(at, **{name: self.rest[name] for name in names})

    def arm_home(self, at: float, *prefixes: str) -> None:
        for prefix in prefixes:
            self.home(at, *(f"{prefix}_{name}" for name in ("el", "az", "re", "out")))

    def wave(self, name: str, start: float, end: float, shape: Callable[[np.ndarray], np.ndarray]) -> None:
        """Adds shape(0..1) to a channel between two frames; the shape should be 0 at both ends."""
        self._waves.append((name, start, end, shape))

    def step(
        self,
        side: int,
        start: float,
        end: float,
        to: tuple[float, float, float],
        *,
        clearance: float = 0.09,
        offset: tuple[float, float] | None = None,
        height: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> None:
        """Foot `side` (0 left, 1 right) leaves the floor at `start` and stands below the root place `to` at `end`."""
        sign = 1 if side == 0 else -1
        offset = offset or (sign * self.body.stance, self.body.foot[1] - 0.02)
        lift = height or (lambda u: clearance * np.sin(np.pi * np.clip(u, 0, 1) ** 0.85))
        self._steps.append(_Step(side, start, end, to, offset, lift))

    def gait(
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
        """Alternating steps below a root `path` (frame -> x, z, yaw); returns the frame at which the last foot lands.

        A foot is put where the root will be in the middle of that foot's stance, as in walking.
        """
        for number in range(steps):
            side = (first + number) % 2
            leaves, lands = start + number * step, start + number * step + swing
            last = number >= steps - 2
            middle = math.inf if last else (lands + leaves + 2 * step) / 2
            self.step(side, leaves, lands, path(middle), clearance=clearance, height=height)
            if heel:
                name = f"{SIDES[side]}_heel"
                pushed = 0.35 * step if number else 0.2 * step
                self.key(max(leaves - pushed, start * 0.5), **{name: 0.0})
                self.key(leaves + 0.1 * swing, **{name: heel if number else 0.6 * heel})
                self.key(leaves + 0.75 * swing, **{name: 0.0})
        return start + (steps - 1) * step + swing

    def build(self) -> tuple[Channels, int]:
        """All channels over the event's frames, in the frame of the heading at its start."""
        frames = max(round(self.now * self.style.tempo), 1)
        time = np.arange(1, frames + 1) / self.style.tempo
        channels = {name: np.full(frames, float(value)) for name, value in self.rest.items()}
        for name, keys in self._keys.items():
            at, values = [-1.0, 0.0], [self.rest[name]] * 2
            for when, value in sorted(keys):
                if when > at[-1] + 1e-6:
                    at.append(when)
                    values.append(value)
                else:
                    values[-1] = value
            at.append(max(at[-1], self.now) + 1)
            values.append(values[-1])
            channels[name] = PchipInterpolator(at, values)(time)
        for step in sorted(self._steps, key=lambda s: s.start):
            prefix = SIDES[step.side]
            x, z, yaw = step.to
            c, s = math.cos(math.radians(yaw)), math.sin(math.radians(yaw))
            target = {
                "toe_x": x + c * step.offset[0] + s * step.offset[1],
                "toe_z": z - s * step.offset[0] + c * step.offset[1],
                "toe_yaw": yaw + (1 if step.side == 0 else -1) * self.body.toe_out,
            }
            u = (time - step.start) / (step.end - step.start)
            for name, goal in target.items():
                values = channels[f"{prefix}_{name}"]
                before = values[-1]
                channels[f"{prefix}_{name}"] = np.where(u > 0, before + (goal - before) * minimum_jerk(u), values)
            inside = (u > 0) & (u < 1)
            channels[f"{prefix}_toe_y"] += np.where(inside, step.height(np.clip(u, 0, 1)), 0)
        for name, start, end, shape in self._waves:
            u = (time - start) / (end - start)
            channels[name] += np.where((u > 0) & (u < 1), shape(np.clip(u, 0, 1)), 0)
        return channels, frames
