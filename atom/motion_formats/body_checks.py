"""What a body says about its own file: a wrong axis, unit or side, a mirror image, features of other statistics.

The limits come from 162 clips of real people and from generated motions; both lie far from them on the right side.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from atom.errors import AtomError
from atom.jit import njit
from atom.motion.features import FEATURES
from atom.motion.skeleton import FPS, JOINT_INDEX, JOINTS, LEG_LENGTH_RANGE, PARENTS
from atom.motion_formats.source_motion import UpAxis

MIN_FRAMES = 4  # one token of the built-in generator stands for four frames

_PELVIS, _NECK, _HEAD = JOINT_INDEX["pelvis"], JOINT_INDEX["neck"], JOINT_INDEX["head"]
_L_LEG, _R_LEG = (tuple(JOINT_INDEX[f"{side}_{part}"] for part in ("hip", "knee", "ankle", "foot")) for side in "lr")
_L_SHOULDER, _R_SHOULDER = JOINT_INDEX["l_shoulder"], JOINT_INDEX["r_shoulder"]
_FEET = [JOINT_INDEX[f"{side}_{part}"] for side in "lr" for part in ("ankle", "foot")]
_LIMBS = tuple(JOINT_INDEX[f"{side}_{part}"] for side in "lr" for part in ("knee", "ankle", "elbow", "wrist"))
_LIMB_PARENTS = tuple(PARENTS[joint] for joint in _LIMBS)

_POSES = 100  # spread over the motion, that are looked at: what is wrong is wrong all the time
_UPRIGHT_COSINE = 0.8
_UPRIGHT_FRACTION = 0.8  # of the frames; of real clips the lowest, of a roll on the floor, stands in a third
# The axis of a source whose `up` became Y, for each axis that its body may stand along afterwards.
_SOURCE_AXES: dict[str, dict[str, str]] = {
    "y": {"z": "z", "-y": "-y", "-z": "-z"},
    "z": {"z": "-y", "-y": "-z", "-z": "y"},
    "-y": {"z": "-z", "-y": "y", "-z": "z"},
    "-z": {"z": "y", "-y": "z", "-z": "-y"},
}
# Of a leg; adults: 0.52 to 0.67 and, from pelvis to head, 0.43 to 0.87, children more. Where a neck begins is a matter
# of the skeleton: CMU's lies at a quarter of a leg.
_ARM_RANGE, _TRUNK_RANGE = (0.4, 1.2), (0.35, 1.6)
_MAX_UNEQUAL = 0.3  # of the limbs of two sides; real and generated bodies: 0.01
_MAX_VARIATION = 0.1  # of a limb's length over time, as standard deviation over mean; generated ones have up to 0.04
_BROKEN_VARIATION = 0.3
_FAST, _IMPOSSIBLE = 7.0, 13.0  # metres a second of the pelvis in half of the frames; a sprinter's best is 12
_MIRRORED, _UNSURE = -0.3, 0.2  # real clips: 0.57 to 0.93, their mirror images the same below zero
_FLOOR_RANGE = 0.15  # metres; real clips: -0.04 to 0.02
_MAX_ROOT_CONFLICT, _MIN_ROOT_SPEED = 0.32, 0.003  # real: up to 0.02, generated: 0.20, other statistics: from 0.43
_MAX_HEIGHT_CONFLICT, _MIN_HEIGHT_SPEED = 0.25, 0.0005  # real: 0.0004, generated: 0.14, other statistics: from 0.31


def check_body(where: str, joints: np.ndarray, up: UpAxis = "y", axis_is_given: bool = False) -> list[str]:
    """Checks that joints are a human body that stands on Y, moves at a human speed and is not mirrored.

    Args:
        where: the source of the motion; an error message begins with it.
        joints: (T, 22, 3) in metres, Y up, at 20 fps, finite.
        up: the axis of the source that became Y; an error message names the source's axes.
        axis_is_given: a person says which axis points up, so the body may lie all the time.

    Returns:
        A short sentence for each doubt.

    Raises:
        AtomError: the motion is too short, or its body contradicts the unit, the axis, the sides or the rate.
    """
    if len(joints) < MIN_FRAMES:
        raise AtomError(f"{where}: has {len(joints)} frames at {FPS} fps, a motion needs at least {MIN_FRAMES}")
    measures = _measure(np.asarray(joints[:: max(len(joints) // _POSES, 1)], dtype=np.float64))
    _check_leg(where, measures)
    _check_proportions(where, measures)
    doubts = _check_bones(where, measures)
    if not axis_is_given:
        _check_upright(where, measures, up)
    doubts += _check_sides(where, measures)
    return doubts + _check_speed(where, joints)


def check_features(where: str, features: np.ndarray) -> None:
    """Checks that HumanML3D features (T, 263) agree with themselves, as only those with the right mean and std do.

    They say the velocity of the root twice (columns 1:3 and 193, 195), and that of every joint's height twice (the
    change of columns 4:67 and columns 193:259). A wrong pair of mean and std, or none, scales the two differently.

    Args:
        where: the source; the error message begins with it.
        features: (T, 263), T > 1, finite.

    Raises:
        AtomError: the two contradict each other.
    """
    assert features.shape[1] == FEATURES
    features = features.astype(np.float64)
    heights = features[:, 4:67].reshape(len(features), JOINTS - 1, 3)[..., 1]
    height_speeds = features[:-1, 193:259].reshape(-1, JOINTS, 3)[:, 1:, 1]
    root, root_speed = _conflict(features[:, 1:3], features[:, [193, 195]])
    height, height_speed = _conflict(np.diff(heights, axis=0), height_speeds)
    root_fails = root > _MAX_ROOT_CONFLICT and root_speed > _MIN_ROOT_SPEED
    if root_fails or (height > _MAX_HEIGHT_CONFLICT and height_speed > _MIN_HEIGHT_SPEED):
        raise AtomError(
            f"{where}: the features contradict themselves (velocities and positions disagree by "
            f"{max(root, height):.0%}): they are still normalised, or were scaled back with another mean and std; "
            "multiply by the std and add the mean that the model was trained with"
        )


def ground(joints: np.ndarray) -> tuple[np.ndarray, float]:
    """Moves a motion that floats or sinks by more than 15 cm so that its lowest foot is at height 0.

    Args:
        joints: (T, 22, 3) in metres, Y up.

    Returns:
        The joints and the metres by which they moved up, 0 if they stood on the floor.
    """
    floor = float(joints[:, _FEET, 1].min())
    if abs(floor) <= _FLOOR_RANGE:
        return joints, 0.0
    return joints - [0, floor, 0], -floor


def _conflict(one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """How far two readings of one velocity differ: as a share of both, and per value."""
    difference = float(np.abs(one - other).sum())
    return difference / max(float(np.abs(one).sum() + np.abs(other).sum()), 1e-12), difference / one.size


class _Measures(NamedTuple):
    """A body over all of its poses.

    Attributes:
        limbs: median length of each of _LIMBS in metres.
        variations: of each of them over time, standard deviation over mean.
        trunk: median distance of head and pelvis in metres.
        stands: share of the poses in which trunk and legs point along x, y, z, -x, -y, -z.
        facing: how far knees and toes point ahead, as hips and shoulders see it: 1 all, -1 none.
    """

    limbs: np.ndarray
    variations: np.ndarray
    trunk: float
    stands: np.ndarray
    facing: float


@njit
def _measure(joints: np.ndarray) -> _Measures:
    """The measures of joints (T, 22, 3), T > 0."""
    lengths, trunks, stands = np.empty((len(_LIMBS), len(joints))), np.empty(len(joints)), np.zeros(6)
    ahead, total = 0.0, 1e-9
    for number in range(len(joints)):
        pose = joints[number]
        for limb in range(len(_LIMBS)):
            lengths[limb, number] = _norm(pose[_LIMBS[limb]] - pose[_LIMB_PARENTS[limb]])
        trunks[number] = _norm(pose[_HEAD] - pose[_PELVIS])
        trunk = pose[_NECK] - pose[_PELVIS]
        trunk /= max(_norm(trunk), 1e-9)
        legs = pose[_L_LEG[0]] + pose[_R_LEG[0]] - pose[_L_LEG[2]] - pose[_R_LEG[2]]
        legs /= max(_norm(legs), 1e-9)
        for axis in range(3):
            stands[axis] += min(trunk[axis], legs[axis]) > _UPRIGHT_COSINE
            stands[axis + 3] += max(trunk[axis], legs[axis]) < -_UPRIGHT_COSINE
        forward = np.cross(pose[_L_LEG[0]] - pose[_R_LEG[0]] + pose[_L_SHOULDER] - pose[_R_SHOULDER], trunk)
        forward /= max(_norm(forward), 1e-9)
        for hip, knee, ankle, foot in (_L_LEG, _R_LEG):
            for direction in (pose[foot] - pose[ankle], pose[knee] - (pose[hip] + pose[ankle]) / 2):
                ahead += np.dot(direction, forward)
                total += _norm(direction)
    medians, variations = np.empty(len(_LIMBS)), np.empty(len(_LIMBS))
    for limb in range(len(_LIMBS)):
        medians[limb] = np.median(lengths[limb])
        variations[limb] = lengths[limb].std() / max(lengths[limb].mean(), 1e-9)
    return _Measures(medians, variations, np.median(trunks), stands / len(joints), ahead / total)


@njit
def _norm(vector: np.ndarray) -> float:
    return math.sqrt(vector[0] ** 2 + vector[1] ** 2 + vector[2] ** 2)


def _check_leg(where: str, body: _Measures) -> None:
    leg = body.limbs[4] + body.limbs[5]
    low, high = LEG_LENGTH_RANGE
    if not low <= leg <= high:
        raise AtomError(
            f"{where}: the right leg is {leg:.3g} m long, a human leg is {low} to {high} m: give joints in metres or "
            "their unit, and features that are not normalised"
        )


def _check_proportions(where: str, body: _Measures) -> None:
    """Refuses a body whose limbs have the lengths of no person, as joints in another order have."""
    left, right = body.limbs[:4], body.limbs[4:]
    unequal = 2 * float((np.abs(left - right) / np.maximum(left + right, 1e-9)).max())
    leg, arm = float(left[:2].sum() + right[:2].sum()) / 2, float(left[2:].sum() + right[2:].sum()) / 2
    for part, share, (low, high) in (("arm", arm / leg, _ARM_RANGE), ("trunk", body.trunk / leg, _TRUNK_RANGE)):
        if not low <= share <= high:
            raise AtomError(
                f"{where}: the {part} is {share:.2f} times as long as the leg, a person's is {low} to {high}: the "
                "joints are in another order"
            )
    if unequal > _MAX_UNEQUAL:
        raise AtomError(f"{where}: the limbs of the two sides differ by {unequal:.0%}: the joints are in another order")


def _check_bones(where: str, body: _Measures) -> list[str]:
    variation = float(body.variations.max())
    if variation > _BROKEN_VARIATION:
        raise AtomError(
            f"{where}: a limb changes its length by {variation:.0%}: the joints are in another order, or features are "
            "still normalised"
        )
    return [f"a limb changes its length by {variation:.0%}"] if variation > _MAX_VARIATION else []


def _check_upright(where: str, body: _Measures, up: UpAxis) -> None:
    """Refuses a body that stands along another axis in nearly all frames and never along Y."""
    x, y, z, minus_x, minus_y, minus_z = body.stands
    if y > 0:
        return
    for axis, share in (("z", z), ("-y", minus_y), ("-z", minus_z)):
        if share >= _UPRIGHT_FRACTION:
            remedy = _SOURCE_AXES[up][axis]
            raise AtomError(
                f"{where}: the body stands along {remedy} and not along {up} in {share:.0%} of the frames: "
                f"give --up {remedy}, or --up {up} if the person lies all the time"
            )
    if x + minus_x >= _UPRIGHT_FRACTION:
        raise AtomError(f"{where}: the body lies along x in all frames: give --up {up} if the person lies all the time")


def _check_sides(where: str, body: _Measures) -> list[str]:
    """Refuses a mirrored body: toes and knees point backwards, seen from hips and shoulders."""
    if body.facing < _MIRRORED:
        raise AtomError(
            f"{where}: toes and knees point backwards: left and right are swapped, or an axis is mirrored; swap the "
            "left and right joints, or turn the sign of one axis"
        )
    return ["toes and knees don't say which way is ahead"] if body.facing < _UNSURE else []


def _check_speed(where: str, joints: np.ndarray) -> list[str]:
    speed = FPS * _median_step(np.asarray(joints[:, _PELVIS], dtype=np.float64))
    if speed > _IMPOSSIBLE:
        raise AtomError(
            f"{where}: the pelvis moves at {speed:.0f} m/s, which no person can: the rate or the unit is wrong, or "
            "features are still normalised"
        )
    return [f"the pelvis moves at {speed:.0f} m/s: is the rate right?"] if speed > _FAST else []


@njit
def _median_step(positions: np.ndarray) -> float:
    steps = np.empty(len(positions) - 1)
    for frame in range(len(steps)):
        steps[frame] = _norm(positions[frame + 1] - positions[frame])
    return np.median(steps)
