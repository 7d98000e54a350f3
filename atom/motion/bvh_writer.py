"""Writing of Biovision hierarchies (.bvh) for Blender and other animation programs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from atom.atomic_write import write_atomically
from atom.errors import AtomError
from atom.motion.rotation import quaternions_between, unit
from atom.motion.skeleton import FPS, JOINT_INDEX, JOINT_NAMES, JOINTS, PARENTS

# Mixamo's joint names, which retargeting tools recognise, and the direction of each joint from its parent in a T-pose.
_TRUNK = {
    "pelvis": ("Hips", (0, 0, 0)),
    "spine1": ("Spine", (0, 1, 0)),
    "spine2": ("Spine1", (0, 1, 0)),
    "spine3": ("Spine2", (0, 1, 0)),
    "neck": ("Neck", (0, 1, 0)),
    "head": ("Head", (0, 0.9, 0.4)),
}
_LEFT_LIMB = {  # the left side is +X
    "hip": ("UpLeg", (0.6, -0.8, 0)),
    "knee": ("Leg", (0, -1, 0)),
    "ankle": ("Foot", (0, -1, 0)),
    "foot": ("ToeBase", (0, -0.5, 0.9)),
    "collar": ("Shoulder", (0.6, 0.8, 0)),
    "shoulder": ("Arm", (1, 0, 0)),
    "elbow": ("ForeArm", (1, 0, 0)),
    "wrist": ("Hand", (1, 0, 0)),
}
_BODY = _TRUNK | {
    f"{side[0].lower()}_{part}": (side + name, (sign * x, y, z))
    for side, sign in (("Left", 1), ("Right", -1))
    for part, (name, (x, y, z)) in _LEFT_LIMB.items()
}
_BVH_NAMES = [_BODY[joint][0] for joint in JOINT_NAMES]
_T_POSE = unit(np.array([_BODY[joint][1] for joint in JOINT_NAMES], dtype=np.float64))

# The End Site of each limb: its distance from the last joint, as a fraction of the bone before, and its direction.
_END_SITES = {
    JOINT_INDEX["head"]: (1.8, (0, 1, 0)),
    JOINT_INDEX["l_foot"]: (0.5, (0, 0, 1)),
    JOINT_INDEX["r_foot"]: (0.5, (0, 0, 1)),
    JOINT_INDEX["l_wrist"]: (0.7, (1, 0, 0)),
    JOINT_INDEX["r_wrist"]: (0.7, (-1, 0, 0)),
}

_CHILDREN = [[child for child in range(JOINTS) if PARENTS[child] == joint] for joint in range(JOINTS)]
_PELVIS, _CHEST = JOINT_INDEX["pelvis"], JOINT_INDEX["spine3"]
# The fraction of the chest's rotation relative to the pelvis that the lower spine joints take.
_SPINE_FRACTIONS = {JOINT_INDEX["spine1"]: 1 / 3, JOINT_INDEX["spine2"]: 2 / 3}
_FLEXION_DIRECTIONS = {  # in T-pose, the direction in which shin or forearm moves when knee or elbow bends
    JOINT_INDEX["l_hip"]: (0, 0, -1),
    JOINT_INDEX["r_hip"]: (0, 0, -1),
    JOINT_INDEX["l_shoulder"]: (0, 0, 1),
    JOINT_INDEX["r_shoulder"]: (0, 0, 1),
}
# A limb that bends by 47 degrees or more defines its own plane; this is the distance of the unit vectors of its parts.
_BENT = 0.8
_UNTWISTED_WEIGHT = 0.1  # weight of no twist, beside the plane of the neighbouring frames, in a straight limb
_PLANE_SIGMA = 2  # frames

_CENTIMETRES = 100  # in a metre
_MIN_COSINE = 1e-4  # of the middle Euler angle; below it (gimbal lock) the first angle is undefined
_FIT_ITERATIONS = 8


def write_bvh(path: str | Path, joints: np.ndarray, fps: float = FPS) -> None:
    """Write joints as a .bvh file in centimetres; Blender imports it at Scale 0.01.

    - The unit is that of Mixamo, MotionBuilder and Maya; a BVH file has no field for another one.
    - Joints have Mixamo's names. Only the hips have position channels; every joint has Z, X and Y rotations in degrees
      without jumps by full turns.
    - Bones have their median length in the motion, and the rest pose is a T-pose that faces +Z; hips, collars and neck
      keep their mean angles to each other. Joints are reproduced exactly if those lengths and angles are constant.
      Otherwise each bone points from the reproduced position of its parent to the original position of its own joint.
    - Positions do not determine the twist of a limb: an upper arm or leg is twisted so that elbow or knee bends as a
      hinge, the two lower spine joints share the rotation between hips and chest, and no other joint twists relative to
      its parent.

    Args:
        path: the file to write; it appears whole or not at all.
        joints: (T, 22, 3), T > 1, in metres, Y up.
        fps: frames a second.

    Raises:
        AtomError: the joints have another shape or hold NaN, or the file can't be written.
    """
    path = Path(path)
    joints = np.asarray(joints, dtype=np.float64)
    if joints.ndim != 3 or joints.shape[1:] != (JOINTS, 3) or len(joints) < 2:
        raise AtomError(
            f"{path}: joints of shape {joints.shape} make no BVH, give (frames, {JOINTS}, 3) with 2 frames or more"
        )
    bad = ~np.isfinite(joints).all(axis=(1, 2))
    if bad.any():
        problem = f"{bad.sum()} of {len(joints)} frames hold NaN or infinity, first frame {bad.argmax()}"
        raise AtomError(f"{path}: {problem}: leave these frames out")
    offsets = _rest_offsets(joints)
    rotations = _world_rotations(joints, offsets)
    order, lines = _write_hierarchy(offsets)
    angles = [
        _to_euler(rotations[joint] if joint == _PELVIS else rotations[PARENTS[joint]].inv() * rotations[joint])
        for joint in order
    ]
    values = np.hstack([joints[:, _PELVIS] * _CENTIMETRES, *angles]).round(5) + 0.0  # turns -0 into 0
    lines += ["MOTION", f"Frames: {len(joints)}", f"Frame Time: {1 / fps:.8f}"]
    lines += [" ".join(f"{value:.5f}" for value in row) for row in values.tolist()]
    try:
        write_atomically(path, lambda temporary: temporary.write_text("\n".join(lines) + "\n", encoding="ascii"))
    except OSError as error:
        raise AtomError(f"{path}: can't be written ({error.strerror}), choose another place") from error


def _rest_offsets(joints: np.ndarray) -> np.ndarray:
    """The offset (22, 3), in metres, of each joint from its parent in the rest pose; zero for the root."""
    bones = joints - joints[:, (0, *PARENTS[1:])]
    lengths = np.median(np.linalg.norm(bones, axis=-1), axis=0)[:, None]
    offsets = _T_POSE * lengths
    # The bones that leave one joint (hips, collars and neck) form a rigid shape: alternate between its best rotation in
    # every frame and its mean shape under these rotations.
    for children in filter(lambda children: len(children) > 1, _CHILDREN):
        rest, shape = offsets[children], offsets[children]
        for _ in range(_FIT_ITERATIONS):
            shape = _fit_rotations(shape, bones[:, children]).inv().as_matrix() @ bones[:, children].swapaxes(1, 2)
            shape = unit(shape.mean(axis=0).T) * lengths[children]
        offsets[children] = _fit_rotations(shape, rest[None])[0].apply(shape)
    return offsets


def _fit_rotations(shape: np.ndarray, targets: np.ndarray) -> Rotation:
    """The rotations (T) that bring the points `shape` (n, 3) nearest to `targets` (T, n, 3). Kabsch 1976."""
    left, _, right = np.linalg.svd(targets.swapaxes(1, 2) @ shape)
    # Flip the last axis where the best orthogonal matrix would be a reflection.
    left[:, :, 2] *= np.sign(np.linalg.det(left @ right))[:, None]
    return Rotation.from_matrix(left @ right)


def _world_rotations(joints: np.ndarray, offsets: np.ndarray) -> list[Rotation]:
    """The rotation of each joint from the rest pose in every frame, in world coordinates."""
    rotations = [Rotation.identity(len(joints))] * JOINTS
    for joint in (_PELVIS, _CHEST):
        children = _CHILDREN[joint]
        rotations[joint] = _fit_rotations(offsets[children], joints[:, children] - joints[:, [joint]])
    spine_rotation = (rotations[_PELVIS].inv() * rotations[_CHEST]).as_rotvec()
    positions = joints.copy()  # where the rotations and the constant bone lengths put the joints
    for joint, parent in enumerate(PARENTS):
        if joint != _PELVIS:
            positions[:, joint] = positions[:, parent] + rotations[parent].apply(offsets[joint])
        if joint in (_PELVIS, _CHEST):
            continue
        rotation = rotations[parent]
        if joint in _SPINE_FRACTIONS:
            rotation = rotations[_PELVIS] * Rotation.from_rotvec(_SPINE_FRACTIONS[joint] * spine_rotation)
        for child in _CHILDREN[joint]:
            rotation = _aim(rotation, _T_POSE[child], unit(joints[:, child] - positions[:, joint]))
            if joint in _FLEXION_DIRECTIONS:
                (end,) = _CHILDREN[child]
                flexion = np.array(_FLEXION_DIRECTIONS[joint])
                rotation = _twist_to_hinge(rotation, _T_POSE[child], flexion, unit(joints[:, end] - joints[:, child]))
        rotations[joint] = rotation
    return rotations


def _aim(rotation: Rotation, rest: np.ndarray, target: np.ndarray) -> Rotation:
    """Add the smallest rotation after which `rotation` takes the direction `rest` (3) to `target` (T, 3)."""
    return Rotation.from_quat(quaternions_between(rotation.apply(rest), target), scalar_first=True) * rotation


def _twist_to_hinge(rotation: Rotation, limb: np.ndarray, flexion: np.ndarray, lower: np.ndarray) -> Rotation:
    """Twist an upper limb about its axis `limb` (3) so that its `lower` part (T, 3) bends towards `flexion` (3).

    A nearly straight limb defines no plane of its own: it takes that of the neighbouring frames, or stays untwisted.
    """
    lower = rotation.inv().apply(lower)
    # The lower part's direction across the limb as a complex number, whose angle is the twist.
    plane = lower @ flexion + 1j * (lower @ np.cross(limb, flexion))
    bent = np.minimum(np.linalg.norm(lower - limb, axis=-1) / _BENT, 1) ** 2
    around = gaussian_filter1d(plane, _PLANE_SIGMA, mode="nearest") + _UNTWISTED_WEIGHT
    twist = np.angle(bent * plane / np.maximum(np.abs(plane), 1e-12) + (1 - bent) * around)
    return rotation * Rotation.from_rotvec(twist[:, None] * limb)


def _to_euler(rotation: Rotation) -> np.ndarray:
    """Intrinsic Z, X, Y Euler angles (T, 3) in degrees; of all equivalent angles, those that change least over time."""
    matrix = rotation.as_matrix()
    frames = np.arange(len(matrix))
    defined = np.hypot(matrix[:, 0, 1], matrix[:, 1, 1]) > _MIN_COSINE
    z = np.arctan2(-matrix[:, 0, 1], matrix[:, 1, 1])
    z = z[np.maximum.accumulate(np.where(defined, frames, defined.argmax()))]  # in gimbal lock, z of the frame before
    cos, sin = np.cos(z), np.sin(z)
    x = np.arcsin(np.clip(matrix[:, 2, 1], -1, 1))
    y = np.arctan2(cos * matrix[:, 0, 2] + sin * matrix[:, 1, 2], cos * matrix[:, 0, 0] + sin * matrix[:, 1, 0])
    one = np.stack([z, x, y], axis=-1)
    other = np.stack([z + np.pi, np.pi - x, y + np.pi], axis=-1)  # the same rotation
    switches = _angle_distance(one[:-1], other[1:]) < _angle_distance(one[:-1], one[1:])
    use_other = np.concatenate([[False], np.cumsum(switches) % 2 == 1])[:, None]
    tracks = [np.unwrap(np.where(use_other, *pair), axis=0) for pair in ((other, one), (one, other))]
    tracks = [track - 2 * np.pi * np.round(track.mean(axis=0) / (2 * np.pi)) for track in tracks]
    return np.degrees(min(tracks, key=lambda track: np.abs(track).sum()))


def _angle_distance(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.abs((one - other + np.pi) % (2 * np.pi) - np.pi).sum(axis=-1)


def _write_hierarchy(offsets: np.ndarray) -> tuple[list[int], list[str]]:
    """The joints in the order of their channels, and the lines of the HIERARCHY section."""
    order, lines = [], ["HIERARCHY"]

    def write(joint: int, pad: str) -> None:
        order.append(joint)
        is_root = joint == _PELVIS
        lines.extend(
            [f"{pad}{'ROOT' if is_root else 'JOINT'} {_BVH_NAMES[joint]}", pad + "{", _offset_line(pad, offsets[joint])]
        )
        channels = "6 Xposition Yposition Zposition" if is_root else "3"
        lines.append(f"{pad}\tCHANNELS {channels} Zrotation Xrotation Yrotation")
        for child in _CHILDREN[joint]:
            write(child, pad + "\t")
        if joint in _END_SITES:
            fraction, direction = _END_SITES[joint]
            end = np.array(direction) * fraction * np.linalg.norm(offsets[joint])
            lines.extend([f"{pad}\tEnd Site", pad + "\t{", _offset_line(pad + "\t", end), pad + "\t}"])
        lines.append(pad + "}")

    write(_PELVIS, "")
    return order, lines


def _offset_line(pad: str, offset: np.ndarray) -> str:
    return f"{pad}\tOFFSET " + " ".join(f"{value:.5f}" for value in offset * _CENTIMETRES + 0.0)
