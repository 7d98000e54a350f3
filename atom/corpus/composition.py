"""Motions composed of events: exactly the given events happen, and the frames of each are known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import gaussian_filter1d

from atom.corpus.actions import animate_event
from atom.corpus.event_animation import EventAnimation, MotionStyle
from atom.corpus.rig import SIDES, Body, Channels
from atom.errors import AtomError
from atom.events import Event, composition_key, postures_fit
from atom.motion.skeleton import MAX_FRAMES, MIN_FRAMES

_DRIFTING_CHANNELS = ("tilt", "twist", "bend", "turn", "lean", "nod", "l_el", "r_el", "l_az", "r_az")
_MIN_TIME_SCALE = 0.72  # faster movements look unnatural


@dataclass(frozen=True)
class CorpusMotion:
    """A procedural motion and what happens in it.

    `joints` (T, 22, 3) float32 are in metres; T = 4k + 1, so that the features fill whole tokens. `spans` are tuples of
    the index of an event and its frames [start, end). `contacts` (T, 2) say whether the left and the right foot are
    planted.
    """

    joints: np.ndarray
    events: tuple[Event, ...]
    spans: list[tuple[int, int, int]] = field(repr=False)
    contacts: np.ndarray = field(repr=False)


def make_motion(events: Sequence[Event], rng: np.random.Generator, max_frames: int = MAX_FRAMES + 1) -> CorpusMotion:
    """Compose a motion of events in sequence, from an upright stance at the origin, facing +Z.

    Args:
        events: the events, in order.
        rng: random numbers for body, style and variation.
        max_frames: longer motions are sped up, within natural limits.

    Raises:
        AtomError: the postures do not fit (such as walking while seated), or the sequence needs more than `max_frames`.
    """
    events = tuple(events)
    if not events or not postures_fit(events):
        raise AtomError(f"events {composition_key(events)!r} can't follow each other: check who sits and who stands")
    # Every attempt draws the same random numbers, so that it differs from the last in its time scale alone.
    state = rng.bit_generator.state
    time_scale = 1.0
    while True:
        rng.bit_generator.state = state
        body, channels, spans = _write_channels(events, rng, time_scale)
        frames = len(channels["x"])
        if frames <= max_frames:
            break
        if time_scale <= _MIN_TIME_SCALE:
            raise AtomError(f"events {composition_key(events)!r} need {frames} frames, more than {max_frames}")
        time_scale = max(time_scale * 0.97 * max_frames / frames, _MIN_TIME_SCALE)
    contacts = _planted_feet(channels)
    joints = body.pose(channels, contacts)
    joints[..., [0, 2]] -= joints[0, 0, [0, 2]]
    return CorpusMotion(joints.astype(np.float32), events, spans, contacts)


def _write_channels(
    events: tuple[Event, ...], rng: np.random.Generator, time_scale: float
) -> tuple[Body, Channels, list[tuple[int, int, int]]]:
    """The body, the channels of the whole motion in world coordinates, and the span of each event."""
    body, style = Body.sample(rng), MotionStyle.sample(rng)
    style = MotionStyle(max(style.time_scale * time_scale, _MIN_TIME_SCALE), style.amplitude, style.forward_lean)
    rest = body.neutral_channels() | {
        "bend": style.forward_lean,
        "l_az": rng.uniform(20, 60),
        "r_az": rng.uniform(20, 60),
    }
    origin = np.zeros(3)  # x, z and yaw of the coordinate frame in which the current event is written
    pieces: list[Channels] = [_hold_pose(rest, origin, int(rng.integers(3, 8)))]
    spans, now = [], len(pieces[0]["x"])
    for number, event in enumerate(events):
        animation = EventAnimation(body, rest, style, rng)
        animate_event(animation, event)
        channels, frames = animation.build()
        pieces.append(_to_world(channels, origin))
        spans.append((number, now, now + frames))
        now += frames
        end = {name: float(values[-1]) for name, values in channels.items()}
        rest, origin = _rebase(end, origin)
        pieces.append(_hold_pose(rest, origin, int(rng.integers(0, 5))))
        now += len(pieces[-1]["x"])
    ending = max(int(rng.integers(3, 7)), MIN_FRAMES - now)
    ending += (1 - (now + ending)) % 4  # the total becomes 4k + 1 frames
    pieces.append(_hold_pose(rest, origin, ending))
    channels = {name: np.concatenate([piece[name] for piece in pieces]) for name in rest}
    for name in _DRIFTING_CHANNELS:  # slow noise, since nobody stands perfectly still
        drift = gaussian_filter1d(rng.normal(size=len(channels[name]) + 40), 9)[20:-20]
        channels[name] = channels[name] + drift * rng.uniform(2.0, 5.0)
    return body, channels, spans


def _hold_pose(rest: dict[str, float], origin: np.ndarray, frames: int) -> Channels:
    return _to_world({name: np.full(frames, value) for name, value in rest.items()}, origin)


def _to_world(channels: Channels, origin: np.ndarray) -> Channels:
    """Transform channels from the coordinate frame of an event to world coordinates."""
    world = dict(channels)
    x, z, yaw = origin
    c, s = math.cos(math.radians(yaw)), math.sin(math.radians(yaw))
    for root, yaw_name in (("", "yaw"), ("l_toe_", "l_toe_yaw"), ("r_toe_", "r_toe_yaw")):
        along_x, along_z = channels[root + "x"], channels[root + "z"]
        world[root + "x"] = x + c * along_x + s * along_z
        world[root + "z"] = z - s * along_x + c * along_z
        world[yaw_name] = channels[yaw_name] + yaw
    return world


def _rebase(end: dict[str, float], origin: np.ndarray) -> tuple[dict[str, float], np.ndarray]:
    """Express the channels of the last frame in the coordinate frame of the next event, whose origin is the root."""
    x, z, yaw = end["x"], end["z"], end["yaw"]
    world = _to_world({name: np.array([value]) for name, value in end.items()}, origin)
    new_origin = np.array([world["x"][0], world["z"][0], world["yaw"][0]])
    c, s = math.cos(math.radians(yaw)), math.sin(math.radians(yaw))
    rest = dict(end) | {"x": 0.0, "z": 0.0, "yaw": 0.0}
    for prefix in SIDES:
        dx, dz = end[f"{prefix}_toe_x"] - x, end[f"{prefix}_toe_z"] - z
        rest[f"{prefix}_toe_x"], rest[f"{prefix}_toe_z"] = c * dx - s * dz, s * dx + c * dz
        rest[f"{prefix}_toe_yaw"] = end[f"{prefix}_toe_yaw"] - yaw
    return rest, new_origin


def _planted_feet(channels: Channels) -> np.ndarray:
    """Whether each foot is planted (T, 2): its toe moves by less than 0.1 mm from the frame before and to the next."""
    columns = []
    for prefix in SIDES:
        toe = np.stack([channels[f"{prefix}_toe_{axis}"] for axis in "xyz"], -1)
        still = np.linalg.norm(np.diff(toe, axis=0), axis=-1) < 1e-4
        columns.append(np.concatenate([[True], still]) & np.concatenate([still, [True]]))
    return np.stack(columns, -1)
