"""Skeletons of arrays of joints: what their columns stand for, by the number of joints."""

from __future__ import annotations

from atom.motion.skeleton import JOINT_NAMES, PARENTS
from atom.motion_formats.source_motion import Skeleton

HUMANML3D = Skeleton(JOINT_NAMES, PARENTS)
"""The 22 body joints of SMPL; HumanML3D's, and the first of SMPL, SMPL-H and SMPL-X."""

SMPL_FAMILY = {22: "HumanML3D", 24: "SMPL", 52: "SMPL-H", 55: "SMPL-X"}
"""Skeletons that begin with the 22 body joints; hands, jaw and eyes follow."""


def _tree(*lines: str) -> Skeleton:
    """A skeleton from chains: each line names a joint of an earlier line and the joints that hang from it in turn."""
    names: list[str] = []
    parents: list[int] = []
    for line in lines:
        start, *chain = line.split()
        if not names:
            names.append(start)
            parents.append(-1)
        parent = names.index(start)
        for name in chain:
            names.append(name)
            parents.append(parent)
            parent = len(names) - 1
    return Skeleton(tuple(names), tuple(parents))


def _soma_hand(side: str) -> list[str]:
    fingers = [f"{side}Hand " + " ".join(f"{side}HandThumb{part}" for part in ("1", "2", "3", "End"))]
    for finger in ("Index", "Middle", "Ring", "Pinky"):
        parts = " ".join(f"{side}Hand{finger}{part}" for part in ("1", "2", "3", "4", "End"))
        fingers.append(f"{side}Hand {parts}")
    return fingers


def _soma_arm(side: str) -> str:
    return f"Chest {side}Shoulder {side}Arm {side}ForeArm {side}Hand"


_SOMA_TRUNK = "Hips Spine1 Spine2 Chest Neck1 Neck2 Head"
SOMA_77 = _tree(
    f"{_SOMA_TRUNK} HeadEnd",
    "Head Jaw",
    "Head LeftEye",
    "Head RightEye",
    _soma_arm("Left"),
    *_soma_hand("Left"),
    _soma_arm("Right"),
    *_soma_hand("Right"),
    "Hips LeftLeg LeftShin LeftFoot LeftToeBase LeftToeEnd",
    "Hips RightLeg RightShin RightFoot RightToeBase RightToeEnd",
)
"""Kimodo's full skeleton, kimodo/skeleton/definitions.py of nv-tlabs/kimodo at 7330e7e."""

SOMA_30 = _tree(
    _SOMA_TRUNK,
    "Head Jaw",
    "Head LeftEye",
    "Head RightEye",
    _soma_arm("Left"),
    "LeftHand LeftHandThumbEnd",
    "LeftHand LeftHandMiddleEnd",
    _soma_arm("Right"),
    "RightHand RightHandThumbEnd",
    "RightHand RightHandMiddleEnd",
    "Hips LeftLeg LeftShin LeftFoot LeftToeBase",
    "Hips RightLeg RightShin RightFoot RightToeBase",
)
"""Kimodo's reduced skeleton, which its older files have; same source."""

KIT_21 = _tree(
    "pelvis spine chest neck head",
    "neck r_shoulder r_elbow r_wrist",
    "neck l_shoulder l_elbow l_wrist",
    "pelvis r_hip r_knee r_ankle r_midfoot r_toe",
    "pelvis l_hip l_knee l_ankle l_midfoot l_toe",
)
"""KIT-ML's, in the order of HumanML3D's copy of the dataset. There joints 5 to 7 and 11 to 15 are the body's right: in
the mean pose that circulates with it they lie at -X while the toes point to +Z."""
