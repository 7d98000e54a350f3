"""The rotation of each joint of a body with constant bones: what a file with rotations holds of a motion.

Positions don't determine how a limb is twisted about its own axis: an upper arm or leg is twisted so that elbow or knee
bends as a hinge, the two lower spine joints share the rotation between hips and chest, and no other joint twists
relative to its parent.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from atom.motion.rotation import quaternions_between, unit
from atom.motion.skeleton import JOINT_INDEX, JOINTS, PARENTS
from atom.motion_formats.writers.mixamo_skeleton import CHILDREN

_PELVIS, _CHEST = JOINT_INDEX["pelvis"], JOINT_INDEX["spine3"]
# The fraction of the chest's rotation relative to the pelvis that the lower spine joints take.
_SPINE_FRACTIONS = {JOINT_INDEX["spine1"]: 1 / 3, JOINT_INDEX["spine2"]: 2 / 3}
_FLEXION_DIRECTIONS = {  # in T-pose, the direction in which shin or forearm moves when knee or elbow bends
    JOINT_INDEX["l_hip"]: (0, 0, -1),
    JOINT_INDEX["r_hip"]: (0, 0, -1),
    JOINT_INDEX["l_shoulder"]: (0, 0, 1),
    JOINT_INDEX["r_shoulder"]: (0, 0, 1),
}
# A limb that bends by 47 degrees or more defines its own plane; this is the distance of the unit vectors of its parts.
_BENT = 0.8
_UNTWISTED_WEIGHT = 0.1  # weight of no twist, beside the plane of the neighbouring frames, in a straight limb
_PLANE_SIGMA = 2  # frames


def world_rotations(joints: np.ndarray, offsets: np.ndarray) -> list[Rotation]:
    """The rotation of each joint from the rest pose in every frame, in world coordinates.

    Args:
        joints: (T, 22, 3). Where they don't have the bones of `offsets`, the bones get their directions, and those that
            leave pelvis and chest the best rotation of their rigid shape.
        offsets: (22, 3), each joint from its parent in a T-pose that faces +Z.

    Returns:
        A rotation (T) for each joint.
    """
    rotations = [Rotation.identity(len(joints))] * JOINTS
    bones = joints - joints[:, (0, *PARENTS[1:])]
    rest, directions = unit(offsets), unit(bones)
    for joint in (_PELVIS, _CHEST):
        children = list(CHILDREN[joint])
        rotations[joint] = fit_rotations(offsets[children], bones[:, children])
    spine_rotation = (rotations[_PELVIS].inv() * rotations[_CHEST]).as_rotvec()
    for joint, parent in enumerate(PARENTS):
        if joint in (_PELVIS, _CHEST):
            continue
        rotation = rotations[parent]
        if joint in _SPINE_FRACTIONS:
            rotation = rotations[_PELVIS] * Rotation.from_rotvec(_SPINE_FRACTIONS[joint] * spine_rotation)
        for child in CHILDREN[joint]:
            rotation = _aim(rotation, rest[child], directions[:, child])
            if joint in _FLEXION_DIRECTIONS:
                (end,) = CHILDREN[child]
                flexion = np.array(_FLEXION_DIRECTIONS[joint], dtype=np.float64)
                rotation = _twist_to_hinge(rotation, rest[child], rest[end], flexion, directions[:, end])
        rotations[joint] = rotation
    return rotations


def local_rotations(rotations: list[Rotation]) -> list[Rotation]:
    """World rotations as rotations relative to the parent; the root's stays."""
    return [
        rotation if parent < 0 else rotations[parent].inv() * rotation for rotation, parent in zip(rotations, PARENTS)
    ]


def fit_rotations(shape: np.ndarray, targets: np.ndarray) -> Rotation:
    """The rotations (T) that bring the points `shape` (n, 3) nearest to `targets` (T, n, 3). Kabsch 1976."""
    left, _, right = np.linalg.svd(targets.swapaxes(1, 2) @ shape)
    # Flip the last axis where the best orthogonal matrix would be a reflection.
    left[:, :, 2] *= np.sign(np.linalg.det(left @ right))[:, None]
    return Rotation.from_matrix(left @ right)


def _aim(rotation: Rotation, rest: np.ndarray, target: np.ndarray) -> Rotation:
    """Add the smallest rotation after which `rotation` takes the direction `rest` (3) to `target` (T, 3)."""
    return Rotation.from_quat(quaternions_between(rotation.apply(rest), target), scalar_first=True) * rotation


def _twist_to_hinge(
    rotation: Rotation, limb: np.ndarray, rest: np.ndarray, flexion: np.ndarray, lower: np.ndarray
) -> Rotation:
    """Twist an upper limb about its axis so that its lower part bends as on a hinge.

    A nearly straight limb defines no plane of its own: it takes that of the neighbouring frames, or stays untwisted.

    Args:
        rotation: the untwisted rotation (T) of the upper limb.
        limb: (3), the direction of the upper limb in the rest pose.
        rest: (3), that of the lower part.
        flexion: (3), across the limb: where the lower part moves when it bends.
        lower: (T, 3), the direction of the lower part in the world.
    """
    flexion = unit(flexion - (flexion @ limb) * limb)
    hinge = np.cross(limb, flexion)
    lower = rotation.inv().apply(lower)
    # The lower part's direction across the limb as a complex number, whose angle is the twist. Bending does not change
    # the component along the hinge, which is not zero where limb and lower part don't lie in one line at rest.
    plane = lower @ flexion + 1j * (lower @ hinge)
    size, aside = np.abs(plane), rest @ hinge
    plane = plane * np.exp(-1j * np.arctan2(aside, np.sqrt(np.maximum(size**2 - aside**2, 0))))
    bent = np.minimum(np.linalg.norm(lower - rest, axis=-1) / _BENT, 1) ** 2
    around = gaussian_filter1d(plane, _PLANE_SIGMA, mode="nearest") + _UNTWISTED_WEIGHT
    twist = np.angle(bent * plane / np.maximum(size, 1e-12) + (1 - bent) * around)
    return rotation * Rotation.from_rotvec(twist[:, None] * limb)
