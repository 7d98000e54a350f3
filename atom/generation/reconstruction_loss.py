"""The VQ-VAE's reconstruction loss: on features, and on joint positions in the world."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from atom.motion.features import CONTACTS, FEATURES, HEIGHT, POSITIONS, ROTATIONS, STEP, VELOCITIES, YAW
from atom.motion.skeleton import JOINT_INDEX, JOINTS

# Weights of the parts of the features. Joints are recovered from the root and the positions alone, so these weigh most;
# the rotations and velocities, three quarters of the features, are redundant with the positions.
_ROOT_WEIGHTS = ((YAW, 6.0), (STEP, 4.0), (HEIGHT, 4.0))
_PART_WEIGHTS = (*_ROOT_WEIGHTS, (POSITIONS, 2.0), (ROTATIONS, 0.3), (VELOCITIES, 0.6), (CONTACTS, 0.5))

# Most events show in hands and feet, which are few of the 22 joints.
_JOINT_WEIGHTS = {"l_wrist": 4.0, "r_wrist": 4.0, "l_elbow": 2.0, "r_elbow": 2.0, "l_foot": 2.0, "r_foot": 2.0}


class ReconstructionLoss:
    """Smooth L1 on weighted features, plus the mean errors of joint positions (m) and velocities (m per frame).

    On the features alone, small errors of the root's turn and step accumulate at no cost: a half turn ends too early, a
    foot slides. Positions and velocities in the world penalise them.
    """

    def __init__(self, mean: Tensor, std: Tensor, position_weight: float = 1.0, velocity_weight: float = 10.0) -> None:
        self.mean, self.std = mean, std
        self.position_weight, self.velocity_weight = position_weight, velocity_weight
        weights = torch.zeros(FEATURES)
        for part, weight in _PART_WEIGHTS:
            weights[part] = weight
        self.weights = weights / weights.mean()
        joints = torch.ones(JOINTS)
        for name, weight in _JOINT_WEIGHTS.items():
            joints[JOINT_INDEX[name]] = weight
        self.joint_weights = joints / joints.mean()

    def __call__(self, decoded: Tensor, true: Tensor) -> Tensor:
        """The loss.

        Args:
            decoded: normalised features (B, T, 263).
            true: the target features (B, T, 263).

        Returns:
            A scalar.
        """
        features = (F.smooth_l1_loss(decoded, true, reduction="none") * self.weights).mean()
        joints, true_joints = self._recover(decoded), self._recover(true)
        positions = self._distance(joints, true_joints)
        velocities = self._distance(joints.diff(dim=1), true_joints.diff(dim=1))
        return features + self.position_weight * positions + self.velocity_weight * velocities

    def _distance(self, joints: Tensor, true_joints: Tensor) -> Tensor:
        return ((joints - true_joints).norm(dim=-1) * self.joint_weights).mean()

    def _recover(self, features: Tensor) -> Tensor:
        return recover_joints(features * self.std + self.mean)


def recover_joints(features: Tensor) -> Tensor:
    """Joints (B, T, 22, 3) in metres of raw features (B, T, 263): a differentiable `features_to_joints`."""
    batch, frames = features.shape[:2]
    heading = 2 * _exclusive_cumsum(features[..., YAW, None])  # (B, T, 1)
    step = features[..., STEP]
    across, along = _rotate(step[:, :-1, 0, None], step[:, :-1, 1, None], -heading[:, 1:])
    root = F.pad(torch.cat([across, along], -1).cumsum(1), (0, 0, 1, 0))  # (B, T, 2)
    local = features[..., POSITIONS].reshape(batch, frames, JOINTS - 1, 3)
    x, z = _rotate(local[..., 0], local[..., 2], -heading)
    body = torch.stack([x + root[..., 0, None], local[..., 1], z + root[..., 1, None]], -1)
    pelvis = torch.stack([root[..., 0], features[..., HEIGHT], root[..., 1]], -1)
    return torch.cat([pelvis[:, :, None], body], 2)


def _rotate(x: Tensor, z: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    cos, sin = angle.cos(), angle.sin()
    return x * cos + z * sin, z * cos - x * sin


def _exclusive_cumsum(steps: Tensor) -> Tensor:
    """Cumulative sum along frames (axis 1) that starts at 0."""
    return F.pad(steps[:, :-1].cumsum(1), (0, 0, 1, 0))
