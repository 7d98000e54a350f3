"""Physical measures of joints (..., T, 22, 3) in metres, Y up, at 20 fps: one number a clip, in SI units.

What the best real motion capture gives stands beside each, so that a generated motion has something to be held against.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from atom.motion.features import move_to_origin
from atom.motion.rotation import unit
from atom.motion.skeleton import FPS, JOINT_INDEX

CONTACT_HEIGHT = 0.025  # metres that a standing foot's ankle and toe may lie above where they usually stand
SWING_SPEED = 0.9  # metres a second: as fast as a foot may slide and still count as standing in HumanML3D
FLOOR_PERCENTILE = 5  # of all heights of both feet: where they stand, robust against a few low frames
KNEE_TOLERANCE = 5.0  # degrees
ELBOW_TOLERANCE = 30.0  # degrees
_HANGING = np.cos(np.radians(60))  # an upper arm within 60 degrees of hanging down along the trunk

_HIPS, _KNEES, _ANKLES, _TOES, _SHOULDERS, _ELBOWS, _WRISTS = (
    (JOINT_INDEX[f"l_{name}"], JOINT_INDEX[f"r_{name}"])
    for name in ("hip", "knee", "ankle", "foot", "shoulder", "elbow", "wrist")
)


def foot_contacts(joints: np.ndarray) -> np.ndarray:
    """Which of the left and right foot stands during each step from a frame to the next, (..., T-1, 2) bool.

    A foot stands while it lies flat: its ankle and its toe are both, at both ends of the step, within 2.5 cm of the
    level at which the clip's ankles and toes stand (the 5th percentile of their heights). A walker's foot also swings
    through that low, so a flat foot that is faster than 0.9 m/s is taken to swing, unless it is the slower flat foot:
    someone has to carry the body, and a body that glides along on both feet must not pass for one that never stands.
    """
    flat = (_above_floor(joints, _ANKLES) < CONTACT_HEIGHT) & (_above_floor(joints, _TOES) < CONTACT_HEIGHT)
    flat = flat[..., 1:, :] & flat[..., :-1, :]
    speed = np.where(flat, _toe_speed(joints), np.inf)
    slowest = speed <= speed.min(axis=-1, keepdims=True)
    return flat & (slowest | (speed < SWING_SPEED))


def foot_skate(joints: np.ndarray) -> np.ndarray:
    """Mean horizontal speed (...) in m/s of the toes while their foot stands; NaN where no foot ever stands.

    Real captures: 0.001 to 0.03 of people who stand, 0.014 for the cleanest walk, 0.08 for the median clip.
    """
    standing = foot_contacts(joints)
    slid = np.where(standing, _toe_speed(joints), 0).sum(axis=(-2, -1))
    steps = standing.sum(axis=(-2, -1))
    return np.where(steps > 0, slid / np.maximum(steps, 1), np.nan)


def floor_penetration(joints: np.ndarray) -> np.ndarray:
    """How deep the lowest joint lies below the floor at y = 0, on average over the frames, (...) in metres."""
    return np.maximum(-joints[..., 1].min(axis=-1), 0).mean(axis=-1)


def mean_jerk(joints: np.ndarray) -> np.ndarray:
    """Mean size of the third time derivative of all joints, (...) in m/s^3; needs at least 4 frames."""
    jerk = np.diff(np.asarray(joints, dtype=np.float64), n=3, axis=-3) * FPS**3
    return np.linalg.norm(jerk, axis=-1).mean(axis=(-2, -1))


def knee_flexion(joints: np.ndarray) -> np.ndarray:
    """Flexion (..., T, 2) of the left and right knee about its hinge, in -90..90 degrees; negative is backwards.

    The hinge points to the person's left. It is taken half from the hips and half from the foot, which alone would
    fail when the leg is turned out or when the toes point along the shank. Beyond 90 degrees the number falls again.
    """
    hips, knees, ankles, toes = (joints[..., pair, :] for pair in (_HIPS, _KNEES, _ANKLES, _TOES))
    thigh, shank, foot = unit(knees - hips), unit(ankles - knees), unit(toes - ankles)
    hinge = unit(unit(hips[..., :1, :] - hips[..., 1:, :]) + np.cross(foot, shank))
    return _bend_about(hinge, thigh, shank)


def count_backward_knees(joints: np.ndarray, tolerance: float = KNEE_TOLERANCE) -> np.ndarray:
    """Frames (...) in which a knee bends backwards by more than `tolerance` degrees. Real captures: 1 in 18,800."""
    return (knee_flexion(joints) < -tolerance).any(axis=-1).sum(axis=-1)


def elbow_flexion(joints: np.ndarray) -> np.ndarray:
    """Flexion (..., T, 2) of the left and right elbow in -90..90 degrees while the upper arm hangs, NaN otherwise.

    Joints do not tell how an arm is twisted, and a raised one may bend in almost any direction. While the upper arm is
    within 60 degrees of hanging along the trunk, the forearm can point ahead and to the sides but hardly backwards.
    """
    shoulders, elbows, wrists = (joints[..., pair, :] for pair in (_SHOULDERS, _ELBOWS, _WRISTS))
    upper, fore = unit(elbows - shoulders), unit(wrists - elbows)
    trunk = unit(joints[..., JOINT_INDEX["pelvis"], :] - joints[..., JOINT_INDEX["spine3"], :])[..., None, :]
    hinge = unit(shoulders[..., 1:, :] - shoulders[..., :1, :])
    return np.where((upper * trunk).sum(axis=-1) > _HANGING, _bend_about(hinge, upper, fore), np.nan)


def count_backward_elbows(joints: np.ndarray, tolerance: float = ELBOW_TOLERANCE) -> np.ndarray:
    """Frames (...) in which a hanging arm's elbow bends backwards by more than `tolerance` degrees."""
    return (elbow_flexion(joints) < -tolerance).any(axis=-1).sum(axis=-1)


def diversity(clips: Sequence[np.ndarray]) -> float:
    """How far the motions `clips`, each (T, 22, 3), lie apart from one another on average, in metres.

    All start at the origin, facing +Z, and stand still at their end until the longest is over; the distance of two is
    the root of the mean squared distance of their joints over all frames. NaN for fewer than two motions.
    """
    if len(clips) < 2:
        return float("nan")
    frames = max(len(clip) for clip in clips)
    still = [np.concatenate([clip, np.repeat(clip[-1:], frames - len(clip), axis=0)]) for clip in clips]
    places = move_to_origin(np.stack(still).astype(np.float64))
    places = places.reshape(len(clips), -1) / np.sqrt(frames * places.shape[-2])
    first, second = np.triu_indices(len(clips), k=1)
    squares = (places**2).sum(axis=1)
    return float(
        np.sqrt(np.maximum(squares[first] + squares[second] - 2 * (places @ places.T)[first, second], 0)).mean()
    )


def _above_floor(joints: np.ndarray, pair: Sequence[int]) -> np.ndarray:
    heights = joints[..., pair, 1]
    return heights - np.percentile(heights, FLOOR_PERCENTILE, axis=(-2, -1), keepdims=True)


def _toe_speed(joints: np.ndarray) -> np.ndarray:
    toes = np.asarray(joints[..., _TOES, :], dtype=np.float64)[..., ::2]
    return np.linalg.norm(np.diff(toes, axis=-3), axis=-1) * FPS


def _bend_about(hinge: np.ndarray, upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """The part of the bend between two bones that turns about `hinge`, in degrees."""
    return np.degrees(np.arcsin(np.clip((np.cross(upper, lower) * hinge).sum(axis=-1), -1, 1)))
