"""The signals that the detectors of the kinematic judge read, in the heading of the body and lightly smoothed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import correlate1d, gaussian_filter1d

from atom.errors import AtomError
from atom.jit import njit
from atom.judging.peak_detection import nearest_quantile
from atom.motion.skeleton import FPS, JOINT_INDEX, JOINTS

MIN_FRAMES = 8  # shorter clips hold no event
_SMOOTH = np.array([-3, 12, 17, 12, -3]) / 35  # Savitzky-Golay, 5 frames, order 2
# The slope of a line through 5 frames, times the frame rate: less noise than the difference of two frames.
_DERIVE = np.array([-2, -1, 0, 1, 2]) / 10 * FPS
_TINY = 1e-9
_REFERENCE_LEG = 0.82  # metres; travel and speeds are scaled to a leg of this length


@dataclass(frozen=True)
class Signals:
    """The signals of one clip of T frames.

    Pairs (T, 2) are left then right. Vectors are (leftward, up, ahead) in the heading of the body. Legs, feet and
    heights above the floor are in leg lengths, arms and hands in arm lengths, angles in degrees. Travel and speeds are
    in metres, scaled to an adult of average size.
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
    knee_bend: np.ndarray  # (T,2) 0 for a straight leg
    pitch: np.ndarray  # (T,) forward lean of pelvis to neck from upright
    arm_lift: np.ndarray  # (T,2) angle of shoulder to wrist: 0 hanging, 90 level, 180 straight up
    hand: np.ndarray  # (T,2,3) of the wrist from its shoulder
    reach: np.ndarray  # (T,2) distance from shoulder to wrist
    over_head: np.ndarray  # (T,2) height of the wrist above the head joint
    hand_height: np.ndarray  # (T,2) above the floor, leg lengths
    hands_apart: np.ndarray  # (T,) distance of the wrists, arm lengths
    hands_middle: np.ndarray  # (T,3) middle of the wrists from the middle of the shoulders


@njit
def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[0] * b[0] + a[2] * b[2] + a[1] * b[1]  # in this order, so that scores stay what they were to the last bit


@njit
def _norm(vectors: np.ndarray) -> np.ndarray:
    return np.sqrt(_dot(vectors, vectors))


@njit
def _rotate_to_heading(vectors: np.ndarray, cosine: np.ndarray, sine: np.ndarray) -> np.ndarray:
    """Rotate world vectors (3, ..., T) into a heading whose cosine and sine are (T,)."""
    rotated = np.empty_like(vectors)
    for index in np.ndindex(vectors.shape[1:]):
        x, y, z = vectors[0][index], vectors[1][index], vectors[2][index]
        c, s = cosine[index[-1]], sine[index[-1]]
        rotated[0][index], rotated[1][index], rotated[2][index] = c * x - s * z, y, s * x + c * z
    return rotated


def _arccos_degrees(cosine: np.ndarray) -> np.ndarray:
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def _unwrap(angles: np.ndarray) -> np.ndarray:
    """Unwrap radians (..., T). `np.unwrap` is slow, so it only runs where an angle jumps by half a turn or more."""
    return np.unwrap(angles) if (np.abs(np.diff(angles)) >= np.pi).any() else angles


def validate_joints(joints: np.ndarray) -> np.ndarray:
    """Joints (T, 22, 3) as float64. Raises AtomError for another shape or a number that is not finite."""
    joints = np.asarray(joints, dtype=float)
    if joints.ndim != 3 or joints.shape[1:] != (JOINTS, 3):
        raise AtomError(f"a motion to judge must have the shape (frames, {JOINTS}, 3), not {joints.shape}")
    if not np.isfinite(joints).all():
        frame = int(np.argwhere(~np.isfinite(joints))[0, 0])
        raise AtomError(
            f"the motion to judge has a joint that is not finite in frame {frame}; repair or drop the motion"
        )
    return joints


