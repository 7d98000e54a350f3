"""How fast joints become features, features joints and joints a judgement, on one core whatever the device.

Run `python tests/benchmarks/bench_motion.py`. What is compiled is compiled before the clock starts.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import torch
from measuring import Figure, in_turn, main
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from atom.judging.detection_quality import KnownMotion, make_known_motions
from atom.judging.judged_prompt import PlainPrompt
from atom.judging.kinematic_judge import KinematicJudge
from atom.motion.features import CONTACT_SQUARED_STEP, FEATURES, HEADING_SIGMA, features_to_joints, joints_to_features
from atom.motion.skeleton import (
    FACING_JOINTS,
    JOINTS,
    KINEMATIC_CHAINS,
    LEFT_FOOT,
    PARENTS,
    REST_DIRECTIONS,
    RIGHT_FOOT,
    TARGET_OFFSETS,
)

FRAMES, CLIPS = 196, 64
LONG = 150  # frames of a motion that the judge is measured on
# Joints to features as in HumanML3D: a clip at a time, inverse kinematics joint by joint, quaternions (w, x, y, z) by
# torch in single precision behind NumPy arrays.


def product(first: Tensor, second: Tensor) -> Tensor:
    """The rotation that does `second`, then `first`: sixteen products by a batched outer product, then sums."""
    terms = torch.bmm(second.reshape(-1, 4, 1), first.reshape(-1, 1, 4))
    w = terms[:, 0, 0] - terms[:, 1, 1] - terms[:, 2, 2] - terms[:, 3, 3]
    x = terms[:, 0, 1] + terms[:, 1, 0] - terms[:, 2, 3] + terms[:, 3, 2]
    y = terms[:, 0, 2] + terms[:, 1, 3] + terms[:, 2, 0] - terms[:, 3, 1]
    z = terms[:, 0, 3] - terms[:, 1, 2] + terms[:, 2, 1] + terms[:, 3, 0]
    return torch.stack((w, x, y, z), dim=1).view(first.shape)


def rotated(quaternion: Tensor, vectors: Tensor) -> Tensor:
    """`vectors` (..., 3) rotated by as many quaternions: two cross products."""
    shape = vectors.shape
    quaternion, vectors = quaternion.reshape(-1, 4), vectors.reshape(-1, 3)
    axis = quaternion[:, 1:]
    once = torch.linalg.cross(axis, vectors)
    twice = torch.linalg.cross(axis, once)
    return (vectors + 2 * (quaternion[:, :1] * once + twice)).view(shape)


def inverse(quaternion: Tensor) -> Tensor:
    mask = torch.ones_like(quaternion)
    mask[..., 1:] = -1
    return quaternion * mask


def between(start: Tensor, end: Tensor) -> Tensor:
    """The rotations that take `start` (n, 3) to `end` (n, 3)."""
    w = torch.sqrt((start**2).sum(-1, keepdim=True) * (end**2).sum(-1, keepdim=True)) + (start * end).sum(-1, True)
    quaternion = torch.cat([w, torch.linalg.cross(start, end)], dim=-1)
    return quaternion / torch.norm(quaternion, dim=-1, keepdim=True)


def single(array: np.ndarray) -> Tensor:
    return torch.tensor(array, dtype=torch.float32)


def product_np(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return product(single(first), single(second)).numpy()


def rotated_np(quaternion: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    return rotated(single(quaternion), single(vectors)).numpy()


def inverse_np(quaternion: np.ndarray) -> np.ndarray:
    return inverse(single(quaternion)).numpy()


def between_np(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    return between(single(start), single(end)).numpy()


def normalised(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.sqrt((vectors**2).sum(axis=-1))[..., None]


def ahead(joints: np.ndarray, facing: tuple[int, int, int, int], sigma: float | None = None) -> np.ndarray:
    one_hip, other_hip, one_shoulder, other_shoulder = facing
    across = joints[:, one_hip] - joints[:, other_hip] + joints[:, one_shoulder] - joints[:, other_shoulder]
    forward = np.cross([[0, 1, 0]], normalised(across), axis=-1)
    if sigma is not None:
        forward = gaussian_filter1d(forward, sigma, axis=0, mode="nearest")
    return normalised(forward)


def inverse_kinematics(joints: np.ndarray, sigma: float | None = None) -> np.ndarray:
    """Local rotations (T, 22, 4), one joint of one chain after the other; the two hips are taken for each other."""
    right_hip, left_hip, *shoulders = FACING_JOINTS
    root = between_np(ahead(joints, (left_hip, right_hip, *shoulders), sigma), np.array([[0, 0, 1]] * len(joints)))
    root[0] = 1, 0, 0, 0
    rotations = np.zeros((*joints.shape[:-1], 4))
    rotations[:, 0] = root
    for chain in KINEMATIC_CHAINS:
        total = root
        for parent, joint in pairwise(chain):
            rest = REST_DIRECTIONS[joint][None].repeat(len(joints), axis=0)
            bone = normalised(joints[:, joint] - joints[:, parent])
            local = product_np(inverse_np(total), between_np(rest, bone))
            rotations[:, joint] = local
            total = product_np(total, local)
    return rotations


def forward_kinematics(rotations: np.ndarray, root: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    joints = np.zeros((*rotations.shape[:-1], 3))
    joints[:, 0] = root
    offsets = np.broadcast_to(offsets, joints.shape)
    for chain in KINEMATIC_CHAINS:
        total = rotations[:, 0]
        for parent, joint in pairwise(chain):
            total = product_np(total, rotations[:, joint])
            joints[:, joint] = rotated_np(total, offsets[:, joint]) + joints[:, parent]
    return joints


def features_joint_by_joint(joints: np.ndarray, offsets: np.ndarray = TARGET_OFFSETS) -> np.ndarray:
    """Features (T-1, 263) of joints (T, 22, 3), step by step as HumanML3D's motion_representation makes them."""
    own = np.array([np.linalg.norm(joints[0, joint] - joints[0, PARENTS[joint]]) for joint in (5, 8)])
    scale = np.abs(offsets[[5, 8]]).max(axis=-1).sum() / own.sum()
    joints = forward_kinematics(inverse_kinematics(joints), joints[:, 0] * scale, offsets)

    joints[..., 1] -= joints.min(axis=0).min(axis=0)[1]
    joints = joints - joints[0, 0] * np.array([1, 0, 1])
    to_front = between_np(ahead(joints[:1], FACING_JOINTS), np.array([[0, 0, 1]]))
    joints = rotated_np(np.ones((*joints.shape[:-1], 4)) * to_front, joints)

    def standing(feet: tuple[int, int]) -> np.ndarray:
        x, y, z = (np.diff(joints[:, feet, axis], axis=0) ** 2 for axis in range(3))
        return (x + y + z < CONTACT_SQUARED_STEP).astype(float)

    left, right = standing(LEFT_FOOT), standing(RIGHT_FOOT)
    rotations = inverse_kinematics(joints, HEADING_SIGMA)
    w, x, y, z = (single(rotations)[..., axis] for axis in range(4))
    first_column = torch.stack([1 - 2 * (y * y + z * z), 2 * (x * y + z * w), 2 * (x * z - y * w)], dim=-1)
    second_column = torch.stack([2 * (x * y - z * w), 1 - 2 * (x * x + z * z), 2 * (y * z + x * w)], dim=-1)
    six = torch.cat([first_column, second_column], dim=-1).numpy()
    root = rotations[:, 0].copy()
    root_step = rotated_np(root[1:], joints[1:, 0] - joints[:-1, 0])
    root_turn = product_np(root[1:], inverse_np(root[:-1]))

    local = joints.copy()
    local[..., 0] -= local[:, :1, 0]
    local[..., 2] -= local[:, :1, 2]
    local = rotated_np(np.repeat(root[:, None], JOINTS, axis=1), local)
    steps = rotated_np(np.repeat(root[:-1, None], JOINTS, axis=1), joints[1:] - joints[:-1])
    rows = len(joints) - 1
    return np.concatenate(
        [
            np.arcsin(root_turn[:, 2:3]),
            root_step[:, [0, 2]],
            local[:-1, 0, 1:2],
            local[:-1, 1:].reshape(rows, -1),
            six[:-1, 1:].reshape(rows, -1),
            steps.reshape(rows, -1),
            left,
            right,
        ],
        axis=-1,
    )


