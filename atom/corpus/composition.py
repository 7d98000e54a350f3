"""Sequences of events as motion: what is asked is what happens, and when is known to the frame."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import gaussian_filter1d

from atom.corpus.actions import perform
from atom.corpus.event_animation import EventAnimation, MotionStyle
from atom.corpus.rig import SIDES, Body, Channels
from atom.errors import AtomError
from atom.events import Event, composition_key, postures_fit
from atom.motion.skeleton import MAX_FRAMES, MIN_FRAMES

_DEGREES = ("tilt", "twist", "bend", "turn", "lean", "nod", "l_el", "r_el", "l_az", "r_az")
_FASTEST = 0.72  # shortest time scale that still looks natural


@dataclass(frozen=True)
class CorpusMotion:
    """joints (T,22,3) float32 in metres, T = 4k + 1 so that the features fill whole tokens; spans name the frames
    [start, end) of each event; contacts (T,2) tell which foot is planted, left then right."""

    joints: np.ndarray
    events: tuple[Event, ...]
    spans: list[tuple[int, int, int]] = field(repr=False)
    contacts: np.ndarray = field(repr=False)


def make_motion(events: Sequence[Event], rng: np.random.Generator, max_frames: int = MAX_FRAMES + 1) -> CorpusMotion:
    """Performs the events one after the other, starting upright at the origin facing +Z.

    Raises AtomError when postures don't fit (walking while seated) or the sequence can't be done in `max_frames`.
    """
    events = tuple(events)
    if not events or not postures_fit(events):
        raise AtomError(f"events {composition_key(events)!r} can't follow each other: check who sits and who stands")
    state = rng.bit_generator.state
    tempo = 1.0
    while True:
        rng.bit_generator.state = state
        channels, spans = _write(events, rng, tempo)
        frames = len(channels["x"])
        if frames <= max_frames:
            break
        if tempo <= _FASTEST:
            raise AtomError(f"events {composition_key(events)!r} need {frames} frames, more than {max_frames}")
        tempo = max(tempo * 0.97 * max_frames / frames, _FASTEST)
    body = channels.pop("body")
    contacts = _planted(channels)
    joints = body.pose(channels, contacts)
    joints[..., [0, 2]] -= joints[0, 0, [0, 2]]
    return CorpusMotion(joints.astype(np.float32), events, spans, contacts)


def _write(events: tuple[Event, ...], rng: np.random.Generator, tempo: float) -> tuple[Channels, list]:
    body, style = Body.sample(rng), MotionStyle.sample(rng)
    style = MotionStyle(max(style.tempo * tempo, _FASTEST), style.size, style.posture)
    rest = body.neutral() | {"bend": style.posture, "l_az": rng.uniform(20, 60), "r_az": rng.uniform(20, 60)}
    origin = np.zeros(3)  # x, z, yaw of the heading frame that the current event is written in
    pieces: list[Channels] = [_hold(rest, origin, int(rng.integers(3, 8)))]
    spans, now = [], len(pieces[0]["x"])
    for number, event in enumerate(events):
        phrase = EventAnimation(body, rest, style, rng)
        perform(phrase, event)
        channels, frames = phrase.build()
        pieces.append(_place(channels, origin))
        spans.append((number, now, now + frames))
        now += frames
        end = {name: float(values[-1]) for name, values in channels.items()}
        rest, origin = _rebase(end, origin)
        pieces.append(_hold(rest, origin, int(rng.integers(0, 5))))
        now += len(pieces[-1]["x"])
    ending = max(int(rng.integers(3, 7)), MIN_FRAMES - now)
    ending += (1 - (now + ending)) % 4
    pieces.append(_hold(rest, origin, ending))
    channels = {name: np.concatenate([piece[name] for piece in pieces]) for name in rest}
    for name in _DEGREES:  # nobody stands perfectly still
        drift = gaussian_filter1d(rng.normal(size=len(channels[name]) + 40), 9)[20:-20]
        channels[name] = channels[name] + drift * rng.uniform(2.0, 5.0)
    channels["body"] = body
    return channels, spans


def _hold(rest: dict[str, float], origin: np.ndarray, frames: int) -> Channels:
    return _place({name: np.full(frames, value) for name, value in rest.items()}, origin)


def _place(channels: Channels, origin: np.ndarray) -> Channels:
    """From the heading frame of an event to the world."""
    placed = dict(channels)
    x, z, yaw = origin
    c, s = math.cos(math.radians(yaw)), math.sin(math.radians(yaw))
    for root, turn in (("", "yaw"), ("l_toe_", "l_toe_yaw"), ("r_toe_", "r_toe_yaw")):
        along_x, along_z = channels[root + "x"], channels[root + "z"]
        placed[root + "x"] = x + c * along_x + s * along_z
        placed[root + "z"] = z - s * along_x + c * along_z
        placed[turn] = channels[turn] + yaw
    return placed


def _rebase(end: dict[str, float], origin: np.ndarray) -> tuple[dict[str, float], np.ndarray]:
    """The channels of the last frame as the rest of the next event, in the heading that the body now has."""
    x, z, yaw = end["x"], end["z"], end["yaw"]
    world = _place({name: np.array([value]) for name, value in end.items()}, origin)
    new_origin = np.array([world["x"][0], world["z"][0], world["yaw"][0]])
    c, s = math.cos(math.radians(yaw)), math.sin(math.radians(yaw))
    rest = dict(end) | {"x": 0.0, "z": 0.0, "yaw": 0.0}
    for prefix in SIDES:
        dx, dz = end[f"{prefix}_toe_x"] - x, end[f"{prefix}_toe_z"] - z
        rest[f"{prefix}_toe_x"], rest[f"{prefix}_toe_z"] = c * dx - s * dz, s * dx + c * dz
        rest[f"{prefix}_toe_yaw"] = end[f"{prefix}_toe_yaw"] - yaw
    return rest, new_origin


def _planted(channels: Channels) -> np.ndarray:
    """(T,2): a foot is planted where its toe rests, to 0.1 mm a frame, from the frame before to the next."""
    columns = []
    for prefix in SIDES:
        toe = np.stack([channels[f"{prefix}_toe_{axis}"] for axis in "xyz"], -1)
        still = np.linalg.norm(np.diff(toe, axis=0), axis=-1) < 1e-4
        columns.append(np.concatenate([[True], still]) & np.concatenate([still, [True]]))
    return np.stack(columns, -1)