def measure_signals(joints: np.ndarray) -> Signals | None:
    """Signals of joints (T, 22, 3) in metres, 20 fps, Y up; None when the clip is too short or the body has no size."""
    joints = validate_joints(joints)
    if len(joints) < MIN_FRAMES:
        return None
    # From here on time is the last axis, so that each coordinate is contiguous: several times as fast.
    joints = correlate1d(np.ascontiguousarray(joints.T), _SMOOTH, mode="nearest")  # (3,22,T)
    hips, knees, ankles, toes = (_left_and_right(joints, name) for name in ("hip", "knee", "ankle", "foot"))
    shoulders, elbows, wrists = (_left_and_right(joints, name) for name in ("shoulder", "elbow", "wrist"))
    pelvis, neck, head = (joints[:, JOINT_INDEX[name]] for name in ("pelvis", "neck", "head"))
    thighs, shanks = knees - hips, ankles - knees
    # The median over frames and sides: a generated body may change its bone lengths from frame to frame.
    leg = nearest_quantile((_norm(thighs) + _norm(shanks)).ravel(), 0.5)
    arm = nearest_quantile((_norm(shoulders - elbows) + _norm(elbows - wrists)).ravel(), 0.5)
    if min(leg, arm) < 1e-3:
        return None
    size = _REFERENCE_LEG / leg

    # Hips and shoulders together give the heading; the hips count more, because the trunk twists.
    across = (hips[:, 0] - hips[:, 1]) / 2 + (shoulders[:, 0] - shoulders[:, 1]) / 8
    yaw = gaussian_filter1d(_unwrap(np.arctan2(-across[2], across[0])), 1.5, mode="nearest")
    cosine, sine = np.cos(yaw), np.sin(yaw)

    soles = toes - ankles
    # The floor is where the lower toe is at its lowest, without the lowest tenth, in which noise may push a foot below
    # it.
    floor = nearest_quantile(toes[1].min(0), 0.1)
    toe_height = (toes[1] - floor) / leg
    pelvis_height = pelvis[1] - floor
    grounded = toe_height.min(0) < 0.06
    hip_width = nearest_quantile(_norm(hips[:, 0] - hips[:, 1]), 0.5)
    # The standing height of the pelvis is estimated from the legs, for a clip in which the body never stands straight.
    upright = 0.3 * hip_width + leg + nearest_quantile(ankles[1].min(0), 0.2) - floor
    highest = nearest_quantile(pelvis_height[grounded], 0.85) if grounded.any() else pelvis_height.max()
    # What the clip shows, unless it is far from what the legs allow: who sits all the time never stands.
    standing = min(max(highest, 0.93 * upright), 1.08 * upright)

    place = pelvis * size
    hand = _rotate_to_heading(wrists - shoulders, cosine, sine) / arm
    reach = _norm(hand)
    trunk = neck - pelvis
    return Signals(
        frames=joints.shape[-1],
        leg=leg,
        heading=np.degrees(yaw),
        feet_heading=np.degrees(_unwrap(np.arctan2(soles[0], soles[2]))).T,
        velocity=_rotate_to_heading(correlate1d(place, _DERIVE, mode="nearest"), cosine, sine)[::2].T,
        place=place[::2].T,
        drop=(standing - pelvis_height) / leg,
        toe_height=toe_height.T,
        knee_height=((knees[1] - floor) / leg).T,
        foot=(_rotate_to_heading(toes - pelvis[:, None], cosine, sine) / leg).T,
        feet_middle=(_midpoint(ankles)[::2] * size).T,
        knee_bend=_arccos_degrees(_dot(thighs, shanks) / np.maximum(_norm(thighs) * _norm(shanks), _TINY)).T,
        pitch=_arccos_degrees(trunk[1] / np.maximum(_norm(trunk), _TINY))
        * np.sign(sine * trunk[0] + cosine * trunk[2]),
        arm_lift=_arccos_degrees(-hand[1] / np.maximum(reach, _TINY)).T,
        hand=hand.T,
        reach=reach.T,
        over_head=((wrists[1] - head[1]) / arm).T,
        hand_height=((wrists[1] - floor) / leg).T,
        hands_apart=_norm(wrists[:, 0] - wrists[:, 1]) / arm,
        hands_middle=(_rotate_to_heading(_midpoint(wrists) - _midpoint(shoulders), cosine, sine) / arm).T,
    )


def _left_and_right(joints: np.ndarray, name: str) -> np.ndarray:
    """The left and the right joint of a name, (3, 2, T); their indices are neighbours."""
    return joints[:, JOINT_INDEX[f"l_{name}"] : JOINT_INDEX[f"r_{name}"] + 1]


def _midpoint(pair: np.ndarray) -> np.ndarray:
    return (pair[:, 0] + pair[:, 1]) / 2
