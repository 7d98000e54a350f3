"""Rendering of single frames of a motion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from atom.config import View
from atom.errors import AtomError
from atom.motion.skeleton import JOINTS
from atom.rendering.camera import FOCAL, place_camera
from atom.rendering.figure import build_figure_parts, measure_body_height
from atom.rendering.floor_path import stroke_alphas, trace_floor_path

MIN_SIZE, MAX_SIZE = 32, 4096  # pixels of a frame's side
MAX_COORDINATE = 1000.0  # metres from the origin; larger values are probably in another unit


def render_frames(
    joints: np.ndarray, frames: Sequence[int] | None = None, size: int = 512, view: View = "follow"
) -> Iterator[np.ndarray]:
    """Draw a motion as a shaded body on a chequered floor with tiles of half a metre.

    Left limbs are orange and right limbs blue. The path of the pelvis is drawn on the floor, with an arrow every half
    metre and a bar across it every second. A frame does not depend on which other frames are drawn, and the same input
    gives the same bytes.

    Args:
        joints: (T, 22, 3) in metres, Y up, floor at y = 0.
        frames: indices of the frames to draw, in this order; all frames by default.
        size: pixels of a frame's side.
        view: how the camera moves, see `atom.rendering.camera.place_camera`.

    Yields:
        (size, size, 3) uint8 RGB, a new array each time.

    Raises:
        AtomError: the joints have another shape, are not finite, or a frame or the size is out of range. The call
            itself raises it, before the first frame is drawn.
    """
    joints = check_joints(joints)
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise AtomError(f"frame size {size} is outside {MIN_SIZE}..{MAX_SIZE} pixels")
    indices = list(range(len(joints))) if frames is None else [int(frame) for frame in frames]
    for frame in indices:
        if not 0 <= frame < len(joints):
            raise AtomError(f"frame {frame} can't be drawn: the motion has frames 0..{len(joints) - 1}")
    return _draw(joints, indices, size, view)


def check_joints(joints: np.ndarray) -> np.ndarray:
    """Check that joints can be drawn.

    Args:
        joints: (T, 22, 3) in metres.

    Returns:
        The joints as float64.

    Raises:
        AtomError: the joints have another shape, are not finite, or lie beyond a kilometre from the origin.
    """
    try:
        joints = np.asarray(joints, dtype=np.float64)
    except (TypeError, ValueError):
        raise AtomError("joints to draw must be an array of numbers of shape (T, 22, 3)") from None
    if joints.ndim != 3 or joints.shape[1:] != (JOINTS, 3) or not len(joints):
        raise AtomError(f"joints to draw must have shape (T, {JOINTS}, 3) with T >= 1, not {joints.shape}")
    finite = np.isfinite(joints).all(axis=(1, 2))
    if not finite.all():
        raise AtomError(f"joints to draw are not finite (NaN or infinity) in frame {int(np.argmin(finite))}")
    if np.abs(joints).max() > MAX_COORDINATE:
        raise AtomError(f"joints to draw reach {np.abs(joints).max():.0f} m from the origin; give them in metres")
    return joints


def _draw(joints: np.ndarray, frames: list[int], size: int, view: View) -> Iterator[np.ndarray]:
    from atom.rendering.rasteriser import draw_frame  # imports numba, which is slow: only where frames are drawn

    height = measure_body_height(joints)
    parts = build_figure_parts(joints, height)
    camera = place_camera(view, joints, parts, height)
    strokes, times = trace_floor_path(joints)
    for frame in frames:
        image = np.empty((size, size, 3), np.uint8)
        draw_frame(
            image,
            parts[frame],
            camera.positions[frame],
            camera.axes[frame],
            FOCAL * size,
            camera.ground[frame],
            camera.floor_centre[frame],
            camera.floor_radius,
            height,
            strokes,
            stroke_alphas(times, frame),
        )
        yield image
