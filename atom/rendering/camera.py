"""Where the camera stands: three-quarter front view from slightly above, following smoothly, at one zoom for a clip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from atom.motion.skeleton import FACING
from atom.rendering.figure import END_A, END_B, RADII

AZIMUTH = np.deg2rad(-38.0)  # from the first heading, towards the person's right, so that walking ahead goes rightwards
ELEVATION = np.deg2rad(14.0)
FOCAL = 2.0  # focal length in heights of the frame: 28 degrees of view
STANDING_SHARE = 0.70  # of the frame's height that a standing figure takes
MARGIN = 0.035  # of the frame's side that stays free around everything the clip shows
SMOOTHING = 10.0  # frames (half a second): the camera glides where the body sways


@dataclass(frozen=True)
class Camera:
    """One direction and zoom for the clip; `positions` (T, 3) move along with the body.

    `axes` (3, 3) holds the unit vectors right, up and ahead of the camera as rows, `ground` (T, 2) the x, z on the
    floor that it looks at.
    """

    axes: np.ndarray
    positions: np.ndarray
    ground: np.ndarray


def first_heading(joints: np.ndarray) -> float:
    """Angle in radians from +Z towards +X that the body faces in the first frame of `joints` (T, 22, 3)."""
    right_hip, left_hip, right_shoulder, left_shoulder = (joints[:, i] for i in FACING)
    left = (left_hip - right_hip) + (left_shoulder - right_shoulder)
    level = np.hypot(left[:, 0], left[:, 2])
    clear = np.flatnonzero(level > 0.3 * np.linalg.norm(left, axis=1))  # lying on one side faces nowhere
    if not len(clear):
        return 0.0
    x, _, z = left[clear[0]]
    return float(np.arctan2(-z, x))


def follow_camera(joints: np.ndarray, parts: np.ndarray, height: float) -> Camera:
    """The camera for a clip.

    Args:
        joints: (T, 22, 3) in metres.
        parts: (T, P, 15), the body around them; all of it stays in the frame.
        height: standing height of the body in metres.
    """
    bearing = first_heading(joints) + AZIMUTH
    ahead = -np.array([np.sin(bearing) * np.cos(ELEVATION), np.sin(ELEVATION), np.cos(bearing) * np.cos(ELEVATION)])
    right = np.cross(ahead, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    axes = np.stack([right, np.cross(right, ahead), ahead])

    ground = smooth_track(joints[:, :, [0, 2]].mean(axis=1, dtype=np.float64), SMOOTHING)
    foot = np.insert(ground, 1, 0.0, axis=1)  # (T, 3)

    # How far the body reaches from the followed point on the floor, along the three axes of the camera.
    ends = np.concatenate([parts[..., END_A], parts[..., END_B]], axis=1) - foot[:, None]
    radii = np.concatenate([parts[..., RADII.start], parts[..., RADII.start + 1]], axis=1)
    x, y, depth = np.moveaxis(ends @ axes.T, -1, 0)
    low, high = np.min(y - radii), np.max(y + radii)
    aim = (low + high) / 2
    reach = np.maximum(np.abs(x), np.abs(y - aim)) + radii
    distance = max(FOCAL * height / STANDING_SHARE, float(np.max(reach * FOCAL / (0.5 - MARGIN) - (depth - radii))))
    positions = foot + axes[1] * aim - ahead * distance
    positions[:, 1] = np.maximum(positions[:, 1], 0.1 * height)  # a body far below the floor must not pull it under
    return Camera(axes, positions, ground)


def smooth_track(track: np.ndarray, sigma: float) -> np.ndarray:
    """`track` (T, D) smoothed over time so that steady travel stays as it is, also at both ends."""
    pad = int(4 * sigma)
    padded = track
    while pad > 0:  # np.pad can mirror at most T - 1 frames at once
        step = min(pad, len(padded) - 1)
        if step == 0:
            return track.copy()
        padded = np.pad(padded, ((step, step), (0, 0)), mode="reflect", reflect_type="odd")
        pad -= step
    extra = (len(padded) - len(track)) // 2
    return gaussian_filter1d(padded, sigma, axis=0)[extra : extra + len(track)]
