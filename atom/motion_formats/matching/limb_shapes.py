"""Legs and arms of a skeleton whose names say nothing: by the shape of the tree alone."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from atom.motion.skeleton import BONE_LENGTHS, JOINT_INDEX
from atom.motion_formats.matching.limb_chains import ARM, LEG, Chain, SkeletonTree

_MAX_ASYMMETRY = 1.15  # the longer of a pair of limbs, from its root to its end, as a multiple of the shorter
_MIN_LIMB = 0.4  # a limb's length as a share of the longest: fingers and toes are shorter
_MAX_JOINTS = 8  # of a limb that are tried
_HAND = 0.15  # metres, from the wrist to the fingers
_THIGH, _SHIN, _FOOT, _SHOULDER, _UPPER_ARM, _FOREARM = (
    float(BONE_LENGTHS[JOINT_INDEX[f"l_{end}"]]) for end in ("knee", "ankle", "foot", "shoulder", "elbow", "wrist")
)
# The roles of the joints of a limb with the lengths of the bones between them; "" for a joint beyond the wrist.
_LEG_PATTERNS = ((LEG, (_THIGH, _SHIN, _FOOT)),)
_ARM_PATTERNS = (
    (ARM, (_SHOULDER, _UPPER_ARM, _FOREARM)),
    ((*ARM[1:], ""), (_UPPER_ARM, _FOREARM, _HAND)),
)
_SHORT_ARM_PATTERNS = ((ARM[1:], (_UPPER_ARM, _FOREARM)),)


def find_limbs_by_shape(tree: SkeletonTree) -> tuple[tuple[Chain, Chain], tuple[Chain, Chain]] | None:
    """The two legs and the two arms, in no order of sides.

    Two pairs of branches of equal length leave a human trunk. The legs are the pair nearer to the root; of pairs at the
    same depth, the longer one.

    Returns:
        The pair of legs and the pair of arms; None if the tree has no such two pairs.
    """
    reach, limb = _longest_branches(tree)
    children: dict[int, list[int]] = {}
    for joint, parent in enumerate(tree.skeleton.parents):
        children.setdefault(parent, []).append(joint)
    pairs: list[tuple[int, float, list[int], list[int]]] = []
    for parent, siblings in children.items():
        for first, second in combinations(siblings, 2) if parent >= 0 else ():
            lengths = [reach[j] + float(np.linalg.norm(tree.pose[j] - tree.pose[parent])) for j in (first, second)]
            same_shape = len(tree.subtree(first)) == len(tree.subtree(second))
            if same_shape and min(lengths) > 0 and max(lengths) <= _MAX_ASYMMETRY * min(lengths):
                pairs.append((len(tree.ancestors(parent)), -min(lengths), limb[first], limb[second]))
    longest = max((-pair[1] for pair in pairs), default=0.0)
    pairs = [pair for pair in pairs if -pair[1] > _MIN_LIMB * longest]
    pairs.sort(key=lambda pair: pair[:2])
    if len(pairs) != 2:
        return None
    patterns = _ARM_PATTERNS if min(map(len, pairs[1][2:])) > 3 else _SHORT_ARM_PATTERNS
    legs = [_roles_by_lengths(tree, _LEG_PATTERNS, joints) for joints in pairs[0][2:]]
    arms = [_roles_by_lengths(tree, patterns, joints) for joints in pairs[1][2:]]
    if legs[0] and legs[1] and arms[0] and arms[1]:
        return (legs[0], legs[1]), (arms[0], arms[1])
    return None


def _longest_branches(tree: SkeletonTree) -> tuple[list[float], list[list[int]]]:
    """The length of the longest way from each joint down to an end, and the joints on it."""
    reach = [0.0] * len(tree.names)
    limb = [[joint] for joint in range(len(tree.names))]
    for joint in range(len(tree.names) - 1, 0, -1):
        parent = tree.skeleton.parents[joint]
        length = reach[joint] + float(np.linalg.norm(tree.pose[joint] - tree.pose[parent]))
        if parent >= 0 and length >= reach[parent]:
            reach[parent], limb[parent] = length, [parent, *limb[joint]]
    return reach, limb


def _roles_by_lengths(
    tree: SkeletonTree, patterns: tuple[tuple[tuple[str, ...], tuple[float, ...]], ...], joints: list[int]
) -> Chain | None:
    """The joints of a limb whose bones have the proportions nearest to one of the patterns."""
    best: tuple[float, Chain] | None = None
    for roles, lengths in patterns:
        for chosen in combinations(joints[:_MAX_JOINTS], len(roles)):
            bones = np.linalg.norm(np.diff(tree.pose[list(chosen)], axis=0), axis=-1)
            if bones.min() > 0:
                distance = float(np.var(np.log(bones / np.array(lengths))))
                if best is None or distance < best[0]:
                    best = (distance, {role: joint for role, joint in zip(roles, chosen) if role})
    return best and best[1]
