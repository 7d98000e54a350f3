"""Where the camera stands: in front and above at one zoom for a clip, following, still, circling, or at the side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from atom.config import View
from atom.motion.skeleton import FACING_JOINTS, FPS, JOINT_INDEX
from atom.rendering.figure import END_A, END_B, RADII

AZIMUTH = np.deg2rad(-38.0)  # from the first heading, towards the person's right, so that walking ahead goes rightwards
ELEVATION = np.deg2rad(14.0)
FOCAL = 2.0  # focal length in heights of the frame: 28 degrees of view
STANDING_SHARE = 0.70  # of the frame's height that a standing figure takes
MARGIN = 0.035  # of the frame's side that stays free around everything the clip shows
SMOOTHING = 10.0  # frames (half a second): the camera glides where the body sways
FLOOR_REACH = 4.6  # body heights around the figure in which there is floor
ORBIT_SECONDS = 8.0  # for one turn around the body
ACTING = tuple(JOINT_INDEX[name] for name in ("pelvis", "head", "l_wrist", "r_wrist", "l_ankle", "r_ankle"))
LEAST_ACTION = 0.08  # metres: movement (standard deviation) below it has no direction
LEAST_RATIO = 1.4  # how much longer than wide a movement must be to have one


@dataclass(frozen=True)
class Camera:
    """One zoom for the clip, and where the camera is in each frame.

    `axes` (T, 3, 3) holds the unit vectors right, up and ahead of the camera as rows, `positions` (T, 3) its place,
    `ground` (T, 2) the x, z on the floor below the body, `floor` (T, 2) the middle of the floor that is drawn and
    `floor_reach` how far that goes, in metres.
    """

    axes: np.ndarray
    positions: np.ndarray
    ground: np.ndarray
    floor: np.ndarray
    floor_reach: float

    def project(self, points: np.ndarray, size: int) -> np.ndarray:
        """`points` (T, N, 3) in metres as pixels (T, N, 2), column and row, of frames of `size` pixels a side."""
        right, up, depth = np.moveaxis(np.einsum("tij,tnj->tni", self.axes, points - self.positions[:, None]), -1, 0)
        return size * (0.5 + FOCAL * np.stack([right, -up], axis=-1) / depth[..., None])


def place_camera(view: View, joints: np.ndarray, parts: np.ndarray, height: float) -> Camera:
    """The camera for a clip; all of the body stays in all of the frames.

    Args:
        view: "follow" glides along, three quarters in front of the first heading; "side" glides along and looks
            square to the direction in which most of the movement goes; "fixed" stands still, however small that makes
            a body that goes far; "orbit" glides along and circles once in eight seconds.
        joints: (T, 22, 3) in metres.
        parts: (T, P, 15), the body around them.
        height: standing height of the body in metres.
    """
    ground = smooth_track(joints[:, :, [0, 2]].mean(axis=1, dtype=np.float64), SMOOTHING)
    at, reach = ground, FLOOR_REACH * height
    if view == "fixed":
        low, high = ground.min(axis=0), ground.max(axis=0)
        at = np.broadcast_to((low + high) / 2, ground.shape)
        reach += float(np.hypot(*(high - low))) / 2
    axes = _axes(_bearings(view, joints))
    foot = np.insert(at, 1, 0.0, axis=1)  # (T, 3)

    # How far the body reaches from the point on the floor that is looked at, along the three axes of the camera.
    ends = np.concatenate([parts[..., END_A], parts[..., END_B]], axis=1) - foot[:, None]
    radii = np.concatenate([parts[..., RADII.start], parts[..., RADII.start + 1]], axis=1)
    x, y, depth = np.moveaxis(np.einsum("tij,tnj->tni", axes, ends), -1, 0)
    low, high = np.min(y - radii), np.max(y + radii)
    aim = (low + high) / 2
    outwards = np.maximum(np.abs(x), np.abs(y - aim)) + radii
    needed = float(np.max(outwards * FOCAL / (0.5 - MARGIN) - (depth - radii)))
    distance = max(FOCAL * height / STANDING_SHARE, needed)
    positions = foot + axes[:, 1] * aim - axes[:, 2] * distance
    positions[:, 1] = np.maximum(positions[:, 1], 0.1 * height)  # a body far below the floor must not pull it under
    return Camera(axes, positions, ground, at, reach)


def _bearings(view: View, joints: np.ndarray) -> np.ndarray:
    """(T,) the angle from +Z towards +X at which the camera stands, seen from the body."""
    three_quarters = find_first_heading(joints) + AZIMUTH
    if view == "orbit":
        return three_quarters + np.arange(len(joints)) * 2 * np.pi / (ORBIT_SECONDS * FPS)
    bearing = side_view_bearing(joints, three_quarters) if view == "side" else three_quarters
    return np.full(len(joints), bearing)


def side_view_bearing(joints: np.ndarray, otherwise: float) -> float:
    """The bearing square to the direction in which the movement of `joints` (T, 22, 3) goes, on the side nearer to
    `otherwise`; that itself where no direction stands out."""
    moving = joints[:, ACTING][..., [0, 2]].astype(np.float64)
    moving = (moving - moving.mean(axis=0)).reshape(-1, 2)
    (across, along), directions = np.linalg.eigh(moving.T @ moving / len(moving))
    if along < LEAST_ACTION**2 or along < LEAST_RATIO**2 * across:
        return otherwise
    x, z = directions[:, 1]
    square = np.arctan2(-z, x)
    nearer = np.cos(square - otherwise) >= 0
    return float(square if nearer else square + np.pi)


def _axes(bearings: np.ndarray) -> np.ndarray:
    """(T, 3, 3) rows right, up and ahead of a camera that stands at `bearings` (T,) and looks slightly down."""
    level, down = np.cos(ELEVATION), np.full_like(bearings, np.sin(ELEVATION))
    ahead = -np.stack([np.sin(bearings) * level, down, np.cos(bearings) * level], axis=1)
    right = np.cross(ahead, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    return np.stack([right, np.cross(right, ahead), ahead], axis=1)


def find_first_heading(joints: np.ndarray) -> float:
    """Angle in radians from +Z towards +X that the body faces in the first frame of `joints` (T, 22, 3)."""
    right_hip, left_hip, right_shoulder, left_shoulder = (joints[:, i] for i in FACING_JOINTS)
    left = (left_hip - right_hip) + (left_shoulder - right_shoulder)
    level = np.hypot(left[:, 0], left[:, 2])
    clear = np.flatnonzero(level > 0.3 * np.linalg.norm(left, axis=1))  # lying on one side faces nowhere
    if not len(clear):
        return 0.0
    x, _, z = left[clear[0]]
    return float(np.arctan2(-z, x))


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
