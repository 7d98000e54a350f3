"""Retargeting: the joints of other skeletons, matched by name, as the 22 joints of HumanML3D."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from atom.errors import AtomError
from atom.motion.rotation import unit
from atom.motion.skeleton import BONE_LENGTHS, JOINT_INDEX, JOINT_NAMES, LEG_LENGTH_RANGE

# The names of limb joints in each naming convention, without their side; several names are alternatives.
_LIMB_NAMES = {
    "Mixamo or CMU": {
        "hip": "upleg",
        "knee": "leg",
        "ankle": "foot",
        "foot": "toebase toe",
        "collar": "shoulder",
        "shoulder": "arm",
        "elbow": "forearm",
        "wrist": "hand",
    },
    "SMPL": {
        "hip": "hip",
        "knee": "knee",
        "ankle": "ankle",
        "foot": "foot toe",
        "collar": "collar thorax",
        "shoulder": "shoulder",
        "elbow": "elbow",
        "wrist": "wrist",
    },
    "Daz": {
        "hip": "thigh",
        "knee": "shin",
        "ankle": "foot",
        "foot": "toe",
        "collar": "collar",
        "shoulder": "shldr",
        "elbow": "forearm",
        "wrist": "hand",
    },
    "Unity": {
        "hip": "upperleg",
        "knee": "lowerleg",
        "ankle": "foot",
        "foot": "toes",
        "collar": "shoulder",
        "shoulder": "upperarm",
        "elbow": "lowerarm",
        "wrist": "hand",
    },
}
_TRUNK_NAMES = {"pelvis": "pelvis hips hip", "neck": "neck", "head": "head"}
_SPINE_NAMES = (("spine1", "spine2", "spine3"), ("spine", "spine1", "spine2"), ("torso", "spine", "chest"))

_PREFIX = re.compile(r"^(?:.*:|mixamorig\d*_|character\d*_)", re.IGNORECASE)
_SIDE_PATTERNS = (
    re.compile(r"(?P<side>left|right)(?P<part>.+)", re.IGNORECASE),  # LeftArm, left_arm
    re.compile(r"(?P<side>[lr])[_ .-](?P<part>.+)", re.IGNORECASE),  # L_Arm
    re.compile(r"(?P<side>[lrLR])(?P<part>[A-Z][a-z].*)"),  # lShldr, LThumb
    re.compile(r"(?P<part>.+)[_ .-](?P<side>left|right|l|r)", re.IGNORECASE),  # Arm_L
)

# A joint that is not named may be the unnamed End Site of the joint before it.
_END_SITE_PARENT = {"foot": "ankle", "wrist": "elbow", "head": "neck"}

_SPINE_JOINTS = [JOINT_INDEX[name] for name in ("spine1", "spine2", "spine3", "neck")]
_SPINE_FRACTIONS = np.cumsum(BONE_LENGTHS[_SPINE_JOINTS])[:3] / BONE_LENGTHS[_SPINE_JOINTS].sum()
_COLLAR_FRACTION = 1 / 3  # of the way from the neck to the shoulder

_UNITS = (1.0, 0.01, 0.0254, 0.056444)  # metres, centimetres, inches, the unit of CMU
_TARGET_LEG_LENGTH = float(BONE_LENGTHS[[JOINT_INDEX["r_knee"], JOINT_INDEX["r_ankle"]]].sum())
_MIN_UPRIGHT_COSINE = 0.9  # of trunk and legs to the upward axis


@dataclass(frozen=True)
class SkeletonMotion:
    """The motion of any skeleton, in any unit.

    `names` are "" for the ends of limbs, `parents` -1 for the root and else an earlier joint, `rest` holds positions
    (J, 3) in the rest pose and `positions` those of the motion (T, J, 3).
    """

    names: list[str]
    parents: list[int]
    rest: np.ndarray
    positions: np.ndarray


def retarget(where: str, motion: SkeletonMotion) -> np.ndarray:
    """Convert the motion of another skeleton to the 22 joints of HumanML3D.

    - Joints are matched by name: those of Mixamo and CMU, SMPL, Daz or Unity, with or without a prefix.
    - A spine of three joints that Mixamo's or SMPL's names match is used as it is. On any other spine, the three joints
      are placed at the same fractions of the way to the neck as on HumanML3D's skeleton. A collar that is missing, or
      that lies on the neck as CMU's does, is placed a third of the way to the shoulder. Toes, hands and head may be the
      End Site of the joint before.
    - The upward axis is Y or Z: the one that trunk and legs clearly follow on average over the motion, else the one of
      the rest pose. This fails only for a body that lies straight along Z in all of a Y-up file.
    - The unit is metres, centimetres, inches or CMU's (0.056444 m): of those that give a leg, from hip to ankle, of 0.2
      to 2 m, the one nearest to the 0.82 m of HumanML3D's skeleton. If none does, the body is scaled to 0.82 m.

    Args:
        where: the source of the motion, such as its file; error messages begin with it.
        motion: the other skeleton's motion.

    Returns:
        (T, 22, 3) float64 in metres, Y up.

    Raises:
        AtomError: the skeleton can't be matched; the message lists its joint names and the missing joints.
    """
    weights = _joint_weights(where, motion)
    joints, rest = weights @ motion.positions, weights @ motion.rest[None]
    if _upward_axis(joints, rest) == 2:
        # Z up to Y up: a rotation, because swapping two axes alone would mirror left and right.
        joints = joints[..., [0, 2, 1]] * (1, 1, -1)
    return joints * _unit_scale(where, joints)


def _joint_weights(where: str, motion: SkeletonMotion) -> np.ndarray:
    """The weights (22, J) of the skeleton's joints: each target joint is a weighted mean of them."""
    matches = _match_joints(where, motion)
    one_hot = np.eye(len(motion.names))
    first_frame = motion.positions[0]
    rows = {name: one_hot[index] for name, index in matches.items()}
    if "spine1" not in rows:
        path = _path_between(where, motion, matches["pelvis"], matches["neck"])
        steps = np.linalg.norm(np.diff(first_frame[path], axis=0), axis=-1)
        along = np.concatenate([[0], np.cumsum(steps)])
        for name, fraction in zip(("spine1", "spine2", "spine3"), _SPINE_FRACTIONS):
            rows[name] = np.zeros(len(one_hot))
            for place, index in enumerate(path):
                rows[name][index] += np.interp(fraction * along[-1], along, np.eye(len(path))[place])
    for side in "lr":
        neck, shoulder, collar = matches["neck"], matches[f"{side}_shoulder"], matches.get(f"{side}_collar")
        length = np.linalg.norm(first_frame[shoulder] - first_frame[neck])
        if collar is None or np.linalg.norm(first_frame[collar] - first_frame[neck]) < 0.01 * length:
            rows[f"{side}_collar"] = (1 - _COLLAR_FRACTION) * one_hot[neck] + _COLLAR_FRACTION * one_hot[shoulder]
    return np.stack([rows[name] for name in JOINT_NAMES])


