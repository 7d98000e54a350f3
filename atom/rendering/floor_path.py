"""The path of the pelvis on the floor: a line with an arrow every half metre and a bar (tick) across it every second.

The part that is still to come is paler.
"""

from __future__ import annotations

import numpy as np

from atom.motion.skeleton import FPS
from atom.rendering.camera import smooth_track

PAST_ALPHA, FUTURE_ALPHA = 0.85, 0.30
SMOOTHING = 6.0  # frames
STEP = 0.08  # metres between the points of the line
MIN_EXTENT = 0.40  # metres: a path within a square of this side is the sway of a standing body and is not drawn
ARROW_SPACING = 0.5  # metres
ARROW_SIZE = 0.12  # metres
ARROW_ANGLE = np.deg2rad(145.0)  # from the direction of travel to each stroke of the arrow head
TICK_HALF_WIDTH = 0.10  # metres to each side of the path


def trace_floor_path(joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Trace the path of the pelvis of `joints` (T, 22, 3) as strokes.

    Returns:
        (S, 4) strokes x0, z0, x1, z1 in metres, and (S,) the frame in which the pelvis reaches the end of each.
    """
    track = smooth_track(joints[:, 0][:, [0, 2]].astype(np.float64), SMOOTHING)
    if np.ptp(track, axis=0).max() < MIN_EXTENT:
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
        if np.hypot(*(end - last_arrow)) >= ARROW_SPACING:
            last_arrow = end
            bearing = np.arctan2(*(end - start))
            for angle in (bearing - ARROW_ANGLE, bearing + ARROW_ANGLE):
                strokes.append((*end, *(end + ARROW_SIZE * np.array([np.sin(angle), np.cos(angle)]))))
                times.append(frame)
    velocity = np.gradient(track, axis=0)  # metres a frame
    for frame in range(FPS, len(track), FPS):
        speed = np.hypot(*velocity[frame])
        if speed * FPS > STEP:  # a standing body would draw all its ticks in one place
            across = np.array([-velocity[frame][1], velocity[frame][0]]) / speed * TICK_HALF_WIDTH
            strokes.append((*(track[frame] - across), *(track[frame] + across)))
            times.append(frame)
    order = np.argsort(times, kind="stable")
    return np.array(strokes)[order], np.array(times)[order]


def stroke_alphas(times: np.ndarray, frame: int) -> np.ndarray:
    """The opacity (S,) of each stroke in one frame.

    Args:
        times: (S,), as `trace_floor_path` returns them.
        frame: the index of the frame.
    """
    return np.where(times <= frame, PAST_ALPHA, FUTURE_ALPHA)
