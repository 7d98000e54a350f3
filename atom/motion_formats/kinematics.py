"""Joint positions of a source motion at any frame rate: rotations or bones are interpolated, then added up the tree."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from atom.errors import AtomError
from atom.jit import njit
from atom.motion_formats.source_motion import SourceMotion

_MAX_SKEW = 0.05  # of a rotation matrix times its transpose from the identity
_NEARLY_PARALLEL = 1e-6  # below this angle, in radians, a slerp equals a linear interpolation
_MIN_BLENDED = 1e-3  # of a bone's length


def positions_at(motion: SourceMotion, source_fps: float, fps: float) -> np.ndarray:
    """The joint positions of a motion at the times i / fps, from 0 to its last frame.

    A frame of the result lies at its true time: the first at 0, and none beyond the last source frame. Rotations are
    interpolated along the shortest arc (slerp), translations by a cubic through the four frames around (Catmull-Rom),
    because straight pieces cut the corners of a path and make it shorter. Positions are interpolated as translations of
    each joint from its parent, scaled so that bones keep their length. A source at the same rate is not touched.

    Args:
        motion: T frames of J joints.
        source_fps: frames a second of the motion.
        fps: frames a second of the result.

    Returns:
        (T', J, 3) float64 with T' = floor((T - 1) * fps / source_fps) + 1, in the coordinates of the source.
    """
    times = _sample_times(len(motion), source_fps, fps)
    parents = np.array(motion.skeleton.parents)
    if motion.positions is not None:
        if _is_same_rate(source_fps, fps):
            return np.asarray(motion.positions, dtype=np.float64)
        return _resample_positions(np.ascontiguousarray(motion.positions, dtype=np.float64), parents, times)
    assert motion.rotations is not None and motion.translations is not None
    rotations = np.ascontiguousarray(motion.rotations, dtype=np.float64)
    translations = np.ascontiguousarray(motion.translations, dtype=np.float64)
    return _resample_rotations(rotations, translations, parents, times)


def to_local(
    where: str, parents: Sequence[int], positions: np.ndarray, rotations: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rotations and translations in the frame of each joint's parent, from those in the world.

    Args:
        where: the source; error messages begin with it.
        parents: the index of each joint's parent, -1 for the root.
        positions: (T, J, 3).
        rotations: (T, J, 3, 3), rotation matrices.

    Returns:
        Quaternions (T, J, 4), w first, and translations (T, J, 3).

    Raises:
        AtomError: an array is not finite, or the matrices are no rotations.
    """
    bad = ~(np.isfinite(rotations).all(axis=(1, 2, 3)) & np.isfinite(positions).all(axis=(1, 2)))
    if bad.any():
        problem = f"{bad.sum()} of {len(bad)} frames hold NaN or infinity, first frame {bad.argmax()}"
        raise AtomError(f"{where}: {problem}: leave these frames out")
    above = [max(parent, 0) for parent in parents]
    to_parent = rotations[:, above].swapaxes(-1, -2)
    local = to_parent @ rotations
    translations = np.einsum("tjab,tjb->tja", to_parent, positions - positions[:, above])
    for joint, parent in enumerate(parents):
        if parent < 0:
            local[:, joint], translations[:, joint] = rotations[:, joint], positions[:, joint]
    # Files hold float32; generated ones are orthogonal to about 1e-3.
    products = np.einsum("tjab,tjcb->tjac", local, local)
    if np.abs(products - np.eye(3)).max() > _MAX_SKEW or (np.linalg.det(local) < 0).any():
        raise AtomError(f"{where}: its matrices are no rotations, restore the file")
    quaternions = Rotation.from_matrix(local.reshape(-1, 3, 3), assume_valid=True).as_quat(scalar_first=True)
    return quaternions.reshape(*local.shape[:2], 4), translations


def _is_same_rate(source_fps: float, fps: float) -> bool:
    return math.isclose(source_fps, fps, rel_tol=1e-4)


def _sample_times(frames: int, source_fps: float, fps: float) -> np.ndarray:
    """The times of the result's frames, in frames of the source."""
    if _is_same_rate(source_fps, fps):  # 20.0004 fps of a rounded frame time is 20 fps
        return np.arange(frames, dtype=np.float64)
    step = source_fps / fps
    # A rounded frame time (0.0333333 s) must not cost the last frame.
    count = math.floor((frames - 1) / step + 1e-3) + 1
    return np.minimum(np.arange(count) * step, frames - 1)


@njit
def _slerp(a: np.ndarray, b: np.ndarray, weight: float) -> tuple[float, float, float, float]:
    """Between two unit quaternions, along the shorter arc."""
    if weight == 0:
        return a[0], a[1], a[2], a[3]
    dot = a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3]
    sign = 1.0 if dot >= 0 else -1.0
    angle = math.acos(min(abs(dot), 1.0))
    if angle < _NEARLY_PARALLEL:
        first, second = 1 - weight, weight
    else:
        first = math.sin((1 - weight) * angle) / math.sin(angle)
        second = math.sin(weight * angle) / math.sin(angle)
    second *= sign
    w, x, y, z = (
        first * a[0] + second * b[0],
        first * a[1] + second * b[1],
        first * a[2] + second * b[2],
        first * a[3] + second * b[3],
    )
    size = math.sqrt(w * w + x * x + y * y + z * z)
    return w / size, x / size, y / size, z / size


