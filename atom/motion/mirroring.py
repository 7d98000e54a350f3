"""Mirror images of motions: x becomes -x, and left and right joints change places."""

from __future__ import annotations

import numpy as np

from atom.motion.features import CONTACTS, FEATURES, HEIGHT, POSITIONS, ROTATIONS, STEP, VELOCITIES, YAW
from atom.motion.skeleton import MIRRORED_JOINTS

_POINT_SIGNS = np.array([-1, 1, 1])  # x, y, z
_ROOT_STEP_SIGNS = np.array([-1, 1])  # x, z
_ROTATION_6D_SIGNS = np.array([1, -1, -1, -1, 1, 1])  # two columns of M R M, with M = diag(-1, 1, 1)


def mirror_joints(joints: np.ndarray) -> np.ndarray:
    """The mirror image (..., 22, 3) of `joints` (..., 22, 3)."""
    return joints[..., MIRRORED_JOINTS, :] * _POINT_SIGNS.astype(joints.dtype)


def mirror_features(features: np.ndarray) -> np.ndarray:
    """The mirror image (..., 263) of raw `features` (..., 263), computed without joints.

    The result equals the features of the mirrored joints if the left and right bones of the target skeleton have the
    same length. The bones of the default skeleton differ by up to 7 mm: this function keeps the length of each limb,
    where features of mirrored joints would give a left limb the length of the left target bone.
    """
    return features[..., _SOURCE] * _SIGN.astype(features.dtype)


def _reorder_columns(block: slice, joints: np.ndarray) -> np.ndarray:
    """The columns of `block`, which has as many for each joint, in the order of `joints`."""
    return np.arange(block.start, block.stop).reshape(len(joints), -1)[joints].ravel()


# Column i of the mirrored features is column _SOURCE[i] of the original, times _SIGN[i].
_SOURCE = np.arange(FEATURES)
_SIGN = np.ones(FEATURES)
_SIGN[YAW], _SIGN[STEP], _SIGN[HEIGHT] = -1, _ROOT_STEP_SIGNS, 1
for _block, _joints, _sign in (
    (POSITIONS, MIRRORED_JOINTS[1:] - 1, _POINT_SIGNS),
    (ROTATIONS, MIRRORED_JOINTS[1:] - 1, _ROTATION_6D_SIGNS),
    (VELOCITIES, MIRRORED_JOINTS, _POINT_SIGNS),
):
    _SOURCE[_block] = _reorder_columns(_block, _joints)
    _SIGN[_block] = np.tile(_sign, len(_joints))
_SOURCE[CONTACTS] = _reorder_columns(CONTACTS, np.array([1, 0]))
