"""Writing of Biovision hierarchies (.bvh) for Blender and other animation programs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from atom.atomic_write import write_atomically
from atom.errors import AtomError
from atom.motion.skeleton import FPS
from atom.motion_formats.writers.inverse_kinematics import local_rotations
from atom.motion_formats.writers.mixamo_skeleton import CHILDREN, END_SITES, MIXAMO_NAMES
from atom.motion_formats.writers.skeleton_fit import check_joints, fit_skeleton

_CENTIMETRES = 100  # in a metre
_MIN_COSINE = 1e-4  # of the middle Euler angle; below it (gimbal lock) the first angle is undefined


def write_bvh(path: str | Path, joints: np.ndarray, fps: float = FPS) -> None:
    """Write joints as a .bvh file in centimetres; Blender imports it at Scale 0.01.

    - The unit is that of Mixamo, MotionBuilder and Maya; a BVH file has no field for another one.
    - Joints have Mixamo's names. Only the hips have position channels; every joint has Z, X and Y rotations in degrees
      without jumps by full turns.
    - The rest pose is a T-pose that faces +Z. Constant bones are reproduced exactly; of bones that vary, the file has
      the best fit of all frames (see `fit_skeleton`), with the twists that `inverse_kinematics` describes.

    Args:
        path: the file to write; it appears whole or not at all.
        joints: (T, 22, 3), T > 1, in metres, Y up.
        fps: frames a second.

    Raises:
        AtomError: the joints have another shape or hold NaN, or the file can't be written.
    """
    path = Path(path)
    fit = fit_skeleton(check_joints(path, joints))
    order, lines = _write_hierarchy(fit.offsets)
    rotations = local_rotations(fit.rotations)
    angles = [_to_euler(rotations[joint]) for joint in order]
    values = np.hstack([fit.joints[:, 0] * _CENTIMETRES, *angles]).round(5) + 0.0  # turns -0 into 0
    lines += ["MOTION", f"Frames: {len(values)}", f"Frame Time: {1 / fps:.8f}"]
    lines += [" ".join(f"{value:.5f}" for value in row) for row in values.tolist()]
    try:
        write_atomically(path, lambda temporary: temporary.write_text("\n".join(lines) + "\n", encoding="ascii"))
    except OSError as error:
        raise AtomError(f"{path}: can't be written ({error.strerror}), choose another place") from error


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
        is_root = joint == 0
        lines.extend(
            [
                f"{pad}{'ROOT' if is_root else 'JOINT'} {MIXAMO_NAMES[joint]}",
                pad + "{",
                _offset_line(pad, offsets[joint]),
            ]
        )
        channels = "6 Xposition Yposition Zposition" if is_root else "3"
        lines.append(f"{pad}\tCHANNELS {channels} Zrotation Xrotation Yrotation")
        for child in CHILDREN[joint]:
            write(child, pad + "\t")
        if joint in END_SITES:
            fraction, direction = END_SITES[joint]
            end = np.array(direction) * fraction * np.linalg.norm(offsets[joint])
            lines.extend([f"{pad}\tEnd Site", pad + "\t{", _offset_line(pad + "\t", end), pad + "\t}"])
        lines.append(pad + "}")

    write(0, "")
    return order, lines


def _offset_line(pad: str, offset: np.ndarray) -> str:
    return f"{pad}\tOFFSET " + " ".join(f"{value:.5f}" for value in offset * _CENTIMETRES + 0.0)
