"""The 263 features of HumanML3D from joints, and joints from features, for any number of clips at once.

The layout of a row, for joints in the body's own heading (X left, Z ahead):

    0        rotation of the root about +Y to the next frame: half the angle, in radians, negative to the left
    1:3      linear velocity of the root, x and z, in metres a frame
    3        height of the root
    4:67     positions of joints 1..21, relative to the root's projection on the floor
    67:193   local rotations of joints 1..21, 6D each (two matrix columns)
    193:259  velocities of all 22 joints, in metres a frame
    259:263  floor contacts of left ankle, left toe, right ankle, right toe: 0 or 1

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
CONTACT_SQUARED_STEP = 0.002  # square metres: a foot joint with a smaller squared step a frame is in contact
_LEG_JOINTS = (5, 8)  # right knee and ankle: the bones above them add up to the leg length
_MIN_LEG_LENGTH = 1e-3  # metres
_FRAMES_PER_BLOCK = 1024  # intermediate results of a block fit into the cache of a core

# Constants in the forms that numba can read in compiled loops.
_STEP, _POSITIONS, _ROTATIONS = STEP.start, POSITIONS.start, ROTATIONS.start
_VELOCITIES, _CONTACTS = VELOCITIES.start, CONTACTS.start
_FEET = (*LEFT_FOOT, *RIGHT_FOOT)
_PARENTS = np.array(PARENTS)
_REST_DIRECTIONS = REST_DIRECTIONS.astype(np.float64)

# The joint whose rotation each local rotation is relative to. Every chain restarts from the root's rotation, also the
# two arm chains, although they begin at joint 9. This is a quirk of the original code that trained models have learnt.
_REFERENCE_JOINT = np.zeros(JOINTS, dtype=int)
for _chain in KINEMATIC_CHAINS:
    _REFERENCE_JOINT[list(_chain[2:])] = _chain[1:-1]


def joints_to_features(joints: np.ndarray, target_offsets: np.ndarray = TARGET_OFFSETS) -> np.ndarray:
    """Compute HumanML3D features of joints, after giving the body the bone lengths of a target skeleton.

    Clips of several lengths fit into one batch when each is padded by repeating its last frame: the padding does not
    change the rows before it.

    Args:
        joints: (..., T, 22, 3) in metres, Y up, 20 fps; any place, heading and body size.
        target_offsets: (22, 3), the target skeleton. `features_to_joints` returns bodies with its bone lengths.

    Returns:
        (..., T-1, 263) float32.

    Raises:
        AtomError: there are fewer than two frames, or the right leg has no length in the first frame.
    """
    joints = np.asarray(joints)
    if joints.ndim < 3 or joints.shape[-2:] != (JOINTS, 3):
        raise AtomError(f"joints of shape {joints.shape} are not a motion: expected (frames, {JOINTS}, 3)")
    if joints.shape[-3] < 2:
        raise AtomError(f"a motion of {joints.shape[-3]} frame(s) has no movement: at least 2 are needed")
    clips = joints.reshape(-1, *joints.shape[-3:])
    features = np.empty((len(clips), clips.shape[1] - 1, FEATURES), dtype=np.float32)
    # Whole clips, as the heading is smoothed over all frames of one.
    clips_per_block = max(_FRAMES_PER_BLOCK // clips.shape[1], 1)
    for start in range(0, len(clips), clips_per_block):
        block = slice(start, start + clips_per_block)
        _write_features(clips[block].astype(np.float64), target_offsets, features[block])
    return features.reshape(*joints.shape[:-3], *features.shape[1:])


def features_to_joints(features: np.ndarray) -> np.ndarray:
    """Recover joints from features.

    Args:
        features: (..., T, 263), not normalised.

    Returns:
        (..., T, 22, 3) float32 in metres. The motion starts at the origin and faces +Z.

    Raises:
        AtomError: the features have another shape.
    """
    features = np.asarray(features)
    if features.ndim < 2 or features.shape[-1] != FEATURES:
        raise AtomError(f"features of shape {features.shape} are not a motion: expected (frames, {FEATURES})")
    clips = features.reshape(math.prod(features.shape[:-2]), *features.shape[-2:])
    clips = clips.astype(np.result_type(clips, np.float32), copy=False)
    # Twice, because the feature is half of the turn. float64: errors of a sum over hundreds of frames add up.
    heading = 2 * _exclusive_cumsum(clips[..., YAW].astype(np.float64))
    joints = np.empty((*heading.shape, JOINTS, 3), dtype=np.float32)
    _write_joints(clips, np.cos(heading), np.sin(heading), joints)
    return joints.reshape(*features.shape[:-1], JOINTS, 3)


def angle_to_front(joints: np.ndarray) -> np.ndarray:
    """The angle in radians (..., T) that rotates each frame of `joints` (..., T, 22, 3) about +Y to face +Z.

    Hips and shoulders give the heading.
    """
    right_hip, left_hip, right_shoulder, left_shoulder = np.moveaxis(joints[..., FACING_JOINTS, :], -2, 0)
    across = right_hip - left_hip + right_shoulder - left_shoulder
    return np.arctan2(-across[..., 2], -across[..., 0])


def move_to_origin(joints: np.ndarray) -> np.ndarray:
    """Move `joints` (..., T, 22, 3): the lowest joint on the floor, the first frame at the origin and facing +Z."""
    clips = np.asarray(joints, dtype=np.float64).reshape(-1, *joints.shape[-3:])
    angle = angle_to_front(clips[:, :1])[:, 0]
    # The floor is the lowest joint of the whole clip, so that a jump stays above it.
    return _shift_and_rotate(clips, clips[..., 1].min(axis=(1, 2)), np.cos(angle), np.sin(angle)).reshape(joints.shape)


def _write_features(joints: np.ndarray, target_offsets: np.ndarray, features: np.ndarray) -> None:
    """Fill in the features (clips, T-1, 263) of joints (clips, T, 22, 3)."""
    joints = move_to_origin(_retarget_to_offsets(joints, target_offsets))
    heading = _smooth_heading(joints)
    # The original code stores half of the turn, read from a quaternion: arcsin keeps it so, and wraps it.
    features[..., YAW] = np.arcsin(np.sin((heading[:, 1:] - heading[:, :-1]) / 2))
    features[..., STEP] = rotate_about_y(joints[:, 1:, 0] - joints[:, :-1, 0], heading[:, 1:])[..., ::2]
    features[..., HEIGHT] = joints[:, :-1, 0, 1]
    _write_joint_features(joints, np.cos(heading), np.sin(heading), np.cos(heading / 2), np.sin(heading / 2), features)


def _smooth_heading(joints: np.ndarray) -> np.ndarray:
    """The angle to the front (clips, T), smoothed over time and 0 in the first frame, as in HumanML3D's `Skeleton`.

    The original's inverse kinematics confuses the two hips, so that here the hips count against the shoulders. Every
    model trained on HumanML3D has learnt these headings.
    """
    right_hip, left_hip, right_shoulder, left_shoulder = np.moveaxis(joints[..., FACING_JOINTS, :], -2, 0)
    across = unit(left_hip - right_hip + right_shoulder - left_shoulder)
    across = gaussian_filter1d(across[..., ::2], HEADING_SIGMA, axis=-2, mode="nearest")
    heading = np.arctan2(-across[..., 1], -across[..., 0])
    # The first frame faces ahead after `move_to_origin`; smoothing would turn it a little.
    heading[..., 0] = 0
    return heading


def _retarget_to_offsets(joints: np.ndarray, target_offsets: np.ndarray) -> np.ndarray:
    """Keep the bone directions and take the target's bone lengths; the path of the root scales with the leg length."""
    lengths = np.linalg.norm(np.asarray(target_offsets, dtype=np.float64), axis=-1)
    bones = joints[:, 0, _LEG_JOINTS] - joints[:, 0, [PARENTS[joint] for joint in _LEG_JOINTS]]
    leg = np.linalg.norm(bones, axis=-1).sum(axis=-1)
    if (leg < _MIN_LEG_LENGTH).any():
        raise AtomError("the right leg has no length in the first frame: these joints are not a body in metres")
    return _apply_bone_lengths(joints, lengths, lengths[list(_LEG_JOINTS)].sum() / leg)


