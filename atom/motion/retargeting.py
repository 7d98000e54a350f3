"""Other skeletons' joints, told by their names, as the 22 joints of this project's."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from atom.errors import AtomError
from atom.motion.rotation import unit
from atom.motion.skeleton import BONE_LENGTHS, JOINT_INDEX, JOINT_NAMES

# What the joints of a limb are called, without their side.
_LIMBS = {
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
_TRUNK = {"pelvis": "pelvis hips hip", "neck": "neck", "head": "head"}
_SPINES = (("spine1", "spine2", "spine3"), ("spine", "spine1", "spine2"), ("torso", "spine", "chest"))

_PREFIX = re.compile(r"^(?:.*:|mixamorig\d*_|character\d*_)", re.IGNORECASE)
_SIDED = (
    re.compile(r"(?P<side>left|right)(?P<part>.+)", re.IGNORECASE),  # LeftArm, left_arm
    re.compile(r"(?P<side>[lr])[_ .-](?P<part>.+)", re.IGNORECASE),  # L_Arm
    re.compile(r"(?P<side>[lrLR])(?P<part>[A-Z][a-z].*)"),  # lShldr, LThumb
    re.compile(r"(?P<part>.+)[_ .-](?P<side>left|right|l|r)", re.IGNORECASE),  # Arm_L
)

# Where a joint without a name of its own ends up: at the end of the one before.
_AT_THE_END_OF = {"foot": "ankle", "wrist": "elbow", "head": "neck"}

_SPINE = [JOINT_INDEX[name] for name in ("spine1", "spine2", "spine3", "neck")]
_SPINE_SHARES = np.cumsum(BONE_LENGTHS[_SPINE])[:3] / BONE_LENGTHS[_SPINE].sum()
_COLLAR_SHARE = 1 / 3  # of the way from the neck to the shoulder

_UNITS = (1.0, 0.01, 0.0254, 0.056444)  # metres, centimetres, inches, CMU's own
_LEG = float(BONE_LENGTHS[[JOINT_INDEX["r_knee"], JOINT_INDEX["r_ankle"]]].sum())
_HUMAN_LEG = (0.2, 2.0)  # metres
_UPRIGHT = 0.9  # cosine


@dataclass(frozen=True)
class SkeletonMotion:
    """A skeleton in motion: names of its joints ("" for the end of a limb), parents (-1 for the root, else a joint
    before), places (J, 3) in the rest pose and (T, J, 3) in the motion, in any unit."""

    names: list[str]
    parents: list[int]
    rest: np.ndarray
    positions: np.ndarray


def retarget(where: str, placed: SkeletonMotion) -> np.ndarray:
    """Joints (T, 22, 3) float64 of another skeleton's motion: metres, Y up.

    - Joints are found by their names: Mixamo's and CMU's, SMPL's, Daz's or Unity's, with or without a prefix.
    - A spine of three joints named as Mixamo's or SMPL's is taken as it is; on any other our three lie as far along the
      way to the neck as on our own skeleton. A missing collar, or one that lies on the neck as CMU's, is put a third of
      the way to the shoulder. Toes, hands and head may be the End Site of the joint before.
    - Up is Y or Z: the one along which trunk and legs stretch on average over the motion, if they clearly do; else the
      one of the rest pose. Only a body that lies straight along Z in all of a Y-up file is mistaken.
    - The unit is metres, centimetres, inches or CMU's (0.056444 m), whichever brings the leg, hip to ankle, into 0.2 to
      2 m and nearest to our skeleton's 0.82 m; where none does, the body is scaled to that leg.

    Raises AtomError with the skeleton's own joint names and the missing ones if it can't be matched.
    """
    weights = _weights(where, placed)
    joints, rest = weights @ placed.positions, weights @ placed.rest[None]
    if _upward(joints, rest) == 2:
        joints = joints[..., [0, 2, 1]] * (1, 1, -1)
    return joints * _scale(where, joints)


def _weights(where: str, placed: SkeletonMotion) -> np.ndarray:
    """How much each of the skeleton's joints counts for each of ours, (22, J)."""
    found = _found(where, placed)
    one = np.eye(len(placed.names))
    first = placed.positions[0]
    rows = {name: one[index] for name, index in found.items()}
    if "spine1" not in rows:
        path = _path(where, placed, found["pelvis"], found["neck"])
        steps = np.linalg.norm(np.diff(first[path], axis=0), axis=-1)
        along = np.concatenate([[0], np.cumsum(steps)])
        for name, share in zip(("spine1", "spine2", "spine3"), _SPINE_SHARES):
            rows[name] = np.zeros(len(one))
            for place, index in enumerate(path):
                rows[name][index] += np.interp(share * along[-1], along, np.eye(len(path))[place])
    for side in "lr":
        neck, shoulder, collar = found["neck"], found[f"{side}_shoulder"], found.get(f"{side}_collar")
        reach = np.linalg.norm(first[shoulder] - first[neck])
        if collar is None or np.linalg.norm(first[collar] - first[neck]) < 0.01 * reach:
            rows[f"{side}_collar"] = (1 - _COLLAR_SHARE) * one[neck] + _COLLAR_SHARE * one[shoulder]
    return np.stack([rows[name] for name in JOINT_NAMES])


