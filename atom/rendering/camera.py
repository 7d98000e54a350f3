"""The camera of a clip: it stands in front of the body or beside it, or orbits around it, at one distance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from atom.config import View
from atom.motion.skeleton import FACING_JOINTS, FPS, JOINT_INDEX
from atom.rendering.figure import END_A, END_B, RADII

AZIMUTH = np.deg2rad(-38.0)  # from the first heading to the person's right, so that walking ahead goes to the right
ELEVATION = np.deg2rad(14.0)
FOCAL = 2.0  # focal length in frame heights: a field of view of 28 degrees
STANDING_FRACTION = 0.70  # of the frame height that a standing figure fills
MARGIN = 0.035  # fraction of the frame that stays free around the body
SMOOTHING = 10.0  # frames (half a second): the camera does not follow the sway of the body
FLOOR_RADIUS = 4.6  # radius of the drawn floor in body heights
ORBIT_SECONDS = 8.0  # for one orbit around the body
MOVEMENT_JOINTS = tuple(JOINT_INDEX[name] for name in ("pelvis", "head", "l_wrist", "r_wrist", "l_ankle", "r_ankle"))
MIN_MOVEMENT = 0.08  # metres: a movement with a smaller standard deviation has no direction
MIN_ELONGATION = 1.4  # a movement whose length over width is smaller has no direction


@dataclass(frozen=True)
class Camera:
    """The camera in each frame of a clip, and the floor that it shows. The distance to the body is constant.

    `axes` (T, 3, 3) holds the camera's unit vectors right, up and ahead as rows, and `positions` (T, 3) its positions.
    `ground` (T, 2) is the point x, z on the floor below the body. The drawn floor has its centre at `floor_centre`
    (T, 2) and the radius `floor_radius`, in metres.
    """

    axes: np.ndarray
    positions: np.ndarray
    ground: np.ndarray
    floor_centre: np.ndarray
    floor_radius: float

    def project(self, points: np.ndarray, size: int) -> np.ndarray:
        """Project points to pixels.

        Args:
            points: (T, N, 3) in metres.
            size: pixels of a frame's side.

        Returns:
            (T, N, 2), column and row.
        """
        right, up, depth = np.moveaxis(np.einsum("tij,tnj->tni", self.axes, points - self.positions[:, None]), -1, 0)
        return size * (0.5 + FOCAL * np.stack([right, -up], axis=-1) / depth[..., None])


def place_camera(view: View, joints: np.ndarray, parts: np.ndarray, height: float) -> Camera:
    """Place the camera of a clip so that the whole body stays inside every frame.

    Args:
        view: "follow" moves along with the body, at three quarters in front of its first heading; "side" moves along
            and looks at a right angle to the main direction of movement; "fixed" stands still, so a body that travels
            far looks small; "orbit" moves along and circles the body once in eight seconds.
        joints: (T, 22, 3) in metres.
        parts: (T, P, 15), the solid parts of the body; see `atom.rendering.figure`.
        height: standing height of the body in metres.
    """
    ground = smooth_track(joints[:, :, [0, 2]].mean(axis=1, dtype=np.float64), SMOOTHING)
    target, floor_radius = ground, FLOOR_RADIUS * height
    if view == "fixed":
        low, high = ground.min(axis=0), ground.max(axis=0)
        target = np.broadcast_to((low + high) / 2, ground.shape)
        floor_radius += float(np.hypot(*(high - low))) / 2
    axes = _camera_axes(_camera_bearings(view, joints))
    target_on_floor = np.insert(target, 1, 0.0, axis=1)  # (T, 3)

    # The extent of the body from the target on the floor, along the three axes of the camera.
    ends = np.concatenate([parts[..., END_A], parts[..., END_B]], axis=1) - target_on_floor[:, None]
    radii = np.concatenate([parts[..., RADII.start], parts[..., RADII.start + 1]], axis=1)
    x, y, depth = np.moveaxis(np.einsum("tij,tnj->tni", axes, ends), -1, 0)
    low, high = np.min(y - radii), np.max(y + radii)
    aim = (low + high) / 2
    half_extent = np.maximum(np.abs(x), np.abs(y - aim)) + radii
    min_distance = float(np.max(half_extent * FOCAL / (0.5 - MARGIN) - (depth - radii)))
    distance = max(FOCAL * height / STANDING_FRACTION, min_distance)
    positions = target_on_floor + axes[:, 1] * aim - axes[:, 2] * distance
    # A body far below the floor must not pull the camera under it.
    positions[:, 1] = np.maximum(positions[:, 1], 0.1 * height)
    return Camera(axes, positions, ground, target, floor_radius)


def _camera_bearings(view: View, joints: np.ndarray) -> np.ndarray:
    """The direction (T,) from the body to the camera, as an angle from +Z towards +X."""
    three_quarters = find_first_heading(joints) + AZIMUTH
    if view == "orbit":
        return three_quarters + np.arange(len(joints)) * 2 * np.pi / (ORBIT_SECONDS * FPS)
    bearing = side_view_bearing(joints, three_quarters) if view == "side" else three_quarters
    return np.full(len(joints), bearing)


def side_view_bearing(joints: np.ndarray, default: float) -> float:
    """Find the camera bearing at a right angle to the main direction of movement.

    Args:
        joints: (T, 22, 3) in metres.
        default: bearing in radians. Of the two sides, the one nearer to it is chosen; if the movement has no clear
            direction, it is returned itself.
    """
    offsets = joints[:, MOVEMENT_JOINTS][..., [0, 2]].astype(np.float64)
    offsets = (offsets - offsets.mean(axis=0)).reshape(-1, 2)
    (across, along), directions = np.linalg.eigh(offsets.T @ offsets / len(offsets))  # variances, the larger one last
    if along < MIN_MOVEMENT**2 or along < MIN_ELONGATION**2 * across:
        return default
    x, z = directions[:, 1]
    bearing = np.arctan2(-z, x)
    is_near_default = np.cos(bearing - default) >= 0
    return float(bearing if is_near_default else bearing + np.pi)


def _camera_axes(bearings: np.ndarray) -> np.ndarray:
    """The rows right, up and ahead (T, 3, 3) of a camera that stands at `bearings` (T,) and looks slightly down."""
    level, down = np.cos(ELEVATION), np.full_like(bearings, np.sin(ELEVATION))
    ahead = -np.stack([np.sin(bearings) * level, down, np.cos(bearings) * level], axis=1)
    right = np.cross(ahead, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    return np.stack([right, np.cross(right, ahead), ahead], axis=1)


def find_first_heading(joints: np.ndarray) -> float:
    """The heading at the start of `joints` (T, 22, 3), as an angle in radians from +Z towards +X.

    Frames in which the body lies on one side, and so has no heading, are skipped; 0 if no frame has one.
    """
    right_hip, left_hip, right_shoulder, left_shoulder = (joints[:, i] for i in FACING_JOINTS)
    left = (left_hip - right_hip) + (left_shoulder - right_shoulder)
    level = np.hypot(left[:, 0], left[:, 2])
    clear = np.flatnonzero(level > 0.3 * np.linalg.norm(left, axis=1))
    if not len(clear):
        return 0.0
    x, _, z = left[clear[0]]
    return float(np.arctan2(-z, x))


def smooth_track(track: np.ndarray, sigma: float) -> np.ndarray:
    """Smooth a track over time with a Gaussian; movement at constant velocity stays unchanged, also at both ends.

    Args:
        track: (T, D).
        sigma: standard deviation of the Gaussian in frames.
    """
    pad = int(4 * sigma)
    padded = track
    while pad > 0:  # np.pad mirrors at most T - 1 frames at once
        step = min(pad, len(padded) - 1)
        if step == 0:
            return track.copy()
        padded = np.pad(padded, ((step, step), (0, 0)), mode="reflect", reflect_type="odd")
        pad -= step
    extra = (len(padded) - len(track)) // 2
    return gaussian_filter1d(padded, sigma, axis=0)[extra : extra + len(track)]
