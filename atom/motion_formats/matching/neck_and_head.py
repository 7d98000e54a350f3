"""The neck and the head of a skeleton, by names and, where these say nothing, by the shape of the tree."""

from __future__ import annotations

import numpy as np

from atom.motion.skeleton import BONE_LENGTHS, JOINT_INDEX
from atom.motion_formats.matching.limb_chains import SkeletonTree

_NECK_BONE, _HEAD_BONE = (float(BONE_LENGTHS[JOINT_INDEX[name]]) for name in ("neck", "head"))
NECK_FRACTION = _NECK_BONE / (_NECK_BONE + _HEAD_BONE)  # of the way from the upper chest to the head


def find_neck_and_head(tree: SkeletonTree, chest: int, taken: set[int]) -> tuple[int | None, int | None]:
    """Find the joints of neck and head.

    The neck is the first joint of that name, the head the one below it; the end of the neck if it has no name. Without
    a neck of that name it is the first joint between chest and head.

    Args:
        tree: the skeleton.
        chest: the joint where the arms meet.
        taken: the joints of arms and legs.

    Returns:
        The joints; None for one that the skeleton lacks.
    """
    free = [joint for joint in range(len(tree.names)) if joint not in taken and not tree.sides[joint]]

    def best(role: str, joints: list[int]) -> int | None:
        scored = [joint for joint in joints if role in tree.names[joint].scores]
        return max(scored, key=lambda joint: tree.names[joint].scores[role], default=None)

    neck = best("neck", free)
    if neck is not None:
        below = [joint for joint in free if neck in tree.ancestors(joint)]
        head = best("head", below)
        if head is None:  # the upper of two necks, else the end of the neck
            necks = [joint for joint in below if "neck" in tree.names[joint].scores]
            ends = [joint for joint in below if tree.skeleton.parents[joint] == neck]
            head = next((joint for joint in [*necks[::-1], *ends] if not tree.coincide(joint, neck)), None)
        return neck, head
    head = best("head", free)
    if head is not None:
        between = [joint for joint in tree.ancestors(head) if chest in tree.ancestors(joint)][::-1]
        between = [joint for joint in between if not tree.coincide(joint, chest) and not tree.coincide(joint, head)]
        return (between[0] if between else None), head
    return _neck_and_head_by_shape(tree, chest, [joint for joint in free if chest in tree.ancestors(joint)])


def _neck_and_head_by_shape(tree: SkeletonTree, chest: int, below: list[int]) -> tuple[int | None, int | None]:
    """Neck and head where no name says them: on the longest chain from the chest on, in HumanML3D's proportion."""
    last = max(below, key=lambda joint: len(tree.ancestors(joint)), default=None)
    if last is None:
        return None, None
    neck, *above = [joint for joint in [last, *tree.ancestors(last)][::-1] if joint in below]
    above = [joint for joint in above if not tree.is_end_site(joint)] or above
    if not above:
        return None, neck

    def deviation(head: int) -> float:
        lengths = [np.linalg.norm(tree.pose[b] - tree.pose[a]) for a, b in ((chest, neck), (neck, head))]
        return abs(float(lengths[1] - lengths[0] * _HEAD_BONE / _NECK_BONE))

    return neck, min(above, key=deviation)
