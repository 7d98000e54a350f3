"""Constant bones and the rotations that fit a motion best, all of them together.

Bones of generated motions change their length from frame to frame; a file with rotations has one length for each. The
fit minimises the distance of the body with constant bones from the joints of all frames, by Gauss-Newton steps over the
rotations of a frame (eliminated from the leaves to the root, in time proportional to the number of joints) in turn with
the least-squares bones of all frames. Distances count with the power 1.5: between the mean error, which frames with a
broken pose should not govern, and the worst one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from atom.errors import AtomError
from atom.motion.rotation import unit
from atom.motion.skeleton import JOINTS, PARENTS
from atom.motion_formats.writers.bone_solver import bone_equations, turn_joints
from atom.motion_formats.writers.inverse_kinematics import fit_rotations, world_rotations
from atom.motion_formats.writers.mixamo_skeleton import CHILDREN, T_POSE

_EXACT = 1e-5  # metres: joints that bones fit so well already stay as they are
_SHAPE_ITERATIONS = 8
_BONE_UPDATES = 5  # with a Gauss-Newton step over the rotations before and after each
_LAST_STEPS = 3
_PARENTS = np.array(PARENTS)
_BRANCHES = [list(children) for children in CHILDREN if len(children) > 1]  # joints that one rotation moves together


@dataclass(frozen=True)
class SkeletonFit:
    """A body with constant bones that follows a motion.

    Attributes:
        offsets: (22, 3), each joint from its parent in a T-pose that faces +Z, in metres; zero for the root.
        rotations: of each joint from the rest pose, T rotations in world coordinates.
        joints: (T, 22, 3), where these put the joints.
    """

    offsets: np.ndarray
    rotations: list[Rotation]
    joints: np.ndarray


def check_joints(path: Path, joints: np.ndarray) -> np.ndarray:
    """Check joints that should be written with rotations.

    Args:
        path: the file to write, for the message.
        joints: what should be (T, 22, 3) with T > 1.

    Returns:
        The joints as float64.

    Raises:
        AtomError: the joints have another shape or hold NaN.
    """
    joints = np.asarray(joints, dtype=np.float64)
    if joints.ndim != 3 or joints.shape[1:] != (JOINTS, 3) or len(joints) < 2:
        kind = path.suffix.lstrip(".").upper()
        raise AtomError(
            f"{path}: joints of shape {joints.shape} make no {kind}, give (frames, {JOINTS}, 3) with 2 frames or more"
        )
    bad = ~np.isfinite(joints).all(axis=(1, 2))
    if bad.any():
        problem = f"{bad.sum()} of {len(joints)} frames hold NaN or infinity, first frame {bad.argmax()}"
        raise AtomError(f"{path}: {problem}: leave these frames out")
    return joints


def fit_skeleton(joints: np.ndarray) -> SkeletonFit:
    """Fit constant bones and rotations to all frames of a motion.

    Where bones are constant, the joints are reproduced exactly; hips, collars and neck keep their angles to each other.

    Args:
        joints: (T, 22, 3) in metres, finite.
    """
    joints = np.ascontiguousarray(joints, dtype=np.float64)
    offsets = _median_offsets(joints)
    rotations = world_rotations(joints, offsets)
    positions = pose(offsets, rotations, joints[:, 0])
    if np.abs(positions - joints).max() > _EXACT:
        offsets, positions = _fit_bones(joints, offsets, rotations)
        rotations = world_rotations(positions, offsets)
    return SkeletonFit(offsets, rotations, positions)


def pose(offsets: np.ndarray, rotations: list[Rotation], root: np.ndarray) -> np.ndarray:
    """Forward kinematics.

    Args:
        offsets: (22, 3), each joint from its parent in the rest pose.
        rotations: of each joint, T rotations in world coordinates.
        root: (T, 3), the positions of the root.

    Returns:
        The joints (T, 22, 3).
    """
    positions = np.empty((len(root), JOINTS, 3))
    positions[:, 0] = root
    for joint, parent in enumerate(PARENTS[1:], start=1):
        positions[:, joint] = positions[:, parent] + rotations[parent].apply(offsets[joint])
    return positions


def rest_joints(offsets: np.ndarray) -> np.ndarray:
    """The joints (22, 3) of the rest pose with these bones `offsets` (22, 3), the pelvis at the origin."""
    return pose(offsets, [Rotation.identity(1)] * JOINTS, np.zeros((1, 3)))[0]


def _turn_to_t_pose(offsets: np.ndarray) -> np.ndarray:
    """The same bones (22, 3) in T-pose; those that leave one joint keep their angles and are turned together."""
    turned = T_POSE * np.linalg.norm(offsets, axis=-1, keepdims=True)
    for children in _BRANCHES:
        turned[children] = fit_rotations(offsets[children], turned[None, children])[0].apply(offsets[children])
    return turned


def _median_offsets(joints: np.ndarray) -> np.ndarray:
    """Bones (22, 3) of median length in T-pose; those that leave one joint have their mean shape in the motion."""
    bones = joints - joints[:, (0, *PARENTS[1:])]
    lengths = np.median(np.linalg.norm(bones, axis=-1), axis=0)[:, None]
    offsets = T_POSE * lengths
    # The bones that leave one joint (hips, collars and neck) form a rigid shape: alternate between its best rotation in
    # every frame and its mean shape under these rotations.
    for children in _BRANCHES:
        shape = offsets[children]
        for _ in range(_SHAPE_ITERATIONS):
            shape = fit_rotations(shape, bones[:, children]).inv().as_matrix() @ bones[:, children].swapaxes(1, 2)
            shape = unit(shape.mean(axis=0).T) * lengths[children]
        offsets[children] = shape
    return _turn_to_t_pose(offsets)


def _fit_bones(joints: np.ndarray, offsets: np.ndarray, rotations: list[Rotation]) -> tuple[np.ndarray, np.ndarray]:
    """The offsets (22, 3) and positions (T, 22, 3) of the best fit, from a first one."""
    offsets = offsets.copy()
    matrices = np.ascontiguousarray(np.stack([rotation.as_matrix() for rotation in rotations], axis=1))
    positions = np.empty_like(joints)
    root = joints[:, 0].copy()
    turn_joints(joints, offsets, matrices, root, positions, _PARENTS, 1)
    parameters = _bone_parameters(offsets)
    for _ in range(_BONE_UPDATES):
        normal, gradient = bone_equations(joints, positions, matrices, _PARENTS)
        normal, gradient = parameters.T @ normal @ parameters, parameters.T @ gradient
        offsets += (parameters @ np.linalg.lstsq(normal, gradient, rcond=1e-10)[0]).reshape(JOINTS, 3)
        turn_joints(joints, offsets, matrices, root, positions, _PARENTS, 1)
    turn_joints(joints, offsets, matrices, root, positions, _PARENTS, _LAST_STEPS)
    return _turn_to_t_pose(offsets), positions


def _bone_parameters(offsets: np.ndarray) -> np.ndarray:
    """What may change of the flattened offsets (66): a bone's length, or all of it where others leave its joint."""
    columns = []
    for joint in range(1, JOINTS):
        free = np.eye(3) if len(CHILDREN[PARENTS[joint]]) > 1 else unit(offsets[joint])[None]
        for direction in free:
            column = np.zeros((JOINTS, 3))
            column[joint] = direction
            columns.append(column.ravel())
    return np.stack(columns, axis=1)