def _match_joints(where: str, motion: SkeletonMotion) -> dict[str, int]:
    """The index in the skeleton of each target joint; spine joints and collars may be missing."""
    indices: dict[tuple[str, str], int] = {}
    for index, name in enumerate(motion.names):
        indices.setdefault(_side_and_part(name), index)
    required = [name for name in JOINT_NAMES if not name.startswith("spine") and not name.endswith("collar")]
    closest, missing = "", required
    for convention, limbs in _LIMB_NAMES.items():
        aliases = {("", name): words for name, words in _TRUNK_NAMES.items()}
        aliases |= {(side, part): words for side in "lr" for part, words in limbs.items()}
        matches: dict[str, int] = {}
        for (side, part), words in aliases.items():
            index = next((indices[side, word] for word in words.split() if (side, word) in indices), None)
            if index is None and part in _END_SITE_PARENT:
                before = matches.get(_joint_name(side, _END_SITE_PARENT[part]))
                index = next((i for i, p in enumerate(motion.parents) if p == before and not motion.names[i]), None)
            if index is not None:
                matches[_joint_name(side, part)] = index
        unmatched = [name for name in required if name not in matches]
        if not unmatched:
            spine = next((spine for spine in _SPINE_NAMES if all(("", word) in indices for word in spine)), ())
            return matches | {name: indices["", word] for name, word in zip(("spine1", "spine2", "spine3"), spine)}
        if len(unmatched) < len(missing):
            closest, missing = convention, unmatched
    names = ", ".join(name for name in motion.names if name)
    likeness = f"as in {closest} skeletons " if closest else ""
    raise AtomError(
        f"{where}: the skeleton can't be matched, {likeness}no joint stands for {', '.join(missing)}; it has {names}"
    )


