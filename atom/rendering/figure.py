"""The solid body around 22 joints: its parts, with their thickness and colour.

Every part is a rounded cone (two spheres and the cone that touches both), squeezed along one axis. This one shape gives
capsules, tapering limbs, ellipsoids and the flat trunk. The left side is orange and the right side blue, which people
with any common colour blindness can tell apart; the trunk is grey, and a face marks the front.
"""

from __future__ import annotations

import numpy as np

from atom.motion.skeleton import JOINT_INDEX

# Columns of a part: ends a and b, their radii, the squeezed axis and the factor by which it is thinner, colour 0..255.
END_A, END_B, RADII, AXIS, SQUEEZE, COLOUR = slice(0, 3), slice(3, 6), slice(6, 8), slice(8, 11), 11, slice(12, 15)
PART_WIDTH = 15

JointTracks = dict[str, np.ndarray]  # the positions (T, 3) of each joint, by its name

REFERENCE_HEIGHT = 1.65  # metres: the body height for which the radii below are given

ARM_COLOUR = {"l": (250, 156, 62), "r": (56, 124, 214)}
LEG_COLOUR = {"l": (238, 124, 30), "r": (26, 84, 176)}
FOOT_COLOUR = {"l": (190, 88, 18), "r": (20, 60, 130)}
SHIRT, SHORTS = (168, 172, 180), (98, 103, 114)
SKIN, HAIR, EYE, MOUTH = (248, 215, 190), (70, 58, 54), (24, 24, 30), (168, 84, 76)


def measure_body_height(joints: np.ndarray) -> float:
    """Estimate the standing height in metres of a body from the median bone lengths of its `joints` (T, 22, 3)."""
    leg_left = [("l_hip", "l_knee"), ("l_knee", "l_ankle")]
    leg_right = [("r_hip", "r_knee"), ("r_knee", "r_ankle")]
    spine = [("pelvis", "spine1"), ("spine1", "spine2"), ("spine2", "spine3"), ("spine3", "neck"), ("neck", "head")]
    bones = leg_left + leg_right + spine * 2  # sums to twice the height: both legs, and the spine twice
    lengths = [
        np.median(np.linalg.norm(joints[:, JOINT_INDEX[a]] - joints[:, JOINT_INDEX[b]], axis=-1)) for a, b in bones
    ]
    joint_height = float(np.sum(lengths)) / 2
    return max(1.16 * joint_height, 1e-3)  # the soles and the skull extend beyond the joints


def build_figure_parts(joints: np.ndarray, height: float) -> np.ndarray:
    """Build the parts of the body in each frame.

    Args:
        joints: (T, 22, 3) in metres.
        height: standing height in metres, see `measure_body_height`; the thickness of all parts scales with it.

    Returns:
        (T, P, 15) float64, with the columns that the top of this module names.
    """
    joints = np.asarray(joints, dtype=np.float64)
    scale = height / REFERENCE_HEIGHT
    body = _PartCollector(scale)
    j = {name: joints[:, i] for name, i in JOINT_INDEX.items()}

    chest_up = _unit(j["neck"] - j["spine2"])
    chest_left = _unit(_reject(j["l_shoulder"] - j["r_shoulder"], chest_up))
    chest_ahead = np.cross(chest_left, chest_up)
    hip_up = _unit(j["spine1"] - j["pelvis"])
    hip_left = _unit(_reject(j["l_hip"] - j["r_hip"], hip_up))
    hip_ahead = np.cross(hip_left, hip_up)

    _add_trunk(body, j, hip_left, hip_ahead, chest_up, chest_left, chest_ahead)
    _add_head(body, j, chest_left)
    for side, sign in (("l", 1.0), ("r", -1.0)):
        _add_arm(body, j, side, chest_left * sign)
        _add_leg(body, j, side, hip_ahead)
    return body.stack()


class _PartCollector:
    """Collects the parts of a body and scales their radii from the reference height to the body's own."""

    def __init__(self, scale: float) -> None:
        self.scale = scale
        self.parts: list[np.ndarray] = []

    def add(
        self,
        a: np.ndarray,
        b: np.ndarray,
        radius_a: float,
        radius_b: float,
        colour: tuple[int, int, int],
        axis: np.ndarray | None = None,
        squeeze: float = 1.0,
    ) -> None:
        part = np.zeros((len(a), PART_WIDTH))
        part[:, END_A], part[:, END_B] = a, b
        part[:, RADII] = radius_a * self.scale, radius_b * self.scale
        part[:, AXIS] = 0.0 if axis is None else axis
        part[:, SQUEEZE] = squeeze
        part[:, COLOUR] = colour
        self.parts.append(part)

    def stack(self) -> np.ndarray:
        return np.stack(self.parts, axis=1)


