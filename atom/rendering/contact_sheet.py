"""The contact sheet: every n-th frame in one picture, labelled with its index and time, and never with a prompt."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

from atom.config import View
from atom.errors import AtomError
from atom.motion.skeleton import FPS
from atom.rendering.frames import check_joints, render_frames
from atom.rendering.text_labels import BACKGROUND, render_caption_strip

GAP = 3  # pixels between the cells


def render_contact_sheet(
    joints: np.ndarray,
    every: int = 8,
    size: int = 224,
    columns: int | None = None,
    frames: Sequence[int] | None = None,
    view: View = "follow",
) -> Image.Image:
    """Draw the frames 0, every, 2 every ... in a grid; under each stands a caption such as `#16   0.8 s`.

    Args:
        joints: (T, 22, 3) in metres at 20 frames a second.
        every: the number of frames from one cell to the next.
        size: pixels of a cell's side, without its caption.
        columns: cells a row; by default `choose_columns` decides.
        frames: indices of the frames to draw instead of every n-th.
        view: as in `render_frames`.

    Returns:
        The picture, in RGB.

    Raises:
        AtomError: the joints can't be drawn, or `every` or `columns` is below 1.
    """
    joints = check_joints(joints)
    if every < 1 or (columns is not None and columns < 1):
        raise AtomError(f"a contact sheet needs every >= 1 and columns >= 1, not every={every}, columns={columns}")
    frames = range(0, len(joints), every) if frames is None else frames
    columns = min(columns or choose_columns(len(frames)), len(frames))
    rows = math.ceil(len(frames) / columns)
    step_x, step_y = size + GAP, size + strip_height(size) + GAP
    sheet = Image.new("RGB", (columns * step_x - GAP, rows * step_y - GAP), BACKGROUND)
    for cell, picture in enumerate(render_labelled_frames(joints, frames, size, view)):
        sheet.paste(picture, (cell % columns * step_x, cell // columns * step_y))
    return sheet


def render_labelled_frames(
    joints: np.ndarray, frames: Sequence[int], size: int, view: View = "follow"
) -> Iterator[Image.Image]:
    """Draw single frames, each above a caption with its index and time.

    Args:
        joints: (T, 22, 3) in metres at 20 frames a second.
        frames: indices of the frames to draw.
        size: pixels of a frame's side.
        view: as in `render_frames`.

    Yields:
        Pictures of `size` x `size + strip_height(size)` pixels.
    """
    strip = strip_height(size)
    for frame, image in zip(frames, render_frames(joints, frames, size, view)):
        picture = Image.new("RGB", (size, size + strip), BACKGROUND)
        picture.paste(Image.fromarray(image), (0, 0))
        picture.paste(render_caption_strip(size, strip, f"#{frame}", f"{frame / FPS:.1f} s"), (0, size))
        yield picture


def strip_height(size: int) -> int:
    """The height in pixels of the caption of a cell with sides of `size` pixels."""
    return max(14, round(size * 0.1))


def fit_cell_size(width: int, height: int, columns: int, rows: int) -> int:
    """Find the largest cell size with which a contact sheet fits into a picture.

    Args:
        width: pixels of the picture.
        height: pixels of the picture.
        columns: cells a row.
        rows: rows of cells, each with its caption.

    Returns:
        Pixels of a cell's side, 0 or less if no sheet fits.
    """
    size = (width + GAP) // columns - GAP
    while size > 0 and rows * (size + strip_height(size) + GAP) - GAP > height:
        size -= 1
    return size


def choose_columns(cells: int) -> int:
    """Choose the number of columns, between a square and a 16:10 grid, that leaves the fewest places empty."""
    square = math.ceil(math.sqrt(cells))
    widest = max(square, math.floor(math.sqrt(1.6 * cells)), 3 if cells == 3 else 1)
    return min(range(square, widest + 1), key=lambda columns: (-cells % columns, columns))
