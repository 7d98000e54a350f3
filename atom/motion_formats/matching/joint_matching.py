"""The joints of any human skeleton as the 22 joints of HumanML3D: matched by names and by the shape of the tree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atom.errors import AtomError
from atom.motion.rotation import unit
from atom.motion.skeleton import BONE_LENGTHS, JOINT_INDEX, JOINT_NAMES
from atom.motion_formats.matching.limb_chains import ARM, LEG, Chain, SkeletonTree, find_chain, roles_without_joint
from atom.motion_formats.matching.limb_shapes import find_limbs_by_shape
from atom.motion_formats.matching.neck_and_head import NECK_FRACTION, find_neck_and_head
from atom.motion_formats.source_motion import Skeleton

_MAX_NAMES = 40  # of joints in a message
_SPINE = ("spine1", "spine2", "spine3")
_SPINE_NAMES = (["spine1", "spine2", "spine3"], ["spine", "spine1", "spine2"], ["torso", "spine", "chest"])
_LIMB_JOINTS = frozenset(LEG + ARM)
_TRUNK_BONES = BONE_LENGTHS[[JOINT_INDEX[name] for name in (*_SPINE, "neck")]]
_SPINE_FRACTIONS = np.cumsum(_TRUNK_BONES)[:3] / _TRUNK_BONES.sum()  # of the way from pelvis to neck
_COLLAR_FRACTION = 1 / 3  # of the way from the neck to the shoulder
_COINCIDENT = 0.01  # of the trunk's or shoulder's length
_AT_SHOULDER_HEIGHT = 0.05  # of the trunk's length: a joint no further below the shoulders is the neck
_FRAMES_FOR_SIDES = 20
_MIN_SIDE_COSINE = 0.3  # of the line between the hips to the left that feet and trunk give


@dataclass(frozen=True)
class _Body:
    """The joints of a skeleton that stand for those of HumanML3D; None where none does."""

    limbs: dict[str, tuple[Chain, Chain]]  # "l" and "r": leg and arm
    pelvis: int
    neck: int | None
    head: int
    chest: int  # where the arms meet


def joint_weights(where: str, skeleton: Skeleton, positions: np.ndarray, rest: np.ndarray | None) -> np.ndarray:
    """Match a skeleton to the 22 joints of HumanML3D.

    - A leg and an arm are chains of joints down the tree, chosen so that their names, by parts, fit best: Leg is the
      thigh above a Shin and the shin below an UpLeg. Twist, finger, hair and control joints are passed over. A joint
      between two known ones needs no name. Toes and hands may be the End Site of the joint before.
    - Left and right follow the names; where these don't say, the direction of the feet.
    - The pelvis is the joint of that name where the legs meet, else where they meet.
    - A spine of three joints, or with the names of Mixamo's or SMPL's three, is used as it is. On any other, the three
      joints are placed at the same fractions of the way to the neck as on HumanML3D's skeleton.
    - A neck that is missing is placed between chest and head. A collar that is missing, or lies on the neck as CMU's
      does, is placed a third of the way to the shoulder.

    Args:
        where: the source of the motion, such as its file; error messages begin with it.
        skeleton: J joints.
        positions: (T, J, 3) of the motion.
        rest: (J, 3) in the rest pose, or None. Only consulted for lengths where the first frame has none.

    Returns:
        (22, J) float64: each joint of HumanML3D is a weighted mean of the skeleton's.

    Raises:
        AtomError: the skeleton can't be matched; the message lists the missing joints and its joint names.
    """
    pose = positions[0] if np.ptp(positions[0], axis=0).max() > 0 or rest is None else rest
    tree = SkeletonTree(skeleton, np.asarray(pose, dtype=np.float64))
    body = _find_body(where, tree, positions)
    one_hot = np.eye(len(skeleton.names))
    rows: dict[str, np.ndarray] = {"pelvis": one_hot[body.pelvis], "head": one_hot[body.head]}
    if body.neck is not None:
        rows["neck"] = one_hot[body.neck]
    else:
        rows["neck"] = (1 - NECK_FRACTION) * one_hot[body.chest] + NECK_FRACTION * one_hot[body.head]
    for side, chains in body.limbs.items():
        for chain in chains:
            rows |= {f"{side}_{role}": one_hot[joint] for role, joint in chain.items()}
        rows[f"{side}_foot"] = one_hot[_toes(tree, chains[0]["foot"])].mean(axis=0)
        neck, shoulder, collar = rows["neck"], rows[f"{side}_shoulder"], rows.get(f"{side}_collar")
        length = np.linalg.norm((shoulder - neck) @ tree.pose)
        if collar is None or np.linalg.norm((collar - neck) @ tree.pose) < _COINCIDENT * length:
            rows[f"{side}_collar"] = (1 - _COLLAR_FRACTION) * neck + _COLLAR_FRACTION * shoulder
    rows |= zip(_SPINE, _spine(tree, body, one_hot, rows["neck"]))
    return np.stack([rows[name] for name in JOINT_NAMES])


def _find_body(where: str, tree: SkeletonTree, positions: np.ndarray) -> _Body:
    limbs = _find_limbs(where, tree, positions)
    meeting = tree.common_ancestor(limbs["l"][0]["hip"], limbs["r"][0]["hip"])
    tops = [limbs[side][1].get("collar", limbs[side][1]["shoulder"]) for side in "lr"]
    chest = tree.common_ancestor(tops[0], tops[1])
    if meeting is None or chest is None:
        raise _mismatch(where, tree, ["pelvis"])
    above = [meeting, *tree.ancestors(meeting)]
    pelvis = max(above, key=lambda joint: 0 if tree.sides[joint] else tree.names[joint].scores.get("pelvis", 0))
    taken = set().union(*(tree.subtree(top) for top in tops), *(tree.subtree(limbs[s][0]["hip"]) for s in "lr"))
    neck, head = find_neck_and_head(tree, chest, taken)
    if head is None:
        raise _mismatch(where, tree, ["head"])
    if neck is None and chest != pelvis:
        up = tree.pose[chest] - tree.pose[pelvis]
        shoulders = tree.pose[[limbs[side][1]["shoulder"] for side in "lr"]].mean(axis=0)
        if (shoulders - tree.pose[chest]) @ up < _AT_SHOULDER_HEIGHT * (up @ up):
            neck = chest
    return _Body(limbs, pelvis, neck, head, chest)


def _find_limbs(where: str, tree: SkeletonTree, positions: np.ndarray) -> dict[str, tuple[Chain, Chain]]:
    """The legs and arms, by names if these suffice, else by the shape of the tree."""
    pairs: list[tuple[Chain, Chain]] = []
    missing: list[str] = []
    unsided = False
    for roles in (LEG, ARM):
        left, right = (find_chain(tree, roles, side) for side in "lr")
        unsided_limbs = left is None and right is None
        if unsided_limbs:
            left = find_chain(tree, roles, None)
            right = left and find_chain(tree, roles, None, tree.subtree(next(iter(left.values()))))
        unsided = unsided or unsided_limbs
        if left and right:
            pairs.append((left, right))
            continue
        for side, chain in zip("lr", (left, right)):
            if unsided_limbs or not chain:
                missing += [f"{side}_{role}" for role in roles_without_joint(tree, roles, side)]
    if len(pairs) < 2:
        names_say = any(_LIMB_JOINTS.intersection(name.scores) for name in tree.names)
        shaped = None if names_say else find_limbs_by_shape(tree)
        if shaped is None:
            raise _mismatch(where, tree, missing)
        pairs, unsided = list(shaped), True
    if unsided:
        pairs = _order_sides(where, tree, positions, pairs)
    return {"l": (pairs[0][0], pairs[1][0]), "r": (pairs[0][1], pairs[1][1])}


def _order_sides(
    where: str, tree: SkeletonTree, positions: np.ndarray, pairs: list[tuple[Chain, Chain]]
) -> list[tuple[Chain, Chain]]:
    """Put the left limb first where names don't say which it is: left is up x ahead, and feet point ahead."""
    frames = positions[:: max(1, len(positions) // _FRAMES_FOR_SIDES)]
    legs, arms = pairs
    middle = {
        role: frames[:, [chain[role] for chain in chains]].mean(axis=1)
        for chains, roles in ((legs, ("hip", "ankle", "foot")), (arms, ("shoulder",)))
        for role in roles
    }
    # Shorter than 1 where the feet hardly point ahead: then they don't say it either.
    left = np.cross(unit(middle["shoulder"] - middle["hip"]), unit(middle["foot"] - middle["ankle"]))
    ordered = []
    for (first, second), role in zip(pairs, ("hip", "shoulder")):
        named = tree.sides[first[role]]
        across = unit(frames[:, first[role]] - frames[:, second[role]])
        cosine = float(np.mean(np.sum(across * left, axis=-1)))
        if not named and abs(cosine) < _MIN_SIDE_COSINE:
            raise AtomError(
                f"{where}: neither joint names nor feet say which {role} is the left one: name the joints of each side"
            )
        ordered.append((first, second) if named == "l" or (not named and cosine > 0) else (second, first))
    return ordered


def _toes(tree: SkeletonTree, toe: int) -> list[int]:
    """A toe with its neighbours whose names differ in digits alone: the five toes of a foot stand for its ball."""
    words, parent = tree.names[toe].words, tree.skeleton.parents[toe]
    if not words:
        return [toe]
    return [i for i, p in enumerate(tree.skeleton.parents) if p == parent and tree.names[i].words == words]


def _spine(tree: SkeletonTree, body: _Body, one_hot: np.ndarray, neck: np.ndarray) -> list[np.ndarray]:
    """The weights of the three spine joints between pelvis and neck."""
    top = body.chest if body.neck is None else body.neck
    bottom = tree.common_ancestor(body.pelvis, top)
    inner = [joint for joint in tree.ancestors(top)[::-1] if bottom in tree.ancestors(joint)]
    if body.neck is None:
        inner.append(top)
    inner = [joint for joint in inner if joint != body.pelvis]
    rows = [one_hot[body.pelvis], *(one_hot[joint] for joint in inner), neck]
    steps = np.linalg.norm(np.diff([row @ tree.pose for row in rows], axis=0), axis=-1)
    along = np.concatenate([[0], np.cumsum(steps)])
    # Joints at the place of another, as CMU's LowerBack on the hips, are no joints of the spine.
    separate = [i for i in range(1, len(rows) - 1) if min(steps[i - 1], steps[i]) > _COINCIDENT * along[-1]]
    if len(separate) != 3:
        names = {tree.plain_name(inner[i - 1]): i for i in separate}
        separate = next(([names[name] for name in spine] for spine in _SPINE_NAMES if names.keys() >= set(spine)), [])
    if separate:
        return [rows[i] for i in separate]
    steps_of_rows = np.eye(len(rows))
    return [
        np.sum([np.interp(f * along[-1], along, steps_of_rows[i]) * row for i, row in enumerate(rows)], axis=0)
        for f in _SPINE_FRACTIONS
    ]


def _mismatch(where: str, tree: SkeletonTree, missing: list[str]) -> AtomError:
    names = [name for name in tree.skeleton.names if name]
    if len(names) > _MAX_NAMES:
        names[_MAX_NAMES:] = [f"and {len(names) - _MAX_NAMES} more"]
    return AtomError(
        f"{where}: the skeleton can't be matched, no joint stands for {', '.join(missing)}; it has {', '.join(names)}"
    )
