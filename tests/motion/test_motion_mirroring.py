import numpy as np
import pytest
from motion_bodies import SYMMETRIC_OFFSETS, moving_body

from atom.motion.features import features_to_joints, joints_to_features
from atom.motion.mirroring import mirror_features, mirror_joints
from atom.motion.skeleton import JOINT_INDEX, TARGET_OFFSETS


def test_mirroring_twice_changes_nothing():
    joints = moving_body(0, clips=(2,))
    np.testing.assert_array_equal(mirror_joints(mirror_joints(joints)), joints)
    features = np.random.default_rng(0).normal(size=(5, 263)).astype(np.float32)
    np.testing.assert_array_equal(mirror_features(mirror_features(features)), features)
    assert mirror_joints(joints).dtype == mirror_features(features).dtype == np.float32


def test_the_left_hand_becomes_the_right_hand():
    joints = np.zeros((22, 3))
    joints[JOINT_INDEX["l_wrist"]] = (0.5, 1.4, 0.2)
    np.testing.assert_array_equal(mirror_joints(joints)[JOINT_INDEX["r_wrist"]], (-0.5, 1.4, 0.2))


@pytest.mark.parametrize("seed", range(5))
def test_features_mirror_as_their_joints_do(seed):
    joints = moving_body(seed)
    features = joints_to_features(joints, SYMMETRIC_OFFSETS)
    expected = joints_to_features(mirror_joints(joints), SYMMETRIC_OFFSETS)
    np.testing.assert_allclose(mirror_features(features), expected, atol=1e-5)
    recovered = features_to_joints(mirror_features(features))
    np.testing.assert_allclose(recovered, mirror_joints(features_to_joints(features)), atol=1e-5)


def test_on_the_default_skeleton_the_two_ways_differ_by_millimetres():
    joints = moving_body(0)
    features = joints_to_features(joints, TARGET_OFFSETS)
    by_joints = joints_to_features(mirror_joints(joints), TARGET_OFFSETS)
    error = np.linalg.norm(features_to_joints(mirror_features(features))[0] - features_to_joints(by_joints)[0], axis=-1)
    assert 1e-4 < error.max() < 0.03
