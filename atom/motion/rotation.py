"""Unit quaternions (w, x, y, z) on the last axis, and turns about the vertical; leading axes are free and broadcast."""

from __future__ import annotations

import numpy as np

_TINY = 1e-12


def unit(vectors: np.ndarray) -> np.ndarray:
    """`vectors` (..., n) at length 1; a zero vector stays zero."""
    return vectors / np.maximum(np.sqrt(np.einsum("...i,...i->...", vectors, vectors))[..., None], _TINY)


def rotation_between(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The smallest rotation (..., 4) that takes the unit vectors `start` (..., 3) to `end` (..., 3).

    Opposite vectors get a half turn about an axis across `start`; a zero vector gets no rotation.
    """
    sx, sy, sz = np.moveaxis(start, -1, 0)
    ex, ey, ez = np.moveaxis(end, -1, 0)
    w = 1 + sx * ex + sy * ey + sz * ez
    quaternion = np.stack([w, sy * ez - sz * ey, sz * ex - sx * ez, sx * ey - sy * ex], axis=-1)
    opposite = w < _TINY
    if opposite.any():
        start = np.broadcast_to(start, (*w.shape, 3))[opposite]
        quaternion[opposite, 0] = 0
        quaternion[opposite, 1:] = np.cross(start, np.eye(3)[np.abs(start).argmin(axis=-1)])
    return unit(quaternion)


def conjugate(quaternion: np.ndarray) -> np.ndarray:
    """The inverse rotation, (..., 4)."""
    return quaternion * np.array([1, -1, -1, -1], dtype=quaternion.dtype)


def multiply(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The rotation (..., 4) that does `second`, then `first`."""
    a, b, c, d = np.moveaxis(first, -1, 0)
    e, f, g, h = np.moveaxis(second, -1, 0)
    return np.stack(
        [
            a * e - b * f - c * g - d * h,
            a * f + b * e + c * h - d * g,
            a * g - b * h + c * e + d * f,
            a * h + b * g - c * f + d * e,
        ],
        axis=-1,
    )


def to_6d(quaternion: np.ndarray) -> np.ndarray:
    """The first two columns of the rotation matrix, one after the other, (..., 6). Zhou et al., arXiv 1812.07035."""
    w, x, y, z = np.moveaxis(quaternion, -1, 0)
    return np.stack(
        [
            1 - 2 * (y * y + z * z),
            2 * (x * y + z * w),
            2 * (x * z - y * w),
            2 * (x * y - z * w),
            1 - 2 * (x * x + z * z),
            2 * (y * z + x * w),
        ],
        axis=-1,
    )


def turn(vectors: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """`vectors` (..., 3) turned about +Y by `angle` in radians, which broadcasts over all but their last axis.

    A positive turn takes +Z towards +X: counter-clockwise seen from above.
    """
    cos, sin = np.cos(angle), np.sin(angle)
    turned = np.array(vectors)
    turned[..., 0] = vectors[..., 0] * cos + vectors[..., 2] * sin
    turned[..., 2] = vectors[..., 2] * cos - vectors[..., 0] * sin
    return turned
