"""The content of drawn frames, and their reproducibility."""

import subprocess
import sys
from typing import get_args

import numpy as np
import pytest

from atom.config import View
from atom.errors import AtomError
from atom.motion.skeleton import BONE_LENGTHS, JOINT_INDEX, LEFT_JOINTS, PARENTS, RIGHT_JOINTS, TARGET_OFFSETS
from atom.rendering import camera as camera_module
from atom.rendering import render_frames
from atom.rendering.camera import FOCAL, find_first_heading, place_camera, side_view_bearing, smooth_track
from atom.rendering.figure import build_figure_parts, measure_body_height
from atom.rendering.floor_path import stroke_alphas, trace_floor_path


def standing(frames: int = 1, heading: float = 0.0, scale: float = 1.0) -> np.ndarray:
    """A standing body (frames, 22, 3) that faces `heading` radians from +Z towards +X, its arms a little apart."""
    offsets = TARGET_OFFSETS.astype(np.float64)
    offsets[JOINT_INDEX["head"]] = [0, BONE_LENGTHS[JOINT_INDEX["head"]], 0]
    for side, sign in (("l", 1), ("r", -1)):
        offsets[JOINT_INDEX[f"{side}_foot"]] = [0, -0.06, 0.13]
        offsets[JOINT_INDEX[f"{side}_collar"]] = [sign * 0.07, 0.12, 0]
        offsets[JOINT_INDEX[f"{side}_shoulder"]] = [sign * 0.11, 0.03, 0]
        for joint in ("elbow", "wrist"):
            offsets[JOINT_INDEX[f"{side}_{joint}"]] = [sign * 0.10, -0.24, 0]
    body = np.zeros((22, 3))
    for joint, parent in enumerate(PARENTS[1:], start=1):
        body[joint] = body[parent] + offsets[joint]
    body[:, 1] -= body[:, 1].min() - 0.02
    c, s = np.cos(heading), np.sin(heading)
    turned = body @ np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])
    return np.repeat(turned[None] * scale, frames, axis=0)


def walking(frames: int, speed: float = 0.06) -> np.ndarray:
    joints = standing(frames)
    joints[:, :, 2] += speed * np.arange(frames)[:, None]
    return joints


def picture(joints: np.ndarray, frame: int = 0, size: int = 128) -> np.ndarray:
    return next(render_frames(joints, [frame], size)).astype(int)


def orange(image: np.ndarray) -> np.ndarray:
    return (image[..., 0] - image[..., 2] > 90) & (image[..., 0] > 120)


def blue(image: np.ndarray) -> np.ndarray:
    return image[..., 2] - image[..., 0] > 80


def figure(image: np.ndarray) -> np.ndarray:
    return orange(image) | blue(image)


def middle_column(mask: np.ndarray) -> float:
    return float(np.nonzero(mask)[1].mean())


def test_same_joints_give_same_bytes():
    joints = walking(12)
    first, again = (np.stack(list(render_frames(joints, size=96))) for _ in range(2))
    assert first.shape == (12, 96, 96, 3) and first.dtype == np.uint8
    assert first.tobytes() == again.tobytes()


def test_a_frame_does_not_depend_on_the_other_frames_drawn():
    joints = walking(20)
    everything = list(render_frames(joints, size=64))
    chosen = list(render_frames(joints, [17, 3, 3], 64))
    assert len(chosen) == 3
    for frame, image in zip([17, 3, 3], chosen):
        assert np.array_equal(image, everything[frame])


@pytest.mark.parametrize("heading", [0.0, 1.3, np.pi, -2.0])
def test_left_is_orange_on_the_viewers_right_whatever_the_heading(heading):
    image = picture(standing(heading=heading))
    assert orange(image).sum() > 100 and blue(image).sum() > 100
    assert middle_column(orange(image)) > middle_column(blue(image)) + 5


def test_mirrored_sides_show_a_back_without_a_face():
    front = standing()
    back = np.concatenate([front, standing(heading=np.pi)])  # the camera stays in front of the first frame
    front_image, back_image = picture(back, 0, 256), picture(back, 1, 256)
    head = slice(0, 58)
    skin = [(abs(image[head] - (205, 180, 160)).max(axis=-1) < 40).sum() for image in (front_image, back_image)]
    assert skin[0] > 2 * skin[1]
    assert middle_column(orange(back_image)) < middle_column(blue(back_image))


