"""The plain way to constant bones: one after the other, as files were written before bones were fitted together."""

import numpy as np

from atom.motion.rotation import unit
from atom.motion.skeleton import PARENTS
from atom.motion_formats.writers.inverse_kinematics import fit_rotations
from atom.motion_formats.writers.mixamo_skeleton import CHILDREN, T_POSE

BRANCHES = [list(children) for children in CHILDREN if len(children) > 1]


def aimed_one_by_one(joints):
    """Bones of median length, each aimed from where its parent came to lie to its own joint; branches turn together."""
    bones = joints - joints[:, (0, *PARENTS[1:])]
    lengths = np.median(np.linalg.norm(bones, axis=-1), axis=0)
    placed = joints.copy()
    for children in BRANCHES:
        parent, shape = PARENTS[children[0]], T_POSE[children]
        for _ in range(8):
            shape = fit_rotations(shape, bones[:, children]).inv().as_matrix() @ bones[:, children].swapaxes(1, 2)
            shape = unit(shape.mean(axis=0).T) * lengths[children][:, None]
        turned = fit_rotations(shape, joints[:, children] - joints[:, [parent]]).as_matrix()
        bones[:, children] = np.einsum("tij,nj->tni", turned, shape)
    for joint, parent in enumerate(PARENTS[1:], start=1):
        if len(CHILDREN[parent]) > 1:
            placed[:, joint] = placed[:, parent] + bones[:, joint]
        else:
            placed[:, joint] = placed[:, parent] + lengths[joint] * unit(joints[:, joint] - placed[:, parent])
    return placed
