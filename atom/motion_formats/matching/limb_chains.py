"""The legs and arms of a skeleton: chains of joints that names score and the tree orders."""

from __future__ import annotations

import re
from collections.abc import Collection

import numpy as np

from atom.motion_formats.matching.joint_names import parse_joint_name
from atom.motion_formats.source_motion import Skeleton

LEG = ("hip", "knee", "ankle", "foot")
ARM = ("collar", "shoulder", "elbow", "wrist")
_FIRST_ROLES = {"hip", "collar", "shoulder"}  # a limb begins with one of them: the collar may be missing
_END_SITE_PARENT = {"foot": "ankle", "wrist": "elbow"}  # a limb's last joint may be the unnamed end of the one before
_END_SITE_SCORE = 0.5
_UNKNOWN_NAME_SCORE = 0.05  # of a joint between two that are known: its place says what it is
_COINCIDENT = 1e-3  # of the body's size

Chain = dict[str, int]  # from roles, those of LEG or ARM, to joints of the skeleton


class SkeletonTree:
    """A skeleton with what its names say and where its joints lie.

    Attributes:
        skeleton: the joints.
        pose: (J, 3) their positions in one frame.
        names: what the joints' names say.
        sides: "l", "r" or "" of each joint: its own, or that of the joint that it hangs from.
    """

    def __init__(self, skeleton: Skeleton, pose: np.ndarray):
        self.skeleton = skeleton
        self.pose = pose
        self.names = [parse_joint_name(name) for name in skeleton.names]
        self.sides: list[str] = []
        for name, parent in zip(self.names, skeleton.parents):
            self.sides.append(name.side or (self.sides[parent] if parent >= 0 else ""))
        self._tiny = _COINCIDENT * float(np.ptp(pose, axis=0).max())

    def ancestors(self, joint: int) -> list[int]:
        """The joints above `joint`, from its parent to the root."""
        found = []
        while (joint := self.skeleton.parents[joint]) >= 0:
            found.append(joint)
        return found

    def subtree(self, top: int) -> set[int]:
        """The joint `top` and all below it."""
        found = {top}
        for joint in range(top + 1, len(self.skeleton.parents)):
            if self.skeleton.parents[joint] in found:
                found.add(joint)
        return found

    def common_ancestor(self, first: int, second: int) -> int | None:
        """The lowest joint that both joints are or hang from."""
        above = {first, *self.ancestors(first)}
        return next((joint for joint in (second, *self.ancestors(second)) if joint in above), None)

    def coincide(self, first: int, second: int) -> bool:
        """Whether two joints lie at the same place."""
        return bool(np.linalg.norm(self.pose[first] - self.pose[second]) <= self._tiny)

    def plain_name(self, joint: int) -> str:
        """A joint's name without a prefix, in lower-case letters and digits: "mixamorig:Spine1" gives spine1."""
        return re.sub(r"^(?:.*[:|]|(?:mixamorig|character)\d*_)|[^a-z0-9]", "", self.skeleton.names[joint].lower())

    def is_end_site(self, joint: int) -> bool:
        """Whether a joint is the unnamed end of a limb."""
        return not self.skeleton.names[joint]


def find_chain(
    tree: SkeletonTree, roles: tuple[str, ...], side: str | None, without: Collection[int] = ()
) -> Chain | None:
    """The leg or arm whose names fit best.

    Args:
        tree: the skeleton.
        roles: LEG or ARM; each joint of the chain lies below the one before.
        side: "l" or "r"; None for joints of any side.
        without: joints of other limbs.

    Returns:
        The joints by role, without a collar where there is none; None if no joints make up a whole limb.
    """
    joints = [i for i, its_side in enumerate(tree.sides) if side in (None, its_side) and i not in without]
    # The chain with the highest sum of scores up to each joint, as a longest path: role by role, down the tree.
    best: dict[int, tuple[float, Chain]] = {}
    for role in roles:
        longer: dict[int, tuple[float, Chain]] = {}
        for joint in joints:
            score = _score(tree, role, joint)
            if score is None:
                continue
            above = [best[ancestor] for ancestor in reversed(tree.ancestors(joint)) if ancestor in best]
            above = [(total, chain) for total, chain in above if _may_continue(tree, chain, role, joint)]
            if role in _FIRST_ROLES:
                above.insert(0, (0.0, {}))
            if above:
                total, chain = max(above, key=_total)  # of equals the joint nearest to the root
                longer[joint] = (total + score, {**chain, role: joint})
        best = longer
    return max(best.values(), key=_total)[1] if best else None


def roles_without_joint(tree: SkeletonTree, roles: tuple[str, ...], side: str) -> list[str]:
    """The roles that no joint of a side has the name for; if all have one, those from the first without its place."""
    joints = [i for i, its_side in enumerate(tree.sides) if its_side == side]
    required = [role for role in roles if role != "collar"]
    nameless = [role for role in required if not any(role in tree.names[joint].scores for joint in joints)]
    placed = next((n for n in range(len(roles) - 1, 0, -1) if find_chain(tree, roles[:n], side)), 0)
    return nameless or [role for role in roles[placed:] if role in required]


def _total(pair: tuple[float, Chain]) -> float:
    return pair[0]


def _score(tree: SkeletonTree, role: str, joint: int) -> float | None:
    """How surely a joint has a role; None if it can't have it."""
    name = tree.names[joint]
    if name.scores or name.is_other:
        return name.scores.get(role)
    if tree.is_end_site(joint):
        return _END_SITE_SCORE if role in _END_SITE_PARENT else None
    return None if role in _FIRST_ROLES else _UNKNOWN_NAME_SCORE


def _may_continue(tree: SkeletonTree, chain: Chain, role: str, joint: int) -> bool:
    """Whether a chain may go on with a joint: bones of limbs have a length."""
    last = next(reversed(chain.values()))
    if tree.is_end_site(joint) and tree.skeleton.parents[joint] != last:
        return False
    return role == "shoulder" or not tree.coincide(joint, last)