def _joint_name(side: str, part: str) -> str:
    return f"{side}_{part}" if side else part


def _side_and_part(name: str) -> tuple[str, str]:
    """Split a joint name: "mixamorig:LeftUpLeg" gives ("l", "upleg"). The side of a central joint is ""."""
    name = _PREFIX.sub("", name)
    match = next(filter(None, (pattern.fullmatch(name) for pattern in _SIDE_PATTERNS)), None)
    side, part = (match["side"][0].lower(), match["part"]) if match else ("", name)
    return side, re.sub(r"[^a-z0-9]", "", part.lower())


def _path_between(where: str, motion: SkeletonMotion, start: int, end: int) -> list[int]:
    """The joints from `start` down the tree to `end`."""
    path = [end]
    while path[-1] != start:
        if motion.parents[path[-1]] < 0:
            raise AtomError(
                f"{where}: {motion.names[end]!r} is no descendant of {motion.names[start]!r}, so there is no spine"
            )
        path.append(motion.parents[path[-1]])
    return path[::-1]


def _upward_axis(joints: np.ndarray, rest: np.ndarray) -> int:
    """The axis that points up: 1 or 2."""
    cosines = [_upright_cosines(pose) for pose in (joints, rest)]
    return 1 + int(next((axes for axes in cosines if axes.max() > _MIN_UPRIGHT_COSINE), cosines[0]).argmax())


def _upright_cosines(joints: np.ndarray) -> np.ndarray:
    """The smaller cosine of trunk and legs to Y and to Z, (2,), averaged over the frames."""
    hips, ankles = (
        joints[:, [JOINT_INDEX[f"l_{name}"], JOINT_INDEX[f"r_{name}"]]].mean(axis=1, keepdims=True)
        for name in ("hip", "ankle")
    )
    trunk = unit(joints[:, [JOINT_INDEX["neck"]]] - joints[:, [JOINT_INDEX["pelvis"]]])
    return np.minimum(trunk.mean(axis=(0, 1)), unit(hips - ankles).mean(axis=(0, 1)))[1:]


def _unit_scale(where: str, joints: np.ndarray) -> float:
    """The factor that brings the joints to metres."""
    hip, knee, ankle = (joints[:, JOINT_INDEX[name]] for name in ("r_hip", "r_knee", "r_ankle"))
    leg = np.median(np.linalg.norm(knee - hip, axis=-1) + np.linalg.norm(ankle - knee, axis=-1))
    if not leg > 0:
        raise AtomError(f"{where}: the right leg has no length, so the size of this skeleton is unknown")
    # A file does not say its unit. The length of a leg does, if it is that of a person in one of the usual units.
    plausible = [scale for scale in _UNITS if LEG_LENGTH_RANGE[0] <= leg * scale <= LEG_LENGTH_RANGE[1]]
    return min(
        plausible, key=lambda scale: abs(np.log(leg * scale / _TARGET_LEG_LENGTH)), default=_TARGET_LEG_LENGTH / leg
    )
