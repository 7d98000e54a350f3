"""The unit and the upward axis of a motion, from the body itself."""

from __future__ import annotations

import numpy as np

from atom.errors import AtomError
from atom.motion.rotation import unit
from atom.motion.skeleton import BONE_LENGTHS, JOINT_INDEX, PARENTS
from atom.motion_formats.source_motion import UpAxis

_UNITS = {
    "metres": 1.0,
    "centimetres": 0.01,
    "millimetres": 0.001,
    "decimetres": 0.1,
    "inches": 0.0254,
    "units of the CMU captures (0.056444 m)": 0.056444,
}
_COMMON_UNITS = ("metres", "centimetres", "millimetres")

# The parts of a body: the joints in which their bones end, of limbs on both sides.
_PARTS = {
    "leg": ("l_knee", "l_ankle", "r_knee", "r_ankle"),
    "trunk": ("spine1", "spine2", "spine3", "neck"),
    "arm": ("l_elbow", "l_wrist", "r_elbow", "r_wrist"),
    "head": ("head",),
}
# Sizes of bodies as multiples of HumanML3D's, which is about 1.72 m tall. Many skeletons have a lower neck and shorter
# arms, so that an adult may have 0.8.
_ADULT, _CHILD = (0.75, 1.35), (0.44, 0.75)
_LARGEST_IN_RARE_UNITS = 1.1  # a taller body in inches is a child in centimetres, one in CMU's unit a child in inches
_MIN_UPRIGHT_COSINE = 0.9  # of trunk and legs to the upward axis
_MIN_DOWNWARD_COSINE = 0.5  # for an axis that points down, which few files have


def metres_per_unit(where: str, joints: np.ndarray) -> tuple[float, str | None]:
    """The length in metres of the unit of a motion.

    The size of the body is the median of its leg, trunk, arm and height relative to HumanML3D's skeleton, so that one
    unusual part doesn't decide. Of the known units the one that makes it an adult is taken, else one that makes it a
    child; where another unit makes it a child too, the remark says so.

    Args:
        where: the source of the motion, such as its file; error messages begin with it.
        joints: (T, 22, 3) of HumanML3D's skeleton, in the unit of the file.

    Returns:
        The factor that brings the joints to metres, and what was assumed, or None for an adult in metres, centimetres
        or millimetres. A body that fits no unit is scaled to HumanML3D's leg.

    Raises:
        AtomError: a leg has no length.
    """
    lengths, expected = _body_lengths(joints), _REFERENCE_LENGTHS
    if not lengths["leg"] > 0:
        raise AtomError(f"{where}: the legs have no length, so the size of this skeleton is unknown")
    size = float(np.median([lengths[part] / expected[part] for part in ("leg", "trunk", "arm", "height")]))
    sizes = {name: size * metres for name, metres in _UNITS.items()}
    children = [name for name, in_metres in sizes.items() if _CHILD[0] <= in_metres < _CHILD[1]]
    adults = [
        name
        for name, in_metres in sizes.items()
        if _ADULT[0] <= in_metres <= (_ADULT[1] if name in _COMMON_UNITS else _LARGEST_IN_RARE_UNITS)
    ]
    if not adults and not children:
        scale = expected["leg"] / lengths["leg"]
        return scale, (
            f"no usual unit makes this body human (its leg is {lengths['leg']:.4g} units long): it is scaled to a leg "
            f"of {expected['leg']:.2f} m; give the unit if you know it"
        )
    name = adults[0] if adults else max(children, key=_UNITS.__getitem__)
    others = [other for other in children if other != name]
    if adults and not others and name in _COMMON_UNITS:
        return _UNITS[name], None
    kind = "a body" if adults else "the body of a child"
    remark = f"the unit is assumed to be {name}: {kind} with a leg of {lengths['leg'] * _UNITS[name]:.2f} m"
    for other in others:
        remark += f"; in {other} it is that of a child with one of {lengths['leg'] * _UNITS[other]:.2f} m"
    return _UNITS[name], f"{remark}; give the unit if it is another"


def _body_lengths(joints: np.ndarray) -> dict[str, float]:
    """The median length of each part of the body, of limbs the mean of both sides; the height is from ankle to head."""
    bones = np.linalg.norm(joints[:, 1:] - joints[:, PARENTS[1:]], axis=-1)
    return _part_lengths(np.concatenate([[0], np.median(bones, axis=0)]))


def _part_lengths(bones: np.ndarray) -> dict[str, float]:
    """The lengths of the parts of a body whose bones (22,) end in each joint."""
    lengths = {part: float(bones[[JOINT_INDEX[end] for end in ends]].sum()) for part, ends in _PARTS.items()}
    lengths["leg"], lengths["arm"] = lengths["leg"] / 2, lengths["arm"] / 2
    return lengths | {"height": lengths["leg"] + lengths["trunk"] + lengths["head"]}


_REFERENCE_LENGTHS = _part_lengths(BONE_LENGTHS)


def upward_axis(joints: np.ndarray, rest: np.ndarray | None = None) -> UpAxis:
    """The axis that points up.

    It is the one that trunk and legs clearly follow on average over the motion, else in the rest pose, else the one
    that they follow best. An axis that points down needs the rest pose to agree where there is one: a handstand and a
    body that lies have an upright rest pose. This fails only for a body that lies straight along Z in all of a Y-up
    file.

    Args:
        joints: (T, 22, 3) of HumanML3D's skeleton, in the axes of the file.
        rest: (22, 3) or (1, 22, 3) of its rest pose, or None. A rest pose without an extent is passed over.
    """
    moving = _upright_cosines(joints)
    resting = {} if rest is None else _upright_cosines(np.reshape(rest, (-1, *joints.shape[1:])))
    best, best_of_rest = (max(cosines, key=cosines.__getitem__, default=None) for cosines in (moving, resting))
    is_clear = moving[best] > _MIN_UPRIGHT_COSINE
    rest_is_clear = best_of_rest is not None and resting[best_of_rest] > _MIN_UPRIGHT_COSINE
    if is_clear and (best in ("y", "z") or not rest_is_clear or best == best_of_rest):
        return best
    if rest_is_clear:
        return best_of_rest
    if moving[best] > _MIN_DOWNWARD_COSINE:
        return best
    return "y" if moving["y"] >= moving["z"] else "z"


def _upright_cosines(joints: np.ndarray) -> dict[UpAxis, float]:
    """The smaller cosine of trunk and legs to each axis, averaged over the frames."""
    hips, ankles = (
        joints[:, [JOINT_INDEX[f"l_{name}"], JOINT_INDEX[f"r_{name}"]]].mean(axis=1) for name in ("hip", "ankle")
    )
    trunk = unit(joints[:, JOINT_INDEX["neck"]] - joints[:, JOINT_INDEX["pelvis"]]).mean(axis=0)
    legs = unit(hips - ankles).mean(axis=0)
    return {
        "y": float(min(trunk[1], legs[1])),
        "z": float(min(trunk[2], legs[2])),
        "-y": float(min(-trunk[1], -legs[1])),
        "-z": float(min(-trunk[2], -legs[2])),
    }
