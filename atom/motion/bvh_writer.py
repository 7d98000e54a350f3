"""Motions as Biovision hierarchies (.bvh) for Blender and other animation programs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from atom.atomic_write import write_atomically
from atom.errors import AtomError
from atom.motion.rotation import quaternions_between, unit
from atom.motion.skeleton import FPS, JOINT_INDEX, JOINT_NAMES, JOINTS, PARENTS

# Mixamo's names, by which retargeting tools know a skeleton, and where each joint lies from its parent in a T-pose.
_TRUNK = {
    "pelvis": ("Hips", (0, 0, 0)),
    "spine1": ("Spine", (0, 1, 0)),
    "spine2": ("Spine1", (0, 1, 0)),
    "spine3": ("Spine2", (0, 1, 0)),
    "neck": ("Neck", (0, 1, 0)),
    "head": ("Head", (0, 0.9, 0.4)),
}
_LIMBS = {  # of the left side, which is +X
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
    for part, (name, (x, y, z)) in _LIMBS.items()
}
_NAMES = [_BODY[joint][0] for joint in JOINT_NAMES]
_T_POSE = unit(np.array([_BODY[joint][1] for joint in JOINT_NAMES], dtype=np.float64))

# How far a limb goes on after its last joint, as a share of the bone before, and in which direction.
_ENDS = {
    JOINT_INDEX["head"]: (1.8, (0, 1, 0)),
    JOINT_INDEX["l_foot"]: (0.5, (0, 0, 1)),
    JOINT_INDEX["r_foot"]: (0.5, (0, 0, 1)),
    JOINT_INDEX["l_wrist"]: (0.7, (1, 0, 0)),
    JOINT_INDEX["r_wrist"]: (0.7, (-1, 0, 0)),
}

_CHILDREN = [[child for child in range(JOINTS) if PARENTS[child] == joint] for joint in range(JOINTS)]
_PELVIS, _CHEST = JOINT_INDEX["pelvis"], JOINT_INDEX["spine3"]
_BETWEEN = {
    JOINT_INDEX["spine1"]: 1 / 3,
    JOINT_INDEX["spine2"]: 2 / 3,
}  # how much of the chest's turn against the pelvis they take
_FLEXES = {  # where the lower part of a limb in T-pose goes when its hinge, knee or elbow, bends
    JOINT_INDEX["l_hip"]: (0, 0, -1),
    JOINT_INDEX["r_hip"]: (0, 0, -1),
    JOINT_INDEX["l_shoulder"]: (0, 0, 1),
    JOINT_INDEX["r_shoulder"]: (0, 0, 1),
}
_BENT = 0.8  # distance of unit vectors along the two parts of a limb from which on they tell its plane: 47 degrees
_STRAIGHT = 0.1  # how much a straight limb would rather stay untwisted than take the plane of the frames around
_PLANE_SIGMA = 2  # frames

_UNIT = 100  # centimetres a metre
_POLE = 1e-4  # cosine of the middle Euler angle below which the first one has no meaning
_FIT_ROUNDS = 8


def write_bvh(path: str | Path, joints: np.ndarray, fps: float = FPS) -> None:
    """Write `joints` (T, 22, 3), T > 1, in metres and Y up, as a .bvh in centimetres: Blender imports it at Scale 0.01.

    - Centimetres are the unit of Mixamo, MotionBuilder and Maya, and BVH has no word for another one.
    - Joints have Mixamo's names. Only the hips have positions; every joint turns by Z, X and Y in degrees, without
      jumps by full turns.
    - Bones have their median length in the motion, and rest in a T-pose that faces +Z; hips, collars and neck lie at
      their mean angles to each other. So joints come out where they were if those lengths and angles stay the same;
      else each bone points from where the one before ended up to where its own end was.
    - Positions don't tell how a limb is twisted: an upper arm or leg is turned so that elbow or knee bends as a hinge,
      the two lower spine joints share the turn between hips and chest, and all others don't twist against their parent.

    The file appears whole or not at all. Raises AtomError if joints have another shape or hold NaN, or if the file
    can't be written.
    """
    path = Path(path)
    joints = np.asarray(joints, dtype=np.float64)
    if joints.ndim != 3 or joints.shape[1:] != (JOINTS, 3) or len(joints) < 2:
        raise AtomError(f"{path}: joints of shape {joints.shape} make no BVH, give (frames, {JOINTS}, 3), 2 or more")
    bad = ~np.isfinite(joints).all(axis=(1, 2))
    if bad.any():
        first = f"{bad.sum()} of {len(joints)} frames hold NaN or infinity, first frame {bad.argmax()}"
        raise AtomError(f"{path}: {first}, so they make no BVH: leave these frames out")
    offsets = _rest_offsets(joints)
    turns = _turns(joints, offsets)
    order, lines = _hierarchy(offsets)
    angles = [
        _euler(turns[joint] if joint == _PELVIS else turns[PARENTS[joint]].inv() * turns[joint]) for joint in order
    ]
    values = np.hstack([joints[:, _PELVIS] * _UNIT, *angles]).round(5) + 0.0  # no -0
    lines += ["MOTION", f"Frames: {len(joints)}", f"Frame Time: {1 / fps:.8f}"]
    lines += [" ".join(f"{value:.5f}" for value in row) for row in values.tolist()]
    try:
        write_atomically(path, lambda temporary: temporary.write_text("\n".join(lines) + "\n", encoding="ascii"))
    except OSError as error:
        raise AtomError(f"{path}: can't be written ({error.strerror}), choose another place") from error


def _rest_offsets(joints: np.ndarray) -> np.ndarray:
    """Where each joint lies from its parent in the rest pose, (22, 3) in metres; zero for the root."""
    bones = joints - joints[:, (0, *PARENTS[1:])]
    lengths = np.median(np.linalg.norm(bones, axis=-1), axis=0)[:, None]
    offsets = _T_POSE * lengths
    for children in filter(lambda children: len(children) > 1, _CHILDREN):
        rest, shape = offsets[children], offsets[children]
        for _ in range(_FIT_ROUNDS):
            shape = _best_fit(shape, bones[:, children]).inv().as_matrix() @ bones[:, children].swapaxes(1, 2)
            shape = unit(shape.mean(axis=0).T) * lengths[children]
        offsets[children] = _best_fit(shape, rest[None])[0].apply(shape)
    return offsets


def _best_fit(shape: np.ndarray, places: np.ndarray) -> Rotation:
    """The rotations (T) that bring the points `shape` (n, 3) nearest to `places` (T, n, 3). Kabsch 1976."""
    left, _, right = np.linalg.svd(places.swapaxes(1, 2) @ shape)
    left[:, :, 2] *= np.sign(np.linalg.det(left @ right))[:, None]
    return Rotation.from_matrix(left @ right)


def _turns(joints: np.ndarray, offsets: np.ndarray) -> list[Rotation]:
    """How each joint is turned against the rest pose in every frame, seen from the world."""
    turns = [Rotation.identity(len(joints))] * JOINTS
    for joint in (_PELVIS, _CHEST):
        children = _CHILDREN[joint]
        turns[joint] = _best_fit(offsets[children], joints[:, children] - joints[:, [joint]])
    trunk = (turns[_PELVIS].inv() * turns[_CHEST]).as_rotvec()
    places = joints.copy()
    for joint, parent in enumerate(PARENTS):
        if joint != _PELVIS:
            places[:, joint] = places[:, parent] + turns[parent].apply(offsets[joint])
        if joint in (_PELVIS, _CHEST):
            continue
        turn = turns[parent]
        if joint in _BETWEEN:
            turn = turns[_PELVIS] * Rotation.from_rotvec(_BETWEEN[joint] * trunk)
        for child in _CHILDREN[joint]:
            turn = _aimed(turn, _T_POSE[child], unit(joints[:, child] - places[:, joint]))
            if joint in _FLEXES:
                (end,) = _CHILDREN[child]
                turn = _hinged(turn, _T_POSE[child], np.array(_FLEXES[joint]), unit(joints[:, end] - joints[:, child]))
        turns[joint] = turn
    return turns


def _aimed(turn: Rotation, rest: np.ndarray, towards: np.ndarray) -> Rotation:
    """`turn`, turned on by as little as possible so that it takes the direction `rest` (3) to `towards` (T, 3)."""
    return Rotation.from_quat(quaternions_between(turn.apply(rest), towards), scalar_first=True) * turn


def _hinged(turn: Rotation, limb: np.ndarray, flexes: np.ndarray, lower: np.ndarray) -> Rotation:
    """`turn` of an upper limb, twisted about the `limb` (3) so that its `lower` part (T, 3) bends to where it `flexes`.

    A limb that is nearly straight has no plane of its own: it takes that of the frames around, or stays untwisted.
    """
    lower = turn.inv().apply(lower)
    plane = lower @ flexes + 1j * (lower @ np.cross(limb, flexes))
    bent = np.minimum(np.linalg.norm(lower - limb, axis=-1) / _BENT, 1) ** 2
    around = gaussian_filter1d(plane, _PLANE_SIGMA, mode="nearest") + _STRAIGHT
    twist = np.angle(bent * plane / np.maximum(np.abs(plane), 1e-12) + (1 - bent) * around)
    return turn * Rotation.from_rotvec(twist[:, None] * limb)


def _euler(turn: Rotation) -> np.ndarray:
    """Turns (T, 3) in degrees about Z, then the turned X, then the turned Y; of all such angles the steadiest ones."""
    matrix = turn.as_matrix()
    frames = np.arange(len(matrix))
    meant = np.hypot(matrix[:, 0, 1], matrix[:, 1, 1]) > _POLE
    z = np.arctan2(-matrix[:, 0, 1], matrix[:, 1, 1])
    z = z[np.maximum.accumulate(np.where(meant, frames, meant.argmax()))]  # at a pole that of the frame before
    cos, sin = np.cos(z), np.sin(z)
    x = np.arcsin(np.clip(matrix[:, 2, 1], -1, 1))
    y = np.arctan2(cos * matrix[:, 0, 2] + sin * matrix[:, 1, 2], cos * matrix[:, 0, 0] + sin * matrix[:, 1, 0])
    one = np.stack([z, x, y], axis=-1)
    other = np.stack([z + np.pi, np.pi - x, y + np.pi], axis=-1)  # the same rotation
    changes = _distance(one[:-1], other[1:]) < _distance(one[:-1], one[1:])
    crossed = np.concatenate([[False], np.cumsum(changes) % 2 == 1])[:, None]
    ways = [np.unwrap(np.where(crossed, *pair), axis=0) for pair in ((other, one), (one, other))]
    ways = [way - 2 * np.pi * np.round(way.mean(axis=0) / (2 * np.pi)) for way in ways]
    return np.degrees(min(ways, key=lambda way: np.abs(way).sum()))


def _distance(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.abs((one - other + np.pi) % (2 * np.pi) - np.pi).sum(axis=-1)


def _hierarchy(offsets: np.ndarray) -> tuple[list[int], list[str]]:
    """The joints in the order of their channels, and the skeleton's lines."""
    order, lines = [], ["HIERARCHY"]

    def write(joint: int, pad: str) -> None:
        order.append(joint)
        root = joint == _PELVIS
        lines.extend([f"{pad}{'ROOT' if root else 'JOINT'} {_NAMES[joint]}", pad + "{", _offset(pad, offsets[joint])])
        channels = "6 Xposition Yposition Zposition" if root else "3"
        lines.append(f"{pad}\tCHANNELS {channels} Zrotation Xrotation Yrotation")
        for child in _CHILDREN[joint]:
            write(child, pad + "\t")
        if joint in _ENDS:
            share, direction = _ENDS[joint]
            end = np.array(direction) * share * np.linalg.norm(offsets[joint])
            lines.extend([f"{pad}\tEnd Site", pad + "\t{", _offset(pad + "\t", end), pad + "\t}"])
        lines.append(pad + "}")

    write(_PELVIS, "")
    return order, lines


def _offset(pad: str, offset: np.ndarray) -> str:
    return f"{pad}\tOFFSET " + " ".join(f"{value:.5f}" for value in offset * _UNIT + 0.0)