@njit
def _cubic_weights(weight: float, before: int, frames: int) -> tuple[float, float, float, float]:
    """Catmull-Rom's weights of the frames before - 1 to before + 2; a frame beyond an end goes straight on."""
    square, cube = weight**2, weight**3
    a, b = (2 * square - weight - cube) / 2, (2 - 5 * square + 3 * cube) / 2
    c, d = (weight + 4 * square - 3 * cube) / 2, (cube - square) / 2
    if before == 0:
        a, b, c = 0.0, b + 2 * a, c - a
    if before + 2 >= frames:
        b, c, d = b - d, c + 2 * d, 0.0
    return a, b, c, d


@njit
def _blend(
    vectors: np.ndarray, weights: tuple[float, float, float, float], before: int, joint: int, parent: int
) -> tuple[float, float, float]:
    """The weighted sum of a joint's vectors (T, J, 3) over four frames, less its parent's where it has one."""
    x, y, z = 0.0, 0.0, 0.0
    for number in range(4):
        weight = weights[number]
        if weight != 0:
            vector = vectors[before - 1 + number]
            x, y, z = x + weight * vector[joint, 0], y + weight * vector[joint, 1], z + weight * vector[joint, 2]
            if parent >= 0:
                x, y, z = x - weight * vector[parent, 0], y - weight * vector[parent, 1], z - weight * vector[parent, 2]
    return x, y, z


@njit
def _bone_length(pose: np.ndarray, joint: int, parent: int) -> float:
    x, y, z = (
        pose[joint, 0] - pose[parent, 0],
        pose[joint, 1] - pose[parent, 1],
        pose[joint, 2] - pose[parent, 2],
    )
    return math.sqrt(x * x + y * y + z * z)


@njit
def _resample_rotations(
    rotations: np.ndarray, translations: np.ndarray, parents: np.ndarray, times: np.ndarray
) -> np.ndarray:
    frames, joints = rotations.shape[0], rotations.shape[1]
    positions = np.empty((len(times), joints, 3))
    world = np.empty((joints, 4))
    for i in range(len(times)):
        before = min(int(times[i]), frames - 1)
        after = min(before + 1, frames - 1)
        weight = times[i] - before
        cubic = _cubic_weights(weight, before, frames)
        for joint in range(joints):
            w, x, y, z = _slerp(rotations[before, joint], rotations[after, joint], weight)
            parent = parents[joint]
            tx, ty, tz = _blend(translations, cubic, before, joint, -1)
            if parent >= 0:
                a, b, c, d = world[parent]
                # v + 2 q x (q x v + w v): the translation in the world.
                cx, cy, cz = c * tz - d * ty + a * tx, d * tx - b * tz + a * ty, b * ty - c * tx + a * tz
                tx, ty, tz = (
                    tx + 2 * (c * cz - d * cy) + positions[i, parent, 0],
                    ty + 2 * (d * cx - b * cz) + positions[i, parent, 1],
                    tz + 2 * (b * cy - c * cx) + positions[i, parent, 2],
                )
                w, x, y, z = (
                    a * w - b * x - c * y - d * z,
                    a * x + b * w + c * z - d * y,
                    a * y - b * z + c * w + d * x,
                    a * z + b * y - c * x + d * w,
                )
            world[joint, 0], world[joint, 1], world[joint, 2], world[joint, 3] = w, x, y, z
            positions[i, joint, 0], positions[i, joint, 1], positions[i, joint, 2] = tx, ty, tz
    return positions


@njit
def _resample_positions(positions: np.ndarray, parents: np.ndarray, times: np.ndarray) -> np.ndarray:
    frames, joints = positions.shape[0], positions.shape[1]
    sampled = np.empty((len(times), joints, 3))
    for i in range(len(times)):
        before = min(int(times[i]), frames - 1)
        after = min(before + 1, frames - 1)
        weight = times[i] - before
        if weight == 0:
            sampled[i] = positions[before]
            continue
        cubic = _cubic_weights(weight, before, frames)
        for joint in range(joints):
            parent = parents[joint]
            x, y, z = _blend(positions, cubic, before, joint, parent)
            if parent >= 0:
                size = (1 - weight) * _bone_length(positions[before], joint, parent)
                size += weight * _bone_length(positions[after], joint, parent)
                blended = math.sqrt(x * x + y * y + z * z)
                # A bone that turns over within a frame has no direction half-way: it is not scaled.
                scale = size / blended if blended > _MIN_BLENDED * size else 1.0
                x, y, z = (
                    x * scale + sampled[i, parent, 0],
                    y * scale + sampled[i, parent, 1],
                    z * scale + sampled[i, parent, 2],
                )
            sampled[i, joint, 0], sampled[i, joint, 1], sampled[i, joint, 2] = x, y, z
    return sampled