@pytest.mark.parametrize("scale", [0.6, 1.0, 1.4])
def test_a_standing_body_of_any_size_fills_seven_tenths(scale):
    joints = standing(scale=scale)
    height = measure_body_height(joints)
    parts = build_figure_parts(joints, height)
    camera = place_camera("follow", joints, parts, height)
    top = parts[0, :, [1, 4]].max() + 0.1 * scale
    ends = np.array([[*camera.ground[0], 0.0], [*camera.ground[0], top]])[:, [0, 2, 1]] - camera.positions[0]
    up, depth = ends @ camera.axes[0, 1], ends @ camera.axes[0, 2]
    fraction = np.ptp(FOCAL * up / depth)
    assert 0.62 < fraction < 0.78


def test_everything_stays_in_the_frame():
    rng = np.random.default_rng(0)
    joints = standing(40)
    joints[:, :, 1] += np.abs(np.sin(np.arange(40) / 4))[:, None]
    joints[:, list(LEFT_JOINTS)] += rng.normal(0, 0.2, (40, 1, 3))
    for image in render_frames(joints, range(0, 40, 3), 96):
        body_mask = figure(image.astype(int))
        assert body_mask.any()
        assert not (body_mask[0].any() or body_mask[-1].any() or body_mask[:, 0].any() or body_mask[:, -1].any())


def test_the_floor_is_a_checker_that_stays_while_the_body_moves():
    joints = standing(2)
    joints[1, :, 1] += 0.4  # a jump on the spot
    standing_still, jumping = picture(joints, 0), picture(joints, 1)
    corner = (slice(96, 128), slice(0, 16))
    assert np.array_equal(standing_still[corner], jumping[corner])
    greys = standing_still[corner].mean(axis=-1)
    assert greys.max() - greys.min() > 15


def test_the_shadow_fades_under_a_jump():
    joints = standing(2)
    joints[1, :, 1] += 0.5
    frames = [picture(joints, frame, 256) for frame in range(2)]
    darkest = [image[200:][~figure(image[200:])].sum(axis=-1).min() for image in frames]
    assert darkest[1] > darkest[0] + 40


def test_the_floor_never_hides_the_feet():
    lifted, sunk = standing(), standing()
    sunk[..., 1] -= 0.03
    counts = [figure(picture(joints, size=256)).sum() for joints in (lifted, sunk)]
    assert abs(counts[0] - counts[1]) < 0.03 * counts[0]


def test_the_path_shows_where_the_body_went_and_will_go():
    moving, still = walking(60), standing(60)
    strokes, times = trace_floor_path(moving)
    ends = strokes[:, 3]
    assert np.isclose(ends.max(), moving[-1, 0, 2], atol=0.1)
    assert (np.diff(times) >= 0).all() and times[-1] <= 59
    alphas = stroke_alphas(times, 30)
    assert alphas[0] > alphas[-1] > 0
    past, now, future = stroke_alphas(np.array([29, 30, 31]), 30)
    assert past == now > future  # what is reached in this very frame is past
    assert len(trace_floor_path(still)[0]) == 0
    wobbling = still + 0.03 * np.sin(np.arange(60) / 3)[:, None, None]
    assert len(trace_floor_path(wobbling)[0]) == 0


def test_a_bar_across_the_path_marks_every_second():
    joints = walking(61)
    strokes, times = trace_floor_path(joints)
    across = np.isclose(strokes[:, 1], strokes[:, 3]) & (np.abs(strokes[:, 0] - strokes[:, 2]) > 0.15)
    assert times[across].tolist() == [20, 40, 60]
    assert np.allclose(strokes[across, 1], joints[[20, 40, 60], 0, 2], atol=0.02)
    waits = np.concatenate([joints, np.repeat(joints[-1:], 60, axis=0)])
    assert (trace_floor_path(waits)[1] < 80).all()  # none pile up where the body stands