def joints_by_quaternions(features: Tensor) -> Tensor:
    """Joints (B, T, 22, 3) of features (B, T, 263) as text-to-motion and MotionGPT recover them: a quaternion for each
    frame, then for each joint of it."""
    angle = torch.zeros_like(features[..., 0])
    angle[..., 1:] = features[..., :-1, 0]
    angle = torch.cumsum(angle, dim=-1)
    heading = torch.zeros((*features.shape[:-1], 4))
    heading[..., 0], heading[..., 2] = torch.cos(angle), torch.sin(angle)

    root = torch.zeros((*features.shape[:-1], 3))
    root[..., 1:, [0, 2]] = features[..., :-1, 1:3]
    root = torch.cumsum(rotated(inverse(heading), root), dim=-2)
    root[..., 1] = features[..., 3]

    joints = features[..., 4 : 4 + 3 * (JOINTS - 1)]
    joints = joints.view(*joints.shape[:-1], -1, 3)
    joints = rotated(inverse(heading[..., None, :]).expand(*joints.shape[:-1], 4), joints)
    joints[..., 0] += root[..., 0:1]
    joints[..., 2] += root[..., 2:3]
    return torch.cat([root.unsqueeze(-2), joints], dim=-2)


def memory_rate() -> float:
    """Bytes a second that a core writes, which no function with a large result exceeds."""
    (seconds,) = in_turn(lambda: np.ones(CLIPS * FRAMES * FEATURES, np.float32))
    return 4 * CLIPS * FRAMES * FEATURES / seconds


