"""Unit quaternions (w, x, y, z), directions, and turns about the vertical."""

from __future__ import annotations

import math

import numpy as np

from atom.jit import njit

_TINY = 1e-12

Vector = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]


def unit(vectors: np.ndarray) -> np.ndarray:
    """`vectors` (..., n) at length 1; a zero vector stays zero."""
    return vectors / np.maximum(np.sqrt(np.einsum("...i,...i->...", vectors, vectors))[..., None], _TINY)


def rotate_about_y(vectors: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """`vectors` (..., 3) turned about +Y by `angle` in radians, which broadcasts over all but their last axis.

    A positive turn takes +Z towards +X: counter-clockwise seen from above.
    """
    cos, sin = np.cos(angle), np.sin(angle)
    turned = np.array(vectors)
    turned[..., 0] = vectors[..., 0] * cos + vectors[..., 2] * sin
    turned[..., 2] = vectors[..., 2] * cos - vectors[..., 0] * sin
    return turned


def quaternions_between(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The rotations (..., 4) that `quaternion_between` finds for each pair of unit vectors `start` (..., 3) and `end` (..., 3)."""
    start, end = np.broadcast_arrays(np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64))
    return _between_each(start.reshape(-1, 3), end.reshape(-1, 3)).reshape(*start.shape[:-1], 4)


@njit
def _between_each(starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    quaternions = np.empty((len(starts), 4))
    for row in range(len(starts)):
        (sx, sy, sz), (ex, ey, ez) = starts[row], ends[row]
        quaternions[row] = quaternion_between((sx, sy, sz), (ex, ey, ez))
    return quaternions


# What follows is of one rotation at a time, for compiled loops.


@njit
def unit_vector(x: float, y: float, z: float) -> Vector:
    """The vector at length 1; a zero vector stays zero."""
    length = max(math.sqrt(x * x + y * y + z * z), _TINY)
    return x / length, y / length, z / length


@njit
def quaternion_between(start: Vector, end: Vector) -> Quaternion:
    """The smallest rotation that takes one unit vector to the other.

    Opposite vectors get a half turn about an axis across `start`; a zero vector gets no rotation.
    """
    sx, sy, sz = start
    ex, ey, ez = end
    w = 1 + sx * ex + sy * ey + sz * ez
    x, y, z = sy * ez - sz * ey, sz * ex - sx * ez, sx * ey - sy * ex
    if w < _TINY:
        w = 0.0
        if abs(sx) <= min(abs(sy), abs(sz)):
            x, y, z = 0.0, sz, -sy
        elif abs(sy) <= abs(sz):
            x, y, z = -sz, 0.0, sx
        else:
            x, y, z = sy, -sx, 0.0
    size = math.sqrt(w * w + x * x + y * y + z * z)
    return w / size, x / size, y / size, z / size


@njit
def conjugate(quaternion: Quaternion) -> Quaternion:
    """The inverse rotation."""
    w, x, y, z = quaternion
    return w, -x, -y, -z


@njit
def multiply(first: Quaternion, second: Quaternion) -> Quaternion:
    """The rotation that does `second`, then `first`."""
    a, b, c, d = first
    e, f, g, h = second
    return (
        a * e - b * f - c * g - d * h,
        a * f + b * e + c * h - d * g,
        a * g - b * h + c * e + d * f,
        a * h + b * g - c * f + d * e,
    )


@njit
def to_6d(quaternion: Quaternion) -> tuple[float, float, float, float, float, float]:
    """The first two columns of the rotation matrix, one after the other. Zhou et al., arXiv 1812.07035."""
    w, x, y, z = quaternion
    return (
        1 - 2 * (y * y + z * z),
        2 * (x * y + z * w),
        2 * (x * z - y * w),
        2 * (x * y - z * w),
        1 - 2 * (x * x + z * z),
        2 * (y * z + x * w),
    )
