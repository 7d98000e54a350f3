"""A poseable body: channels (angles, hand directions, planted toes) in, 22 joints out.

Legs are solved by inverse kinematics from planted toes, so feet don't slide; knees bend forward only; arms are solved
from a hand direction in the chest's frame. All channels are arrays over frames, so a clip is posed in one go.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from atom.motion.skeleton import BONE_LENGTHS, JOINT_INDEX, JOINTS

SIDES = ("l", "r")

# Channel -> value in the neutral stance. Angles in degrees, lengths in metres. `l_`/`r_` channels exist for both sides.
# Root x, z, yaw and the toes live on the floor; everything else is relative to the root's heading.
_SIDED = {
    "toe_x": 0.0, "toe_y": 0.0, "toe_z": 0.0, "toe_yaw": 0.0, "heel": 0.0,  # heel: how far the foot pitches on its toe
    "el": 10.0, "az": 35.0, "re": 0.95, "out": 0.0,  # hand: elevation from hanging, azimuth from ahead, reach, elbow
}  # fmt: skip
_CENTRAL = {
    "x": 0.0, "z": 0.0, "yaw": 0.0, "lift": 0.0, "shift_x": 0.0, "shift_z": 0.0,
    "tilt": 0.0, "twist": 0.0, "sway": 0.0,  # pelvis: forward tilt, twist and sideways lean
    "bend": 0.0, "turn": 0.0, "lean": 0.0, "nod": 0.0,  # spine: forward, twist, sideways; head: forward
}  # fmt: skip

Channels = dict[str, np.ndarray]


def _rx(angle: np.ndarray) -> np.ndarray:
    c, s, o, i = np.cos(angle), np.sin(angle), np.zeros_like(angle), np.ones_like(angle)
    return np.stack([i, o, o, o, c, -s, o, s, c], -1).reshape(*angle.shape, 3, 3)


def _ry(angle: np.ndarray) -> np.ndarray:
    c, s, o, i = np.cos(angle), np.sin(angle), np.zeros_like(angle), np.ones_like(angle)
    return np.stack([c, o, s, o, i, o, -s, o, c], -1).reshape(*angle.shape, 3, 3)


def _rz(angle: np.ndarray) -> np.ndarray:
    c, s, o, i = np.cos(angle), np.sin(angle), np.zeros_like(angle), np.ones_like(angle)
    return np.stack([c, -s, o, s, c, o, o, o, i], -1).reshape(*angle.shape, 3, 3)


def _apply(rotation: np.ndarray, vector: np.ndarray) -> np.ndarray:
    return np.einsum("...ij,...j->...i", rotation, np.asarray(vector))


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-9)


def solve_two_bone_ik(start: np.ndarray, end: np.ndarray, pole: np.ndarray, first: float, second: float):
    """Middle and end joint (T,3) of a chain from `start` toward `end` (T,3), bent toward `pole`; too far is clamped."""
    axis = end - start
    reach = np.linalg.norm(axis, axis=-1, keepdims=True)
    direction = axis / np.maximum(reach, 1e-9)
    reach = np.clip(reach, abs(first - second) + 1e-3, 0.9995 * (first + second))
    along = (first**2 - second**2 + reach**2) / (2 * reach)
    away = np.sqrt(np.maximum(first**2 - along**2, 0))
    side = _unit(pole - np.sum(pole * direction, -1, keepdims=True) * direction)
    return start + along * direction + away * side, start + reach * direction


@dataclass(frozen=True)
class Body:
    """Bone lengths (22,) in metres with both sides equal, and how the person stands."""

    bones: np.ndarray
    toe_height: float = 0.012
    stance: float = 0.09  # half of the distance between the feet
    toe_out: float = 8.0

    @staticmethod
    def sample(rng: np.random.Generator) -> Body:
        """An adult of random height (1.45 to 1.95 m or so) and proportions."""
        bones = BONE_LENGTHS.astype(float).copy()
        for left, right in ((1, 2), (4, 5), (7, 8), (10, 11), (13, 14), (16, 17), (18, 19), (20, 21)):
            bones[[left, right]] = bones[[left, right]].mean() * rng.uniform(0.95, 1.05)
        bones[[3, 6, 9, 12, 15]] *= rng.uniform(0.95, 1.05)
        return Body(bones * rng.uniform(0.88, 1.12), stance=rng.uniform(0.075, 0.12), toe_out=rng.uniform(2, 14))

    def bone(self, name: str) -> float:
        return float(self.bones[JOINT_INDEX[name]])

    @property
    def leg(self) -> float:
        return self.bone("l_knee") + self.bone("l_ankle")

    @property
    def arm(self) -> float:
        return self.bone("l_elbow") + self.bone("l_wrist")

    @property
    def foot(self) -> tuple[float, float]:
        """How far the ankle lies above and behind the toe of a flat foot."""
        length = self.bone("l_foot")
        return 0.36 * length, 0.933 * length

    @property
    def standing(self) -> float:
        """Pelvis height with nearly straight legs."""
        return self.toe_height + self.foot[0] + 0.985 * self.leg + 0.6 * self.bone("l_hip")

    def neutral(self) -> dict[str, float]:
        """Channel values of the neutral stance."""
        values = dict(_CENTRAL)
        for prefix, sign in (("l", 1), ("r", -1)):
            values |= {f"{prefix}_{name}": value for name, value in _SIDED.items()}
            values |= {
                f"{prefix}_toe_x": sign * self.stance,
                f"{prefix}_toe_y": self.toe_height,
                f"{prefix}_toe_z": self.foot[1] - 0.02,
                f"{prefix}_toe_yaw": sign * self.toe_out,
            }
        return values

    def pose(self, ch: Channels, contacts: np.ndarray) -> np.ndarray:
        """Joints (T,22,3) of world-placed channels (each (T,)); `contacts` (T,2) marks planted feet, left then right.

        Where a planted foot would be out of reach the pelvis sinks a little, smoothly.
        """
        frames = len(ch["x"])
        joints = np.zeros((frames, JOINTS, 3))
        rad = {name: np.radians(values) for name, values in ch.items()}
        heading = _ry(rad["yaw"])
        pelvis_turn = heading @ _ry(rad["twist"]) @ _rx(rad["tilt"]) @ _rz(rad["sway"])
        zero = np.zeros(frames)

        ankles, knee_poles, toes = {}, {}, {}
        for prefix, sign in (("l", 1), ("r", -1)):
            foot_turn = _ry(rad[f"{prefix}_toe_yaw"])
            toes[prefix] = np.stack([ch[f"{prefix}_toe_{axis}"] for axis in "xyz"], -1)
            up, back = self.foot
            foot = foot_turn @ _rx(rad[f"{prefix}_heel"])
            ankles[prefix] = toes[prefix] + _apply(foot, [0, up, -back])
            ahead = _apply(foot_turn, [0, 0, 1.0]) + _apply(pelvis_turn, [sign * 0.12, 0, 1.0])
            knee_poles[prefix] = _unit(ahead)

        pelvis = np.stack([ch["x"], self.standing + ch["lift"], ch["z"]], -1)
        pelvis += _apply(heading, np.stack([ch["shift_x"], zero, ch["shift_z"]], -1))
        hip_offsets = {
            prefix: _apply(pelvis_turn, np.array([sign * 0.8, -0.6, 0]) * self.bone("l_hip"))
            for prefix, sign in (("l", 1), ("r", -1))
        }
        sink = zero
        for side, prefix in enumerate(SIDES):
            gap = pelvis + hip_offsets[prefix] - ankles[prefix]
            flat = np.hypot(gap[:, 0], gap[:, 2])
            allowed = np.sqrt(np.maximum((0.997 * self.leg) ** 2 - flat**2, 0))
            sink = np.maximum(sink, np.where(contacts[:, side], gap[:, 1] - allowed, 0))
        pelvis[:, 1] -= gaussian_filter1d(maximum_filter1d(sink, 5), 1.2)

        joints[:, 0] = pelvis
        for prefix in SIDES:
            hip = pelvis + hip_offsets[prefix]
            thigh, shin = self.bone("l_knee"), self.bone("l_ankle")
            knee, ankle = solve_two_bone_ik(hip, ankles[prefix], knee_poles[prefix], thigh, shin)
            for name, value in (("hip", hip), ("knee", knee), ("ankle", ankle)):
                joints[:, JOINT_INDEX[f"{prefix}_{name}"]] = value
            joints[:, JOINT_INDEX[f"{prefix}_foot"]] = toes[prefix] + ankle - ankles[prefix]

        turn, third = pelvis_turn, 1 / 3
        here = pelvis
        for name, forward in (("spine1", 0.1), ("spine2", -0.1), ("spine3", -0.1)):
            turn = turn @ _ry(rad["turn"] * third) @ _rx(rad["bend"] * third) @ _rz(rad["lean"] * third)
            here = here + _apply(turn, _unit(np.array([0, 1, forward])) * self.bone(name))
            joints[:, JOINT_INDEX[name]] = here
        neck = here + _apply(turn, np.array([0, 0.985, 0.17]) * self.bone("neck"))
        joints[:, JOINT_INDEX["neck"]] = neck
        joints[:, JOINT_INDEX["head"]] = neck + _apply(
            turn @ _rx(rad["nod"]), np.array([0, 0.86, 0.5]) * self.bone("head")
        )

        for prefix, sign in (("l", 1), ("r", -1)):
            collar = here + _apply(turn, _unit(np.array([sign * 0.55, 0.82, 0.05])) * self.bone("l_collar"))
            elevation, azimuth = rad[f"{prefix}_el"], rad[f"{prefix}_az"]
            shrug = np.clip((np.degrees(np.abs(elevation)) - 90) / 90, 0, 1)[:, None]
            outward = _unit(np.array([sign, -0.1, -0.05]) + shrug * np.array([-sign * 0.15, 0.45, 0]))
            shoulder = collar + _apply(turn, outward * self.bone("l_shoulder"))
            direction = np.stack(
                [
                    sign * np.sin(elevation) * np.sin(azimuth),
                    -np.cos(elevation),
                    np.sin(elevation) * np.cos(azimuth),
                ],
                -1,
            )
            hand = shoulder + _apply(turn, direction) * (ch[f"{prefix}_re"] * self.arm)[:, None]
            out = ch[f"{prefix}_out"][:, None]
            pole = (1 - out) * np.array([sign * 0.35, -0.5, -0.8]) + out * np.array([sign * 1.0, -0.35, 0.0])
            elbow, wrist = solve_two_bone_ik(
                shoulder, hand, _apply(turn, pole), self.bone("l_elbow"), self.bone("l_wrist")
            )
            for name, value in (("collar", collar), ("shoulder", shoulder), ("elbow", elbow), ("wrist", wrist)):
                joints[:, JOINT_INDEX[f"{prefix}_{name}"]] = value
        return joints