def measure(device: str) -> Iterator[Figure]:
    known = make_known_motions(clips=4 * CLIPS, split="test", seed=0)
    joints = np.stack([np.resize(motion, (FRAMES + 1, JOINTS, 3)) for _, motion in known[:CLIPS]])
    some = joints[::8]
    written = memory_rate()
    ours, plain = in_turn(
        lambda: joints_to_features(joints), lambda: [features_joint_by_joint(motion) for motion in some]
    )
    yield Figure(
        f"joints to features, {CLIPS} clips of {FRAMES} frames",
        "clips/s",
        CLIPS / ours,
        len(some) / plain,
        "HumanML3D's: a clip at a time, inverse kinematics joint by joint",
        wanted=40,
        limit=written / (4 * FRAMES * FEATURES),
        limit_by="writing the features, as fast as a core writes",
    )

    features = joints_to_features(joints)[:32, :170].copy()
    tensor = torch.from_numpy(features)
    ours, plain = in_turn(lambda: features_to_joints(features), lambda: joints_by_quaternions(tensor), repeats=15)
    yield Figure(
        "features to joints, 32 clips of 170 frames",
        "clips/s",
        32 / ours,
        32 / plain,
        "text-to-motion's and MotionGPT's: a quaternion for each joint",
        wanted=5,
        limit=written / (4 * 170 * 3 * JOINTS),
        limit_by="writing the joints, as fast as a core writes",
    )

    yield judged(known)


def judged(known: list[KnownMotion]) -> Figure:
    """Long motions as the corpus makes them, told in clips of 196 frames."""
    judge = KinematicJudge()
    long = [(events, motion) for events, motion in known if len(motion) >= LONG]
    prompts = [(motion, PlainPrompt("", events, "temporal")) for events, motion in long]
    (seconds,) = in_turn(lambda: [judge.judge(*each) for each in prompts], clock=time.process_time)
    clips = sum(len(motion) for _, motion in long) / FRAMES
    return Figure("kinematic judge", f"clips of {FRAMES} frames/CPU-s", clips / seconds, wanted=2000)


if __name__ == "__main__":
    main(measure, __doc__)
