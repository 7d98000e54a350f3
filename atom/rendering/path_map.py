"""The way of the pelvis from above: where it goes, when it is where, and which way the body faces."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from atom.motion.skeleton import FPS
from atom.rendering.frames import check_joints
from atom.rendering.labels import GROUND, INK, QUIET_INK, load_label_font

PATH_COLOUR, FACING_COLOUR, GRID_COLOUR = (38, 110, 180), (214, 108, 20), (228, 230, 236)
LEAST_SIDE = 2.0  # metres that the map shows at least
_NEAR = 0.08  # of the map's side
_LEFT_HIP, _RIGHT_HIP = 1, 2
_DRAWN_AT = 3  # times as large, then scaled down, for smooth lines


def render_path_map(joints: np.ndarray, size: int = 448) -> Image.Image:
    """A square map of joints (T, 22, 3): start a ring, a dot with its time every second, a short line where it faces.

    The grid has squares of one metre. What is up in the map is where the body faced first. AtomError as in
    `render_frames`.
    """
    joints = check_joints(joints)
    places, facing = joints[:, 0][:, [0, 2]], _facing(joints)
    turned = _turned_up(facing[0])
    places, facing = (places - places[0]) @ turned.T, facing @ turned.T
    low, high = places.min(0), places.max(0)
    side = max(float((high - low).max()) * 1.15, LEAST_SIDE)
    middle, pixels = (low + high) / 2, size * _DRAWN_AT

    def at(point: np.ndarray) -> tuple[float, float]:
        x, y = (point - middle) / side * pixels
        return pixels / 2 + float(x), pixels / 2 - float(y)

    picture = Image.new("RGB", (pixels, pixels), GROUND)
    draw = ImageDraw.Draw(picture)
    for metre in range(int(np.floor((middle - side / 2).min())), int(np.ceil((middle + side / 2).max())) + 1):
        x, y = at(np.array([metre, metre], float))
        draw.line([(x, 0), (x, pixels)], GRID_COLOUR, 2)
        draw.line([(0, y), (pixels, y)], GRID_COLOUR, 2)
    draw.line([at(place) for place in places], PATH_COLOUR, round(pixels * 0.008), joint="curve")
    radius = pixels * 0.012
    for first, last in _stays(places[::FPS], side * _NEAR):
        for second in range(first, last + 1):
            frame = second * FPS
            x, y = at(places[frame])
            draw.line([(x, y), at(places[frame] + facing[frame] * side * 0.06)], FACING_COLOUR, round(pixels * 0.008))
            fill = GROUND if frame == 0 else PATH_COLOUR
            draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill, PATH_COLOUR, round(pixels * 0.005))
        times = f"{first} s" if first == last else f"{first} to {last} s"
        draw.text((x + 1.5 * radius, y), times, INK, load_label_font(round(pixels * 0.032)), anchor="lm")
    draw.text(
        (pixels * 0.02, pixels * 0.98), "squares: 1 m", QUIET_INK, load_label_font(round(pixels * 0.03)), anchor="ls"
    )
    return picture.resize((size, size), Image.Resampling.LANCZOS)


def _stays(places: np.ndarray, near: float) -> list[tuple[int, int]]:
    """Seconds [first, last] in a row that lie so near to each other that they share one label; places (seconds, 2)."""
    stays = [(0, 0)]
    for second in range(1, len(places)):
        first, _ = stays[-1]
        if np.linalg.norm(places[second] - places[first]) < near:
            stays[-1] = (first, second)
        else:
            stays.append((second, second))
    return stays


def _facing(joints: np.ndarray) -> np.ndarray:
    """(T, 2) unit vectors on the floor, x and z, at a right angle to the line through the hips."""
    across = (joints[:, _LEFT_HIP] - joints[:, _RIGHT_HIP])[:, [0, 2]]
    ahead = np.stack([-across[:, 1], across[:, 0]], axis=1)
    return ahead / np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-9)


def _turned_up(first: np.ndarray) -> np.ndarray:
    """(2, 2): turns floor coordinates (x, z) so that `first` points up in the map and its left stays on the left."""
    right = np.array([-first[1], first[0]])
    return np.stack([right, first])
