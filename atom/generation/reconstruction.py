"""How far a decoded motion is from the true one: as features, and as a body that moves through the world."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from atom.motion.features import CONTACTS, FEATURES, HEIGHT, POSITIONS, ROTATIONS, STEP, VELOCITIES, YAW
from atom.motion.skeleton import JOINT_INDEX, JOINTS

# Weights of the features' parts. Joints are recovered from the root and the positions alone, so these come first; the
# rotations and velocities, three quarters of the features, repeat what the positions say.
_ROOT = ((YAW, 6.0), (STEP, 4.0), (HEIGHT, 4.0))
_PARTS = (*_ROOT, (POSITIONS, 2.0), (ROTATIONS, 0.3), (VELOCITIES, 0.6), (CONTACTS, 0.5))


# Hands and feet tell most events, and are two joints each of twenty-two.
_TELLING = {"l_wrist": 4.0, "r_wrist": 4.0, "l_elbow": 2.0, "r_elbow": 2.0, "l_foot": 2.0, "r_foot": 2.0}


class ReconstructionLoss:
    """Smooth L1 of weighted features, and the mean errors of the joints' places (m) and steps (m a frame) in the world.

    The features alone let a slightly wrong turn or step add up unseen: a half turn ends too early, a foot slides.
    """

    def __init__(self, mean: Tensor, std: Tensor, place_weight: float = 1.0, step_weight: float = 10.0) -> None:
        self.mean, self.std = mean, std
        self.place_weight, self.step_weight = place_weight, step_weight
        weights = torch.zeros(FEATURES)
        for part, weight in _PARTS:
            weights[part] = weight
        self.weights = weights / weights.mean()
        joints = torch.ones(JOINTS)
        for name, weight in _TELLING.items():
            joints[JOINT_INDEX[name]] = weight
        self.joint_weights = joints / joints.mean()

    def __call__(self, decoded: Tensor, true: Tensor) -> Tensor:
        """Scalar loss of normalised features (B, T, 263) against the true ones."""
        features = (F.smooth_l1_loss(decoded, true, reduction="none") * self.weights).mean()
        here, there = self._joints(decoded), self._joints(true)
        places = self._distance(here, there)
        steps = self._distance(here.diff(dim=1), there.diff(dim=1))
        return features + self.place_weight * places + self.step_weight * steps

    def _distance(self, here: Tensor, there: Tensor) -> Tensor:
        return ((here - there).norm(dim=-1) * self.joint_weights).mean()

    def _joints(self, features: Tensor) -> Tensor:
        return world_joints(features * self.std + self.mean)


def world_joints(features: Tensor) -> Tensor:
    """Joints (B, T, 22, 3) in metres of features (B, T, 263): `features_to_joints`, differentiable."""
    batch, frames = features.shape[:2]
    heading = 2 * _running_sum(features[..., YAW, None])  # (B, T, 1)
    step = features[..., STEP]
    across, along = _turn(step[:, :-1, 0, None], step[:, :-1, 1, None], -heading[:, 1:])
    root = F.pad(torch.cat([across, along], -1).cumsum(1), (0, 0, 1, 0))  # (B, T, 2)
    local = features[..., POSITIONS].reshape(batch, frames, JOINTS - 1, 3)
    x, z = _turn(local[..., 0], local[..., 2], -heading)
    body = torch.stack([x + root[..., 0, None], local[..., 1], z + root[..., 1, None]], -1)
    pelvis = torch.stack([root[..., 0], features[..., HEIGHT], root[..., 1]], -1)
    return torch.cat([pelvis[:, :, None], body], 2)


def _turn(x: Tensor, z: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    cos, sin = angle.cos(), angle.sin()
    return x * cos + z * sin, z * cos - x * sin


def _running_sum(steps: Tensor) -> Tensor:
    """Sums along frames (axis 1), starting at 0."""
    return F.pad(steps[:, :-1].cumsum(1), (0, 0, 1, 0))
