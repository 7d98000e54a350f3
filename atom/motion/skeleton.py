"""The 22-joint skeleton of HumanML3D: joint names, tree, sides and bone lengths.

Coordinates are in metres, Y up; a body that faces +Z has its left side at +X. Motions have 20 frames a second.
"""

from __future__ import annotations

import numpy as np

FPS = 20
MIN_FRAMES, MAX_FRAMES = 40, 196  # rows of features in a clip; its joints have one frame more
JOINTS = 22

JOINT_NAMES = (
    "pelvis",
    "l_hip",
    "r_hip",
    "spine1",
    "l_knee",
    "r_knee",
    "spine2",
    "l_ankle",
    "r_ankle",
    "spine3",
    "l_foot",
    "r_foot",
    "neck",
    "l_collar",
    "r_collar",
    "head",
    "l_shoulder",
    "r_shoulder",
    "l_elbow",
    "r_elbow",
    "l_wrist",
    "r_wrist",
)
JOINT_INDEX = {name: i for i, name in enumerate(JOINT_NAMES)}

PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19)

# The order and the starting joints of HumanML3D's kinematic chains; its rotations depend on both.
KINEMATIC_CHAINS = (
    (0, 2, 5, 8, 11),
    (0, 1, 4, 7, 10),
    (0, 3, 6, 9, 12, 15),
    (9, 14, 17, 19, 21),
    (9, 13, 16, 18, 20),
)

# The direction of each joint from its parent in the rest pose.
REST_DIRECTIONS = np.array(
    [
        [0, 0, 0], [1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, -1, 0], [0, 1, 0], [0, -1, 0], [0, -1, 0],
        [0, 1, 0], [0, 0, 1], [0, 0, 1], [0, 1, 0], [1, 0, 0], [-1, 0, 0], [0, 0, 1], [0, -1, 0], [0, -1, 0],
        [0, -1, 0], [0, -1, 0], [0, -1, 0], [0, -1, 0],
    ],
    dtype=np.float32,
)  # fmt: skip

# Bone lengths in metres of HumanML3D's public sample (clip 012314), rounded to 0.1 mm; the pelvis has none.
BONE_LENGTHS = np.array(
    [0, 0.1031, 0.1099, 0.1316, 0.3936, 0.3902, 0.1432, 0.4324, 0.4256, 0.0574, 0.1434, 0.1494, 0.2194, 0.1375, 0.1434,
     0.1030, 0.1316, 0.1230, 0.2568, 0.2631, 0.2660, 0.2699],
    dtype=np.float32,
)  # fmt: skip
TARGET_OFFSETS = REST_DIRECTIONS * BONE_LENGTHS[:, None]  # (22, 3), the skeleton that features are computed on

FACING_JOINTS = (
    2,
    1,
    17,
    16,
)  # r_hip, l_hip, r_shoulder, l_shoulder: the joints that give the heading (`face_joint_indx`)
LEFT_FOOT, RIGHT_FOOT = (7, 10), (8, 11)  # ankle and toe

LEG_LENGTH_RANGE = (0.2, 2.0)  # metres from hip to ankle; outside of it no body is human

LEFT_JOINTS = tuple(i for i, name in enumerate(JOINT_NAMES) if name.startswith("l_"))
RIGHT_JOINTS = tuple(JOINT_INDEX["r_" + JOINT_NAMES[i][2:]] for i in LEFT_JOINTS)
MIRRORED_JOINTS = np.arange(JOINTS)  # joint i of a mirrored body is joint MIRRORED_JOINTS[i] of the original body
MIRRORED_JOINTS[list(LEFT_JOINTS)], MIRRORED_JOINTS[list(RIGHT_JOINTS)] = RIGHT_JOINTS, LEFT_JOINTS
