import numpy as np
import pytest
from motion_bodies import STANDING, SYMMETRIC_OFFSETS, moving_body, pose

from atom.motion.mirroring import mirror_joints
from atom.motion.physics import (
    count_backward_elbows,
    count_backward_knees,
    diversity,
    elbow_flexion,
    floor_penetration,
    foot_contacts,
    foot_skate,
    knee_flexion,
    mean_jerk,
)
from atom.motion.rotation import rotate_about_y
from atom.motion.skeleton import JOINT_INDEX
from atom.motion_formats.motion_files import read_motion

LEFT_LEG = [JOINT_INDEX["l_ankle"], JOINT_INDEX["l_foot"]]


def standing(frames=40):
    joints = np.repeat(pose(STANDING, np.zeros(3), SYMMETRIC_OFFSETS)[None], frames, axis=0)
    joints[..., 1] -= joints[..., 1].min()
    return joints


def gliding(speed, frames=40):
    return standing(frames) + np.arange(frames)[:, None, None] * (0, 0, speed / 20)


def with_bend(child, grandchild, angle):
    """Standing with the bone from `child` to `grandchild` turned about the X axis; positive swings it backwards."""
    directions = STANDING.copy()
    y, z = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    directions[JOINT_INDEX[child]], directions[JOINT_INDEX[grandchild]] = (0, -1, 0), (0, -y, -z)
    return np.repeat(pose(directions, np.zeros(3))[None], 4, axis=0)


def test_a_still_body_does_not_skate():
    assert foot_contacts(standing()).all()
    assert foot_skate(standing()) == 0
    assert mean_jerk(standing()) == 0


@pytest.mark.parametrize("speed", [0.05, 0.5, 3.0])
def test_a_gliding_body_skates_at_its_speed(speed):
    np.testing.assert_allclose(foot_skate(gliding(speed)), speed)
    np.testing.assert_allclose(foot_skate(rotate_about_y(gliding(speed), 0.7) + np.array([0, 1, 0])), speed)


def test_a_lifted_and_a_swinging_foot_do_not_count():
    lifted = standing()
    lifted[10:30, LEFT_LEG, 1] += 0.1
    lifted[10:30, LEFT_LEG, 2] += 0.4
    assert foot_skate(lifted) == pytest.approx(0, abs=1e-9)
    assert not foot_contacts(lifted)[9:30, 0].any()
    swinging = standing()
    swinging[10:30, LEFT_LEG, 2] += 0.1 * np.arange(20)[:, None]  # 2 m/s along the floor, the right foot stands
    swinging[30:, LEFT_LEG, 2] += 1.9
    assert foot_skate(swinging) == pytest.approx(0, abs=1e-9)


def test_no_foot_that_stands_gives_no_number():
    falling = standing(4) - np.arange(4)[:, None, None] * (0, 0.5, 0)
    assert np.isnan(foot_skate(falling))


def test_penetration_is_the_mean_depth():
    joints = standing()
    joints[:10, :, 1] -= 0.04
    np.testing.assert_allclose(floor_penetration(joints), 0.01)
    joints[20:, :, 1] += 0.5  # frames above the floor do not make up for it
    np.testing.assert_allclose(floor_penetration(joints), 0.01)


@pytest.mark.parametrize(("lift", "stands"), [(0.024, True), (0.026, False)])
@pytest.mark.parametrize("joint", LEFT_LEG)
def test_a_foot_stands_while_ankle_and_toe_are_within_25_mm_of_their_level(joint, lift, stands):
    joints = standing()
    joints[10:20, joint, 1] += lift
    assert foot_contacts(joints)[9:20, 0].tolist() == [stands] * 11  # the steps into and out of these frames too
    assert foot_contacts(joints)[:9, 0].all() and foot_contacts(joints)[:, 1].all()


