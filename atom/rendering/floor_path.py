"""The way of the pelvis, drawn on the floor: a line with an arrow every half metre and a bar across it every second,
pale where it is still to come."""

from __future__ import annotations

import numpy as np

from atom.motion.skeleton import FPS
from atom.rendering.camera import smooth_track

DONE_ALPHA, TO_COME_ALPHA = 0.85, 0.30
SMOOTHING = 6.0  # frames
STEP = 0.08  # metres between the points that are kept
ON_THE_SPOT = (
    0.40  # metres: a path that keeps to a square of this side is the sway of a body that stands, and not drawn
)
ARROW_EVERY = 0.5
ARROW_SIZE = 0.12
ARROW_SLANT = np.deg2rad(145.0)
TICK_HALF = 0.10  # metres to each side of the path


def trace_floor_path(joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Strokes of the path of `joints` (T, 22, 3).

    Returns:
        (S, 4) strokes x0, z0, x1, z1 in metres and (S,) the frame at which the pelvis comes to the end of each.
    """
    track = smooth_track(joints[:, 0][:, [0, 2]].astype(np.float64), SMOOTHING)
    if np.ptp(track, axis=0).max() < ON_THE_SPOT:
        return np.empty((0, 4)), np.empty(0, np.int64)
    points, frames = [track[0]], [0]
    for frame, point in enumerate(track):
        if np.hypot(*(point - points[-1])) >= STEP:
            points.append(point)
            frames.append(frame)
    strokes, times = [], []
    last_arrow = points[0]
    for start, end, frame in zip(points, points[1:], frames[1:]):
        strokes.append((*start, *end))
        times.append(frame)
        if np.hypot(*(end - last_arrow)) >= ARROW_EVERY:
            last_arrow = end
            bearing = np.arctan2(*(end - start))
            for angle in (bearing - ARROW_SLANT, bearing + ARROW_SLANT):
                strokes.append((*end, *(end + ARROW_SIZE * np.array([np.sin(angle), np.cos(angle)]))))
                times.append(frame)
    direction = np.gradient(track, axis=0)
    for frame in range(FPS, len(track), FPS):
        speed = np.hypot(*direction[frame])
        if speed * FPS > STEP:  # who stands leaves no ticks on one place
            across = np.array([-direction[frame][1], direction[frame][0]]) / speed * TICK_HALF
            strokes.append((*(track[frame] - across), *(track[frame] + across)))
            times.append(frame)
    order = np.argsort(times, kind="stable")
    return np.array(strokes)[order], np.array(times)[order]


def stroke_alphas(times: np.ndarray, frame: int) -> np.ndarray:
    """(S,) how opaque each stroke is while frame `frame` is shown."""
    return np.where(times <= frame, DONE_ALPHA, TO_COME_ALPHA)