@njit
def _apply_bone_lengths(joints: np.ndarray, lengths: np.ndarray, scale: np.ndarray) -> np.ndarray:
    resized = np.empty_like(joints)
    clips, frames = joints.shape[:2]
    for clip in range(clips):
        for frame in range(frames):
            pose, new = joints[clip, frame], resized[clip, frame]
            for axis in range(3):
                new[0, axis] = pose[0, axis] * scale[clip]
            for joint in range(1, JOINTS):
                parent = _PARENTS[joint]
                bone = unit_vector(*_difference(pose[parent], pose[joint]))
                for axis in range(3):
                    new[joint, axis] = new[parent, axis] + bone[axis] * lengths[joint]
    return resized


@njit
def _shift_and_rotate(joints: np.ndarray, floor: np.ndarray, cos: np.ndarray, sin: np.ndarray) -> np.ndarray:
    shifted = np.empty_like(joints)
    clips, frames = joints.shape[:2]
    for clip in range(clips):
        start, c, s = joints[clip, 0, 0], cos[clip], sin[clip]
        for frame in range(frames):
            pose, new = joints[clip, frame], shifted[clip, frame]
            for joint in range(JOINTS):
                x, z = pose[joint, 0] - start[0], pose[joint, 2] - start[2]
                new[joint, 0] = x * c + z * s
                new[joint, 1] = pose[joint, 1] - floor[clip]
                new[joint, 2] = z * c - x * s
    return shifted


