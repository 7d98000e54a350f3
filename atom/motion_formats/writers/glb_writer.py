"""Writing of glTF 2.0 binaries (.glb): a skinned, animated body for web pages, Blender and game engines.

The container is written here, because no library saves much of it: pygltflib holds the JSON but leaves accessors, skin
and animation to its caller and brings dataclasses-json, which is not kept up; trimesh drops skins; pymomentum runs on
other versions of Python and torch. Tests read the files with pygltflib and three.js. Source: the glTF 2.0
specification, https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

from atom.atomic_write import write_atomically
from atom.errors import AtomError
from atom.motion.skeleton import FPS, JOINTS
from atom.motion_formats.writers.body_mesh import BodyMesh, build_body_mesh
from atom.motion_formats.writers.inverse_kinematics import local_rotations
from atom.motion_formats.writers.mixamo_skeleton import CHILDREN, MIXAMO_NAMES
from atom.motion_formats.writers.skeleton_fit import SkeletonFit, check_joints, fit_skeleton, rest_joints

_COMPONENT_TYPES = {"uint8": 5121, "uint16": 5123, "float32": 5126}
_SHAPES = {(): "SCALAR", (3,): "VEC3", (4,): "VEC4", (4, 4): "MAT4"}
_VERTICES, _INDICES = 34962, 34963  # the targets of buffer views
_ROUGHNESS = 0.8
_ALIGNMENT = 4  # bytes, of chunks and of arrays in them


def write_glb(path: str | Path, joints: np.ndarray, fps: float = FPS, name: str | None = None) -> None:
    """Write joints as a .glb file with a body that moves.

    - Metres, Y up; the rest pose is a T-pose that faces +Z and stands on the floor.
    - The joints are nodes with Mixamo's names, each with its rotations at the frames; the hips also have translations.
    - Bones and rotations are those of `fit_skeleton`: constant bones are exact, others as near as one skeleton can be.
    - The body is that of the renderer: its left orange, its right blue.

    Args:
        path: the file to write; it appears whole or not at all.
        joints: (T, 22, 3), T > 1, in metres, Y up.
        fps: frames a second.
        name: of the animation; the file's name if None.

    Raises:
        AtomError: the joints have another shape or hold NaN, or the file can't be written.
    """
    path = Path(path)
    fit = fit_skeleton(check_joints(path, joints))
    content = _build_glb(fit, fps, name or path.stem)
    try:
        write_atomically(path, lambda temporary: temporary.write_bytes(content))
    except OSError as error:
        raise AtomError(f"{path}: can't be written ({error.strerror}), choose another place") from error


def _build_glb(fit: SkeletonFit, fps: float, name: str) -> bytes:
    rest = rest_joints(fit.offsets)
    mesh = build_body_mesh(rest)
    rest[:, 1] -= mesh.vertices[:, 1].min()  # the soles are on the floor
    mesh.vertices[:, 1] -= mesh.vertices[:, 1].min()
    buffer = _Buffer()
    inverse_bind = np.tile(np.eye(4), (JOINTS, 1, 1))
    inverse_bind[:, 3, :3] = -rest  # matrices are stored column by column
    nodes: list[dict[str, Any]] = []
    for joint, joint_name in enumerate(MIXAMO_NAMES):
        offset = fit.offsets[joint] if joint else rest[0]
        nodes.append({"name": joint_name, "translation": offset.tolist()})
        if CHILDREN[joint]:
            nodes[joint]["children"] = list(CHILDREN[joint])
    nodes.append({"name": "Body", "mesh": 0, "skin": 0})
    primitives, materials = _build_mesh(buffer, mesh)
    document = {
        "asset": {"version": "2.0", "generator": "AToM (atom-motion)"},
        "scene": 0,
        "scenes": [{"name": name, "nodes": [0, JOINTS]}],
        "nodes": nodes,
        "meshes": [{"name": "Body", "primitives": primitives}],
        "materials": materials,
        "skins": [{"joints": list(range(JOINTS)), "skeleton": 0, "inverseBindMatrices": buffer.add(inverse_bind)}],
        "animations": [_build_animation(buffer, fit, fps, name)],
        "accessors": buffer.accessors,
        "bufferViews": buffer.views,
        "buffers": [{"byteLength": len(buffer.content)}],
    }
    text = json.dumps(document, separators=(",", ":")).encode()
    chunks = _chunk(b"JSON", text, b" ") + _chunk(b"BIN\0", bytes(buffer.content), b"\0")
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def _chunk(kind: bytes, content: bytes, padding: bytes) -> bytes:
    content += padding * (-len(content) % _ALIGNMENT)
    return struct.pack("<I4s", len(content), kind) + content


class _Buffer:
    """The binary chunk, and the accessors that describe the arrays in it."""

    def __init__(self) -> None:
        self.content = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def add(self, array: np.ndarray, target: int | None = None, bounds: bool = False, **fields: Any) -> int:
        """Append an array of vectors or matrices; floats become float32.

        Args:
            array: (n, ...), a scalar, vector or matrix a row.
            target: what a buffer view of vertices or indices is for.
            bounds: whether the accessor gives the least and greatest values, as those of positions and times must.
            fields: further fields of the accessor.

        Returns:
            The index of the accessor.
        """
        array = np.ascontiguousarray(array, dtype=np.float32 if array.dtype.kind == "f" else array.dtype)
        view = {"buffer": 0, "byteOffset": len(self.content), "byteLength": array.nbytes}
        self.views.append(view | ({"target": target} if target else {}))
        self.content += array.tobytes() + b"\0" * (-array.nbytes % _ALIGNMENT)
        accessor = {
            "bufferView": len(self.views) - 1,
            "componentType": _COMPONENT_TYPES[array.dtype.name],
            "count": len(array),
            "type": _SHAPES[array.shape[1:]],
            **fields,
        }
        if bounds:
            low, high = array.min(axis=0), array.max(axis=0)
            accessor |= {"min": np.atleast_1d(low).tolist(), "max": np.atleast_1d(high).tolist()}
        self.accessors.append(accessor)
        return len(self.accessors) - 1


def _build_mesh(buffer: _Buffer, mesh: BodyMesh) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The primitives, one a colour, and their materials."""
    unused = np.zeros_like(mesh.joints)
    joints = np.hstack([np.where(mesh.weights > 0, mesh.joints, 0), unused])  # without a weight, the joint must be 0
    attributes = {
        "POSITION": buffer.add(mesh.vertices, _VERTICES, bounds=True),
        "NORMAL": buffer.add(mesh.normals, _VERTICES),
        "JOINTS_0": buffer.add(joints.astype(np.uint8), _VERTICES),
        "WEIGHTS_0": buffer.add(np.hstack([mesh.weights, unused]), _VERTICES),
    }
    primitives, materials = [], []
    for colour, triangles in mesh.triangles.items():
        indices = buffer.add(triangles.ravel().astype(np.uint16), _INDICES)
        primitives.append({"attributes": attributes, "indices": indices, "material": len(materials)})
        surface = {"baseColorFactor": [*_to_linear(colour), 1.0], "metallicFactor": 0.0, "roughnessFactor": _ROUGHNESS}
        materials.append({"name": "#{:02x}{:02x}{:02x}".format(*colour), "pbrMetallicRoughness": surface})
    return primitives, materials


