"""Unit vectors, unit quaternions (w, x, y, z), and rotations about the vertical axis."""

from __future__ import annotations

import math

import numpy as np

from atom.jit import njit

_TINY = 1e-12

Vector = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]


def unit(vectors: np.ndarray) -> np.ndarray:
    """Scale `vectors` (..., n) to length 1; a zero vector stays zero."""
    return vectors / np.maximum(np.sqrt(np.einsum("...i,...i->...", vectors, vectors))[..., None], _TINY)


def rotate_about_y(vectors: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Rotate vectors about +Y.

    Args:
        vectors: (..., 3).
        angle: in radians; broadcasts over all axes of `vectors` but the last. A positive angle takes +Z towards +X,
            which is counter-clockwise seen from above.
    """
    cos, sin = np.cos(angle), np.sin(angle)
    rotated = np.array(vectors)
    rotated[..., 0] = vectors[..., 0] * cos + vectors[..., 2] * sin
    rotated[..., 2] = vectors[..., 2] * cos - vectors[..., 0] * sin
    return rotated


def quaternions_between(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Apply `quaternion_between` to each pair of unit vectors.

    Args:
        start: (..., 3); broadcasts with `end`.
        end: (..., 3).

    Returns:
        (..., 4) unit quaternions that take each `start` to its `end`.
    """
    start, end = np.broadcast_arrays(np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64))
    return _quaternion_between_each(start.reshape(-1, 3), end.reshape(-1, 3)).reshape(*start.shape[:-1], 4)


@njit
def _quaternion_between_each(starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    quaternions = np.empty((len(starts), 4))
    for row in range(len(starts)):
        (sx, sy, sz), (ex, ey, ez) = starts[row], ends[row]
        quaternions[row] = quaternion_between((sx, sy, sz), (ex, ey, ez))
    return quaternions


# The functions below take one rotation at a time, as tuples: compiled loops call them without allocating arrays.


@njit
def unit_vector(x: float, y: float, z: float) -> Vector:
    """The vector (x, y, z) scaled to length 1; a zero vector stays zero."""
    length = max(math.sqrt(x * x + y * y + z * z), _TINY)
    return x / length, y / length, z / length


@njit
def quaternion_between(start: Vector, end: Vector) -> Quaternion:
    """The smallest rotation that takes one unit vector to another.

    Opposite vectors get a half turn about an axis perpendicular to `start`; a zero vector gets no rotation.

    Args:
        start: a unit vector.
        end: a unit vector.
    """
    sx, sy, sz = start
    ex, ey, ez = end
    w = 1 + sx * ex + sy * ey + sz * ez
    x, y, z = sy * ez - sz * ey, sz * ex - sx * ez, sx * ey - sy * ex
    if w < _TINY:  # the vectors are opposite and their cross product vanishes: take any perpendicular axis
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
    """The product of two rotations.

    Args:
        first: the rotation that is applied last.
        second: the rotation that is applied first.
    """
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
    """The 6D representation: the first two columns of the rotation matrix. Zhou et al., arXiv 1812.07035."""
    w, x, y, z = quaternion
    return (
        1 - 2 * (y * y + z * z),
        2 * (x * y + z * w),
        2 * (x * z - y * w),
        2 * (x * y - z * w),
        1 - 2 * (x * x + z * z),
        2 * (y * z + x * w),
    )
