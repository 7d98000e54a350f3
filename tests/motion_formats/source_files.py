"""One motion that is known at every time, and files of it in the layout of each format.

The body swings all its joints while it walks ahead and turns. `joints_at` is the truth: rotation matrices multiplied
down the tree at exact times, with no code of the package but the skeleton's constants.
"""

import json
import pickle

import numpy as np
from scipy.spatial.transform import Rotation

from atom.motion.skeleton import JOINT_INDEX, JOINT_NAMES, JOINTS, PARENTS
from atom.motion_formats.smpl_skeleton import SMPL_NEUTRAL

SECONDS = 3.0
TEXT = "a person walks forward"
PELVIS = np.array([0.3, 1.02, -0.4])  # where the walk begins


def rotation_vectors(times):
    """Axis-angle (T, 22, 3) of each joint relative to its parent: slow swings, and knees that bend forwards."""
    times = np.asarray(times)
    rng = np.random.default_rng(11)
    amplitude, phase = rng.uniform(0.03, 0.12, (JOINTS, 3)), rng.uniform(0, 2 * np.pi, (JOINTS, 3))
    vectors = amplitude * np.sin(2 * np.pi * 0.5 * times[:, None, None] + phase)
    swing = 0.45 * np.sin(2 * np.pi * 0.6 * times)
    for side, sign in (("l", 1), ("r", -1)):
        vectors[:, JOINT_INDEX[f"{side}_hip"], 0] = -0.1 + sign * swing
        vectors[:, JOINT_INDEX[f"{side}_knee"]] = 0
        vectors[:, JOINT_INDEX[f"{side}_knee"], 0] = 0.35 - sign * 0.25 * np.sin(2 * np.pi * 0.6 * times)
        vectors[:, JOINT_INDEX[f"{side}_shoulder"], 2] = -sign * 1.2  # arms hang down
    vectors[:, 0] = 0
    vectors[:, 0, 1] = 0.4 * times
    return vectors


def root_at(times):
    """The pelvis (T, 3) in metres, Y up."""
    times = np.asarray(times)
    return PELVIS + np.stack([0.1 * np.sin(times), 0.02 * np.sin(4 * times), 1.1 * times], axis=-1)


def world_rotations(times):
    local = Rotation.from_rotvec(rotation_vectors(times).reshape(-1, 3)).as_matrix().reshape(len(times), JOINTS, 3, 3)
    world = local.copy()
    for joint in range(1, JOINTS):
        world[:, joint] = world[:, PARENTS[joint]] @ local[:, joint]
    return world


def joints_at(times, rest=SMPL_NEUTRAL):
    """The joints (T, 22, 3) at any times, in metres, Y up."""
    times = np.asarray(times, dtype=float)
    world, joints = world_rotations(times), np.zeros((len(times), JOINTS, 3))
    joints[:, 0] = root_at(times)
    for joint in range(1, JOINTS):
        parent = PARENTS[joint]
        joints[:, joint] = joints[:, parent] + world[:, parent] @ (rest[joint] - rest[parent])
    return joints


def frame_times(fps):
    return np.arange(round(SECONDS * fps) + 1) / fps


def expected(fps=20, rest=SMPL_NEUTRAL):
    """What an import of a file at this rate must give: the joints at i / 20 s, none after the file's last frame."""
    return joints_at(np.arange(int(frame_times(fps)[-1] * 20 + 1e-6) + 1) / 20, rest)


def smpl_parameters(fps, rest=SMPL_NEUTRAL, z_up=False, values=156):
    """poses (T, values) and trans (T, 3); Z up as AMASS has it."""
    times = frame_times(fps)
    vectors, root = rotation_vectors(times), root_at(times)
    if z_up:
        turn = Rotation.from_rotvec([np.pi / 2, 0, 0])  # Y to Z
        vectors = vectors.copy()
        vectors[:, 0] = (turn * Rotation.from_rotvec(vectors[:, 0])).as_rotvec()
        root = turn.apply(root)
    poses = np.zeros((len(times), values))
    poses[:, : 3 * JOINTS] = vectors.reshape(len(times), -1)
    return poses, root - rest[0]


