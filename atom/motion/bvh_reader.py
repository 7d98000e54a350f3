"""Biovision hierarchies (.bvh): a skeleton and its channels in each frame, read as this project's 22 joints."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from atom.errors import AtomError
from atom.motion.resampling import resample
from atom.motion.retargeting import SkeletonMotion, retarget
from atom.motion.skeleton import FPS

_PIECE = re.compile(r"[{}]|[^{}]+")
_CHANNEL = re.compile(r"([XYZ])(position|rotation)", re.IGNORECASE)
_FRAMES = re.compile(r"Frames\s*:\s*(\d+)\s*", re.IGNORECASE)
_FRAME_TIME = re.compile(r"Frame\s*Time\s*:\s*(\S+)\s*", re.IGNORECASE)


def read_bvh(path: str | Path) -> np.ndarray:
    """Joints (T, 22, 3) float32 of a .bvh file: metres, Y up, 20 fps, on this project's skeleton.

    Channels may come in any order, and any joint may have positions: they stand in the place of its OFFSET, or are
    added to it if all of a joint's are 0. Names are those of Mixamo, CMU, Daz, SMPL or Unity; `atom.motion.retargeting`
    says how joints are matched and how unit and upward axis are found. A T-pose in front, which some collections put
    there, stays.

    Raises AtomError that names the line at fault, or the joints that are missing.
    """
    path = Path(path)
    try:
        lines = path.read_bytes().decode("utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise AtomError(f"{path}: can't be read ({error.strerror}), check the file") from error
    nodes, motion_line = _read_hierarchy(path, lines)
    values, frame_time = _read_frames(path, lines, motion_line, sum(len(node.channels) for node in nodes))
    joints = retarget(str(path), _placed(nodes, values))
    return resample(joints, FPS * frame_time).astype(np.float32)


@dataclass
class _Node:
    """A joint, or an End Site, which has no name and no channels."""

    name: str
    parent: int
    offset: np.ndarray | None = None
    channels: Sequence[tuple[str, str]] = ()  # (axis, "position" or "rotation")


def _read_hierarchy(path: Path, lines: list[str]) -> tuple[list[_Node], int]:
    """The joints, parents first, in the order of their channels, and the number of the line that says MOTION."""
    nodes: list[_Node] = []
    open_nodes: list[int] = []
    announced: int | None = None  # a joint whose brace is still to come
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
                    announced = len(nodes)
                    name = "" if keyword.upper() == "END" else " ".join(words)
                    nodes.append(_Node(name, open_nodes[-1] if open_nodes else -1))
                case "{":
                    if announced is None:
                        raise _fault(path, number, "a '{' without a joint before it")
                    open_nodes.append(announced)
                    announced = None
                case "}":
                    if not open_nodes:
                        raise _fault(path, number, "a '}' without its '{'")
                    open_nodes.pop()
                case "OFFSET" | "CHANNELS" if not open_nodes:
                    raise _fault(path, number, f"{keyword} stands outside of a joint's braces")
                case "OFFSET":
                    nodes[open_nodes[-1]].offset = _offset(path, number, words)
                case "CHANNELS":
                    nodes[open_nodes[-1]].channels = _channels(path, number, words)
                case "MOTION":
                    if not nodes or open_nodes:
                        raise _fault(path, number, "MOTION comes before the skeleton is complete, a '}' is missing")
                    return nodes, number
                case _:
                    raise _fault(path, number, f"{piece.strip()[:40]!r} is no part of a BVH skeleton")
    raise _fault(path, max(number, 1), "the file ends without MOTION: it is cut off or no BVH file")


def _offset(path: Path, number: int, words: list[str]) -> np.ndarray:
    try:
        offset = np.array(words, dtype=np.float64)
    except ValueError:
        offset = np.array([])
    if offset.shape != (3,) or not np.isfinite(offset).all():
        raise _fault(path, number, f"OFFSET needs three numbers, not {' '.join(words)[:60]!r}")
    return offset


def _channels(path: Path, number: int, words: list[str]) -> list[tuple[str, str]]:
    found = [_CHANNEL.fullmatch(word) for word in words[1:]]
    if not words or words[0] != str(len(found)) or not all(found):
        raise _fault(path, number, f"CHANNELS {' '.join(words)[:80]!r}: write a count and so many such as Xrotation")
    channels = [(match[1].upper(), match[2].lower()) for match in found if match]
    axes = [axis for axis, kind in channels if kind == "rotation"]
    if len(axes) > 3 or len(set(channels)) < len(channels):
        raise _fault(path, number, "a channel occurs twice")
    return channels


def _read_frames(path: Path, lines: list[str], motion_line: int, channels: int) -> tuple[np.ndarray, float]:
    """Values (T, channels) of all frames and the seconds between two of them."""
    rows = [(number, line) for number, line in enumerate(lines[motion_line:], start=motion_line + 1) if line.strip()]
    head = [pattern.fullmatch(line.strip()) for pattern, (_, line) in zip((_FRAMES, _FRAME_TIME), rows)]
    if len(head) < 2 or not all(head):
        raise _fault(path, motion_line, "after MOTION, lines 'Frames: N' and 'Frame Time: SECONDS' must follow")
    frames, frame_time = int(head[0][1]), _number(head[1][1])
    if not 0 < frame_time < 10:
        raise _fault(path, rows[1][0], f"a frame time of {head[1][1]!r} is no number of seconds")
    rows = rows[2:]
    for number, line in rows:
        if len(line.split()) != channels:
            raise _fault(path, number, f"has {len(line.split())} numbers, the skeleton has {channels} channels")
    if len(rows) != frames:
        cut = "it is cut off" if len(rows) < frames else "correct one of them"
        raise AtomError(f"{path}: tells {frames} frames and holds {len(rows)}: {cut}")
    if frames < 2:
        raise AtomError(f"{path}: has {frames} frame(s), a motion needs more")
    try:
        values = np.array(" ".join(line for _, line in rows).split(), dtype=np.float64).reshape(frames, channels)
    except ValueError:
        number, word = next((n, w) for n, line in rows for w in line.split() if np.isnan(_number(w)))
        raise _fault(path, number, f"{word[:40]!r} is no number") from None
    bad = ~np.isfinite(values).all(axis=1)
    if bad.any():
        raise _fault(path, rows[bad.argmax()][0], f"holds NaN or infinity, as do {bad.sum() - 1} further frames")
    return values, frame_time


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return float("nan")


def _placed(nodes: list[_Node], values: np.ndarray) -> SkeletonMotion:
    """Forward kinematics, joint by joint over all frames at once."""
    frames = len(values)
    rest = np.zeros((len(nodes), 3))
    positions = np.zeros((frames, len(nodes), 3))
    turns: list[Rotation] = []
    start = 0
    for index, node in enumerate(nodes):
        offset = np.zeros(3) if node.offset is None else node.offset
        columns = values[:, start : start + len(node.channels)]
        start += len(node.channels)
        moved = [column for column, (_, kind) in enumerate(node.channels) if kind == "position"]
        step = np.tile(offset, (frames, 1))
        if node.parent < 0 or columns[:, moved].any():
            for column in moved:
                step[:, "XYZ".index(node.channels[column][0])] = columns[:, column]
        turned = [column for column, (_, kind) in enumerate(node.channels) if kind == "rotation"]
        own = None
        if turned:
            axes = "".join(node.channels[column][0] for column in turned)
            own = Rotation.from_euler(axes, columns[:, turned], degrees=True)
        if node.parent < 0:
            rest[index], positions[:, index] = offset, step
            turns.append(Rotation.identity(frames) if own is None else own)
        else:
            parent = turns[node.parent]
            rest[index] = rest[node.parent] + offset
            positions[:, index] = positions[:, node.parent] + parent.apply(step)
            turns.append(parent if own is None else parent * own)
    return SkeletonMotion([node.name for node in nodes], [node.parent for node in nodes], rest, positions)


def _fault(path: Path, number: int, what: str) -> AtomError:
    return AtomError(f"{path}, line {number}: {what}")