@pytest.mark.parametrize(("speed", "stands"), [(0.88, True), (0.92, False)])
def test_a_flat_foot_that_is_faster_than_a_slide_swings_unless_it_is_the_slower_one(speed, stands):
    joints = standing()
    joints[:, LEFT_LEG, 2] += speed / 20 * np.arange(40)[:, None]
    contacts = foot_contacts(joints)
    assert contacts[:, 0].tolist() == [stands] * 39 and contacts[:, 1].all()


def test_jerk_is_the_third_derivative():
    time = np.arange(40) / 20
    joints = standing() + time[:, None, None] ** 3 * (0, 0, 1)
    np.testing.assert_allclose(mean_jerk(joints), 6)


@pytest.mark.parametrize("side", ["l", "r"])
@pytest.mark.parametrize("angle", [-40, -6, -4, 30, 80])
def test_knees_bend_backwards_only_when_they_do(side, angle):
    joints = with_bend(f"{side}_knee", f"{side}_ankle", angle)
    index = "lr".index(side)
    np.testing.assert_allclose(knee_flexion(joints)[:, index], angle, atol=0.5)
    assert count_backward_knees(joints) == (4 if angle < -5 else 0)
    turned = rotate_about_y(joints, np.array(2.0))
    np.testing.assert_allclose(knee_flexion(turned), knee_flexion(joints), atol=1e-6)


@pytest.mark.parametrize("side", ["l", "r"])
@pytest.mark.parametrize("angle", [-80, -10, 20, 45])
def test_elbows_bend_backwards_only_when_they_do(side, angle):
    joints = with_bend(f"{side}_elbow", f"{side}_wrist", angle)
    np.testing.assert_allclose(elbow_flexion(joints)[:, "lr".index(side)], -angle, atol=1e-6)
    assert count_backward_elbows(joints) == (4 if angle > 30 else 0)


def test_a_raised_arm_has_no_verdict():
    directions = STANDING.copy()
    directions[[JOINT_INDEX["l_elbow"], JOINT_INDEX["l_wrist"]]] = (0, 1, 0), (0, 1, -1)
    joints = pose(directions, np.zeros((4, 3)))
    assert np.isnan(elbow_flexion(joints)[:, 0]).all()
    assert count_backward_elbows(joints) == 0


@pytest.mark.parametrize(
    "measure", [foot_skate, floor_penetration, mean_jerk, count_backward_knees, count_backward_elbows]
)
def test_a_batch_equals_its_clips_and_sides_are_alike(measure):
    batch = moving_body(1, clips=(2, 2)).astype(float)
    values = measure(batch)
    assert values.shape == (2, 2)
    for i, j in np.ndindex(2, 2):
        np.testing.assert_allclose(values[i, j], measure(batch[i, j]))
    np.testing.assert_allclose(measure(mirror_joints(batch)), values)


def test_diversity_is_the_mean_distance():
    still, glide = standing(), gliding(1.0)
    same = rotate_about_y(still, 1.0) + np.array([3, 0, -2])
    assert diversity([still, same]) == pytest.approx(0, abs=1e-6)
    apart = np.sqrt(((np.arange(40) / 20) ** 2).mean())
    assert diversity([still, glide]) == pytest.approx(apart)
    assert diversity([still, same, glide]) == pytest.approx(2 / 3 * apart)
    assert diversity([still, glide[:1]]) == pytest.approx(0, abs=1e-6)
    assert np.isnan(diversity([still]))


def test_real_captures_are_sound(shared):
    clips = {path.stem: read_motion(path) for path in sorted((shared / "data/real_motion").glob("*.npz"))}
    assert foot_skate(clips["dm_walk"]) < 0.015
    assert foot_skate(clips["bn_1_walk_normal_001"]) < 0.04
    assert np.median([foot_skate(joints) for joints in clips.values()]) < 0.1
    assert sum(count_backward_knees(joints) for joints in clips.values()) <= 1
    assert sum(count_backward_elbows(joints) for name, joints in clips.items() if name != "cmu_01_01") == 0
