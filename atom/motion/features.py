"""Joints to the 263 features of HumanML3D and back, for any number of clips at once.

The layout of a row, for joints in the body's own heading (X left, Z ahead):

    0        turn about the vertical to the next frame: half the angle, in radians, negative to the left
    1:3      step of the root, x and z, in metres a frame
    3        height of the root
    4:67     positions of joints 1..21, below or above the root's place on the floor
    67:193   local rotations of joints 1..21, two matrix columns each
    193:259  steps of all 22 joints
    259:263  contact of left ankle, left toe, right ankle, right toe with the floor: 0 or 1

Source: Guo et al., "Generating Diverse and Natural 3D Human Motions from Text" (CVPR 2022), repository HumanML3D.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from atom.errors import AtomError
from atom.motion.rotation import conjugate, multiply, rotation_between, to_6d, turn, unit
from atom.motion.skeleton import (
    CHAINS,
    FACING,
    JOINTS,
    LEFT_FOOT,
    PARENTS,
    REST_DIRECTIONS,
    RIGHT_FOOT,
    TARGET_OFFSETS,
)

FEATURES = 263
YAW, HEIGHT = 0, 3
STEP, POSITIONS, ROTATIONS = slice(1, 3), slice(4, 67), slice(67, 193)
VELOCITIES, CONTACTS = slice(193, 259), slice(259, 263)

HEADING_SIGMA = 20  # frames
CONTACT_STEP = 0.002  # square metres: the squared step below which a foot joint counts as standing
_LEG = (5, 8)  # the joints whose bones make up the leg length
_LEAST_LEG = 1e-3  # metres

# Row j marks the bones on the way from the root to joint j, so that positions are this matrix times the bones.
_PATH_TO = np.eye(JOINTS)
for _joint, _parent in enumerate(PARENTS[1:], start=1):
    _PATH_TO[_joint] += _PATH_TO[_parent]
_PATH_TO[:, 0] = 0

# The rotation that each joint's own one is relative to. Every chain starts again from the root's rotation, the two arm
# chains as well although they begin at joint 9: a quirk of the original that trained models have learnt.
_RELATIVE_TO = np.zeros(JOINTS, dtype=int)
for _chain in CHAINS:
    _RELATIVE_TO[list(_chain[2:])] = _chain[1:-1]


def joints_to_features(joints: np.ndarray, target_offsets: np.ndarray = TARGET_OFFSETS) -> np.ndarray:
    """Features (..., T-1, 263) float32 of `joints` (..., T, 22, 3): metres, Y up, 20 fps, any place, heading and size.

    The body is first given the bone lengths of `target_offsets` (22, 3), so those are the ones that
    `features_to_joints` returns. Clips of several lengths make a batch when each is padded by repeating its last
    frame: the rows before the padding do not change.

    Raises AtomError if there are fewer than two frames or no legs to take the size from.
    """
    joints = np.asarray(joints, dtype=np.float64)
    if joints.ndim < 3 or joints.shape[-2:] != (JOINTS, 3):
        raise AtomError(f"joints of shape {joints.shape} are not a motion: expected (frames, {JOINTS}, 3)")
    if joints.shape[-3] < 2:
        raise AtomError(f"a motion of {joints.shape[-3]} frame(s) has no movement: at least 2 are needed")
    joints = at_origin(_resized(joints, target_offsets))

    heading = _smooth_heading(joints)
    half_turn = np.arcsin(np.sin((heading[..., 1:] - heading[..., :-1]) / 2))
    steps = joints[..., 1:, :, :] - joints[..., :-1, :, :]
    root_step = turn(steps[..., 0, :], heading[..., 1:])
    local = turn(joints - joints[..., :1, :] * (1, 0, 1), heading[..., None])
    feet = steps[..., [*LEFT_FOOT, *RIGHT_FOOT], :]

    rows = joints.shape[-3] - 1
    features = np.empty((*joints.shape[:-3], rows, FEATURES), dtype=np.float32)
    features[..., YAW] = half_turn
    features[..., STEP] = root_step[..., ::2]
    features[..., HEIGHT] = joints[..., :-1, 0, 1]
    features[..., POSITIONS] = _flat(local[..., :-1, 1:, :])
    features[..., ROTATIONS] = _flat(to_6d(_local_rotations(joints[..., :-1, :, :], heading[..., :-1])))
    features[..., VELOCITIES] = _flat(turn(steps, heading[..., :-1, None]))
    features[..., CONTACTS] = (feet * feet).sum(axis=-1) < CONTACT_STEP
    return features


def features_to_joints(features: np.ndarray) -> np.ndarray:
    """Joints (..., T, 22, 3) float32 in metres of `features` (..., T, 263), starting at the origin, facing +Z."""
    features = np.asarray(features, dtype=np.float64)
    if features.ndim < 2 or features.shape[-1] != FEATURES:
        raise AtomError(f"features of shape {features.shape} are not a motion: expected (frames, {FEATURES})")
    heading = 2 * _running_sum(features[..., YAW])
    root_step = np.zeros((*heading.shape, 3))
    root_step[..., 1:, ::2] = features[..., :-1, STEP]
    root = np.cumsum(turn(root_step, -heading), axis=-2)
    root[..., 1] = features[..., HEIGHT]

    joints = np.empty((*heading.shape, JOINTS, 3), dtype=np.float32)
    local = features[..., POSITIONS].reshape(*heading.shape, JOINTS - 1, 3)
    joints[..., 0, :] = root
    joints[..., 1:, :] = turn(local, -heading[..., None]) + root[..., None, :] * (1, 0, 1)
    return joints


def angle_to_front(joints: np.ndarray) -> np.ndarray:
    """The angle (..., T) by which each frame has to turn about +Y to face +Z, in radians, by its hips and shoulders."""
    right_hip, left_hip, right_shoulder, left_shoulder = np.moveaxis(joints[..., FACING, :], -2, 0)
    across = right_hip - left_hip + right_shoulder - left_shoulder
    return np.arctan2(-across[..., 2], -across[..., 0])


def at_origin(joints: np.ndarray) -> np.ndarray:
    """The lowest joint of all frames on the floor, the first root above the origin, the first frame facing +Z."""
    start = joints[..., :1, :1, :] * (1, 0, 1)
    floor = joints[..., 1].min(axis=(-2, -1))[..., None, None, None] * (0, 1, 0)
    return turn(joints - start - floor, angle_to_front(joints[..., :1, :, :])[..., None])


def _resized(joints: np.ndarray, target_offsets: np.ndarray) -> np.ndarray:
    """The same directions with the target's bone lengths; the root's path scales with the leg."""
    bones = _bones(joints)
    lengths = np.linalg.norm(np.asarray(target_offsets, dtype=np.float64), axis=-1)
    leg = np.linalg.norm(bones[..., 0, _LEG, :], axis=-1).sum(axis=-1)
    if (leg < _LEAST_LEG).any():
        raise AtomError("the right leg has no length in the first frame: these joints are not a body in metres")
    scale = lengths[list(_LEG)].sum() / leg
    return joints[..., :1, :] * scale[..., None, None, None] + _PATH_TO @ (unit(bones) * lengths[:, None])


def _smooth_heading(joints: np.ndarray) -> np.ndarray:
    """The same, smoothed over time and 0 in the first frame, as the original's inverse kinematics finds it.

    There the two hips are mistaken for each other, so that they count against the shoulders. Every model trained on
    HumanML3D has learnt its headings.
    """
    right_hip, left_hip, right_shoulder, left_shoulder = np.moveaxis(joints[..., FACING, :], -2, 0)
    across = unit(left_hip - right_hip + right_shoulder - left_shoulder)
    across = gaussian_filter1d(across, HEADING_SIGMA, axis=-2, mode="nearest")
    heading = np.arctan2(-across[..., 2], -across[..., 0])
    heading[..., 0] = 0
    return heading


def _local_rotations(joints: np.ndarray, heading: np.ndarray) -> np.ndarray:
    """Quaternions (..., T, 21, 4) of joints 1..21 relative to the joint before them in the chain."""
    rotations = rotation_between(REST_DIRECTIONS.astype(np.float64), unit(_bones(joints)))
    rotations[..., 0, :] = 0
    rotations[..., 0, 0], rotations[..., 0, 2] = np.cos(heading / 2), np.sin(heading / 2)
    return multiply(conjugate(rotations[..., _RELATIVE_TO[1:], :]), rotations[..., 1:, :])


def _bones(joints: np.ndarray) -> np.ndarray:
    """The vector from each joint's parent to the joint; zero for the root."""
    return joints - joints[..., (0, *PARENTS[1:]), :]


def _running_sum(steps: np.ndarray) -> np.ndarray:
    """The sum of all values before each one."""
    total = np.zeros_like(steps)
    np.cumsum(steps[..., :-1], axis=-1, out=total[..., 1:])
    return total


def _flat(per_joint: np.ndarray) -> np.ndarray:
    return per_joint.reshape(*per_joint.shape[:-2], -1)
