"""Physical plausibility measures of joints (..., T, 22, 3) in metres, Y up, at 20 fps: one number a clip, in SI units.

The docstrings give the values of real motion capture, to compare generated motions with.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from atom.motion.features import move_to_origin
from atom.motion.rotation import unit
from atom.motion.skeleton import FPS, JOINT_INDEX

CONTACT_HEIGHT = 0.025  # metres: ankle and toe of a standing foot are at most this far above their standing level
SWING_SPEED = 0.9  # metres a second: HumanML3D counts a faster foot as swinging
FLOOR_PERCENTILE = 5  # of the heights of both feet: their standing level, robust against a few low frames
KNEE_TOLERANCE = 5.0  # degrees
ELBOW_TOLERANCE = 30.0  # degrees
_COS_HANGING = np.cos(np.radians(60))  # an upper arm hangs if it is within 60 degrees of the trunk

_HIPS, _KNEES, _ANKLES, _TOES, _SHOULDERS, _ELBOWS, _WRISTS = (
    (JOINT_INDEX[f"l_{name}"], JOINT_INDEX[f"r_{name}"])
    for name in ("hip", "knee", "ankle", "foot", "shoulder", "elbow", "wrist")
)


def foot_contacts(joints: np.ndarray) -> np.ndarray:
    """Find the steps between frames during which the left and the right foot stand.

    A foot stands while it is flat: at both ends of the step, its ankle and its toe are within 2.5 cm of the level at
    which the clip's ankles and toes stand (the 5th percentile of their heights). The swinging foot of a walker passes
    that low too, so a flat foot faster than 0.9 m/s counts as swinging unless it is the slower of the flat feet. That
    exception matters for a body that glides on both feet: it slides, and must not count as one that never stands.

    Args:
        joints: (..., T, 22, 3) in metres, Y up, 20 fps.

    Returns:
        (..., T-1, 2) bool, left and right.
    """
    flat = (_height_above_floor(joints, _ANKLES) < CONTACT_HEIGHT) & (
        _height_above_floor(joints, _TOES) < CONTACT_HEIGHT
    )
    flat = flat[..., 1:, :] & flat[..., :-1, :]
    speed = np.where(flat, _toe_speed(joints), np.inf)
    slowest = speed <= speed.min(axis=-1, keepdims=True)
    return flat & (slowest | (speed < SWING_SPEED))


def foot_skate(joints: np.ndarray) -> np.ndarray:
    """Measure how fast standing feet slide.

    Real captures have 0.001 to 0.03 for standing people, 0.014 for the cleanest walk, and 0.08 for the median clip.

    Args:
        joints: (..., T, 22, 3) in metres, Y up, 20 fps.

    Returns:
        (...) the mean horizontal speed in m/s of the toes while their foot stands; NaN if no foot ever stands.
    """
    standing = foot_contacts(joints)
    slid = np.where(standing, _toe_speed(joints), 0).sum(axis=(-2, -1))
    steps = standing.sum(axis=(-2, -1))
    return np.where(steps > 0, slid / np.maximum(steps, 1), np.nan)


def floor_penetration(joints: np.ndarray) -> np.ndarray:
    """Measure how deep the body sinks into the floor at y = 0.

    Args:
        joints: (..., T, 22, 3) in metres, Y up, 20 fps.

    Returns:
        (...) the depth in metres of the lowest joint below the floor, as a mean over all frames.
    """
    return np.maximum(-joints[..., 1].min(axis=-1), 0).mean(axis=-1)


def mean_jerk(joints: np.ndarray) -> np.ndarray:
    """Measure how jerky the movement is.

    Args:
        joints: (..., T, 22, 3) in metres, 20 fps, with at least 4 frames.

    Returns:
        (...) the mean magnitude in m/s^3 of the third time derivative of all joints.
    """
    jerk = np.diff(np.asarray(joints, dtype=np.float64), n=3, axis=-3) * FPS**3
    return np.linalg.norm(jerk, axis=-1).mean(axis=(-2, -1))


def knee_flexion(joints: np.ndarray) -> np.ndarray:
    """Flexion (..., T, 2) of the left and right knee about its hinge, in -90..90 degrees; negative is backwards.

    The hinge axis points to the person's left. It is the mean of two axes, from the hips and from the foot: the first
    alone fails when the leg is turned out, the second when the toes point along the shank. Beyond 90 degrees of flexion
    the value falls again.
    """
    hips, knees, ankles, toes = (joints[..., pair, :] for pair in (_HIPS, _KNEES, _ANKLES, _TOES))
    thigh, shank, foot = unit(knees - hips), unit(ankles - knees), unit(toes - ankles)
    hinge = unit(unit(hips[..., :1, :] - hips[..., 1:, :]) + np.cross(foot, shank))
    return _flexion_about(hinge, thigh, shank)


def count_backward_knees(joints: np.ndarray, tolerance: float = KNEE_TOLERANCE) -> np.ndarray:
    """Number of frames (...) in which a knee bends backwards. Real captures have 1 in 18,800.

    Args:
        joints: (..., T, 22, 3) in metres.
        tolerance: degrees; smaller angles do not count.
    """
    return (knee_flexion(joints) < -tolerance).any(axis=-1).sum(axis=-1)


def elbow_flexion(joints: np.ndarray) -> np.ndarray:
    """Flexion (..., T, 2) of the left and right elbow in -90..90 degrees while the upper arm hangs, NaN otherwise.

    Joint positions do not determine the twist of an arm, and a raised arm can bend in almost any direction. While the
    upper arm hangs within 60 degrees of the trunk, the forearm points ahead or sideways but hardly backwards.
    """
    shoulders, elbows, wrists = (joints[..., pair, :] for pair in (_SHOULDERS, _ELBOWS, _WRISTS))
    upper, fore = unit(elbows - shoulders), unit(wrists - elbows)
    trunk = unit(joints[..., JOINT_INDEX["pelvis"], :] - joints[..., JOINT_INDEX["spine3"], :])[..., None, :]
    hinge = unit(shoulders[..., 1:, :] - shoulders[..., :1, :])
    return np.where((upper * trunk).sum(axis=-1) > _COS_HANGING, _flexion_about(hinge, upper, fore), np.nan)


def count_backward_elbows(joints: np.ndarray, tolerance: float = ELBOW_TOLERANCE) -> np.ndarray:
    """Number of frames (...) in which the elbow of a hanging arm bends backwards.

    Args:
        joints: (..., T, 22, 3) in metres.
        tolerance: degrees; smaller angles do not count.
    """
    return (elbow_flexion(joints) < -tolerance).any(axis=-1).sum(axis=-1)


def diversity(clips: Sequence[np.ndarray]) -> float:
    """Mean distance in metres between all pairs of the motions `clips`, each (T, 22, 3); NaN for fewer than two.

    Every motion is moved to the origin, facing +Z, and holds its last frame until the longest ends. The distance of two
    motions is the root mean square distance of their joints over all frames.
    """
    if len(clips) < 2:
        return float("nan")
    frames = max(len(clip) for clip in clips)
    padded = [np.concatenate([clip, np.repeat(clip[-1:], frames - len(clip), axis=0)]) for clip in clips]
    positions = move_to_origin(np.stack(padded).astype(np.float64))
    vectors = positions.reshape(len(clips), -1) / np.sqrt(frames * positions.shape[-2])
    first, second = np.triu_indices(len(clips), k=1)
    squares = (vectors**2).sum(axis=1)
    # |a - b|^2 = |a|^2 + |b|^2 - 2 a.b; rounding can make it slightly negative.
    return float(
        np.sqrt(np.maximum(squares[first] + squares[second] - 2 * (vectors @ vectors.T)[first, second], 0)).mean()
    )


def _height_above_floor(joints: np.ndarray, pair: Sequence[int]) -> np.ndarray:
    heights = joints[..., pair, 1]
    return heights - np.percentile(heights, FLOOR_PERCENTILE, axis=(-2, -1), keepdims=True)


def _toe_speed(joints: np.ndarray) -> np.ndarray:
    toes = np.asarray(joints[..., _TOES, :], dtype=np.float64)[..., ::2]
    return np.linalg.norm(np.diff(toes, axis=-3), axis=-1) * FPS


def _flexion_about(hinge: np.ndarray, upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """The angle in degrees between two bones, as far as it is a rotation about `hinge`."""
    return np.degrees(np.arcsin(np.clip((np.cross(upper, lower) * hinge).sum(axis=-1), -1, 1)))
