"""The pictures of a motion that a vision-language model sees. They never show the prompt."""

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
# Pixels: services charge by tiles of this side, and shrink pictures with longer sides than these.
_TILE_SIDE, _MAX_SHORT_SIDE, _MAX_LONG_SIDE = 512, 768, 2048
_EVEN_SHARE = 0.4  # part of the frames that is spread evenly over the motion


def draw_pictures(joints: np.ndarray, settings: FramesConfig, task: Task) -> list[Picture]:
    """Draw the pictures of a motion that a vision-language model sees.

    For the task "frequency" there are more frames, most of them where much moves.

    Args:
        joints: (T, 22, 3) in metres, 20 fps.
        settings: the form, size and number of the pictures.
        task: the task of the prompt.

    Returns:
        The pictures in the order in which they are shown.

    Raises:
        AtomError: when the motion can't be drawn.
    """
    if not len(joints):
        raise AtomError("a motion without frames can't be shown")
    if task == "frequency":
        frames = sample_frames_by_movement(check_joints(joints), -(-len(joints) // settings.every_frequency))
    else:
        frames = list(range(0, len(joints), settings.every))
    return [
        Picture(_encode_image(image, settings.encoding), f"image/{settings.encoding}", label, tuple(shown_frames))
        for image, label, shown_frames in _render_images(joints, frames, settings)
    ]


def sample_frames_by_movement(joints: np.ndarray, number: int) -> list[int]:
    """Sample frames that are closer to each other where more moves.

    So repetitions are not missed, and standing still takes few frames.

    Args:
        joints: (T, 22, 3).
        number: how many frames; fewer come back where two would be the same.

    Returns:
        The frames in order, from 0 on.
    """
    moved = np.linalg.norm(np.diff(joints, axis=0), axis=-1).mean(
        axis=1
    )  # (T - 1,), the mean movement of the joints to the next frame
    even = np.full(len(moved), _EVEN_SHARE if moved.sum() > 1e-6 else 1.0) / max(len(moved), 1)
    uneven = (1 - _EVEN_SHARE) * moved / max(moved.sum(), 1e-6)
    reached = np.concatenate([[0.0], np.cumsum(even + uneven)])
    targets = np.arange(number) / number * reached[-1]
    return sorted(set(np.searchsorted(reached, targets).tolist()))


def pictures_to_cells(pictures: Sequence[Picture]) -> list[dict[str, Any]]:
    """Pictures as a cell of the pictures table. `pictures_from_cells` reads them back."""
    return [{"label": p.label, "media_type": p.media_type, "frames": list(p.frames), "data": p.data} for p in pictures]


def pictures_from_cells(cells: Sequence[Mapping[str, Any]]) -> list[Picture]:
    """Pictures from a cell of the pictures table."""
    return [Picture(cell["data"], cell["media_type"], cell["label"], tuple(cell["frames"])) for cell in cells]


def _render_images(
    joints: np.ndarray, frames: Sequence[int], settings: FramesConfig
) -> Iterator[tuple[Image.Image, str, Sequence[int]]]:
    if settings.form == "frames":
        size = settings.size or _largest_grid(1, tiles=1)[1]
        for frame, picture in zip(frames, render_labelled_frames(joints, frames, size, settings.view)):
            yield picture, f"Frame {frame}, {frame / FPS:.1f} s:", [frame]
        return
    sheets = -(-len(frames) // settings.cells)
    for number in range(sheets):  # the sheets are about equally full
        shown_frames = frames[number * len(frames) // sheets : (number + 1) * len(frames) // sheets]
        label = (
            f"Frames {shown_frames[0]} to {shown_frames[-1]}, from left to right and from top to bottom; under each "
            "stand its number and its time:"
        )
        columns, size = (
            (choose_columns(len(shown_frames)), settings.size)
            if settings.size
            else _largest_grid(len(shown_frames), settings.tiles)
        )
        yield (
            render_contact_sheet(joints, size=size, frames=shown_frames, columns=columns, view=settings.view),
            label,
            shown_frames,
        )
    if settings.form == "sheet and path":
        yield (
            render_path_map(joints, 2 * settings.size if settings.size else _TILE_SIDE),
            "The way of the hips from above, with the time at every second; the short lines show where the body faces, "
            "and up is where it faced first:",
            [],
        )


def _largest_grid(cells: int, tiles: int) -> tuple[int, int]:
    """The columns and the cell size in pixels of the largest sheet that `tiles` tiles hold and no service shrinks."""
    best = (1, 0)
    for across in range(1, tiles + 1):
        width, height = across * _TILE_SIDE, tiles // across * _TILE_SIDE
        width, height = min(width, _MAX_LONG_SIDE), min(height, _MAX_LONG_SIDE)
        if min(width, height) > _MAX_SHORT_SIDE:  # the longer side of a square stays
            width, height = (width, _MAX_SHORT_SIDE) if width > height else (_MAX_SHORT_SIDE, height)
        for columns in range(1, cells + 1):
            size = fit_cell_size(width, height, columns, -(-cells // columns))
            if size > best[1]:
                best = columns, size
    return best


def _encode_image(image: Image.Image, encoding: str) -> bytes:
    buffer = io.BytesIO()
    if encoding == "jpeg":
        image.save(buffer, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    else:
        image.save(buffer, "PNG", optimize=False)
    return buffer.getvalue()
