"""A mesh of the renderer's body around the joints of a T-pose, and the joints that each of its vertices follows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atom.motion.rotation import unit
from atom.motion.skeleton import JOINT_INDEX
from atom.rendering.figure import (
    AXIS,
    COLOUR,
    END_A,
    END_B,
    RADII,
    SQUEEZE,
    build_figure_parts,
    measure_body_height,
)

_SEGMENTS, _RINGS = 18, 6  # around a part, and of the cap at each of its ends

# The joint that each end of a part follows, in the order of the figure's parts; between them the parts bend smoothly.
_TRUNK = [("pelvis", "pelvis"), ("pelvis", "spine2"), ("spine2", "spine3"), ("r_collar", "l_collar")]
_HEAD = [("neck", "head"), *[("head", "head")] * 6]
_ARM, _LEG = ("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle", "ankle")
_FOLLOWED = [
    *_TRUNK,
    *_HEAD,
    *((f"{side}_{joint}",) * 2 for side in "lr" for limb in (_ARM, _LEG) for joint in limb),
]
_HANDS = [i for i, (joint, _) in enumerate(_FOLLOWED) if joint.endswith("wrist")]
_PALM = (0, 1, 0)  # the axis along which a hand is flat in T-pose


_ROWS = 2 * (_RINGS + 1)
_VERTICES = _ROWS * _SEGMENTS  # of a part: a grid of rows from pole to pole, which closes around the part


def _grid_triangles() -> np.ndarray:
    """The triangles (n, 3) of a part's grid, without those of no area at the poles."""
    row, column = np.meshgrid(np.arange(_ROWS - 1), np.arange(_SEGMENTS), indexing="ij")
    near, far = row * _SEGMENTS + column, row * _SEGMENTS + (column + 1) % _SEGMENTS
    towards_a = np.stack([near, far, far + _SEGMENTS], axis=-1)[1:]
    towards_b = np.stack([near, far + _SEGMENTS, near + _SEGMENTS], axis=-1)[:-1]
    return np.concatenate([towards_a.reshape(-1, 3), towards_b.reshape(-1, 3)])


_TRIANGLES = _grid_triangles()


@dataclass(frozen=True)
class BodyMesh:
    """A skinned mesh in the rest pose.

    Attributes:
        vertices: (V, 3) float32 in metres.
        normals: (V, 3) float32, unit vectors.
        joints: (V, 2), indices of the two joints that move a vertex.
        weights: (V, 2), their weights, which sum to 1.
        triangles: for each colour (red, green, blue of 0..255), its triangles (n, 3), counter-clockwise from outside.
    """

    vertices: np.ndarray
    normals: np.ndarray
    joints: np.ndarray
    weights: np.ndarray
    triangles: dict[tuple[int, int, int], np.ndarray]


def build_body_mesh(rest: np.ndarray) -> BodyMesh:
    """Build the mesh of a body.

    Args:
        rest: (22, 3), the joints of a T-pose that faces +Z, in metres.
    """
    (parts,) = build_figure_parts(rest[None], measure_body_height(rest[None]))
    parts[_HANDS, AXIS] = _PALM
    vertices, normals, joints, weights, triangles = [], [], [], [], {}
    for part, (first, last) in zip(parts, _FOLLOWED, strict=True):
        colour = tuple(part[COLOUR].astype(int).tolist())
        triangles.setdefault(colour, []).append(_TRIANGLES + _VERTICES * len(vertices))
        points, directions, along = _part_surface(part)
        vertices.append(points)
        normals.append(directions)
        joints.append(np.full((len(points), 2), [JOINT_INDEX[first], JOINT_INDEX[last]]))
        weight = along if last != first else np.zeros_like(along)  # a vertex must not name a joint twice
        weights.append(np.stack([1 - weight, weight], axis=1))
    return BodyMesh(
        np.concatenate(vertices).astype(np.float32),
        unit(np.concatenate(normals)).astype(np.float32),
        np.concatenate(joints),
        np.concatenate(weights),
        {colour: np.concatenate(faces) for colour, faces in triangles.items()},
    )


def _part_surface(part: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices (n, 3), normals (n, 3) and place between the ends (n, 0 to 1) of a rounded cone.

    Its profile is an arc about one end up to where the common tangent of both spheres touches, then one about the other
    end; both touch at the same angle to the axis, so that a straight line between them is the cone.
    """
    start, end, (radius_a, radius_b) = part[END_A], part[END_B], part[RADII]
    length = np.linalg.norm(end - start)
    ahead = unit(end - start) if length > 0 else np.array([0.0, 1.0, 0.0])
    across = unit(np.cross(ahead, np.eye(3)[np.abs(ahead).argmin()]))
    touch = np.arccos(np.clip((radius_a - radius_b) / max(length, 1e-9), -1, 1))
    angles = np.concatenate([np.linspace(np.pi, touch, _RINGS + 1), np.linspace(touch, 0, _RINGS + 1)])[:, None, None]
    around = np.arange(_SEGMENTS)[None, :, None] * 2 * np.pi / _SEGMENTS
    sideways = np.cos(around) * across + np.sin(around) * np.cross(ahead, across)
    normals = np.cos(angles) * ahead + np.sin(angles) * sideways
    at_end = np.repeat([0.0, 1.0], _RINGS + 1)[:, None, None]
    spread = normals * (radius_a + (radius_b - radius_a) * at_end)
    axis, squeeze = part[AXIS], part[SQUEEZE]
    vertices = start + at_end * (end - start) + spread + (spread @ axis)[..., None] * axis * (1 / squeeze - 1)
    normals = normals + (normals @ axis)[..., None] * axis * (squeeze - 1)
    vertices, normals = vertices.reshape(-1, 3), normals.reshape(-1, 3)
    along = (vertices - start) @ ahead / max(length, 1e-9)
    return vertices, normals, np.clip(along, 0, 1)
