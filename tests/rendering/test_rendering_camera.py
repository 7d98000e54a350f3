"""The camera: where it stands, what it looks at, and that no part of the body leaves the frame."""

import numpy as np
import pytest

from atom.motion.skeleton import JOINT_INDEX
from atom.rendering.camera import (
    AZIMUTH,
    ELEVATION,
    FOCAL,
    MARGIN,
    STANDING_FRACTION,
    Camera,
    find_first_heading,
    place_camera,
    side_view_bearing,
    smooth_track,
)
from atom.rendering.figure import END_A, END_B, PART_WIDTH, RADII


def body(heading=0.0, frames=40):
    """Hips and shoulders of a body at the origin that faces `heading`, an angle from +Z towards +X; +X is its left."""
    joints = np.zeros((frames, 22, 3))
    for height, name in ((0.9, "hip"), (1.4, "shoulder")):
        for side, x in (("l", 0.2), ("r", -0.2)):
            joints[:, JOINT_INDEX[f"{side}_{name}"]] = x * np.cos(heading), height, -x * np.sin(heading)
    return joints


@pytest.mark.parametrize("heading", [0.0, 0.5, -2.0, 3.0])
def test_the_first_heading_is_that_of_the_first_frame_that_has_one(heading):
    joints = body(heading)
    joints[10:] = body(heading + 1)[10:]
    assert find_first_heading(joints) == pytest.approx(heading)
    lying = joints.copy()
    lying[:10, :, :] = lying[:10][..., [1, 0, 2]]  # on one side: left is up
    lying[:10, JOINT_INDEX["r_hip"]] = lying[:10, JOINT_INDEX["l_hip"]] - [0, 0.4, 0]
    lying[:10, JOINT_INDEX["r_shoulder"]] = lying[:10, JOINT_INDEX["l_shoulder"]] - [0, 0.4, 0]
    assert find_first_heading(lying) == pytest.approx(np.arctan2(np.sin(heading + 1), np.cos(heading + 1)))
    assert find_first_heading(lying[:10]) == 0


@pytest.mark.parametrize("default", [0.3, np.pi - 0.3, -0.3, 0.3 - np.pi])
def test_the_side_view_is_at_a_right_angle_on_the_nearer_side(default):
    """A body that goes ahead, along Z, is seen from +X or -X."""
    joints = body()
    ahead = joints + np.linspace(0, 3, 40)[:, None, None] * [0, 0, 1]
    bearing = side_view_bearing(ahead, default)
    assert abs(np.sin(bearing)) == pytest.approx(1) and np.sign(np.sin(bearing)) == np.sign(np.sin(default))
    across = joints + np.linspace(0, 3, 40)[:, None, None] * [1, 0, 0]
    bearing = side_view_bearing(across, default)
    assert abs(np.cos(bearing)) == pytest.approx(1) and np.sign(np.cos(bearing)) == np.sign(np.cos(default))


def test_a_movement_without_a_direction_is_seen_from_the_default():
    assert side_view_bearing(body(), 0.7) == 0.7  # too small
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    circle = body() + np.stack([np.cos(angle), 0 * angle, np.sin(angle)], -1)[:, None]
    assert side_view_bearing(circle, 0.7) == 0.7  # as wide as it is long
    longer = body() + np.stack([np.cos(angle), 0 * angle, 1.5 * np.sin(angle)], -1)[:, None]
    assert abs(np.sin(side_view_bearing(longer, 0.7))) == pytest.approx(1)


def test_an_orbit_takes_eight_seconds_from_the_front_over_the_left_of_the_body():
    parts = np.zeros((161, 1, PART_WIDTH))
    camera = place_camera("orbit", body(frames=161), parts, 1.7)
    behind_camera = -camera.axes[[0, 40, 80, 160], 2][:, [0, 2]] / np.cos(ELEVATION)  # from the body to the camera
    bearings = np.arctan2(behind_camera[:, 0], behind_camera[:, 1])
    turned = np.mod(bearings - AZIMUTH + 0.1, 2 * np.pi) - 0.1  # +X, where a body that faces +Z has its left, is +90
    np.testing.assert_allclose(turned, [0, np.pi / 2, np.pi, 0], atol=1e-6)


def test_a_camera_draws_right_on_the_right_and_up_on_top():
    """It stands 4 m before the origin on -Z, looks along +Z, and sees a point at half its distance twice as large."""
    axes = np.array([[[-1.0, 0, 0], [0, 1, 0], [0, 0, 1]]])
    camera = Camera(axes, np.array([[0.0, 0, -4]]), np.zeros((1, 2)), np.zeros((1, 2)), 1.0)
    points = np.array([[[0.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, 1, -2]]])
    middle, step = 50, 100 * FOCAL / 4
    expected = [[[middle, middle], [middle + step, middle], [middle, middle - step], [middle, middle - 2 * step]]]
    np.testing.assert_allclose(camera.project(points, 100), expected)


@pytest.mark.parametrize("radius", [0.05, 1.5])
def test_the_camera_is_as_near_as_the_margin_allows(radius):
    """A large ball pushes the camera away until its silhouette, measured at its nearest point, touches the margin; a
    small one leaves it at the distance that suits a standing body."""
    joints = body(frames=2)
    parts = np.zeros((2, 1, PART_WIDTH))
    parts[..., END_A] = parts[..., END_B] = [0.0, 1.0, 0.0]
    parts[..., RADII] = radius
    camera = place_camera("follow", joints, parts, 1.7)
    ahead, position = camera.axes[0, 2], camera.positions[0]
    distance = (np.array([0.0, 1.0, 0.0]) - position) @ ahead
    touching = radius * FOCAL / (0.5 - MARGIN) + radius
    standing = 1.7 * FOCAL / STANDING_FRACTION - np.sin(ELEVATION)  # to the ball, which is 1 m above the floor
    assert (touching > standing) == (radius > 1)
    assert distance == pytest.approx(max(touching, standing))


def test_a_track_at_constant_velocity_stays_and_noise_is_smoothed():
    line = np.arange(60.0)[:, None] * [0.1, -0.2] + 3
    np.testing.assert_allclose(smooth_track(line, 10), line, atol=1e-9)
    noise = np.random.default_rng(0).normal(size=(200, 2))
    assert smooth_track(noise, 5).std() < 0.4
    np.testing.assert_array_equal(smooth_track(line[:1], 10), line[:1])
