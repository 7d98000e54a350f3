"""Twelve motions that are hard to draw, composed of poses, and their approved pictures.

After an intended change of the drawing, run `python tests/rendering/golden_motions.py` and inspect the new pictures.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.spatial.transform import Rotation

from atom.motion.rotation import unit
from atom.rendering import render_frames

sys.path.append(str(Path(__file__).parents[1] / "motion"))
from motion_bodies import STANDING, pose

FOLDER = Path(__file__).parent / "golden"
FRAMES, DRAWN_FRAMES, SIZE = 24, (4, 12, 20), 160

# The bones of each part, from left to right and from the trunk outwards.
PARTS = {
    "spine": [3, 6, 9, 12, 15], "head": [15], "thighs": [4, 5], "shins": [7, 8], "feet": [10, 11],
    "arms": [18, 19], "forearms": [20, 21], "l_thigh": [4], "r_thigh": [5], "l_shin": [7], "r_shin": [8],
    "l_foot": [10], "r_foot": [11], "l_arm": [18], "r_arm": [19], "l_forearm": [20], "r_forearm": [21],
}  # fmt: skip


HEAD = (0, 1, 0.18)


def make_pose(**parts):
    """Bone directions (22, 3): a standing body, except for the named parts. A pair is mirrored onto the right."""
    directions = STANDING.copy()
    directions[PARTS["head"]] = HEAD
    for part, direction in parts.items():
        bones = PARTS[part]
        directions[bones] = direction
        if len(bones) == 2:
            directions[bones[1]] = np.multiply(direction, [-1, 1, 1])
    if "spine" in parts:  # collars and shoulders follow the spine
        rotation, _ = Rotation.align_vectors([parts["spine"], [1, 0, 0]], [[0, 1, 0], [1, 0, 0]])
        for bone in (13, 14, 16, 17):
            directions[bone] = rotation.apply(STANDING[bone])
        if "head" not in parts:
            directions[PARTS["head"]] = rotation.apply(HEAD)
    return directions


def interpolate(*keys):
    """Directions (FRAMES, 22, 3) from key pose to key pose, evenly spaced in time."""
    positions = np.linspace(0, len(keys) - 1, FRAMES)
    first = np.minimum(positions.astype(int), len(keys) - 2)
    weight = (positions - first)[:, None, None]
    keys = np.stack([unit(key) for key in keys])
    return unit((1 - weight) * keys[first] + weight * keys[first + 1])


def place_body(directions, axis=None, degrees=(0, 0), clearance=0.03, up=(0, 0), ahead=(0, 0)):
    """Joints (FRAMES, 22, 3), rotated about an axis, the lowest one `clearance` and `up` metres above the floor."""
    time = np.linspace(0, 1, FRAMES)
    joints = pose(directions, np.zeros((FRAMES, 3)))
    if axis is not None:
        angle = np.radians(degrees[0] + (degrees[1] - degrees[0]) * time)
        rotation = Rotation.from_rotvec(angle[:, None] * np.asarray(axis, float)).as_matrix()
        joints = np.einsum("tij,tnj->tni", rotation, joints)
    joints[..., 1] += (clearance - joints[..., 1].min(axis=1))[:, None]
    joints[..., 1] += (up[0] + 4 * (up[1] - up[0]) * time * (1 - time))[:, None]
    joints[..., 2] += (ahead[0] + (ahead[1] - ahead[0]) * time)[:, None]
    return joints


STAND = make_pose()
FLOOR = make_pose(thighs=[0.15, 0, 1], shins=[0, -0.03, 1], feet=[0, 1, 0.3], spine=[0, 1, -0.1], arms=[0.4, -1, 0.1])
CHAIR = make_pose(thighs=[0.1, 0, 1], shins=[0, -1, 0], arms=[0.2, -1, 0.3], forearms=[-0.1, -0.2, 1])
KNEEL = make_pose(thighs=[0.05, -1, 0], shins=[0, -0.05, -1], feet=[0, -0.1, -1], forearms=[-0.2, -0.4, 1])
CRAWL = {"spine": [0, 0.15, 1], "head": [0, 0.6, 1], "feet": [0, -0.1, -1], "shins": [0, -0.03, -1]}
CRAWL_LEFT = make_pose(
    **CRAWL,
    l_thigh=[0, -1, 0.4],
    r_thigh=[0, -1, -0.4],
    l_arm=[0.1, -1, -0.4],
    r_arm=[-0.1, -1, 0.5],
    forearms=[0, -1, 0],
)
CRAWL_RIGHT = make_pose(
    **CRAWL,
    l_thigh=[0, -1, -0.4],
    r_thigh=[0, -1, 0.4],
    l_arm=[0.1, -1, 0.5],
    r_arm=[-0.1, -1, -0.4],
    forearms=[0, -1, 0],
)
STAR = make_pose(arms=[0.5, 1, 0], forearms=[0.4, 1, 0], thighs=[0.6, -1, 0], shins=[0.6, -1, 0])
TUCKED = make_pose(
    thighs=[0.1, 0.4, 1], shins=[0, -1, -0.5], spine=[0, 1, 0.3], arms=[0.3, -0.6, 1], forearms=[0, -0.6, 1]
)
ARMS_UP = make_pose(arms=[0.2, 1, 0.1], forearms=[0, 1, 0.1])
SQUAT = make_pose(
    thighs=[0.45, -0.05, 1], shins=[0, -1, -0.45], spine=[0, 1, 0.45], arms=[0.1, 0, 1], forearms=[0, 0, 1]
)
KICK = make_pose(
    r_thigh=[0, 0.15, 1], r_shin=[0, 0.15, 1], r_foot=[0, 1, 0.4], spine=[0, 1, -0.3], l_arm=[0.5, -0.4, 1]
)
STEP = make_pose(
    l_thigh=[0, -1, 0.5], r_thigh=[0, -1, -0.4], r_shin=[0, -1, -0.6], l_arm=[0.1, -1, -0.4], r_arm=[0, -1, 0.5]
)

MOTIONS = {
    "sits on the floor": place_body(interpolate(STAND, SQUAT, FLOOR), clearance=0.09),
    "sits on a chair": place_body(
        interpolate(CHAIR, CHAIR, make_pose(thighs=[0.1, 0, 1], shins=[0, -1, 0.3], arms=[0.5, 0.8, 0]))
    ),
    "kneels": place_body(interpolate(STAND, KNEEL, KNEEL), clearance=0.05),
    "crawls": place_body(interpolate(CRAWL_LEFT, CRAWL_RIGHT, CRAWL_LEFT), clearance=0.05, ahead=(0, 0.8)),
    "turns a cartwheel": place_body(interpolate(STAR, STAR), axis=[0, 0, 1], degrees=(0, -360)),
    "lies on the back": place_body(
        interpolate(STAND, TUCKED, STAND), axis=[1, 0, 0], degrees=(-90, -90), clearance=0.12
    ),
    "lies on one side": place_body(interpolate(STAND, STAND), axis=[0, 0, 1], degrees=(90, 90), clearance=0.06),
    "jumps": place_body(interpolate(SQUAT, ARMS_UP, SQUAT), up=(0, 0.6)),
    "flips backwards": place_body(
        interpolate(ARMS_UP, TUCKED, ARMS_UP), axis=[1, 0, 0], degrees=(0, -360), up=(0, 0.7)
    ),
    "squats": place_body(interpolate(STAND, SQUAT, STAND)),
    "kicks": place_body(interpolate(STAND, KICK, STAND)),
    "turns around": place_body(interpolate(STAND, STEP, STAND), axis=[0, 1, 0], degrees=(0, 180)),
}


def draw_frames(name):
    """Draw three frames of a motion side by side, (SIZE, 3 x SIZE, 3) uint8."""
    return np.concatenate(list(render_frames(MOTIONS[name], DRAWN_FRAMES, SIZE)), axis=1)


def golden_path(name):
    return FOLDER / f"{name.replace(' ', '_')}.png"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for each in MOTIONS:
        Image.fromarray(draw_frames(each)).save(golden_path(each), optimize=True)
