"""How far apart motions are, on a plain kinematic descriptor: where the limbs are, relative to the body's place."""

from __future__ import annotations

import numpy as np

from atom.motion.skeleton import JOINT_INDEX

MOMENTS = 12
LIMBS = ("pelvis", "head", "l_elbow", "r_elbow", "l_wrist", "r_wrist", "l_knee", "r_knee", "l_ankle", "r_ankle")
_LIMB_INDICES = [JOINT_INDEX[name] for name in LIMBS]


def motion_descriptor(joints: np.ndarray) -> np.ndarray:
    """Joints (T, 22, 3) in metres -> (360,) float32.

    Ten joints at twelve moments spread evenly over the motion, with the pelvis's place on the floor taken off (heights
    and heading stay). It is scaled so that the Euclidean distance of two descriptors is the root mean square distance
    of the joints in metres.
    """
    joints = np.asarray(joints, dtype=np.float64)
    if joints.ndim != 3 or joints.shape[1:] != (22, 3) or not len(joints):
        raise ValueError(f"joints must be (frames, 22, 3) with at least one frame, not {joints.shape}")
    limbs = joints[:, _LIMB_INDICES] - joints[:, :1] * [1, 0, 1]
    at = np.linspace(0, len(limbs) - 1, MOMENTS)
    before = np.floor(at).astype(int)
    after = np.minimum(before + 1, len(limbs) - 1)
    share = (at - before)[:, None, None]
    resampled = limbs[before] * (1 - share) + limbs[after] * share
    return (resampled / np.sqrt(MOMENTS * len(LIMBS))).astype(np.float32).ravel()


def pairwise_distances(descriptors: np.ndarray) -> np.ndarray:
    """Descriptors (n, d) -> Euclidean distances (n, n)."""
    descriptors = np.asarray(descriptors, dtype=np.float64)
    centred = descriptors - descriptors.mean(axis=0)
    squares = (centred**2).sum(axis=1)
    distances = np.sqrt(np.maximum(squares[:, None] + squares - 2 * centred @ centred.T, 0))
    np.fill_diagonal(distances, 0)
    return distances
