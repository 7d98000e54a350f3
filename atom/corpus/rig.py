"""The animation rig: it turns channels (angles, hand directions, toe positions) into 22 joints.

Inverse kinematics solves the legs from the toes, so that planted feet do not slide and knees bend forward only, and the
arms from a hand direction in the frame of the chest. Channels are arrays over frames: a whole clip is posed at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from atom.motion.skeleton import BONE_LENGTHS, JOINT_INDEX, JOINTS

SIDES = ("l", "r")

# The channels and their values in the neutral stance, in degrees and metres. The channels in _SIDED exist for both
# sides, with the prefixes `l_` and `r_`. Root x, z and yaw and the toes are in world coordinates (while an event is
# written, relative to its start); all others are relative to the heading of the root.
_SIDED = {
    "toe_x": 0.0,
    "toe_y": 0.0,
    "toe_z": 0.0,
    "toe_yaw": 0.0,
    "heel": 0.0,  # degrees that the foot pitches about its toe
    "el": 10.0,  # elevation of the hand from hanging
    "az": 35.0,  # azimuth of the hand from straight ahead
    "re": 0.95,  # reach of the hand, as a fraction of the arm length
    "out": 0.0,  # 0..1: the elbow points backwards or outwards
}
_CENTRAL = {
    "x": 0.0,
    "z": 0.0,
    "yaw": 0.0,
    "lift": 0.0,  # of the pelvis above its standing height
    "shift_x": 0.0,  # of the pelvis relative to the root
    "shift_z": 0.0,
    "tilt": 0.0,  # of the pelvis forward
    "twist": 0.0,  # of the pelvis about the vertical
    "sway": 0.0,  # of the pelvis sideways
    "bend": 0.0,  # of the spine forward
    "turn": 0.0,  # of the spine about its axis
    "lean": 0.0,  # of the spine sideways
    "nod": 0.0,  # of the head forward
}

Channels = dict[str, np.ndarray]


def _rotation_x(angle: np.ndarray) -> np.ndarray:
    c, s, o, i = np.cos(angle), np.sin(angle), np.zeros_like(angle), np.ones_like(angle)
    return np.stack([i, o, o, o, c, -s, o, s, c], -1).reshape(*angle.shape, 3, 3)


def _rotation_y(angle: np.ndarray) -> np.ndarray:
    c, s, o, i = np.cos(angle), np.sin(angle), np.zeros_like(angle), np.ones_like(angle)
    return np.stack([c, o, s, o, i, o, -s, o, c], -1).reshape(*angle.shape, 3, 3)


def _rotation_z(angle: np.ndarray) -> np.ndarray:
    c, s, o, i = np.cos(angle), np.sin(angle), np.zeros_like(angle), np.ones_like(angle)
    return np.stack([c, -s, o, s, c, o, o, o, i], -1).reshape(*angle.shape, 3, 3)


def _apply(rotation: np.ndarray, vector: np.ndarray) -> np.ndarray:
    return np.einsum("...ij,...j->...i", rotation, np.asarray(vector))


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-9)


def solve_two_bone_ik(
    start: np.ndarray, end: np.ndarray, pole: np.ndarray, first: float, second: float
) -> tuple[np.ndarray, np.ndarray]:
    """Solve the inverse kinematics of a chain of two bones, such as a leg.

    Args:
        start: (T, 3), the fixed end of the chain.
        end: (T, 3), the target of the other end; a target out of reach is clamped.
        pole: (T, 3), the direction in which the middle joint bends.
        first: length of the first bone.
        second: length of the second bone.

    Returns:
        The middle and the end joint, (T, 3) each.
    """
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
    """The proportions and the stance of one person. `bones` (22,) are lengths in metres, equal on both sides."""

    bones: np.ndarray
    toe_height: float = 0.012
    half_stance: float = 0.09  # half of the distance between the feet
    toe_out: float = 8.0  # degrees that each foot turns outwards

    @staticmethod
    def sample(rng: np.random.Generator) -> Body:
        """Draw an adult of random height (about 1.45 to 1.95 m) and proportions."""
        bones = BONE_LENGTHS.astype(float).copy()
        for left, right in ((1, 2), (4, 5), (7, 8), (10, 11), (13, 14), (16, 17), (18, 19), (20, 21)):
            bones[[left, right]] = bones[[left, right]].mean() * rng.uniform(0.95, 1.05)
        bones[[3, 6, 9, 12, 15]] *= rng.uniform(0.95, 1.05)
        return Body(bones * rng.uniform(0.88, 1.12), half_stance=rng.uniform(0.075, 0.12), toe_out=rng.uniform(2, 14))

    def bone_length(self, name: str) -> float:
        """The length in metres of the bone that ends at this joint."""
        return float(self.bones[JOINT_INDEX[name]])

    @property
    def leg_length(self) -> float:
        """Hip to ankle."""
        return self.bone_length("l_knee") + self.bone_length("l_ankle")

    @property
    def arm_length(self) -> float:
        """Shoulder to wrist."""
        return self.bone_length("l_elbow") + self.bone_length("l_wrist")

    @property
    def ankle_offset(self) -> tuple[float, float]:
        """The distances of the ankle above and behind the toe of a flat foot."""
        length = self.bone_length("l_foot")
        return 0.36 * length, 0.933 * length

    @property
    def standing_height(self) -> float:
        """The pelvis height with nearly straight legs."""
        return self.toe_height + self.ankle_offset[0] + 0.985 * self.leg_length + 0.6 * self.bone_length("l_hip")

    def neutral_channels(self) -> dict[str, float]:
        """The channel values of the neutral stance."""
        values = dict(_CENTRAL)
        for prefix, sign in (("l", 1), ("r", -1)):
            values |= {f"{prefix}_{name}": value for name, value in _SIDED.items()}
            values |= {
                f"{prefix}_toe_x": sign * self.half_stance,
                f"{prefix}_toe_y": self.toe_height,
                f"{prefix}_toe_z": self.ankle_offset[1] - 0.02,
                f"{prefix}_toe_yaw": sign * self.toe_out,
            }
        return values

    def pose(self, channels: Channels, contacts: np.ndarray) -> np.ndarray:
        """Compute the joints of channels in world coordinates.

        Where a planted foot would be out of reach, the pelvis sinks a little, smoothly over time.

        Args:
            channels: each (T,).
            contacts: (T, 2) bool, whether the left and the right foot are planted.

        Returns:
            (T, 22, 3) in metres.
        """
        frames = len(channels["x"])
        joints = np.zeros((frames, JOINTS, 3))
        rad = {name: np.radians(values) for name, values in channels.items()}
        heading = _rotation_y(rad["yaw"])
        pelvis_rotation = heading @ _rotation_y(rad["twist"]) @ _rotation_x(rad["tilt"]) @ _rotation_z(rad["sway"])
        zero = np.zeros(frames)

        ankles, knee_poles, toes = {}, {}, {}
        for prefix, sign in (("l", 1), ("r", -1)):
            foot_yaw = _rotation_y(rad[f"{prefix}_toe_yaw"])
            toes[prefix] = np.stack([channels[f"{prefix}_toe_{axis}"] for axis in "xyz"], -1)
            up, back = self.ankle_offset
            foot_rotation = foot_yaw @ _rotation_x(rad[f"{prefix}_heel"])
            ankles[prefix] = toes[prefix] + _apply(foot_rotation, [0, up, -back])
            ahead = _apply(foot_yaw, [0, 0, 1.0]) + _apply(pelvis_rotation, [sign * 0.12, 0, 1.0])
            knee_poles[prefix] = _unit(ahead)

        pelvis = np.stack([channels["x"], self.standing_height + channels["lift"], channels["z"]], -1)
        pelvis += _apply(heading, np.stack([channels["shift_x"], zero, channels["shift_z"]], -1))
        hip_offsets = {
            prefix: _apply(pelvis_rotation, np.array([sign * 0.8, -0.6, 0]) * self.bone_length("l_hip"))
            for prefix, sign in (("l", 1), ("r", -1))
        }
        sink = zero
        for side, prefix in enumerate(SIDES):
            gap = pelvis + hip_offsets[prefix] - ankles[prefix]
            horizontal = np.hypot(gap[:, 0], gap[:, 2])
            max_height = np.sqrt(np.maximum((0.997 * self.leg_length) ** 2 - horizontal**2, 0))
            sink = np.maximum(sink, np.where(contacts[:, side], gap[:, 1] - max_height, 0))
        # The maximum filter widens each dip first, so that smoothing does not flatten it.
        pelvis[:, 1] -= gaussian_filter1d(maximum_filter1d(sink, 5), 1.2)

        joints[:, 0] = pelvis
        for prefix in SIDES:
            hip = pelvis + hip_offsets[prefix]
            thigh, shin = self.bone_length("l_knee"), self.bone_length("l_ankle")
            knee, ankle = solve_two_bone_ik(hip, ankles[prefix], knee_poles[prefix], thigh, shin)
            for name, value in (("hip", hip), ("knee", knee), ("ankle", ankle)):
                joints[:, JOINT_INDEX[f"{prefix}_{name}"]] = value
            joints[:, JOINT_INDEX[f"{prefix}_foot"]] = toes[prefix] + ankle - ankles[prefix]

        rotation, third = pelvis_rotation, 1 / 3
        position = pelvis  # of the spine joint that was placed last; after the loop, that of the chest
        for name, forward in (("spine1", 0.1), ("spine2", -0.1), ("spine3", -0.1)):
            rotation = (
                rotation
                @ _rotation_y(rad["turn"] * third)
                @ _rotation_x(rad["bend"] * third)
                @ _rotation_z(rad["lean"] * third)
            )
            position = position + _apply(rotation, _unit(np.array([0, 1, forward])) * self.bone_length(name))
            joints[:, JOINT_INDEX[name]] = position
        neck = position + _apply(rotation, np.array([0, 0.985, 0.17]) * self.bone_length("neck"))
        joints[:, JOINT_INDEX["neck"]] = neck
        joints[:, JOINT_INDEX["head"]] = neck + _apply(
            rotation @ _rotation_x(rad["nod"]), np.array([0, 0.86, 0.5]) * self.bone_length("head")
        )

        for prefix, sign in (("l", 1), ("r", -1)):
            collar = position + _apply(
                rotation, _unit(np.array([sign * 0.55, 0.82, 0.05])) * self.bone_length("l_collar")
            )
            elevation, azimuth = rad[f"{prefix}_el"], rad[f"{prefix}_az"]
            shrug = np.clip((np.degrees(np.abs(elevation)) - 90) / 90, 0, 1)[:, None]
            outward = _unit(np.array([sign, -0.1, -0.05]) + shrug * np.array([-sign * 0.15, 0.45, 0]))
            shoulder = collar + _apply(rotation, outward * self.bone_length("l_shoulder"))
            direction = np.stack(
                [
                    sign * np.sin(elevation) * np.sin(azimuth),
                    -np.cos(elevation),
                    np.sin(elevation) * np.cos(azimuth),
                ],
                -1,
            )
            hand = shoulder + _apply(rotation, direction) * (channels[f"{prefix}_re"] * self.arm_length)[:, None]
            out = channels[f"{prefix}_out"][:, None]
            pole = (1 - out) * np.array([sign * 0.35, -0.5, -0.8]) + out * np.array([sign * 1.0, -0.35, 0.0])
            elbow, wrist = solve_two_bone_ik(
                shoulder, hand, _apply(rotation, pole), self.bone_length("l_elbow"), self.bone_length("l_wrist")
            )
            for name, value in (("collar", collar), ("shoulder", shoulder), ("elbow", elbow), ("wrist", wrist)):
                joints[:, JOINT_INDEX[f"{prefix}_{name}"]] = value
        return joints
