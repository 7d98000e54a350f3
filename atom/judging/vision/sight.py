"""What a vision-language model sees of a motion. The prompt is never among it."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from atom.config import FramesConfig
from atom.errors import AtomError
from atom.events import Task
from atom.llm_client.request import Picture
from atom.motion.skeleton import FPS
from atom.rendering.contact_sheet import choose_columns, fit_cell_size, render_contact_sheet, render_labelled_frames
from atom.rendering.frames import check_joints
from atom.rendering.path_map import render_path_map

VERSION = 2  # enters the keys of pictures: raise it when they change
_JPEG_QUALITY = 90
_TILE, _SHORT_SIDE, _LONG_SIDE = 512, 768, 2048  # pixels: what services charge by, and the most that they look at
_EVEN_SHARE = 0.4  # of the frames that are spread evenly, whatever moves


def draw_pictures(joints: np.ndarray, sight: FramesConfig, task: Task) -> list[Picture]:
    """Pictures of joints (T, 22, 3) in the form of `sight`, in the order in which they are shown.

    Prompts about how often are shown more densely, most of all where much moves. AtomError when the motion can't be
    drawn.
    """
    if not len(joints):
        raise AtomError("a motion without frames can't be shown")
    if task == "frequency":
        frames = frames_by_movement(check_joints(joints), -(-len(joints) // sight.every_frequency))
    else:
        frames = list(range(0, len(joints), sight.every))
    return [
        Picture(_encoded(image, sight.encoding), f"image/{sight.encoding}", label, tuple(shown))
        for image, label, shown in _views(joints, frames, sight)
    ]


def frames_by_movement(joints: np.ndarray, number: int) -> list[int]:
    """`number` frames of joints (T, 22, 3) in order, from 0 on, closer to each other where more moves, so that
    repetitions are not missed and standing still takes few."""
    moved = np.linalg.norm(np.diff(joints, axis=0), axis=-1).mean(axis=1)  # of frames 1 to T - 1
    even = np.full(len(moved), _EVEN_SHARE if moved.sum() > 1e-6 else 1.0) / max(len(moved), 1)
    uneven = (1 - _EVEN_SHARE) * moved / max(moved.sum(), 1e-6)
    reached = np.concatenate([[0.0], np.cumsum(even + uneven)])
    wanted = np.arange(number) / number * reached[-1]
    return sorted(set(np.searchsorted(reached, wanted).tolist()))


def pictures_to_cells(pictures: Sequence[Picture]) -> list[dict[str, Any]]:
    """Pictures as a cell of the pictures table; `pictures_from_cells` reads them back."""
    return [{"label": p.label, "media_type": p.media_type, "frames": list(p.frames), "data": p.data} for p in pictures]


def pictures_from_cells(cells: Sequence[Mapping[str, Any]]) -> list[Picture]:
    return [Picture(cell["data"], cell["media_type"], cell["label"], tuple(cell["frames"])) for cell in cells]


def _views(
    joints: np.ndarray, frames: Sequence[int], sight: FramesConfig
) -> Iterator[tuple[Image.Image, str, Sequence[int]]]:
    if sight.form == "frames":
        size = sight.size or _largest(1, tiles=1)[1]
        for frame, picture in zip(frames, render_labelled_frames(joints, frames, size, sight.view)):
            yield picture, f"Frame {frame}, {frame / FPS:.1f} s:", [frame]
        return
    sheets = -(-len(frames) // sight.cells)
    for number in range(sheets):  # about equally full
        shown = frames[number * len(frames) // sheets : (number + 1) * len(frames) // sheets]
        label = (
            f"Frames {shown[0]} to {shown[-1]}, from left to right and from top to bottom; under each stand its number "
            "and its time:"
        )
        columns, size = (choose_columns(len(shown)), sight.size) if sight.size else _largest(len(shown), sight.tiles)
        yield render_contact_sheet(joints, size=size, frames=shown, columns=columns, view=sight.view), label, shown
    if sight.form == "sheet and path":
        yield (
            render_path_map(joints, 2 * sight.size if sight.size else _TILE),
            "The way of the hips from above, with the time at every second; the short lines show where the body faces, "
            "and up is where it faced first:",
            [],
        )


def _largest(cells: int, tiles: int) -> tuple[int, int]:
    """Columns, and pixels of a cell's side, of the largest sheet that `tiles` tiles hold and no service shrinks."""
    best = (1, 0)
    for across in range(1, tiles + 1):
        width, height = across * _TILE, tiles // across * _TILE
        width, height = min(width, _LONG_SIDE), min(height, _LONG_SIDE)
        if min(width, height) > _SHORT_SIDE:  # the longer side of a square stays
            width, height = (width, _SHORT_SIDE) if width > height else (_SHORT_SIDE, height)
        for columns in range(1, cells + 1):
            size = fit_cell_size(width, height, columns, -(-cells // columns))
            if size > best[1]:
                best = columns, size
    return best


def _encoded(image: Image.Image, encoding: str) -> bytes:
    buffer = io.BytesIO()
    if encoding == "jpeg":
        image.save(buffer, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    else:
        image.save(buffer, "PNG", optimize=False)
    return buffer.getvalue()