@pytest.mark.parametrize("view", get_args(View))
@pytest.mark.parametrize("heading", [0.0, 2.0])
def test_every_view_keeps_the_whole_body_in_all_frames(view, heading):
    joints = walking(80)
    joints[40:, :, 1] += 0.8  # a leap
    c, s = np.cos(heading), np.sin(heading)
    joints = joints @ np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])
    height = measure_body_height(joints)
    camera = place_camera(view, joints, build_figure_parts(joints, height), height)
    pixels = camera.project(joints, 100)
    assert pixels.min() > 2 and pixels.max() < 98
    first, last = (next(render_frames(joints, [frame], 96, view)).astype(int) for frame in (0, 79))
    assert figure(first).sum() > 20 and figure(last).sum() > 20


def test_joints_are_projected_to_where_they_are_drawn():
    joints = walking(30)
    height = measure_body_height(joints)
    camera = place_camera("orbit", joints, build_figure_parts(joints, height), height)
    for frame in (0, 11, 29):
        image = next(render_frames(joints, [frame], 200, "orbit")).astype(int)
        pixels = camera.project(joints, 200)[frame]
        for name, mask in (("l_knee", orange(image)), ("r_elbow", blue(image))):
            column, row = pixels[JOINT_INDEX[name]].astype(int)
            assert mask[row - 4 : row + 5, column - 4 : column + 5].any(), (frame, name)


def test_the_side_view_is_at_a_right_angle_to_the_movement():
    def relative_bearing(joints):
        return np.rad2deg(
            side_view_bearing(joints, find_first_heading(joints) + camera_module.AZIMUTH) - find_first_heading(joints)
        )

    ahead = walking(40)
    assert np.isclose(relative_bearing(ahead), -90, atol=2)  # from its right, so that it goes rightwards
    sideways = standing(40)
    sideways[:, :, 0] += 0.05 * np.arange(40)[:, None]
    assert np.isclose(relative_bearing(sideways), 0, atol=2)  # from its front
    punching = standing(40)
    punching[:, JOINT_INDEX["r_wrist"], 2] += 0.3 * (1 - np.cos(np.arange(40)))
    assert np.isclose(relative_bearing(punching), -90, atol=2)
    assert np.isclose(relative_bearing(standing(40)), np.rad2deg(camera_module.AZIMUTH))  # nothing moves
    angle = np.linspace(0, 2 * np.pi, 80)[:, None]
    circling = standing(80)
    circling[:, :, 0] += np.sin(angle)
    circling[:, :, 2] += np.cos(angle)
    assert np.isclose(relative_bearing(circling), np.rad2deg(camera_module.AZIMUTH))  # no direction stands out


def test_a_fixed_camera_sees_the_floor_lie_still():
    joints = walking(60, speed=0.03)
    first, last = (next(render_frames(joints, [frame], 128, "fixed")).astype(int) for frame in (0, 59))
    same = (np.abs(first - last).max(axis=-1) == 0).mean()
    assert same > 0.6  # all but the figure, its shadow and the path
    moving = [next(render_frames(joints, [frame], 128)).astype(int) for frame in (0, 59)]
    assert (np.abs(moving[0] - moving[1]).max(axis=-1) == 0).mean() < same


def test_an_orbit_comes_back_after_eight_seconds():
    joints = standing(200)
    camera = place_camera(
        "orbit", joints, build_figure_parts(joints, measure_body_height(joints)), measure_body_height(joints)
    )
    assert np.allclose(camera.axes[0], camera.axes[160]) and not np.allclose(camera.axes[0], camera.axes[80])
    front, back = (next(render_frames(joints, [frame], 128, "orbit")).astype(int) for frame in (17, 97))
    assert np.sign(middle_column(orange(front)) - middle_column(blue(front))) == 1
    assert np.sign(middle_column(orange(back)) - middle_column(blue(back))) == -1


def test_the_camera_follows_without_lag_and_smoothly():
    track = np.stack([0.1 * np.arange(50), -0.05 * np.arange(50)], axis=1)
    assert np.allclose(smooth_track(track, 10.0), track, atol=1e-9)
    assert np.allclose(smooth_track(track[:1], 10.0), track[:1])
    shaking = track + np.random.default_rng(0).normal(0, 0.05, track.shape)
    jerk = [np.abs(np.diff(path, 2, axis=0)).mean() for path in (shaking, smooth_track(shaking, 10.0))]
    assert jerk[1] < 0.05 * jerk[0]


