"""Reading of Biovision hierarchies (.bvh): a skeleton with the values of its channels in each frame."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from atom.errors import AtomError
from atom.motion.retargeting import SkeletonMotion, retarget
from atom.motion.skeleton import FPS
from atom.motion.time_resampling import resample

_PIECE = re.compile(r"[{}]|[^{}]+")
_CHANNEL = re.compile(r"([XYZ])(position|rotation)", re.IGNORECASE)
_FRAMES = re.compile(r"Frames\s*:\s*(\d+)\s*", re.IGNORECASE)
_FRAME_TIME = re.compile(r"Frame\s*Time\s*:\s*(\S+)\s*", re.IGNORECASE)


def read_bvh(path: str | Path) -> np.ndarray:
    """Read a .bvh file as joints (T, 22, 3) float32, in metres, Y up, 20 fps, retargeted to HumanML3D's skeleton.

    Channels may come in any order. Any joint may have position channels: they replace its OFFSET, unless all values of
    the joint are 0. The skeleton may be Mixamo's, CMU's, Daz's, SMPL's or Unity's; `atom.motion.retargeting` describes
    how joints, unit and upward axis are found. A T-pose in the first frame, which some collections add, is kept.

    Raises AtomError that names the faulty line, or the joints that are missing.
    """
    path = Path(path)
    try:
        lines = path.read_bytes().decode("utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise AtomError(f"{path}: can't be read ({error.strerror}), check the file") from error
    nodes, motion_line = _read_hierarchy(path, lines)
    values, frame_time = _read_frames(path, lines, motion_line, sum(len(node.channels) for node in nodes))
    joints = retarget(str(path), _forward_kinematics(nodes, values))
    return resample(joints, FPS * frame_time).astype(np.float32)


@dataclass
class _Node:
    """A joint, or an End Site, which has no name and no channels."""

    name: str
    parent: int
    offset: np.ndarray | None = None
    channels: Sequence[tuple[str, str]] = ()  # (axis, "position" or "rotation")


def _read_hierarchy(path: Path, lines: list[str]) -> tuple[list[_Node], int]:
    """Parse the skeleton: its joints in file order, parents first, and the number of the MOTION line."""
    nodes: list[_Node] = []
    open_nodes: list[int] = []
    pending: int | None = None  # the joint that was named last and has no opening brace yet
    number = 0
    for number, line in enumerate(lines, start=1):
        for piece in _PIECE.findall(line):
            keyword, *words = piece.split() or [""]
            match keyword.upper():
                case "" | "HIERARCHY":
                    pass
                case "ROOT" | "JOINT" | "END":
                    if keyword.upper() == "ROOT" and nodes:
                        raise _fault(path, number, "a second ROOT begins here: give one skeleton a file")
                    if keyword.upper() != "ROOT" and not open_nodes:
                        raise _fault(path, number, f"{piece.strip()!r} stands outside of a ROOT")
                    pending = len(nodes)
                    name = "" if keyword.upper() == "END" else " ".join(words)
                    nodes.append(_Node(name, open_nodes[-1] if open_nodes else -1))
                case "{":
                    if pending is None:
                        raise _fault(path, number, "a '{' without a joint before it")
                    open_nodes.append(pending)
                    pending = None
                case "}":
                    if not open_nodes:
                        raise _fault(path, number, "a '}' without its '{'")
                    open_nodes.pop()
                case "OFFSET" | "CHANNELS" if not open_nodes:
                    raise _fault(path, number, f"{keyword} stands outside of a joint's braces")
                case "OFFSET":
                    nodes[open_nodes[-1]].offset = _parse_offset(path, number, words)
                case "CHANNELS":
                    nodes[open_nodes[-1]].channels = _parse_channels(path, number, words)
                case "MOTION":
                    if not nodes or open_nodes:
                        raise _fault(path, number, "MOTION comes before the skeleton is complete, a '}' is missing")
                    return nodes, number
                case _:
                    raise _fault(path, number, f"{piece.strip()[:40]!r} is no part of a BVH skeleton")
    raise _fault(path, max(number, 1), "the file ends without MOTION: it is cut off or no BVH file")


def _parse_offset(path: Path, number: int, words: list[str]) -> np.ndarray:
    try:
        offset = np.array(words, dtype=np.float64)
    except ValueError:
        offset = np.array([])
    if offset.shape != (3,) or not np.isfinite(offset).all():
        raise _fault(path, number, f"OFFSET needs three numbers, not {' '.join(words)[:60]!r}")
    return offset


def _parse_channels(path: Path, number: int, words: list[str]) -> list[tuple[str, str]]:
    found = [_CHANNEL.fullmatch(word) for word in words[1:]]
    if not words or words[0] != str(len(found)) or not all(found):
        raise _fault(path, number, f"CHANNELS {' '.join(words)[:80]!r}: write a count and so many such as Xrotation")
    channels = [(match[1].upper(), match[2].lower()) for match in found if match]
    axes = [axis for axis, kind in channels if kind == "rotation"]
    if len(axes) > 3 or len(set(channels)) < len(channels):
        raise _fault(path, number, "a channel occurs twice")
    return channels


def _read_frames(path: Path, lines: list[str], motion_line: int, channels: int) -> tuple[np.ndarray, float]:
    """Parse the values (T, channels) of all frames and the frame time in seconds."""
    rows = [(number, line) for number, line in enumerate(lines[motion_line:], start=motion_line + 1) if line.strip()]
    head = [pattern.fullmatch(line.strip()) for pattern, (_, line) in zip((_FRAMES, _FRAME_TIME), rows)]
    if len(head) < 2 or not all(head):
        raise _fault(path, motion_line, "after MOTION, lines 'Frames: N' and 'Frame Time: SECONDS' must follow")
    frames, frame_time = int(head[0][1]), _parse_number(head[1][1])
    if not 0 < frame_time < 10:
        raise _fault(path, rows[1][0], f"a frame time of {head[1][1]!r} is no number of seconds")
    rows = rows[2:]
    for number, line in rows:
        if len(line.split()) != channels:
            raise _fault(path, number, f"has {len(line.split())} numbers, the skeleton has {channels} channels")
    if len(rows) != frames:
        cut = "it is cut off" if len(rows) < frames else "correct one of them"
        raise AtomError(f"{path}: announces {frames} frames and holds {len(rows)}: {cut}")
    if frames < 2:
        raise AtomError(f"{path}: has {frames} frame(s), a motion needs at least 2")
    try:
        values = np.array(" ".join(line for _, line in rows).split(), dtype=np.float64).reshape(frames, channels)
    except ValueError:
        number, word = next((n, w) for n, line in rows for w in line.split() if np.isnan(_parse_number(w)))
        raise _fault(path, number, f"{word[:40]!r} is no number") from None
    bad = ~np.isfinite(values).all(axis=1)
    if bad.any():
        raise _fault(path, rows[bad.argmax()][0], f"holds NaN or infinity, as do {bad.sum() - 1} further frames")
    return values, frame_time


def _parse_number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return float("nan")


def _forward_kinematics(nodes: list[_Node], values: np.ndarray) -> SkeletonMotion:
    """Joint positions from channel values, joint by joint over all frames at once."""
    frames = len(values)
    rest = np.zeros((len(nodes), 3))
    positions = np.zeros((frames, len(nodes), 3))
    rotations: list[Rotation] = []  # of each joint, in world coordinates
    start = 0
    for index, node in enumerate(nodes):
        offset = np.zeros(3) if node.offset is None else node.offset
        columns = values[:, start : start + len(node.channels)]
        start += len(node.channels)
        position_columns = [column for column, (_, kind) in enumerate(node.channels) if kind == "position"]
        translation = np.tile(offset, (frames, 1))
        # Some exporters give every joint position channels that are all 0 and mean the OFFSET.
        if node.parent < 0 or columns[:, position_columns].any():
            for column in position_columns:
                translation[:, "XYZ".index(node.channels[column][0])] = columns[:, column]
        rotation_columns = [column for column, (_, kind) in enumerate(node.channels) if kind == "rotation"]
        local = None
        if rotation_columns:
            # Upper-case axes: intrinsic rotations, in the order of the channels.
            axes = "".join(node.channels[column][0] for column in rotation_columns)
            local = Rotation.from_euler(axes, columns[:, rotation_columns], degrees=True)
        if node.parent < 0:
            rest[index], positions[:, index] = offset, translation
            rotations.append(Rotation.identity(frames) if local is None else local)
        else:
            parent = rotations[node.parent]
            rest[index] = rest[node.parent] + offset
            positions[:, index] = positions[:, node.parent] + parent.apply(translation)
            rotations.append(parent if local is None else parent * local)
    return SkeletonMotion([node.name for node in nodes], [node.parent for node in nodes], rest, positions)


def _fault(path: Path, number: int, problem: str) -> AtomError:
    return AtomError(f"{path}, line {number}: {problem}")
