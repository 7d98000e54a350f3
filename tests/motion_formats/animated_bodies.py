"""Bodies with constant bones that move by rotations."""

from math import cos, pi, sin

import numpy as np
from scipy.spatial.transform import Rotation

from atom.motion.skeleton import JOINT_NAMES, JOINTS, PARENTS

BONES = {  # centimetres: a T-pose with unequal sides, whose bone directions differ a little from the file's rest pose
    "l_hip": (6, -8, -2), "r_hip": (-7, -8, -1.5), "spine1": (0, 12, -3), "l_knee": (2, -38, 0), "r_knee": (-2, -39, 0),
    "spine2": (0, 14, 1), "l_ankle": (0, -41, -3), "r_ankle": (0, -40, -3), "spine3": (0, 6, 1), "l_foot": (2, -6, 12),
    "r_foot": (-2, -6, 13), "neck": (0, 21, -4), "l_collar": (8, 11, -2), "r_collar": (-8, 12, -2), "head": (0, 9, 5),
    "l_shoulder": (11, 4, 0), "r_shoulder": (-10, 4, 0), "l_elbow": (26, -1, -1), "r_elbow": (-27, 0, -1),
    "l_wrist": (25, 0, 1), "r_wrist": (-24, 1, 0),
}  # fmt: skip
LENGTHS = {name: np.linalg.norm(bone) for name, bone in BONES.items()}


def rotation(axis, degrees):
    return Rotation.from_euler(axis, degrees, degrees=True)


def animate(move, fps=20, seconds=2, size=1.0):
    """Joints (T, 22, 3) in metres of a move: `move(time)` gives local rotations by joint and the pelvis position."""
    joints = np.zeros((round(seconds * fps) + 1, JOINTS, 3))
    for frame, positions in enumerate(joints):
        local, positions[0] = move(frame / fps)
        world = [local.get("pelvis", Rotation.identity())]
        for joint in range(1, JOINTS):
            name, parent = JOINT_NAMES[joint], PARENTS[joint]
            positions[joint] = positions[parent] + world[parent].apply(BONES[name]) / 100
            world.append(world[parent] * local.get(name, Rotation.identity()))
    return joints * size


def walking(time):
    swing = 30 * sin(2 * pi * time)
    turns = {
        "pelvis": rotation("y", 40 * time),
        "spine1": rotation("y", swing / 4),
        "spine2": rotation("z", swing / 6),
        "neck": rotation("x", swing / 2),
        "l_hip": rotation("x", swing),
        "r_hip": rotation("x", -swing),
        "l_knee": rotation("x", 30 + swing),
        "r_knee": rotation("x", 30 - swing),
        "l_ankle": rotation("x", swing / 3),
        "l_shoulder": rotation("z", -70) * rotation("y", -swing),
        "r_shoulder": rotation("z", 70) * rotation("y", -swing),
        "l_elbow": rotation("y", -40 + swing),
        "r_elbow": rotation("y", 40 + swing),
        "r_collar": rotation("z", swing / 4),
    }
    return turns, (0.5 * time, 0.92, time)


def spinning(time):
    return {"pelvis": rotation("y", 360 * time), "l_shoulder": rotation("z", 40 * time)}, (0, 0.95, 0)


def cartwheel(time):
    turns = {"pelvis": rotation("z", 225 * time), "l_hip": rotation("z", 30), "r_hip": rotation("z", -35)}
    return turns | {"l_shoulder": rotation("z", 60), "r_shoulder": rotation("z", -60)}, (-time, 0.9, 0)


def backflip(time):
    tucked = 40 - 40 * cos(pi * time)
    turns = {"pelvis": rotation("x", -200 * time), "l_hip": rotation("x", -tucked), "r_hip": rotation("x", -tucked)}
    return turns | {"l_knee": rotation("x", tucked), "r_knee": rotation("x", tucked)}, (
        0,
        0.9 + 4.9 * time * (2 - time),
        0,
    )


def jumping(time):
    crouch = 35 + 35 * cos(2 * pi * time)
    turns = {
        f"{s}_{part}": rotation("x", size * crouch)
        for s in "lr"
        for part, size in (("hip", -0.7), ("knee", 1.5), ("ankle", -0.8))
    }
    return turns | {"spine1": rotation("x", crouch / 3)}, (0, 0.8 + 0.3 * sin(2 * pi * time) ** 2, 0.3 * time)


def lying(time):
    return {"pelvis": rotation("z", -90) * rotation("y", 90 * time), "l_shoulder": rotation("z", -40 * time)}, (
        0,
        0.15,
        0,
    )


def lying_along_z(time):
    """Rolling over while the root's Euler angles are in gimbal lock."""
    return {"pelvis": rotation("x", 90) * rotation("y", 90 * time), "l_shoulder": rotation("z", -40 * time)}, (
        0,
        0.15,
        0,
    )


def getting_up(time):
    lean = 45 + 45 * cos(pi * time / 2)
    return {"pelvis": rotation("y", 25) * rotation("x", -lean), "l_hip": rotation("x", -lean)}, (0, 0.2 + 0.3 * time, 0)


def sitting_down(time):
    """The thighs end horizontal and a little apart, where their Euler angles are in gimbal lock."""
    bent = 50 - 50 * cos(pi * time / 2)
    turns = {f"{s}_knee": rotation("x", bent) for s in "lr"}
    return turns | {f"{s}_hip": rotation("z", x * 8) * rotation("x", -bent) for s, x in (("l", 1), ("r", -1))}, (
        0,
        0.7,
        0,
    )


def waving(time):
    turns = {
        "r_shoulder": rotation("z", -20) * rotation("x", -80),
        "r_elbow": rotation("y", 90 + 40 * sin(2 * pi * time)),
    }
    return turns | {"l_shoulder": rotation("z", -80)}, (0, 0.92, 0)


def still(time):
    return {"pelvis": rotation("x", 90), "l_hip": rotation("x", -90), "r_shoulder": rotation("y", 90)}, (0, 0.2, 0)


MOVES = [walking, spinning, cartwheel, backflip, jumping, lying, lying_along_z, getting_up, sitting_down, waving, still]
