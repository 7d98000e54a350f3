"""Gauss-Newton steps over the rotations of a body with constant bones, and the least-squares bones: compiled loops.

Distances count with the power 1.5: between the mean error, which frames with a broken pose should not govern, and the
worst one.
"""

from __future__ import annotations

import math

import numpy as np

from atom.jit import njit

_POWER = 1.5  # of the distances that are minimised
_PRECISION = 2e-4  # metres: nearer, distances count by their square
_DAMPING = 1e-6  # of the rotations, beside the square of a bone's length; a limb's twist moves nothing


@njit
def bone_equations(
    joints: np.ndarray, positions: np.ndarray, matrices: np.ndarray, parents: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The normal equations of a change of all offsets, the rotations fixed.

    Args:
        joints: (T, J, 3), where joints should lie.
        positions: (T, J, 3), where they lie.
        matrices: (T, J, 3, 3), the rotation of each joint in the world.
        parents: (J), -1 for the root, which is the first.

    Returns:
        A matrix (3 J, 3 J) and a vector (3 J).
    """
    count = len(parents)
    half, gradient = np.zeros((3 * count, 3 * count)), np.zeros(3 * count)
    weights, pulls = np.empty(count), np.empty((count, 3))
    for frame in range(len(joints)):
        for joint in range(count):
            weights[joint] = _weight(joints[frame, joint], positions[frame, joint])
            for axis in range(3):
                pulls[joint, axis] = weights[joint] * (joints[frame, joint, axis] - positions[frame, joint, axis])
        for joint in range(count - 1, 0, -1):  # an offset moves its joint and all below it
            weights[parents[joint]] += weights[joint]
            for axis in range(3):
                pulls[parents[joint], axis] += pulls[joint, axis]
        for joint in range(1, count):
            own = matrices[frame, parents[joint]]
            rows = slice(3 * joint, 3 * joint + 3)
            _add_transformed(own, pulls[joint], 1.0, gradient[rows])
            _add_product(own, own, weights[joint] / 2, half[rows, rows])
            above = parents[joint]
            while above > 0:
                columns = slice(3 * above, 3 * above + 3)
                _add_product(own, matrices[frame, parents[above]], weights[joint], half[rows, columns])
                above = parents[above]
    return half + half.T, gradient


@njit
def turn_joints(
    joints: np.ndarray,
    offsets: np.ndarray,
    matrices: np.ndarray,
    root: np.ndarray,
    positions: np.ndarray,
    parents: np.ndarray,
    steps: int,
) -> None:
    """Gauss-Newton steps over the root's position and all rotations of each frame, in place.

    A change of a joint's position moves all below it, one of its rotation w moves a child by w x bone. From the leaves
    to the root, each joint's rotation is eliminated: what remains is a quadratic in its own position.

    Args:
        joints: (T, J, 3), where joints should lie.
        offsets: (J, 3), each joint from its parent in the rest pose.
        matrices: (T, J, 3, 3), the rotation of each joint in the world; changed.
        root: (T, 3), the position of the root; changed.
        positions: (T, J, 3); where the joints lie is written into it.
        parents: (J), -1 for the root, which is the first.
        steps: how many.
    """
    count = len(parents)
    bones, moves = np.empty((count, 3)), np.empty((count, 3))
    # The quadratic in a joint's rotation and position: both rotation, rotation and position, both position.
    turn_turn, turn_move, move_move = np.empty((count, 3, 3)), np.empty((count, 3, 3)), np.empty((count, 3, 3))
    turn_pull, move_pull = np.empty((count, 3)), np.empty((count, 3))
    inverse, cross, product = np.empty((count, 3, 3)), np.zeros((3, 3)), np.empty((3, 3))
    turn, right, rotation, before = np.empty(3), np.empty(3), np.empty((3, 3)), np.empty((3, 3))
    for frame in range(len(joints)):
        for step in range(steps + 1):
            _place(offsets, matrices[frame], root[frame], positions[frame], parents)
            if step == steps:
                break
            turn_turn[:], turn_move[:], move_move[:], turn_pull[:] = 0.0, 0.0, 0.0, 0.0
            for joint in range(count):
                weight = _weight(joints[frame, joint], positions[frame, joint])
                for axis in range(3):
                    move_move[joint, axis, axis] = weight
                    move_pull[joint, axis] = weight * (joints[frame, joint, axis] - positions[frame, joint, axis])
            for joint in range(count - 1, -1, -1):
                # All children have added to this joint: eliminate its rotation.
                _invert(turn_turn[joint], inverse[joint])
                product[:] = 0.0
                _add_product(inverse[joint], turn_move[joint], 1.0, product)
                _add_product(turn_move[joint], product, -1.0, move_move[joint])
                _add_transformed(product, turn_pull[joint], -1.0, move_pull[joint])
                if joint == 0:
                    break
                parent = parents[joint]
                x, y, z = positions[frame, joint] - positions[frame, parent]
                bones[joint, 0], bones[joint, 1], bones[joint, 2] = x, y, z
                cross[0, 1], cross[0, 2], cross[1, 2] = z, -y, x  # w x bone = cross @ w
                cross[1, 0], cross[2, 0], cross[2, 1] = -z, y, -x
                product[:] = 0.0
                _add_product(move_move[joint], cross, 1.0, product)
                _add_product(cross, product, 1.0, turn_turn[parent])
                _add_product(cross, move_move[joint], 1.0, turn_move[parent])
                _add_transformed(cross, move_pull[joint], 1.0, turn_pull[parent])
                for row in range(3):
                    move_pull[parent, row] += move_pull[joint, row]
                    for column in range(3):
                        move_move[parent, row, column] += move_move[joint, row, column]
            _invert(move_move[0], product)
            moves[0] = 0.0
            _add_transformed(product, move_pull[0], 1.0, moves[0])
            for joint in range(count):
                for axis in range(3):
                    right[axis] = turn_pull[joint, axis]
                    for other in range(3):
                        right[axis] -= turn_move[joint, axis, other] * moves[joint, other]
                turn[:] = 0.0
                _add_transformed(inverse[joint], right, 1.0, turn)
                _rotation_matrix(turn, rotation)  # transposed, as _add_product transposes
                before[:] = matrices[frame, joint]
                matrices[frame, joint] = 0.0
                _add_product(rotation, before, 1.0, matrices[frame, joint])
                for child in range(joint + 1, count):
                    if parents[child] == joint:
                        x, y, z = bones[child]
                        moves[child, 0] = moves[joint, 0] + turn[1] * z - turn[2] * y
                        moves[child, 1] = moves[joint, 1] + turn[2] * x - turn[0] * z
                        moves[child, 2] = moves[joint, 2] + turn[0] * y - turn[1] * x
            for axis in range(3):
                root[frame, axis] += moves[0, axis]


@njit
def _weight(one: np.ndarray, other: np.ndarray) -> float:
    """The weight of a squared distance, so that the distance counts with the power 1.5."""
    squared = (one[0] - other[0]) ** 2 + (one[1] - other[1]) ** 2 + (one[2] - other[2]) ** 2
    return (_PRECISION**2 / (squared + _PRECISION**2)) ** (1 - _POWER / 2)


@njit
def _place(
    offsets: np.ndarray, matrices: np.ndarray, root: np.ndarray, positions: np.ndarray, parents: np.ndarray
) -> None:
    positions[0] = root
    for joint in range(1, len(parents)):
        parent = parents[joint]
        for row in range(3):
            position = positions[parent, row]
            for column in range(3):
                position += matrices[parent, row, column] * offsets[joint, column]
            positions[joint, row] = position


# Products of 3 x 3 matrices without calls of BLAS, which take longer than the products.


@njit
def _add_product(one: np.ndarray, other: np.ndarray, scale: float, out: np.ndarray) -> None:
    """Add scale * one.T @ other."""
    for row in range(3):
        for column in range(3):
            total = 0.0
            for i in range(3):
                total += one[i, row] * other[i, column]
            out[row, column] += scale * total


@njit
def _add_transformed(matrix: np.ndarray, vector: np.ndarray, scale: float, out: np.ndarray) -> None:
    """Add scale * matrix.T @ vector."""
    for row in range(3):
        total = 0.0
        for i in range(3):
            total += matrix[i, row] * vector[i]
        out[row] += scale * total


@njit
def _invert(m: np.ndarray, out: np.ndarray) -> None:
    """The inverse of a symmetric matrix that is positive but for directions which move nothing; zero for zero."""
    damping = _DAMPING * (m[0, 0] + m[1, 1] + m[2, 2])
    a, b, c = m[0, 0] + damping, m[1, 1] + damping, m[2, 2] + damping
    d, e, f = m[0, 1], m[0, 2], m[1, 2]
    out[0, 0], out[0, 1], out[0, 2] = b * c - f * f, e * f - d * c, d * f - e * b
    out[1, 0], out[1, 1], out[1, 2] = out[0, 1], a * c - e * e, d * e - a * f
    out[2, 0], out[2, 1], out[2, 2] = out[0, 2], out[1, 2], a * b - d * d
    determinant = a * out[0, 0] + d * out[0, 1] + e * out[0, 2]
    scale = 1 / determinant if determinant > 0 else 0.0
    for row in range(3):
        for column in range(3):
            out[row, column] *= scale


@njit
def _rotation_matrix(vector: np.ndarray, out: np.ndarray) -> None:
    """The transposed rotation matrix of a rotation vector (Rodrigues)."""
    x, y, z = vector[0], vector[1], vector[2]
    angle = max(math.sqrt(x * x + y * y + z * z), 1e-300)
    x, y, z, cos, sin = x / angle, y / angle, z / angle, math.cos(angle), math.sin(angle)
    c = 1 - cos
    out[0, 0], out[1, 0], out[2, 0] = cos + x * x * c, x * y * c - z * sin, x * z * c + y * sin
    out[0, 1], out[1, 1], out[2, 1] = y * x * c + z * sin, cos + y * y * c, y * z * c - x * sin
    out[0, 2], out[1, 2], out[2, 2] = z * x * c - y * sin, z * y * c + x * sin, cos + z * z * c
