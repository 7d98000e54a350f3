"""Signals that detectors read: the body seen from its own heading, in leg and arm lengths, lightly smoothed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import correlate1d, gaussian_filter1d

from atom.errors import AtomError
from atom.judging.runs import ranked
from atom.motion.skeleton import FPS, INDEX, JOINTS

MIN_FRAMES = 8  # shorter clips hold no event
_SMOOTH = np.array([-3, 12, 17, 12, -3]) / 35  # Savitzky-Golay, 5 frames, order 2
_DERIVE = np.array([-2, -1, 0, 1, 2]) / 10 * FPS
_REFERENCE_LEG = 0.82  # metres; speeds are told for a leg of this length


@dataclass(frozen=True)
class Signals:
    """One clip of T frames. Pairs (T,2) are left then right; vectors are (leftward, up, ahead) in the body's heading.

    Legs, feet and heights above the floor are in leg lengths, arms and hands in arm lengths, angles in degrees; ways
    and speeds are in metres of an adult of average size.
    """

    frames: int
    leg: float  # metres
    heading: np.ndarray  # (T,) unwrapped, left turns positive
    feet_heading: np.ndarray  # (T,2) where each foot points, unwrapped, left turns positive
    velocity: np.ndarray  # (T,2) of the pelvis: leftward, ahead; metres a second
    place: np.ndarray  # (T,2) of the pelvis on the floor, world axes x, z
    drop: np.ndarray  # (T,) how far the pelvis is below standing
    toe_height: np.ndarray  # (T,2) above the floor
    knee_height: np.ndarray  # (T,2) above the floor
    foot: np.ndarray  # (T,2,3) of the toe from the pelvis
    feet_middle: np.ndarray  # (T,2) between the ankles on the floor, world axes x, z
    knee_bend: np.ndarray  # (T,2) 0 is a straight leg
    pitch: np.ndarray  # (T,) forward lean of pelvis to neck from upright
    arm_lift: np.ndarray  # (T,2) angle of shoulder to wrist: 0 hanging, 90 level, 180 straight up
    hand: np.ndarray  # (T,2,3) of the wrist from its shoulder
    reach: np.ndarray  # (T,2) distance from shoulder to wrist
    over_head: np.ndarray  # (T,2) height of the wrist above the head joint
    hand_height: np.ndarray  # (T,2) above the floor, leg lengths
    hands_apart: np.ndarray  # (T,) distance of the wrists, arm lengths
    hands_ahead: np.ndarray  # (T,3) middle of the wrists from the middle of the shoulders


def _length(vector: np.ndarray) -> np.ndarray:
    return np.sqrt(np.einsum("...i,...i->...", vector, vector))


def _angle(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    cosine = np.einsum("...i,...i->...", a, b) / np.maximum(_length(a) * _length(b), 1e-9)
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def _pair(joints: np.ndarray, name: str) -> np.ndarray:
    return joints[:, [INDEX[f"l_{name}"], INDEX[f"r_{name}"]]]


def checked(joints: np.ndarray) -> np.ndarray:
    """Joints (T,22,3) as float64; AtomError when the shape is another or a number is not finite."""
    joints = np.asarray(joints, dtype=float)
    if joints.ndim != 3 or joints.shape[1:] != (JOINTS, 3):
        raise AtomError(f"a motion to judge has shape (frames, {JOINTS}, 3), not {joints.shape}")
    if not np.isfinite(joints).all():
        frame = int(np.argwhere(~np.isfinite(joints))[0, 0])
        raise AtomError(f"the motion to judge has a joint that is no finite number in frame {frame}; mend or drop it")
    return joints


def measure(joints: np.ndarray) -> Signals | None:
    """Signals of joints (T,22,3) in metres, 20 fps, Y up; None when the clip is too short or the body has no size."""
    joints = checked(joints)
    if len(joints) < MIN_FRAMES:
        return None
    joints = correlate1d(joints, _SMOOTH, axis=0, mode="nearest")
    hips, knees, ankles, toes = (_pair(joints, name) for name in ("hip", "knee", "ankle", "foot"))
    shoulders, elbows, wrists = (_pair(joints, name) for name in ("shoulder", "elbow", "wrist"))
    pelvis, neck, head = (joints[:, INDEX[name]] for name in ("pelvis", "neck", "head"))
    leg = ranked((_length(hips - knees) + _length(knees - ankles)).ravel(), 0.5)
    arm = ranked((_length(shoulders - elbows) + _length(elbows - wrists)).ravel(), 0.5)
    if min(leg, arm) < 1e-3:
        return None
    size = _REFERENCE_LEG / leg

    across = (hips[:, 0] - hips[:, 1]) / 2 + (shoulders[:, 0] - shoulders[:, 1]) / 8
    yaw = gaussian_filter1d(np.unwrap(np.arctan2(-across[:, 2], across[:, 0])), 1.5, mode="nearest")
    cosine, sine = np.cos(yaw), np.sin(yaw)

    def facing(vector: np.ndarray) -> np.ndarray:
        """World vectors (T,...,3) seen from the heading."""
        c, s = (v.reshape(-1, *[1] * (vector.ndim - 2)) for v in (cosine, sine))
        x, y, z = vector[..., 0], vector[..., 1], vector[..., 2]
        return np.stack([c * x - s * z, y, s * x + c * z], -1)

    soles = toes - ankles
    floor = ranked(toes[..., 1].min(1), 0.1)
    toe_height = (toes[..., 1] - floor) / leg
    pelvis_height = pelvis[:, 1] - floor
    grounded = toe_height.min(1) < 0.06
    hip_width = ranked(_length(hips[:, 0] - hips[:, 1]), 0.5)
    upright = 0.3 * hip_width + leg + ranked(ankles[..., 1].min(1), 0.2) - floor
    highest = ranked(pelvis_height[grounded], 0.85) if grounded.any() else pelvis_height.max()
    standing = np.clip(highest, 0.93 * upright, 1.08 * upright)

    place = pelvis[:, [0, 2]] * size
    velocity = facing(np.insert(correlate1d(place, _DERIVE, axis=0, mode="nearest"), 1, 0, axis=1))[:, [0, 2]]
    hand = facing(wrists - shoulders) / arm
    reach = _length(hand)
    return Signals(
        frames=len(joints),
        leg=leg,
        heading=np.degrees(yaw),
        feet_heading=np.degrees(np.unwrap(np.arctan2(soles[..., 0], soles[..., 2]), axis=0)),
        velocity=velocity,
        place=place,
        drop=(standing - pelvis_height) / leg,
        toe_height=toe_height,
        knee_height=(knees[..., 1] - floor) / leg,
        foot=facing(toes - pelvis[:, None]) / leg,
        feet_middle=ankles.mean(1)[:, [0, 2]] * size,
        knee_bend=_angle(knees - hips, ankles - knees),
        pitch=_angle(neck - pelvis, np.array([0.0, 1.0, 0.0])) * np.sign(facing(neck - pelvis)[:, 2]),
        arm_lift=np.degrees(np.arccos(np.clip(-hand[..., 1] / np.maximum(reach, 1e-9), -1, 1))),
        hand=hand,
        reach=reach,
        over_head=(wrists[..., 1] - head[:, None, 1]) / arm,
        hand_height=(wrists[..., 1] - floor) / leg,
        hands_apart=_length(wrists[:, 0] - wrists[:, 1]) / arm,
        hands_ahead=facing(wrists.mean(1) - shoulders.mean(1)) / arm,
    )