def test_the_first_heading_comes_from_hips_and_shoulders():
    for heading in (0.0, 0.7, -2.5):
        assert np.isclose(find_first_heading(standing(heading=heading)), heading)
    on_one_side = standing()[..., [1, 0, 2]]  # left is up
    assert find_first_heading(on_one_side) == 0.0
    then_up = np.concatenate([on_one_side, standing(heading=0.5)])
    assert np.isclose(find_first_heading(then_up), 0.5)


def test_lying_flat_lies_on_the_floor():
    joints = standing()[..., [0, 2, 1]] * [1, 1, -1] + [0, 0.12, 0]
    image = picture(joints, size=128)
    rows, columns = np.nonzero(figure(image))
    assert np.ptp(columns) > 1.2 * np.ptp(rows)


@pytest.mark.parametrize(
    "joints",
    [
        np.zeros((1, 22, 3)),
        np.full((3, 22, 3), 5.0),
        standing() - [0, 30, 0],
        np.concatenate([standing(), standing() + np.array([900, 0, 0])]),
        standing(scale=0.01),
        np.random.default_rng(1).normal(0, 1, (4, 22, 3)),
    ],
    ids=["origin", "one point", "under the floor", "teleport", "tiny", "noise"],
)
def test_nonsense_motions_are_drawn_without_errors(joints):
    for image in render_frames(joints, size=64):
        assert image.shape == (64, 64, 3)
        assert (image[0, 0] > 150).all()


def test_left_and_right_differ_for_people_who_see_no_red_or_no_green():
    image = picture(standing(), size=256)
    left, right = (image[mask].mean(axis=0) for mask in (orange(image), blue(image)))
    assert abs(left[2] - right[2]) > 80  # both kinds of colour blindness see blue
    assert abs(left @ [0.3, 0.59, 0.11] - right @ [0.3, 0.59, 0.11]) > 25  # and without any colour one is darker


@pytest.mark.parametrize(
    ("joints", "words"),
    [
        (np.zeros((4, 21, 3)), "shape"),
        (np.zeros((22, 3)), "shape"),
        (np.zeros((0, 22, 3)), "T >= 1"),
        ("walk", "array of numbers"),
        (np.full((2, 22, 3), np.nan), "frame 0"),
        (np.full((2, 22, 3), 1e9), "metres"),
    ],
)
def test_bad_joints_are_refused_at_the_call(joints, words):
    with pytest.raises(AtomError, match=words):
        render_frames(joints)


def test_the_frame_with_the_nan_is_named():
    joints = standing(6)
    joints[4, 3, 1] = np.inf
    with pytest.raises(AtomError, match="frame 4"):
        render_frames(joints)


def test_bad_frames_and_sizes_are_refused():
    for frames in ([5], [-1]):
        with pytest.raises(AtomError, match=r"0\.\.4"):
            render_frames(standing(5), frames)
    for size in (0, 10**6):
        with pytest.raises(AtomError, match="size"):
            render_frames(standing(), size=size)


def test_real_motion_is_drawn(shared):
    with np.load(shared / "data/real_motion/dm_backflip.npz", allow_pickle=False) as clip:
        joints = clip["joints"]
    for image in render_frames(joints, range(0, len(joints), 6), 96):
        body_mask = figure(image.astype(int))
        assert body_mask.sum() > 150
        assert not (body_mask[0].any() or body_mask[-1].any())


def test_importing_the_package_does_not_import_numba():
    code = "import atom.rendering, sys; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_sides_of_the_skeleton_match_the_colours():
    parts = build_figure_parts(standing(), measure_body_height(standing()))[0]
    for part in parts:
        red, _, blue_part = part[12:15]
        if blue_part - red > 80 or red - blue_part > 120:
            side = np.sign(part[0] + part[3])
            assert side == (1 if red > blue_part else -1)
    assert len(LEFT_JOINTS) == len(RIGHT_JOINTS)


def test_the_view_is_three_quarters_from_above():
    joints = standing()
    height = measure_body_height(joints)
    camera = place_camera("follow", joints, build_figure_parts(joints, height), height)
    assert np.allclose(camera.axes[0] @ camera.axes[0].T, np.eye(3))
    assert camera.axes[0, 0, 1] == 0  # level
    assert camera.positions[0, 2] > 1 and camera.positions[0, 1] > height / 2
    assert np.isclose(camera.axes[0, 2, 1], -np.sin(camera_module.ELEVATION))