def soma_arrays(skeleton, fps):
    """Kimodo's arrays of SOMA's or SMPL-X's skeleton in the walk; joints beyond the 22 turn with their parents."""
    times = frame_times(fps)
    joints, rotations = joints_at(times), world_rotations(times)
    sides = {"Left": "l", "Right": "r"}
    trunk = {
        "Hips": "pelvis",
        "Spine1": "spine1",
        "Spine2": "spine2",
        "Chest": "spine3",
        "Neck1": "neck",
        "Head": "head",
    }
    limbs = {
        "Shoulder": "collar",
        "Arm": "shoulder",
        "ForeArm": "elbow",
        "Hand": "wrist",
        "Leg": "hip",
        "Shin": "knee",
        "Foot": "ankle",
        "ToeBase": "foot",
    }
    same = {name: name for name in JOINT_NAMES} | trunk
    same |= {f"{long}{name}": f"{short}_{part}" for long, short in sides.items() for name, part in limbs.items()}
    posed, turned = np.zeros((len(times), len(skeleton.names), 3)), np.zeros((len(times), len(skeleton.names), 3, 3))
    for index, (name, parent) in enumerate(zip(skeleton.names, skeleton.parents)):
        if name in same:
            source = JOINT_INDEX[same[name]]
            posed[:, index], turned[:, index] = joints[:, source], rotations[:, source]
        else:  # fingers, eyes, ends: a little further along, turning with their parent
            step = np.array([0, 0.03, 0.02])
            if name == "Neck2":  # halfway to the head
                step = (SMPL_NEUTRAL[JOINT_INDEX["head"]] - SMPL_NEUTRAL[JOINT_INDEX["neck"]]) / 2
            turned[:, index] = turned[:, parent]
            posed[:, index] = posed[:, parent] + turned[:, parent] @ step
    return {
        "posed_joints": posed.astype(np.float32),
        "global_rot_mats": turned.astype(np.float32),
        "foot_contacts": np.zeros((len(times), 4), bool),
    }


def features_272(fps=30):
    """MotionMillion's 272 features of the walk, from its own definition."""
    times = frame_times(fps)
    joints, world = joints_at(times), world_rotations(times)
    yaw = np.arctan2(world[:, 0, 0, 2], world[:, 0, 2, 2])
    yaw -= yaw[0]
    joints = joints - joints[0, 0] * [1, 0, 1]
    to_heading = Rotation.from_rotvec(-yaw[:, None] * [0, 1, 0]).as_matrix()
    turns = to_heading.copy()
    turns[1:] = to_heading[1:] @ to_heading[:-1].swapaxes(1, 2)
    steps = np.zeros((len(times), 3))
    steps[1:] = np.einsum("tab,tb->ta", to_heading[:-1], np.diff(joints[:, 0], axis=0))
    local = np.einsum("tab,tjb->tja", to_heading, joints - joints[:, :1] * [1, 0, 1])
    rotations = np.stack(
        [world[:, j] if j == 0 else world[:, PARENTS[j]].swapaxes(1, 2) @ world[:, j] for j in range(JOINTS)], axis=1
    )
    rotations[:, 0] = to_heading @ rotations[:, 0]
    velocities = np.zeros_like(local)
    velocities[1:] = np.einsum("tab,tjb->tja", to_heading[:-1], np.diff(joints, axis=0))
    count = len(times)
    return np.hstack(
        [
            steps[:, [0, 2]],
            turns[:, :2].reshape(count, 6),
            local.reshape(count, -1),
            velocities.reshape(count, -1),
            rotations[:, :, :2].reshape(count, -1),
        ]
    )


def write_mdm(path, motions, texts, lengths=None, **more):
    """results.npy as MDM's sample/generate.py saves it: (n, 22, 3, frames) padded at the end."""
    longest = max(len(motion) for motion in motions)
    padded = np.stack([np.pad(m, ((0, longest - len(m) + 4), (0, 0), (0, 0)), "edge") for m in motions])
    content = {
        "motion": padded.transpose(0, 2, 3, 1).astype(np.float32),
        "text": texts,
        "lengths": np.array([len(m) for m in motions] if lengths is None else lengths),
        "num_samples": len(motions),
        "num_repetitions": 1,
    } | more
    np.save(path, content, allow_pickle=True)
    return path


def write_mld(path, joints, text=TEXT):
    with path.open("wb") as file:
        pickle.dump({"joints": joints.astype(np.float32), "text": text, "length": len(joints), "hint": None}, file)
    return path


def write_json(path, content):
    path.write_text(json.dumps(content))
    return path
