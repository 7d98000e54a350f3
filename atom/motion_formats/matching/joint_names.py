"""Joint names by their parts: the side, the limb and the segment that the words of a name say.

Every program has its own spelling (`mixamorig:LeftUpLeg`, `thigh_l`, `Bip01 L Thigh`, `J_Bip_L_UpperLeg`,
`C_spine0001_bind_JNT`, `lhip`), but the words are few. A name is split into words, and the words score the joints of
HumanML3D that they may stand for. Words that differ between programs, as Leg does (the thigh of one, the shin of
another), score several joints; the position in the chain decides later.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

# Which joint of HumanML3D, without its side, a segment's name stands for, and how surely (3: no doubt). A joint lies at
# the near end of its segment: the thigh begins at the hip.
_SEGMENTS: dict[str, dict[str, float]] = {
    "pelvis": {"pelvis": 3},
    "hips": {"pelvis": 2.9},
    "hip": {"pelvis": 2, "hip": 1.5},
    "thigh": {"hip": 3},
    "femur": {"hip": 3},
    "leg": {"hip": 1.4, "knee": 1.5},
    "shin": {"knee": 3},
    "shank": {"knee": 3},
    "calf": {"knee": 3},
    "tibia": {"knee": 3},
    "knee": {"knee": 3},
    "ankle": {"ankle": 3.1},
    "foot": {"ankle": 2.5, "foot": 1.6},
    "metatarsal": {"foot": 0.8},
    "forefoot": {"foot": 2.5},
    "toe": {"foot": 3},
    "ball": {"foot": 3},
    "collar": {"collar": 3},
    "clavicle": {"collar": 3},
    "scapula": {"collar": 1.6},
    "thorax": {"collar": 1.6},
    "shoulder": {"collar": 1.5, "shoulder": 1.5},
    "shldr": {"shoulder": 2.5},
    "upperarm": {"shoulder": 3},
    "humerus": {"shoulder": 3},
    "arm": {"shoulder": 1.5, "elbow": 1},
    "forearm": {"elbow": 3},
    "radius": {"elbow": 3},
    "elbow": {"elbow": 3},
    "wrist": {"wrist": 3.1},
    "hand": {"wrist": 3},
    "palm": {"wrist": 1},
    "neck": {"neck": 3},
    "head": {"head": 3},
    "skull": {"head": 2},
}
_SYNONYMS = {
    **{"toes": "toe", "metatarsals": "metatarsal", "collarbone": "collar", "clav": "clavicle", "ulna": "radius"},
    **{"lowleg": "shin", "lowerleg": "shin", "upleg": "thigh", "upperleg": "thigh", "arms": "arm", "legs": "leg"},
    **{"uparm": "upperarm", "lowarm": "forearm", "lowerarm": "forearm", "feet": "foot", "hands": "hand"},
}
_UPPER, _LOWER = {"up", "upper", "u"}, {"low", "lower", "fore", "l", "f"}
_LIMBS = {"leg": ("thigh", "shin"), "arm": ("upperarm", "forearm")}
_SIDES = {"left": "l", "lft": "l", "l": "l", "right": "r", "rgt": "r", "r": "r"}

# Joints with such a word never stand for a joint of the body, whatever else their names say.
_FINGERS = {"thumb", "index", "middle", "mid", "ring", "pinky", "pinkie", "little", "finger", "fingers", "carpal"}
_FACE = {
    "eye",
    "eyes",
    "eyelid",
    "lid",
    "jaw",
    "teeth",
    "tongue",
    "lip",
    "lips",
    "brow",
    "nose",
    "ear",
    "ears",
    "cheek",
}
_CLOTHES = {
    "hair",
    "ponytail",
    "skirt",
    "dress",
    "cape",
    "cloth",
    "coat",
    "sleeve",
    "hat",
    "bag",
    "face",
    "facial",
    "chin",
}
_THINGS = {"weapon", "prop", "gun", "sword", "ground", "floor", "camera", "light", "goal", "footsteps", "tail", "wing"}
_CONTROLS = {"ik", "fk", "pole", "target", "ctrl", "control", "tweak", "mch", "socket", "attach", "physics", "collider"}
_SOFT_PARTS = {"breast", "breasts", "bust", "boob", "forehead", "heel", "metacarpal"}
_OTHER_THINGS = _FINGERS | _FACE | _CLOTHES | _THINGS | _CONTROLS | _SOFT_PARTS
# Joints with such a word follow another one; they stand for it only when there is none.
_HELPERS = {"twist", "roll", "share", "end", "tip", "nub", "top", "site", "leaf", "helper", "aux", "sub", "corrective"}
_HELPERS |= {"muscle", "buttock", "butt"}
_ENDS = {"end", "tip", "nub"}
_NEXT_JOINT = {"ankle": "foot", "elbow": "wrist", "neck": "head"}  # a ForeArm's end lies at the wrist
_HELPER_SCORE = 0.1  # what an uncertain name is worth beside one of _HELPERS
# Words that say nothing, which one lower-case word may hold beside others (`toebase`, `lowerback`).
_FILLERS = {"base", "joint", "bone", "stretch", "bend", "back", "spine", "chest", "torso", "abdomen", "waist", "big"}
_LEVELS_AND_SIDES = {"up", "upper", "low", "lower", "fore", "left", "right"}
_VOCABULARY = {*_SEGMENTS, *_SYNONYMS} | _OTHER_THINGS | _HELPERS | _FILLERS | _LEVELS_AND_SIDES

_NAMESPACE = re.compile(r".*[:|]")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SIDE_AND_LEVEL = re.compile(r"(?<![A-Za-z])([LR])([UFL])(?=Arm|Leg|ARM|LEG)")  # LUArm, RFArm


@dataclass(frozen=True)
class JointName:
    """What a joint's name says.

    Attributes:
        side: "l", "r", or "" where the name has no side.
        words: its words without side and numbers, in lower case.
        scores: joints of HumanML3D, without their side, and how surely the name stands for them.
        is_other: the joint belongs to no body part that HumanML3D has (a finger, an eye, hair, a control).
    """

    side: str
    words: tuple[str, ...]
    scores: Mapping[str, float]
    is_other: bool


@cache
def parse_joint_name(name: str) -> JointName:
    """Split a joint's name into its side and the joints that it may stand for."""
    words = _split(_NAMESPACE.sub("", name))
    side_at = next((i for i, word in enumerate(words) if word in _SIDES), None)
    side = "" if side_at is None else _SIDES[words[side_at]]
    words = [word for i, word in enumerate(words) if i != side_at]
    scores = _scores(words)
    if any(word in _OTHER_THINGS for word in words) and "toe" not in words:  # some toes have fingers' names
        return JointName(side, tuple(words), {}, True)
    if any(word in _HELPERS for word in words):
        ends = [_NEXT_JOINT[joint] for joint in scores if joint in _NEXT_JOINT and _ENDS.intersection(words)]
        scores = {joint: max(score - 2, _HELPER_SCORE) for joint, score in scores.items()}
        scores |= {joint: _HELPER_SCORE for joint in ends if joint not in scores}
    return JointName(side, tuple(words), scores, False)


