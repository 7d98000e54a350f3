"""What a vision-language model sees of a motion. The prompt is never among it."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from atom.chat.request import Picture
from atom.config import SightConfig
from atom.errors import AtomError
from atom.events import Task
from atom.motion.skeleton import FPS
from atom.rendering.path_map import path_map
from atom.rendering.sheet import best_columns, contact_sheet, labelled_frames

VERSION = 1  # enters the keys of pictures: raise it when they change
_JPEG_QUALITY = 90


def pictures_of(joints: np.ndarray, sight: SightConfig, task: Task) -> list[Picture]:
    """Pictures of joints (T, 22, 3) in the form of `sight`, in the order in which they are shown.

    Prompts about how often are shown more densely. AtomError when the motion can't be drawn.
    """
    if not len(joints):
        raise AtomError("a motion without frames can't be shown")
    every = sight.every_frequency if task == "frequency" else sight.every
    frames = range(0, len(joints), every)
    return [
        Picture(_encoded(image, sight.encoding), f"image/{sight.encoding}", label, tuple(shown))
        for image, label, shown in _views(joints, frames, sight)
    ]


def to_cells(pictures: Sequence[Picture]) -> list[dict[str, Any]]:
    """Pictures as a cell of the pictures table; `from_cells` reads them back."""
    return [{"label": p.label, "media_type": p.media_type, "frames": list(p.frames), "data": p.data} for p in pictures]


def from_cells(cells: Sequence[Mapping[str, Any]]) -> list[Picture]:
    return [Picture(cell["data"], cell["media_type"], cell["label"], tuple(cell["frames"])) for cell in cells]


def _views(
    joints: np.ndarray, frames: Sequence[int], sight: SightConfig
) -> Iterator[tuple[Image.Image, str, Sequence[int]]]:
    if sight.form == "frames":
        for frame, picture in zip(frames, labelled_frames(joints, frames, sight.size)):
            yield picture, f"Frame {frame}, {frame / FPS:.1f} s:", [frame]
        return
    sheets = -(-len(frames) // sight.cells)
    for number in range(sheets):  # about equally full
        shown = frames[number * len(frames) // sheets : (number + 1) * len(frames) // sheets]
        label = (
            f"Frames {shown[0]} to {shown[-1]}, from left to right and from top to bottom; under each stand its number "
            "and its time:"
        )
        yield contact_sheet(joints, size=sight.size, frames=shown, columns=best_columns(len(shown))), label, shown
    if sight.form == "sheet and path":
        yield (
            path_map(joints, 2 * sight.size),
            "The way of the hips from above, with the time at every second; the short lines show where the body faces, "
            "and up is where it faced first:",
            [],
        )


def _encoded(image: Image.Image, encoding: str) -> bytes:
    buffer = io.BytesIO()
    if encoding == "jpeg":
        image.save(buffer, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    else:
        image.save(buffer, "PNG", optimize=False)
    return buffer.getvalue()
