"""The mirror image of a motion: x becomes -x and left becomes right."""

from __future__ import annotations

import numpy as np

from atom.motion.features import CONTACTS, FEATURES, HEIGHT, POSITIONS, ROTATIONS, STEP, VELOCITIES, YAW
from atom.motion.skeleton import MIRRORED_JOINTS

_POINT = np.array([-1, 1, 1])
_STEP_IN_PLANE = np.array([-1, 1])
_TWO_COLUMNS = np.array([1, -1, -1, -1, 1, 1])  # of a rotation matrix R that becomes M R M with M = diag(-1, 1, 1)


def mirror_joints(joints: np.ndarray) -> np.ndarray:
    """The mirror image (..., 22, 3) of `joints` (..., 22, 3)."""
    return joints[..., MIRRORED_JOINTS, :] * _POINT.astype(joints.dtype)


def mirror_features(features: np.ndarray) -> np.ndarray:
    """The mirror image (..., 263) of `features` (..., 263), without a way through joints.

    It equals the features of the mirrored joints if the target skeleton's left and right bones are equally long. The
    default one differs by up to 7 mm a bone; there this keeps each limb's own length while mirroring the joints first
    would give a left limb the left length.
    """
    return features[..., _SOURCE] * _SIGN.astype(features.dtype)


def _swapped(block: slice, joints: np.ndarray) -> np.ndarray:
    """The columns of `block`, an equal number for each joint, in the order in which `joints` lists them."""
    return np.arange(block.start, block.stop).reshape(len(joints), -1)[joints].ravel()


_SOURCE = np.arange(FEATURES)
_SIGN = np.ones(FEATURES)
_SIGN[YAW], _SIGN[STEP], _SIGN[HEIGHT] = -1, _STEP_IN_PLANE, 1
for _block, _joints, _sign in (
    (POSITIONS, MIRRORED_JOINTS[1:] - 1, _POINT),
    (ROTATIONS, MIRRORED_JOINTS[1:] - 1, _TWO_COLUMNS),
    (VELOCITIES, MIRRORED_JOINTS, _POINT),
):
    _SOURCE[_block] = _swapped(_block, _joints)
    _SIGN[_block] = np.tile(_sign, len(_joints))
_SOURCE[CONTACTS] = _swapped(CONTACTS, np.array([1, 0]))
