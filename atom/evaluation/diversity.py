"""Distances between motions on a plain kinematic descriptor: the limb positions relative to the body."""

from __future__ import annotations

import numpy as np

from atom.motion.skeleton import JOINT_INDEX

NUM_MOMENTS = 12
LIMB_JOINTS = ("pelvis", "head", "l_elbow", "r_elbow", "l_wrist", "r_wrist", "l_knee", "r_knee", "l_ankle", "r_ankle")
_LIMB_INDICES = [JOINT_INDEX[name] for name in LIMB_JOINTS]


def motion_descriptor(joints: np.ndarray) -> np.ndarray:
    """Joints (T, 22, 3) in metres -> (360,) float32.

    Ten joints at twelve moments spread evenly over the motion, relative to the pelvis on the floor (heights and heading
    stay). The Euclidean distance of two descriptors is the root mean square distance of the joints in metres.
    Raises ValueError for another shape or a motion without frames.
    """
    joints = np.asarray(joints, dtype=np.float64)
    if joints.ndim != 3 or joints.shape[1:] != (22, 3) or not len(joints):
        raise ValueError(f"joints must be (frames, 22, 3) with at least one frame, not {joints.shape}")
    limbs = joints[:, _LIMB_INDICES] - joints[:, :1] * [1, 0, 1]
    positions = np.linspace(0, len(limbs) - 1, NUM_MOMENTS)
    before = np.floor(positions).astype(int)
    after = np.minimum(before + 1, len(limbs) - 1)
    fraction = (positions - before)[:, None, None]
    resampled = limbs[before] * (1 - fraction) + limbs[after] * fraction
    return (resampled / np.sqrt(NUM_MOMENTS * len(LIMB_JOINTS))).astype(np.float32).ravel()


def pairwise_distances(descriptors: np.ndarray) -> np.ndarray:
    """Descriptors (n, d) -> Euclidean distances (n, n)."""
    descriptors = np.asarray(descriptors, dtype=np.float64)
    # Centring first keeps the rounding of |a|^2 + |b|^2 - 2 a b small.
    centred = descriptors - descriptors.mean(axis=0)
    squares = (centred**2).sum(axis=1)
    distances = np.sqrt(np.maximum(squares[:, None] + squares - 2 * centred @ centred.T, 0))
    np.fill_diagonal(distances, 0)
    return distances
