"""Synthetic bodies that stand and move."""

import numpy as np

from atom.motion.rotation import rotate_about_y, unit
from atom.motion.skeleton import BONE_LENGTHS, JOINTS, MIRRORED_JOINTS, PARENTS, REST_DIRECTIONS

SYMMETRIC_OFFSETS = REST_DIRECTIONS * ((BONE_LENGTHS + BONE_LENGTHS[MIRRORED_JOINTS]) / 2)[:, None]

# A standing body: arms hang, feet point ahead, shoulders lie beside the neck.
STANDING = REST_DIRECTIONS.astype(float).copy()
STANDING[[16, 17]] = [[1, -0.2, 0], [-1, -0.2, 0]]
STANDING[[13, 14]] = [[0.5, 1, 0], [-0.5, 1, 0]]
STANDING[[4, 5]] = [0, -1, 0.05]
STANDING[[18, 19, 20, 21]] = [[0.1, -1, 0], [-0.1, -1, 0], [0.1, -1, 0.1], [-0.1, -1, 0.1]]


def pose(directions: np.ndarray, root: np.ndarray, offsets: np.ndarray = SYMMETRIC_OFFSETS) -> np.ndarray:
    """Joints (..., 22, 3) of bones that point along `directions` (..., 22, 3), as long as those of `offsets`."""
    bones = unit(directions) * np.linalg.norm(offsets, axis=-1)[:, None]
    joints = np.zeros(np.broadcast_shapes(directions.shape, root[..., None, :].shape))
    joints[..., 0, :] = root
    for joint in range(1, JOINTS):
        joints[..., joint, :] = joints[..., PARENTS[joint], :] + bones[..., joint, :]
    return joints


def moving_body(seed: int, frames: int = 40, clips: tuple[int, ...] = (), offsets=SYMMETRIC_OFFSETS) -> np.ndarray:
    """Joints (*clips, frames, 22, 3) float32 of a body that walks a curve while every limb swings on its own."""
    rng = np.random.default_rng(seed)
    time = np.arange(frames)[:, None, None] / 20

    def wave(*shape: int) -> np.ndarray:
        size, speed, phase = (rng.uniform(low, high, (*clips, 1, *shape)) for low, high in ((0, 1), (1, 6), (0, 6)))
        return size * np.sin(speed * time + phase)

    directions = unit(unit(STANDING) + 0.3 * wave(JOINTS, 3))
    root = np.concatenate([1.5 * wave(1, 1), 0.9 + 0.05 * wave(1, 1), 1.5 * wave(1, 1)], axis=-1)[..., 0, :]
    heading = 2 * wave(1, 1)[..., 0, 0]
    joints = pose(rotate_about_y(directions, heading[..., None]), root, offsets)
    return joints.astype(np.float32)