def _to_linear(colour: tuple[int, int, int]) -> list[float]:
    """Linear red, green and blue (0 to 1) of an sRGB colour (0 to 255)."""
    values = np.array(colour) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4).round(5).tolist()


def _build_animation(buffer: _Buffer, fit: SkeletonFit, fps: float, name: str) -> dict[str, Any]:
    times = buffer.add(np.arange(len(fit.joints)) / fps, bounds=True)
    tracks = [(0, "translation", fit.joints[:, 0])]
    for joint, rotation in enumerate(local_rotations(fit.rotations)):
        if CHILDREN[joint]:  # the last joint of a limb turns with its parent
            tracks.append((joint, "rotation", _without_jumps(rotation.as_quat())))
    samplers = [{"input": times, "output": buffer.add(values)} for _, _, values in tracks]
    channels = [{"sampler": i, "target": {"node": joint, "path": kind}} for i, (joint, kind, _) in enumerate(tracks)]
    return {"name": name, "samplers": samplers, "channels": channels}


def _without_jumps(quaternions: np.ndarray) -> np.ndarray:
    """The same rotations (T, 4) by quaternions of which each is near the one before, not near its negative."""
    opposite = np.einsum("ij,ij->i", quaternions[1:], quaternions[:-1]) < 0
    return quaternions * np.where(np.cumsum(np.concatenate([[False], opposite])) % 2 == 1, -1, 1)[:, None]
