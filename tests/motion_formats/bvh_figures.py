"""BVH files of a walking figure with the joints of any program, computed and written without the project's readers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from atom.corpus.composition import make_motion
from atom.events import Event
from atom.motion.skeleton import JOINT_INDEX, JOINTS, PARENTS
from atom.motion_formats.body_size import metres_per_unit, upward_axis
from atom.motion_formats.kinematics import positions_at
from atom.motion_formats.matching.joint_matching import joint_weights
from atom.motion_formats.readers.bvh_reader import read_bvh_source

Z_UP = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])  # a Y-up vector as a Z-up file has it
TURNS = {"y": np.eye(3), "z": Z_UP.T, "-y": np.diag([1, -1, -1]), "-z": Z_UP}


def read_joints(path: Path, fps: float = 20) -> np.ndarray:
    """The joints (T, 22, 3) of a BVH file, in metres, Y up."""
    return read_with_remarks(path, fps)[0]


def read_with_remarks(path: Path, fps: float = 20) -> tuple[np.ndarray, tuple[str, ...]]:
    motion = read_bvh_source(path)
    assert motion.fps is not None and motion.rest is not None
    positions = positions_at(motion, motion.fps, fps)
    weights = joint_weights(motion.where, motion.skeleton, positions, motion.rest)
    joints = weights @ positions
    joints = joints @ TURNS[upward_axis(joints, weights @ motion.rest)].T
    metres, remark = metres_per_unit(motion.where, joints)
    return joints * metres, (*motion.remarks, *([remark] if remark else []))


@cache
def walk() -> np.ndarray:
    """Joints (T, 22, 3) of a walk with a turn, in metres, Y up, 20 fps."""
    events = [Event("walk_forward"), Event("turn_left")]
    return make_motion(events, np.random.default_rng(3)).joints.astype(np.float64)


@cache
def _rotations() -> tuple[Rotation, ...]:
    """The rotation of each joint of the walk in the world, from its pose in the first frame."""
    joints = walk()
    found = []
    for joint in range(JOINTS):
        children = [child for child in range(JOINTS) if PARENTS[child] == joint]
        if not children:
            found.append(found[PARENTS[joint]])
            continue
        bones = joints[:, children] - joints[:, [joint]]
        found.append(Rotation.concatenate([Rotation.align_vectors(now, bones[0])[0] for now in bones]))
    return tuple(found)


@dataclass(frozen=True)
class Figure:
    """A figure that moves: joints with offsets, rotations relative to their parents, and paths of some in place.

    `paths` (T, 3) are positions in the frame of the parent, of the root in the world. A name "" is an End Site.
    """

    names: list[str]
    parents: list[int]
    offsets: np.ndarray
    rotations: list[Rotation]
    paths: dict[int, np.ndarray]

    def scaled(self, factor: float) -> Figure:
        return replace(
            self, offsets=self.offsets * factor, paths={joint: path * factor for joint, path in self.paths.items()}
        )

    def turned(self, axes: np.ndarray) -> Figure:
        """The figure in a file with other axes: `axes` takes its vectors there."""
        turned = [Rotation.from_matrix(axes @ rotation.as_matrix() @ axes.T) for rotation in self.rotations]
        paths = {joint: path @ axes.T for joint, path in self.paths.items()}
        return replace(self, offsets=self.offsets @ axes.T, rotations=turned, paths=paths)

    def positions(self) -> np.ndarray:
        """The joints in the world (T, J, 3)."""
        world: list[Rotation] = []
        places: list[np.ndarray] = []
        for joint, parent in enumerate(self.parents):
            local = self.paths.get(joint, self.offsets[joint])
            if parent < 0:
                places.append(np.broadcast_to(local, (len(self.rotations[0]), 3)))
                world.append(self.rotations[joint])
            else:
                places.append(places[parent] + world[parent].apply(local))
                world.append(world[parent] * self.rotations[joint])
        return np.stack(places, axis=1)

    def text(self, fps: float = 20, order: str = "ZXY", joint_positions: str = "") -> str:
        """The file.

        Args:
            fps: frames a second.
            order: of the rotation channels.
            joint_positions: position channels of all joints: "replace" OFFSET, "add" to it, or "noise" to add of 1e-6
                in one frame; "" for those of `paths` alone.
        """
        frames = len(self.rotations[0])
        lines, columns = ["HIERARCHY"], []
        children = [[c for c, p in enumerate(self.parents) if p == joint] for joint in range(len(self.names))]

        def write(joint: int, depth: int) -> None:
            pad = "  " * depth
            kind = "End Site" if not self.names[joint] else f"{'JOINT' if depth else 'ROOT'} {self.names[joint]}"
            lines.extend([pad + kind, pad + "{", f"{pad}  OFFSET {' '.join(f'{v:.9f}' for v in self.offsets[joint])}"])
            if self.names[joint]:
                has_positions = joint in self.paths or bool(joint_positions)
                channels = [f"{axis}position" for axis in "XYZ"] if has_positions else []
                channels += [f"{axis}rotation" for axis in order]
                lines.append(f"{pad}  CHANNELS {len(channels)} {' '.join(channels)}")
                if has_positions:
                    columns.append(self._position_columns(joint, frames, joint_positions))
                columns.append(self.rotations[joint].as_euler(order, degrees=True))
            for child in children[joint]:
                write(child, depth + 1)
            lines.append(pad + "}")

        write(0, 0)
        lines += ["MOTION", f"Frames: {frames}", f"Frame Time: {1 / fps:.8f}"]
        values = np.concatenate(columns, axis=1)
        return "\n".join([*lines, *(" ".join(f"{value:.9f}" for value in row) for row in values)]) + "\n"

    def _position_columns(self, joint: int, frames: int, mode: str) -> np.ndarray:
        if joint in self.paths:
            return self.paths[joint]
        if mode == "replace":
            return np.broadcast_to(self.offsets[joint], (frames, 3))
        columns = np.zeros((frames, 3))
        if mode == "noise":
            columns[frames // 2] = 1e-6
        return columns


def build_figure(*lines: str, sides: Sequence[str] = ("Left", "Right")) -> tuple[Figure, dict[str, int]]:
    """The walk with the joints of another program.

    A line names a joint of an earlier line, except the first, and the joints that hang from it in turn. Lines with {s}
    stand for both sides. A joint is written

    - NAME=OURS: at the place of that joint of HumanML3D ({o} is "l" or "r"),
    - NAME/: halfway to the next joint of the line,
    - NAME@: at the place of the joint before,
    - NAME+: beside it,
    - NAME!: on the floor, in place.

    A NAME of END is an End Site; underscores in it that are doubled stand for spaces.

    Returns:
        The figure, and the index of its joint for each of HumanML3D's that it has.
    """
    places, rotations = walk(), _rotations()
    names: list[str] = []
    parents: list[int] = []
    worlds: list[tuple[np.ndarray, Rotation]] = []
    matches: dict[str, int] = {}
    still = (np.zeros((len(places), 3)), Rotation.identity(len(places)))
    expanded = [
        line.format(s=side, o=ours) if "{s}" in line else line
        for line in lines
        for side, ours in (zip(sides, "lr") if "{s}" in line else [("", "")])
    ]
    for number, line in enumerate(expanded):
        words = line.split()
        at = -1 if number == 0 else names.index(words[0].replace("__", " "))
        for index, word in enumerate(words if number == 0 else words[1:], start=0 if number == 0 else 1):
            name, _, ours = word.partition("=")
            before = worlds[at] if at >= 0 else still
            if ours:
                matches[ours] = len(names)
                world = (places[:, JOINT_INDEX[ours]], rotations[JOINT_INDEX[ours]])
            elif name.endswith("/"):
                following = places[:, JOINT_INDEX[words[index + 1].partition("=")[2]]]
                world = ((before[0] + following) / 2, before[1])
            elif name.endswith("!"):
                world = still
            else:
                aside = np.array([0.02, 0.03, 0.05]) if name.endswith("+") else np.zeros(3)
                world = (before[0] + before[1].apply(aside), before[1])
            name = name.rstrip("/!+@").replace("__", " ")
            names.append("" if name == "END" else name)
            parents.append(at)
            worlds.append(world)
            at = len(names) - 1
    locals_, offsets, paths = [], [], {}
    for joint, (parent, (place, rotation)) in enumerate(zip(parents, worlds)):
        if parent < 0:
            offsets.append(np.zeros(3))
            paths[joint] = place
            locals_.append(rotation)
            continue
        inverse = worlds[parent][1].inv()
        steps = inverse.apply(place - worlds[parent][0])
        offsets.append(steps.mean(axis=0))
        locals_.append(inverse * rotation)
        if np.ptp(steps, axis=0).max() > 0.01:
            paths[joint] = steps
    return Figure(names, parents, np.array(offsets), locals_, paths), matches
