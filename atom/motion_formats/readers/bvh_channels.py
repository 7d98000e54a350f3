"""Rotations and translations of joints from the channel values of a BVH file."""

from __future__ import annotations

import math

import numpy as np

from atom.jit import njit

# The error of a bone's length, as a share of it, that confirms or excludes a reading of its joint's positions.
_FITS, _CONTRADICTS = 0.05, 0.5
_MOVES = 0.5  # of its length: a bone whose positions change by more is no bone, as from a root on the floor to the hips
_ADDED_REMARK = "positions of joints are relative to OFFSET in this file: they are added to it"


def compute_rotations(values: np.ndarray, columns: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """The rotation of each joint relative to its parent: its channels from left to right.

    Args:
        values: (T, C) in degrees.
        columns: (J, 3) the columns of each joint's rotations in the order of the channels, -1 for none.
        axes: (J, 3) their axes 0 to 2.

    Returns:
        (T, J, 4) quaternions (w, x, y, z).
    """
    rotations = np.empty((len(values), len(columns), 4))
    _compute_rotations(values, columns, axes, rotations)
    return rotations


@njit
def _compute_rotations(values: np.ndarray, columns: np.ndarray, axes: np.ndarray, rotations: np.ndarray) -> None:
    half_degree = math.pi / 360
    for frame in range(values.shape[0]):
        for joint in range(columns.shape[0]):
            w, x, y, z = 1.0, 0.0, 0.0, 0.0
            for turn in range(3):
                column = columns[joint, turn]
                if column < 0:
                    break
                angle = values[frame, column] * half_degree
                c, s = math.cos(angle), math.sin(angle)
                if axes[joint, turn] == 0:
                    w, x, y, z = w * c - x * s, x * c + w * s, y * c + z * s, z * c - y * s
                elif axes[joint, turn] == 1:
                    w, x, y, z = w * c - y * s, x * c - z * s, y * c + w * s, z * c + x * s
                else:
                    w, x, y, z = w * c - z * s, x * c + y * s, y * c - x * s, z * c + w * s
            rotations[frame, joint, 0], rotations[frame, joint, 1] = w, x
            rotations[frame, joint, 2], rotations[frame, joint, 3] = y, z


def compute_translations(
    values: np.ndarray, columns: np.ndarray, offsets: np.ndarray, parents: tuple[int, ...]
) -> tuple[np.ndarray, str | None]:
    """The translation of each joint in the frame of its parent: its OFFSET, or what its position channels say.

    Positions replace OFFSET, as the format has it; those of the root always. Some programs write positions that are to
    be added to OFFSET instead, most of them 0. The lengths of bones decide, for the whole skeleton and against it for a
    joint that leaves no doubt: the reading holds whose bones are as long as the offsets. Positions of a joint that
    moves through the world are in place where they already hold its OFFSET.

    Args:
        values: (T, C).
        columns: (J, 3) the columns of each joint's positions along X, Y and Z, -1 for none.
        offsets: (J, 3) the OFFSET of each joint.
        parents: of each joint, -1 for the root.

    Returns:
        (T, J, 3), and a remark if positions other than 0 are added to offsets.
    """
    translations = np.broadcast_to(offsets, (len(values), *offsets.shape)).copy()
    for joint in range(len(offsets)):
        for axis in range(3):
            if columns[joint, axis] >= 0:
                translations[:, joint, axis] = values[:, columns[joint, axis]]
    lengths = np.linalg.norm(offsets, axis=-1)
    # Without an OFFSET both readings are the same.
    joints = np.flatnonzero((columns >= 0).any(axis=1) & (np.array(parents) >= 0) & (lengths > 0))
    if len(joints) == 0:
        return translations, None
    replaced = translations[:, joints]
    added = replaced + np.where(columns[joints] >= 0, offsets[joints], 0)
    error, error_if_added = (_length_errors(bones, lengths[joints]) for bones in (replaced, added))
    is_added = np.full(len(joints), error_if_added.mean() < error.mean())
    is_added[(error_if_added < _FITS) & (error > _CONTRADICTS)] = True
    is_added[(error < _FITS) & (error_if_added > _CONTRADICTS)] = False
    along = np.median(np.sum(replaced * offsets[joints], axis=-1), axis=0) / lengths[joints] ** 2
    is_added[(np.ptp(replaced, axis=0).max(axis=-1) > _MOVES * lengths[joints]) & (along > 0.5)] = False
    translations[:, joints[is_added]] = added[:, is_added]
    positions = values[:, columns[joints[is_added]][columns[joints[is_added]] >= 0]]
    return translations, _ADDED_REMARK if positions.any() else None


def _length_errors(bones: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """How far bones (T, n, 3) are from their expected lengths (n,) in the median frame, as a share, at most 1."""
    median = np.median(np.linalg.norm(bones, axis=-1), axis=0)
    return np.minimum(np.abs(median / lengths - 1), 1)
