"""The descriptor of a motion: its distances are those of joints in metres, wherever the body stands."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from atom.evaluation.diversity import LIMB_JOINTS, NUM_MOMENTS, motion_descriptor, pairwise_distances
from atom.motion.skeleton import JOINT_INDEX


def random_joints(frames=30, seed=0):
    return np.random.default_rng(seed).normal(size=(frames, 22, 3))


def distance(one, other):
    return np.linalg.norm(motion_descriptor(one) - motion_descriptor(other))


def test_the_distance_is_the_root_mean_square_of_the_joints():
    joints = random_joints()
    for height in (0.3, -0.2):
        assert distance(joints, joints + np.array([0, height, 0])) == pytest.approx(abs(height), rel=1e-5)
    arm_up = joints.copy()
    arm_up[:, JOINT_INDEX["l_wrist"], 0] += 0.5
    assert distance(joints, arm_up) == pytest.approx(0.5 / np.sqrt(len(LIMB_JOINTS)), rel=1e-5)
    spine = joints.copy()
    spine[:, JOINT_INDEX["spine1"]] += 1.0  # no limb
    assert distance(joints, spine) == 0


def test_the_place_on_the_floor_does_not_count_but_the_heading_does():
    joints = random_joints()
    walk = np.linspace(0, 3, 30)[:, None, None] * [1.0, 0.0, -2.0]
    assert distance(joints, joints + walk) == pytest.approx(0, abs=1e-6)
    assert distance(joints, joints * [-1, 1, -1]) > 0.5


def test_the_moments_are_spread_from_the_first_to_the_last_frame():
    """What rises evenly is the same motion at every number of frames; a single frame stands for all moments."""
    rise = np.tile([0.0, 1.0, 0.0], (22, 1))
    slow, quick = (np.linspace(0, 1, frames)[:, None, None] * rise for frames in (100, 7))
    heights = motion_descriptor(slow).reshape(NUM_MOMENTS, len(LIMB_JOINTS), 3)[:, 0, 1]
    np.testing.assert_allclose(heights * np.sqrt(NUM_MOMENTS * len(LIMB_JOINTS)), np.linspace(0, 1, 12), atol=1e-6)
    assert distance(slow, quick) == pytest.approx(0, abs=1e-6)
    assert distance(rise[None], np.stack([rise] * 5)) == 0


def test_pairwise_distances_are_euclidean_also_far_from_the_origin():
    points = np.random.default_rng(1).normal(size=(6, 4)) + 1000
    found = pairwise_distances(points)
    np.testing.assert_allclose(found, cdist(points, points), atol=1e-9)
    assert not np.diagonal(found).any()


@pytest.mark.parametrize("shape", [(0, 22, 3), (5, 21, 3), (22, 3)])
def test_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match="at least one frame"):
        motion_descriptor(np.zeros(shape))
