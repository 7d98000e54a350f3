"""Reading of Biovision hierarchies (.bvh): a skeleton with the values of its channels in each frame."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from atom.errors import AtomError
from atom.motion_formats.readers.bvh_channels import compute_rotations, compute_translations
from atom.motion_formats.readers.frame_times import fps_of_frame_time
from atom.motion_formats.readers.number_rows import parse_number_rows
from atom.motion_formats.source_motion import Skeleton, SourceMotion

_PIECE = re.compile(r"[{}]|[^{}]+")
_CHANNEL = re.compile(r"([XYZ])(position|rotation)", re.IGNORECASE)
_FRAMES = re.compile(r"Frames\s*:\s*(\d+)\s*", re.IGNORECASE)
_FRAME_TIME = re.compile(r"Frame\s*Time\s*:\s*(\S+)\s*", re.IGNORECASE)
# The joints that a skeleton may have for each of its channels. It bounds the memory that a small file can take: a joint
# takes 56 bytes a frame, a channel at least 2 bytes of the file.
_MAX_JOINTS_PER_CHANNEL = 4


def read_bvh_source(path: str | Path) -> SourceMotion:
    """Read a .bvh file as it is, in its own axes and unit, of which the format says nothing.

    Channels may come in any order, and any joint may have position channels; `compute_translations` describes what
    they mean. End Sites are joints named "". A T-pose in the first frame, which some collections add, is kept. The
    frame rate follows from the rounded frame time (0.008333 s is 120 fps); one that no motion has is left open, with a
    remark. Memory is 5 to 20 times the file's size for a common skeleton, at most 150 times for any.

    Args:
        path: the file.

    Returns:
        Rotations and translations of T frames of J joints, with the rest pose that the offsets give.

    Raises:
        AtomError: the file can't be read; the message names the faulty line.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise AtomError(f"{path}: can't be read ({error.strerror}), check the file") from error
    lines = data.removeprefix(b"\xef\xbb\xbf").splitlines()
    nodes, motion_line = _read_hierarchy(path, lines)
    channels = sum(len(node.channels) for node in nodes)
    if len(nodes) > _MAX_JOINTS_PER_CHANNEL * channels:
        raise AtomError(f"{path}: {len(nodes)} joints have {channels} channels: the skeleton does not move")
    values, fps, rate_remark = _read_frames(path, lines, motion_line, channels)
    offsets = np.array([np.zeros(3) if node.offset is None else node.offset for node in nodes])
    parents = tuple(node.parent for node in nodes)
    rest = offsets.copy()
    for joint, parent in enumerate(parents[1:], start=1):
        rest[joint] += rest[parent]
    position_columns, rotation_columns, rotation_axes = _columns(nodes)
    translations, remark = compute_translations(values, position_columns, offsets, parents)
    return SourceMotion(
        where=str(path),
        skeleton=Skeleton(tuple(node.name for node in nodes), parents),
        fps=fps,
        rotations=compute_rotations(values, rotation_columns, rotation_axes),
        translations=translations,
        rest=rest,
        fps_fault=(rate_remark or "") if fps is None else "",
        remarks=tuple(text for text in (rate_remark if fps else None, remark) if text),
    )


@dataclass
class _Node:
    """A joint, or an End Site, which has no name and no channels."""

    name: str
    parent: int
    offset: np.ndarray | None = None
    channels: Sequence[tuple[str, str]] = ()  # (axis, "position" or "rotation")


def _read_hierarchy(path: Path, lines: list[bytes]) -> tuple[list[_Node], int]:
    """Parse the skeleton: its joints in file order, parents first, and the number of the MOTION line."""
    nodes: list[_Node] = []
    open_nodes: list[int] = []
    pending: int | None = None  # the joint that was named last and has no opening brace yet
    number = 0
    for number, line in enumerate(lines, start=1):
        for piece in _PIECE.findall(line.decode("utf-8", errors="replace")):
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


def _columns(nodes: list[_Node]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the values of each joint stand.

    Returns:
        The columns (J, 3) of the positions along X, Y and Z; the columns (J, 3) of the rotations in their order, and
        their axes (J, 3). -1 where a joint has no such channel.
    """
    positions, rotations, axes = (np.full((len(nodes), 3), -1) for _ in range(3))
    column = 0
    for joint, node in enumerate(nodes):
        turn = 0
        for axis, kind in node.channels:
            if kind == "position":
                positions[joint, "XYZ".index(axis)] = column
            else:
                rotations[joint, turn], axes[joint, turn] = column, "XYZ".index(axis)
                turn += 1
            column += 1
    return positions, rotations, axes


def _read_frames(
    path: Path, lines: list[bytes], motion_line: int, channels: int
) -> tuple[np.ndarray, float | None, str | None]:
    """Parse the values (T, channels) of all frames, the frame rate, and a remark on it."""
    rows = [(number, line) for number, line in enumerate(lines[motion_line:], start=motion_line + 1) if line.strip()]
    head = [
        pattern.fullmatch(line.decode(errors="replace").strip())
        for pattern, (_, line) in zip((_FRAMES, _FRAME_TIME), rows)
    ]
    if len(head) < 2 or head[0] is None or head[1] is None:
        raise _fault(path, motion_line, "after MOTION, lines 'Frames: N' and 'Frame Time: SECONDS' must follow")
    frames, frame_time = int(head[0][1]), head[1][1]
    try:
        fps, remark = fps_of_frame_time(frame_time)
    except ValueError as error:
        raise _fault(path, rows[1][0], str(error)) from None
    rows = rows[2:]
    values = parse_number_rows(b"\n".join(line for _, line in rows), len(rows), channels)
    if values is None:
        values = _parse_rows_slowly(path, rows, channels)
    if len(rows) != frames:
        cut = "it is cut off" if len(rows) < frames else "correct one of them"
        raise AtomError(f"{path}: announces {frames} frames and holds {len(rows)}: {cut}")
    if frames < 2:
        raise AtomError(f"{path}: has {frames} frame(s), a motion needs at least 2")
    bad = ~np.isfinite(values).all(axis=1)
    if bad.any():
        raise _fault(path, rows[bad.argmax()][0], f"holds NaN or infinity, as do {bad.sum() - 1} further frames")
    return values, fps, remark


def _parse_rows_slowly(path: Path, rows: list[tuple[int, bytes]], channels: int) -> np.ndarray:
    """Parse numbers of any spelling, or find the faulty line."""
    for number, line in rows:
        if len(line.split()) != channels:
            raise _fault(path, number, f"has {len(line.split())} numbers, the skeleton has {channels} channels")
    values = np.empty((len(rows), channels))
    for row, (number, line) in enumerate(rows):
        try:
            values[row] = [float(word) for word in line.split()]
        except ValueError:
            word = next(word.decode(errors="replace") for word in line.split() if not _is_number(word))
            raise _fault(path, number, f"{word[:40]!r} is no number") from None
    return values


def _is_number(word: bytes) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _fault(path: Path, number: int, problem: str) -> AtomError:
    return AtomError(f"{path}, line {number}: {problem}")