def _found(where: str, placed: SkeletonMotion) -> dict[str, int]:
    """Which of the skeleton's joints is which of ours: all but the spine and the collars, which may be missing."""
    places: dict[tuple[str, str], int] = {}
    for index, name in enumerate(placed.names):
        places.setdefault(_side_and_part(name), index)
    needed = [name for name in JOINT_NAMES if not name.startswith("spine") and not name.endswith("collar")]
    nearest, missing = "", needed
    for skeleton, limbs in _LIMBS.items():
        wanted = {("", name): words for name, words in _TRUNK.items()}
        wanted |= {(side, part): words for side in "lr" for part, words in limbs.items()}
        found = {}
        for (side, part), words in wanted.items():
            index = next((places[side, word] for word in words.split() if (side, word) in places), None)
            if index is None and part in _AT_THE_END_OF:
                before = found.get(_joint(side, _AT_THE_END_OF[part]))
                index = next((i for i, p in enumerate(placed.parents) if p == before and not placed.names[i]), None)
            if index is not None:
                found[_joint(side, part)] = index
        lacking = [name for name in needed if name not in found]
        if not lacking:
            spine = next((spine for spine in _SPINES if all(("", word) in places for word in spine)), ())
            return found | {name: places["", word] for name, word in zip(("spine1", "spine2", "spine3"), spine)}
        if len(lacking) < len(missing):
            nearest, missing = skeleton, lacking
    names = ", ".join(name for name in placed.names if name)
    likeness = f"as in {nearest} skeletons " if nearest else ""
    raise AtomError(
        f"{where}: the skeleton can't be matched, {likeness}no joint stands for {', '.join(missing)}; it has {names}"
    )


def _joint(side: str, part: str) -> str:
    return f"{side}_{part}" if side else part


def _side_and_part(name: str) -> tuple[str, str]:
    """`("l", "upleg")` of "mixamorig:LeftUpLeg"; the side is empty for joints in the middle."""
    name = _PREFIX.sub("", name)
    match = next(filter(None, (pattern.fullmatch(name) for pattern in _SIDED)), None)
    side, part = (match["side"][0].lower(), match["part"]) if match else ("", name)
    return side, re.sub(r"[^a-z0-9]", "", part.lower())


def _path(where: str, placed: SkeletonMotion, start: int, end: int) -> list[int]:
    path = [end]
    while path[-1] != start:
        if placed.parents[path[-1]] < 0:
            raise AtomError(f"{where}: {placed.names[end]!r} does not hang on {placed.names[start]!r}, so has no spine")
        path.append(placed.parents[path[-1]])
    return path[::-1]


def _upward(joints: np.ndarray, rest: np.ndarray) -> int:
    """The axis that points up: 1 or 2."""
    upright = [_stretch(pose) for pose in (joints, rest)]
    return 1 + int(next((axes for axes in upright if axes.max() > _UPRIGHT), upright[0]).argmax())


def _stretch(joints: np.ndarray) -> np.ndarray:
    """How far trunk and legs both stretch along Y and along Z, (2,): cosines, averaged over the frames."""
    hips, ankles = (
        joints[:, [JOINT_INDEX[f"l_{name}"], JOINT_INDEX[f"r_{name}"]]].mean(axis=1, keepdims=True)
        for name in ("hip", "ankle")
    )
    trunk = unit(joints[:, [JOINT_INDEX["neck"]]] - joints[:, [JOINT_INDEX["pelvis"]]])
    return np.minimum(trunk.mean(axis=(0, 1)), unit(hips - ankles).mean(axis=(0, 1)))[1:]


def _scale(where: str, joints: np.ndarray) -> float:
    hip, knee, ankle = (joints[:, JOINT_INDEX[name]] for name in ("r_hip", "r_knee", "r_ankle"))
    leg = np.median(np.linalg.norm(knee - hip, axis=-1) + np.linalg.norm(ankle - knee, axis=-1))
    if not leg > 0:
        raise AtomError(f"{where}: the right leg has no length, so this skeleton has no size")
    human = [scale for scale in _UNITS if _HUMAN_LEG[0] <= leg * scale <= _HUMAN_LEG[1]]
    return min(human, key=lambda scale: abs(np.log(leg * scale / _LEG)), default=_LEG / leg)
