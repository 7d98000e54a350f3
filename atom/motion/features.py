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

import math

import numpy as np
from scipy.ndimage import gaussian_filter1d

from atom.errors import AtomError
from atom.jit import njit
from atom.motion.rotation import (
    Vector,
    conjugate,
    multiply,
    quaternion_between,
    rotate_about_y,
    to_6d,
    unit,
    unit_vector,
)
from atom.motion.skeleton import (
    FACING_JOINTS,
    JOINTS,
    KINEMATIC_CHAINS,
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
CONTACT_SQUARED_STEP = 0.002  # square metres: the squared step below which a foot joint counts as standing
_LEG = (5, 8)  # the joints whose bones make up the leg length
_LEAST_LEG = 1e-3  # metres
_FRAMES_AT_ONCE = 1024  # so that what is computed on the way stays in a core's cache

# Constants that the compiled loops read.
_STEP, _POSITIONS, _ROTATIONS = STEP.start, POSITIONS.start, ROTATIONS.start
_VELOCITIES, _CONTACTS = VELOCITIES.start, CONTACTS.start
_FEET = (*LEFT_FOOT, *RIGHT_FOOT)
_PARENTS = np.array(PARENTS)
_REST_DIRECTIONS = REST_DIRECTIONS.astype(np.float64)

# The rotation that each joint's own one is relative to. Every chain starts again from the root's rotation, the two arm
# chains as well although they begin at joint 9: a quirk of the original that trained models have learnt.
_RELATIVE_TO = np.zeros(JOINTS, dtype=int)
for _chain in KINEMATIC_CHAINS:
    _RELATIVE_TO[list(_chain[2:])] = _chain[1:-1]


def joints_to_features(joints: np.ndarray, target_offsets: np.ndarray = TARGET_OFFSETS) -> np.ndarray:
    """Features (..., T-1, 263) float32 of `joints` (..., T, 22, 3): metres, Y up, 20 fps, any place, heading and size.

    The body is first given the bone lengths of `target_offsets` (22, 3), so those are the ones that
    `features_to_joints` returns. Clips of several lengths make a batch when each is padded by repeating its last
    frame: the rows before the padding do not change.

    Raises AtomError if there are fewer than two frames or no legs to take the size from.
    """
    joints = np.asarray(joints)
    if joints.ndim < 3 or joints.shape[-2:] != (JOINTS, 3):
        raise AtomError(f"joints of shape {joints.shape} are not a motion: expected (frames, {JOINTS}, 3)")
    if joints.shape[-3] < 2:
        raise AtomError(f"a motion of {joints.shape[-3]} frame(s) has no movement: at least 2 are needed")
    clips = joints.reshape(-1, *joints.shape[-3:])
    features = np.empty((len(clips), clips.shape[1] - 1, FEATURES), dtype=np.float32)
    at_once = max(_FRAMES_AT_ONCE // clips.shape[1], 1)
    for start in range(0, len(clips), at_once):
        block = slice(start, start + at_once)
        _write_features(clips[block].astype(np.float64), target_offsets, features[block])
    return features.reshape(*joints.shape[:-3], *features.shape[1:])


def features_to_joints(features: np.ndarray) -> np.ndarray:
    """Joints (..., T, 22, 3) float32 in metres of `features` (..., T, 263), starting at the origin, facing +Z."""
    features = np.asarray(features)
    if features.ndim < 2 or features.shape[-1] != FEATURES:
        raise AtomError(f"features of shape {features.shape} are not a motion: expected (frames, {FEATURES})")
    clips = features.reshape(math.prod(features.shape[:-2]), *features.shape[-2:])
    clips = clips.astype(np.result_type(clips, np.float32), copy=False)
    heading = 2 * _running_sum(clips[..., YAW].astype(np.float64))
    joints = np.empty((*heading.shape, JOINTS, 3), dtype=np.float32)
    _write_joints(clips, np.cos(heading), np.sin(heading), joints)
    return joints.reshape(*features.shape[:-1], JOINTS, 3)


def angle_to_front(joints: np.ndarray) -> np.ndarray:
    """The angle (..., T) by which each frame has to turn about +Y to face +Z, in radians, by its hips and shoulders."""
    right_hip, left_hip, right_shoulder, left_shoulder = np.moveaxis(joints[..., FACING_JOINTS, :], -2, 0)
    across = right_hip - left_hip + right_shoulder - left_shoulder
    return np.arctan2(-across[..., 2], -across[..., 0])


def move_to_origin(joints: np.ndarray) -> np.ndarray:
    """The lowest joint of all frames on the floor, the first root above the origin, the first frame facing +Z."""
    clips = np.asarray(joints, dtype=np.float64).reshape(-1, *joints.shape[-3:])
    angle = angle_to_front(clips[:, :1])[:, 0]
    return _placed(clips, clips[..., 1].min(axis=(1, 2)), np.cos(angle), np.sin(angle)).reshape(joints.shape)


def _write_features(joints: np.ndarray, target_offsets: np.ndarray, features: np.ndarray) -> None:
    """The features (clips, T-1, 263) of joints (clips, T, 22, 3)."""
    joints = move_to_origin(_resized(joints, target_offsets))
    heading = _smooth_heading(joints)
    features[..., YAW] = np.arcsin(np.sin((heading[:, 1:] - heading[:, :-1]) / 2))
    features[..., STEP] = rotate_about_y(joints[:, 1:, 0] - joints[:, :-1, 0], heading[:, 1:])[..., ::2]
    features[..., HEIGHT] = joints[:, :-1, 0, 1]
    _write_of_joints(joints, np.cos(heading), np.sin(heading), np.cos(heading / 2), np.sin(heading / 2), features)


def _smooth_heading(joints: np.ndarray) -> np.ndarray:
    """The same, smoothed over time and 0 in the first frame, as the original's inverse kinematics finds it.

    There the two hips are mistaken for each other, so that they count against the shoulders. Every model trained on
    HumanML3D has learnt its headings.
    """
    right_hip, left_hip, right_shoulder, left_shoulder = np.moveaxis(joints[..., FACING_JOINTS, :], -2, 0)
    across = unit(left_hip - right_hip + right_shoulder - left_shoulder)
    across = gaussian_filter1d(across[..., ::2], HEADING_SIGMA, axis=-2, mode="nearest")
    heading = np.arctan2(-across[..., 1], -across[..., 0])
    heading[..., 0] = 0
    return heading


def _resized(joints: np.ndarray, target_offsets: np.ndarray) -> np.ndarray:
    """The same directions with the target's bone lengths; the root's path scales with the leg."""
    lengths = np.linalg.norm(np.asarray(target_offsets, dtype=np.float64), axis=-1)
    bones = joints[:, 0, _LEG] - joints[:, 0, [PARENTS[joint] for joint in _LEG]]
    leg = np.linalg.norm(bones, axis=-1).sum(axis=-1)
    if (leg < _LEAST_LEG).any():
        raise AtomError("the right leg has no length in the first frame: these joints are not a body in metres")
    return _with_bones(joints, lengths, lengths[list(_LEG)].sum() / leg)


@njit
def _with_bones(joints: np.ndarray, lengths: np.ndarray, scale: np.ndarray) -> np.ndarray:
    resized = np.empty_like(joints)
    clips, frames = joints.shape[:2]
    for clip in range(clips):
        for frame in range(frames):
            pose, new = joints[clip, frame], resized[clip, frame]
            for axis in range(3):
                new[0, axis] = pose[0, axis] * scale[clip]
            for joint in range(1, JOINTS):
                parent = _PARENTS[joint]
                bone = unit_vector(*_from_to(pose[parent], pose[joint]))
                for axis in range(3):
                    new[joint, axis] = new[parent, axis] + bone[axis] * lengths[joint]
    return resized


@njit
def _placed(joints: np.ndarray, floor: np.ndarray, cos: np.ndarray, sin: np.ndarray) -> np.ndarray:
    placed = np.empty_like(joints)
    clips, frames = joints.shape[:2]
    for clip in range(clips):
        start, c, s = joints[clip, 0, 0], cos[clip], sin[clip]
        for frame in range(frames):
            pose, new = joints[clip, frame], placed[clip, frame]
            for joint in range(JOINTS):
                x, z = pose[joint, 0] - start[0], pose[joint, 2] - start[2]
                new[joint, 0] = x * c + z * s
                new[joint, 1] = pose[joint, 1] - floor[clip]
                new[joint, 2] = z * c - x * s
    return placed


@njit
def _write_of_joints(
    joints: np.ndarray,
    cos: np.ndarray,
    sin: np.ndarray,
    half_cos: np.ndarray,
    half_sin: np.ndarray,
    features: np.ndarray,
) -> None:
    """Positions, rotations, velocities and contacts, seen from the headings (clips, T) and by half of them."""
    turns = np.zeros((JOINTS, 4))  # of the joints against their rest, seen from the world
    for clip in range(features.shape[0]):
        for frame in range(features.shape[1]):
            pose, following, row = joints[clip, frame], joints[clip, frame + 1], features[clip, frame]
            c, s = cos[clip, frame], sin[clip, frame]
            for joint in range(JOINTS):
                x, y, z = _from_to(pose[joint], following[joint])
                to = _VELOCITIES + 3 * joint
                row[to], row[to + 1], row[to + 2] = x * c + z * s, y, z * c - x * s
            for number, joint in enumerate(_FEET):
                x, y, z = _from_to(pose[joint], following[joint])
                row[_CONTACTS + number] = x * x + y * y + z * z < CONTACT_SQUARED_STEP
            turns[0, 0], turns[0, 2] = half_cos[clip, frame], half_sin[clip, frame]
            for joint in range(1, JOINTS):
                x, y, z = pose[joint, 0] - pose[0, 0], pose[joint, 1], pose[joint, 2] - pose[0, 2]
                to = _POSITIONS + 3 * (joint - 1)
                row[to], row[to + 1], row[to + 2] = x * c + z * s, y, z * c - x * s
                rest, before = _REST_DIRECTIONS[joint], turns[_RELATIVE_TO[joint]]
                turned = quaternion_between(
                    (rest[0], rest[1], rest[2]), unit_vector(*_from_to(pose[_PARENTS[joint]], pose[joint]))
                )
                local = to_6d(multiply(conjugate((before[0], before[1], before[2], before[3])), turned))
                for number in range(6):
                    row[_ROTATIONS + 6 * (joint - 1) + number] = local[number]
                for number in range(4):
                    turns[joint, number] = turned[number]


@njit
def _from_to(start: np.ndarray, end: np.ndarray) -> Vector:
    return end[0] - start[0], end[1] - start[1], end[2] - start[2]


def _running_sum(steps: np.ndarray) -> np.ndarray:
    """The sum of all values before each one."""
    total = np.zeros_like(steps)
    np.cumsum(steps[..., :-1], axis=-1, out=total[..., 1:])
    return total


@njit
def _write_joints(features: np.ndarray, cos: np.ndarray, sin: np.ndarray, joints: np.ndarray) -> None:
    """The joints (clips, T, 22, 3) of features (clips, T, 263), turned back from the headings (clips, T)."""
    for clip in range(len(joints)):
        root_x = root_z = 0.0
        for frame in range(joints.shape[1]):
            row, pose = features[clip, frame], joints[clip, frame]
            c, s = cos[clip, frame], sin[clip, frame]
            if frame > 0:
                before = features[clip, frame - 1]
                root_x += before[_STEP] * c - before[_STEP + 1] * s
                root_z += before[_STEP + 1] * c + before[_STEP] * s
            pose[0, 0], pose[0, 1], pose[0, 2] = root_x, row[HEIGHT], root_z
            for joint in range(1, JOINTS):
                at = _POSITIONS + 3 * (joint - 1)
                x, z = row[at], row[at + 2]
                pose[joint, 0] = x * c - z * s + root_x
                pose[joint, 1] = row[at + 1]
                pose[joint, 2] = z * c + x * s + root_z