def _split(name: str) -> list[str]:
    """The words of a name in lower case: "LeftToeBase" and "lefttoebase" give left, toe, base."""
    name = _SIDE_AND_LEVEL.sub(r"\1 \2 ", name)
    return [part for word in _WORD.findall(name) for part in _segment(word.lower())]


def _segment(word: str) -> tuple[str, ...]:
    """The words of the vocabulary that a word is made of, or the word itself."""
    if word in _VOCABULARY:
        return (_SYNONYMS.get(word, word),)
    parts = _segment_wholly(word)
    return parts or (word,)


@cache
def _segment_wholly(word: str) -> tuple[str, ...] | None:
    """The fewest words of the vocabulary that make up `word`; one letter at either end may be its side or level."""
    found: list[tuple[str, ...]] = []
    for end in range(1, len(word)):
        first, rest = word[:end], word[end:]
        if first in _VOCABULARY or first in ("l", "r", "u", "f"):
            others = (rest,) if rest in _VOCABULARY else _segment_wholly(rest)
            if others:
                found.append((first, *others))
        if first in _VOCABULARY and rest in ("l", "r"):
            found.append((first, rest))
    best = min(found, key=len, default=None)
    return best and tuple(_SYNONYMS.get(part, part) for part in best)


def _scores(words: list[str]) -> Mapping[str, float]:
    """The scores of the last segment among the words: "Leg" with "Upper" before or behind it is the thigh."""
    segments = [word for word in words if word in _SEGMENTS]
    if not segments:
        return {}
    segment = segments[-1]
    if segment in _LIMBS:
        upper, lower = _LIMBS[segment]
        if _UPPER.intersection(words):
            segment = upper
        elif _LOWER.intersection(words):
            segment = lower
    if segment == "foot" and "fore" in words:
        segment = "forefoot"
    return _SEGMENTS[segment]
