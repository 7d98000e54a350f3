"""The skeleton of written files: Mixamo's joint names, which retargeting tools know, and a T-pose that faces +Z."""

from __future__ import annotations

import numpy as np

from atom.motion.rotation import unit
from atom.motion.skeleton import JOINT_INDEX, JOINT_NAMES, JOINTS, PARENTS

# The name of each joint, and its direction from its parent in the T-pose.
_TRUNK = {
    "pelvis": ("Hips", (0, 0, 0)),
    "spine1": ("Spine", (0, 1, 0)),
    "spine2": ("Spine1", (0, 1, 0)),
    "spine3": ("Spine2", (0, 1, 0)),
    "neck": ("Neck", (0, 1, 0)),
    "head": ("Head", (0, 0.9, 0.4)),
}
_LEFT_LIMB = {  # the left side is +X
    "hip": ("UpLeg", (0.6, -0.8, 0)),
    "knee": ("Leg", (0, -1, 0)),
    "ankle": ("Foot", (0, -1, 0)),
    "foot": ("ToeBase", (0, -0.5, 0.9)),
    "collar": ("Shoulder", (0.6, 0.8, 0)),
    "shoulder": ("Arm", (1, 0, 0)),
    "elbow": ("ForeArm", (1, 0, 0)),
    "wrist": ("Hand", (1, 0, 0)),
}
_BODY = _TRUNK | {
    f"{side[0].lower()}_{part}": (side + name, (sign * x, y, z))
    for side, sign in (("Left", 1), ("Right", -1))
    for part, (name, (x, y, z)) in _LEFT_LIMB.items()
}

MIXAMO_NAMES = tuple(_BODY[joint][0] for joint in JOINT_NAMES)
T_POSE = unit(np.array([_BODY[joint][1] for joint in JOINT_NAMES], dtype=np.float64))
"""(22, 3) unit vectors from each joint's parent to the joint; zero for the root."""

END_SITES = {
    JOINT_INDEX["head"]: (1.8, (0, 1, 0)),
    JOINT_INDEX["l_foot"]: (0.5, (0, 0, 1)),
    JOINT_INDEX["r_foot"]: (0.5, (0, 0, 1)),
    JOINT_INDEX["l_wrist"]: (0.7, (1, 0, 0)),
    JOINT_INDEX["r_wrist"]: (0.7, (-1, 0, 0)),
}
"""The end of each limb: its distance from the last joint, as a fraction of the bone before, and its direction."""

CHILDREN = tuple(tuple(child for child in range(JOINTS) if PARENTS[child] == joint) for joint in range(JOINTS))
