"""Whether Blender shows a written .bvh or .glb where its motion is: imports it as a user would, compares every bone.

    atom motions convert walk.npy walk.bvh
    python3.11 -m venv blender && blender/bin/pip install "bpy>=5,<5.1"      # Blender as a module, with its own numpy
    blender/bin/python tests/benchmarks/bones_in_blender.py walk.bvh walk.npy

The .npy holds joints (T, 22, 3). Exit status 1 where Blender's skeleton, rate or any place is not the motion's.
"""

from __future__ import annotations

import sys

import bpy
import numpy as np

BONES = [  # in the order of atom.motion.skeleton, which Blender's Python need not have
    "Hips",
    "LeftUpLeg",
    "RightUpLeg",
    "Spine",
    "LeftLeg",
    "RightLeg",
    "Spine1",
    "LeftFoot",
    "RightFoot",
    "Spine2",
    "LeftToeBase",
    "RightToeBase",
    "Neck",
    "LeftShoulder",
    "RightShoulder",
    "Head",
    "LeftArm",
    "RightArm",
    "LeftForeArm",
    "RightForeArm",
    "LeftHand",
    "RightHand",
]
METRES = 0.001  # a generated body's bones change their length, a file's don't: give a capture, or expect more


def open_file(path: str) -> tuple[bpy.types.Object, int]:
    """The armature of a file, and its first frame."""
    if path.endswith(".glb"):
        bpy.context.scene.render.fps = 20  # glTF has times; Blender turns them into frames of the scene
        bpy.ops.import_scene.gltf(filepath=path)
        (body,) = (each for each in bpy.data.objects if each.type == "ARMATURE")
        return body, int(body.animation_data.action.frame_range[0])
    bpy.ops.import_anim.bvh(filepath=path, global_scale=0.01, update_scene_fps=True)
    return bpy.context.object, 1


def main(path: str, npy: str) -> int:
    joints = np.load(npy)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    body, first = open_file(path)
    scene = bpy.context.scene
    seen = np.empty(joints.shape)
    for frame in range(len(joints)):
        scene.frame_set(first + frame)
        seen[frame] = [body.matrix_world @ body.pose.bones[name].head for name in BONES]
    seen = seen[..., [0, 2, 1]] * (1, 1, -1)  # Blender's Z is up
    away = np.linalg.norm(seen - joints, axis=-1)
    rate = scene.render.fps / scene.render.fps_base
    print(f"Blender {bpy.app.version_string}: {len(body.data.bones)} bones, {rate:g} fps, {len(joints)} frames")
    print(f"places differ by {1000 * away.mean():.3f} mm on average, {1000 * away.max():.3f} at most")
    for name in ("LeftUpLeg", "LeftLeg", "LeftArm", "LeftForeArm"):
        print(f"{name:12} {body.data.bones[name].length:.3f} m")
    return int(rate != 20 or {bone.name for bone in body.data.bones} != set(BONES) or away.max() > METRES)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