@njit
def _write_joint_features(
    joints: np.ndarray,
    cos: np.ndarray,
    sin: np.ndarray,
    half_cos: np.ndarray,
    half_sin: np.ndarray,
    features: np.ndarray,
) -> None:
    """Fill in positions, rotations, velocities and contacts, in the frame of the heading.

    `cos` and `sin` are of the heading (clips, T), `half_cos` and `half_sin` of half of it.
    """
    rotations = np.zeros((JOINTS, 4))  # of each joint from its rest direction, in world coordinates
    for clip in range(features.shape[0]):
        for frame in range(features.shape[1]):
            pose, following, row = joints[clip, frame], joints[clip, frame + 1], features[clip, frame]
            c, s = cos[clip, frame], sin[clip, frame]
            for joint in range(JOINTS):
                x, y, z = _difference(pose[joint], following[joint])
                column = _VELOCITIES + 3 * joint
                row[column], row[column + 1], row[column + 2] = x * c + z * s, y, z * c - x * s
            for number, joint in enumerate(_FEET):
                x, y, z = _difference(pose[joint], following[joint])
                row[_CONTACTS + number] = x * x + y * y + z * z < CONTACT_SQUARED_STEP
            rotations[0, 0], rotations[0, 2] = half_cos[clip, frame], half_sin[clip, frame]
            for joint in range(1, JOINTS):
                x, y, z = pose[joint, 0] - pose[0, 0], pose[joint, 1], pose[joint, 2] - pose[0, 2]
                column = _POSITIONS + 3 * (joint - 1)
                row[column], row[column + 1], row[column + 2] = x * c + z * s, y, z * c - x * s
                rest, reference = _REST_DIRECTIONS[joint], rotations[_REFERENCE_JOINT[joint]]
                rotation = quaternion_between(
                    (rest[0], rest[1], rest[2]), unit_vector(*_difference(pose[_PARENTS[joint]], pose[joint]))
                )
                local = to_6d(multiply(conjugate((reference[0], reference[1], reference[2], reference[3])), rotation))
                for number in range(6):
                    row[_ROTATIONS + 6 * (joint - 1) + number] = local[number]
                for number in range(4):
                    rotations[joint, number] = rotation[number]


@njit
def _difference(start: np.ndarray, end: np.ndarray) -> Vector:
    return end[0] - start[0], end[1] - start[1], end[2] - start[2]


def _exclusive_cumsum(steps: np.ndarray) -> np.ndarray:
    """The exclusive cumulative sum over the last axis: each value becomes the sum of those before it."""
    total = np.zeros_like(steps)
    np.cumsum(steps[..., :-1], axis=-1, out=total[..., 1:])
    return total


@njit
def _write_joints(features: np.ndarray, cos: np.ndarray, sin: np.ndarray, joints: np.ndarray) -> None:
    """Fill in joints (clips, T, 22, 3) from features (clips, T, 263) and the cosine and sine of headings (clips, T)."""
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