def _add_trunk(
    body: _PartCollector,
    j: JointTracks,
    hip_left: np.ndarray,
    hip_ahead: np.ndarray,
    chest_up: np.ndarray,
    chest_left: np.ndarray,
    chest_ahead: np.ndarray,
) -> None:
    s = body.scale
    hips = (j["l_hip"] + j["r_hip"]) / 2
    hip_half = np.maximum(np.linalg.norm(j["l_hip"] - j["r_hip"], axis=-1, keepdims=True) / 2, 0.06 * s) * 0.75
    hip_up = np.cross(hip_ahead, hip_left)
    body.add(hips - hip_left * hip_half, hips + hip_left * hip_half, 0.102, 0.102, SHORTS, hip_ahead, 1.08)
    body.add(hips + hip_up * 0.085 * s, j["spine2"], 0.120, 0.125, SHIRT, hip_ahead, 1.38)
    shoulder_half = np.linalg.norm(j["l_shoulder"] - j["r_shoulder"], axis=-1, keepdims=True) / 2
    shoulders = (j["l_shoulder"] + j["r_shoulder"]) / 2
    chest = shoulders - chest_up * 0.075 * s
    body.add(j["spine2"], chest, 0.125, 0.145, SHIRT, chest_ahead, 1.38)
    yoke = shoulders - chest_up * 0.012 * s
    spread = chest_left * np.maximum(shoulder_half - 0.03 * s, 0.02 * s)
    body.add(yoke - spread, yoke + spread, 0.062, 0.062, SHIRT, chest_ahead, 1.05)


def _add_head(body: _PartCollector, j: JointTracks, chest_left: np.ndarray) -> None:
    s = body.scale
    spine_up = _unit(j["neck"] - j["spine3"])
    # In an upright head, the joint lies about ten degrees in front of the neck.
    up = _unit(spine_up + _unit(_unit(j["head"] - j["neck"]) - 0.18 * np.cross(chest_left, spine_up)))
    left = _unit(_reject(chest_left, up))
    ahead = np.cross(left, up)
    centre = j["head"] + (0.064 * up + 0.010 * ahead) * s

    def head_point(right: float, above: float, forward: float) -> np.ndarray:
        return centre + (left * -right + up * above + ahead * forward) * s

    throat = (j["neck"] + (j["l_shoulder"] + j["r_shoulder"]) / 2) / 2 - up * 0.01 * s
    body.add(throat, centre, 0.056, 0.052, SKIN)
    body.add(head_point(0, -0.035, 0.012), head_point(0, 0.025, 0), 0.082, 0.102, SKIN)
    body.add(head_point(0, 0.0, -0.020), head_point(0, 0.034, -0.012), 0.098, 0.107, HAIR)
    body.add(head_point(0, -0.012, 0.095), head_point(0, -0.030, 0.112), 0.012, 0.017, SKIN)
    body.add(head_point(-0.018, -0.066, 0.078), head_point(0.018, -0.066, 0.078), 0.011, 0.011, MOUTH)
    for side in (-1, 1):
        body.add(head_point(0.040 * side, 0.004, 0.086), head_point(0.040 * side, 0.020, 0.086), 0.016, 0.016, EYE)


def _add_arm(body: _PartCollector, j: JointTracks, side: str, outwards: np.ndarray) -> None:
    shoulder, elbow, wrist = (j[f"{side}_{name}"] for name in ("shoulder", "elbow", "wrist"))
    colour = ARM_COLOUR[side]
    body.add(shoulder, elbow, 0.057, 0.042, colour)
    body.add(elbow, wrist, 0.043, 0.031, colour)
    along = _unit(wrist - elbow)
    palm = _unit(_reject(outwards, along))
    body.add(wrist + along * 0.03 * body.scale, wrist + along * 0.105 * body.scale, 0.040, 0.036, SKIN, palm, 1.35)


def _add_leg(body: _PartCollector, j: JointTracks, side: str, hip_ahead: np.ndarray) -> None:
    hip, knee, ankle, toe = (j[f"{side}_{name}"] for name in ("hip", "knee", "ankle", "foot"))
    colour = LEG_COLOUR[side]
    body.add(hip, knee, 0.088, 0.058, colour)
    body.add(knee, ankle, 0.059, 0.040, colour)
    ahead = _unit(toe - ankle)
    # The heel lies below the ankle, along the shin but perpendicular to the line from ankle to toe. Where the toe
    # points straight along the shin, the small hip term decides the direction.
    down = _unit(_reject(_unit(ankle - knee), ahead) - 0.02 * hip_ahead)
    heel = ankle + (down * 0.042 - ahead * 0.022) * body.scale
    tip = toe + (ahead * 0.028 + down * 0.004) * body.scale
    body.add(heel, tip, 0.040, 0.034, FOOT_COLOUR[side], down, 1.05)
    body.add(ankle, toe, 0.041, 0.034, FOOT_COLOUR[side])


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def _reject(vectors: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """The component of `vectors` perpendicular to the unit vectors `direction`."""
    return vectors - np.sum(vectors * direction, axis=-1, keepdims=True) * direction
