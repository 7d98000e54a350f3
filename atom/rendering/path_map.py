"""A map of the path of the pelvis from above, with the time and the heading of the body at each second."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from atom.motion.skeleton import FPS
from atom.rendering.frames import check_joints
from atom.rendering.text_labels import BACKGROUND, INK, MUTED_INK, load_label_font

PATH_COLOUR, FACING_COLOUR, GRID_COLOUR = (38, 110, 180), (214, 108, 20), (228, 230, 236)
MIN_SIDE = 2.0  # metres
_LABEL_DISTANCE = 0.08  # fraction of the map's side: seconds that are closer share one label
_LEFT_HIP, _RIGHT_HIP = 1, 2
_SUPERSAMPLING = 3  # the map is drawn this many times as large and scaled down, for smooth lines


def render_path_map(joints: np.ndarray, size: int = 448) -> Image.Image:
    """Draw a square map of a motion; up in the map is the direction that the body faces first.

    A ring marks the start and a labelled dot every further second; a short line shows the heading. Grid squares are one
    metre.

    Args:
        joints: (T, 22, 3) in metres.
        size: pixels of the map's side.

    Raises:
        AtomError: the joints can't be drawn, as in `render_frames`.
    """
    joints = check_joints(joints)
    positions, headings = joints[:, 0][:, [0, 2]], _headings(joints)
    rotation = _rotation_to_up(headings[0])
    positions, headings = (positions - positions[0]) @ rotation.T, headings @ rotation.T
    low, high = positions.min(0), positions.max(0)
    side = max(float((high - low).max()) * 1.15, MIN_SIDE)
    middle, pixels = (low + high) / 2, size * _SUPERSAMPLING

    def to_pixels(point: np.ndarray) -> tuple[float, float]:
        x, y = (point - middle) / side * pixels
        return pixels / 2 + float(x), pixels / 2 - float(y)

    picture = Image.new("RGB", (pixels, pixels), BACKGROUND)
    draw = ImageDraw.Draw(picture)
    for metre in range(int(np.floor((middle - side / 2).min())), int(np.ceil((middle + side / 2).max())) + 1):
        x, y = to_pixels(np.array([metre, metre], float))
        draw.line([(x, 0), (x, pixels)], GRID_COLOUR, 2)
        draw.line([(0, y), (pixels, y)], GRID_COLOUR, 2)
    draw.line([to_pixels(position) for position in positions], PATH_COLOUR, round(pixels * 0.008), joint="curve")
    radius = pixels * 0.012
    for first, last in _group_seconds(positions[::FPS], side * _LABEL_DISTANCE):
        for second in range(first, last + 1):
            frame = second * FPS
            x, y = to_pixels(positions[frame])
            draw.line(
                [(x, y), to_pixels(positions[frame] + headings[frame] * side * 0.06)],
                FACING_COLOUR,
                round(pixels * 0.008),
            )
            fill = BACKGROUND if frame == 0 else PATH_COLOUR
            draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill, PATH_COLOUR, round(pixels * 0.005))
        times = f"{first} s" if first == last else f"{first} to {last} s"
        draw.text((x + 1.5 * radius, y), times, INK, load_label_font(round(pixels * 0.032)), anchor="lm")
    draw.text(
        (pixels * 0.02, pixels * 0.98), "squares: 1 m", MUTED_INK, load_label_font(round(pixels * 0.03)), anchor="ls"
    )
    return picture.resize((size, size), Image.Resampling.LANCZOS)


def _group_seconds(positions: np.ndarray, max_distance: float) -> list[tuple[int, int]]:
    """Group consecutive seconds [first, last] whose `positions` (seconds, 2) are close enough to share one label."""
    groups = [(0, 0)]
    for second in range(1, len(positions)):
        first, _ = groups[-1]
        if np.linalg.norm(positions[second] - positions[first]) < max_distance:
            groups[-1] = (first, second)
        else:
            groups.append((second, second))
    return groups


def _headings(joints: np.ndarray) -> np.ndarray:
    """Unit vectors (T, 2) on the floor, x and z, at a right angle to the line through the hips."""
    across = (joints[:, _LEFT_HIP] - joints[:, _RIGHT_HIP])[:, [0, 2]]
    ahead = np.stack([-across[:, 1], across[:, 0]], axis=1)
    return ahead / np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-9)


def _rotation_to_up(heading: np.ndarray) -> np.ndarray:
    """The matrix (2, 2) that rotates floor coordinates (x, z) so that `heading` points up and its left stays left."""
    right = np.array([-heading[1], heading[0]])
    return np.stack([right, heading])
