import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from motion_bodies import SYMMETRIC_OFFSETS, moving_body

from atom.errors import AtomError
from atom.motion.features import (
    CONTACTS,
    HEIGHT,
    POSITIONS,
    ROTATIONS,
    STEP,
    VELOCITIES,
    YAW,
    angle_to_front,
    features_to_joints,
    joints_to_features,
    move_to_origin,
)
from atom.motion.rotation import rotate_about_y, unit
from atom.motion.skeleton import PARENTS, TARGET_OFFSETS

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
from bench_motion import features_joint_by_joint, joints_by_quaternions

TOLERANCES = ((YAW, 2e-5), (STEP, 2e-5), (HEIGHT, 2e-5), (POSITIONS, 2e-5), (ROTATIONS, 1e-4), (VELOCITIES, 2e-5))


def bones(joints):
    return (joints - joints[..., (0, *PARENTS[1:]), :])[..., 1:, :]


@pytest.mark.parametrize("clip", range(7))
def test_agrees_with_the_original(shared, clip):
    with np.load(shared / "parity/features.npz", allow_pickle=False) as parity:
        theirs = parity[f"features_{clip}"]
        ours = joints_to_features(parity[f"joints_{clip}"], parity["tgt_offsets"])
        recovered, near_threshold = parity[f"ric_joints_{clip}"], np.abs(parity[f"contact_d2_{clip}"] - 0.002) < 1e-6
    for columns, tolerance in TOLERANCES:
        np.testing.assert_allclose(ours[:, columns], theirs[:, columns], atol=tolerance, rtol=0)
    assert ((ours[:, CONTACTS] == theirs[:, CONTACTS]) | near_threshold).all()
    np.testing.assert_allclose(features_to_joints(theirs), recovered, atol=1e-5, rtol=0)
    np.testing.assert_allclose(features_to_joints(ours), recovered, atol=1e-4, rtol=0)


def test_recovers_the_public_sample(shared):
    folder = shared / "data/humanml3d"
    joints = features_to_joints(np.load(folder / "new_joint_vecs_012314.npy"))
    np.testing.assert_allclose(joints, np.load(folder / "new_joints_012314.npy")[: len(joints)], atol=1e-5, rtol=0)


@pytest.mark.parametrize("seed", range(5))
def test_features_hold_the_whole_motion(seed):
    joints = move_to_origin(moving_body(seed, frames=80, offsets=TARGET_OFFSETS))
    recovered = features_to_joints(joints_to_features(joints))
    np.testing.assert_allclose(recovered, joints[:-1], atol=2e-4)  # the target lengths are float32


@pytest.mark.parametrize("seed", range(5))
def test_place_heading_and_size_do_not_matter(seed):
    joints = moving_body(seed)
    moved = (rotate_about_y(joints, 1.1) + np.array([-2.9, 0.3, 1.3])) * 1.13
    features = joints_to_features(joints)
    np.testing.assert_allclose(joints_to_features(moved), features, atol=2e-5)
    start = features_to_joints(features)[0]
    assert np.abs(start[0, ::2]).max() < 1e-6
    assert abs(angle_to_front(start)) < 1e-3


def test_bones_take_the_target_lengths_and_keep_their_directions():
    joints = moving_body(1)
    recovered = features_to_joints(joints_to_features(joints, TARGET_OFFSETS))
    lengths = np.linalg.norm(bones(recovered), axis=-1)
    np.testing.assert_allclose(lengths, np.tile(np.linalg.norm(TARGET_OFFSETS[1:], axis=-1), (39, 1)), atol=1e-5)
    ours, theirs = unit(bones(recovered)), unit(bones(joints))[:-1]
    np.testing.assert_allclose(ours @ ours.swapaxes(-1, -2), theirs @ theirs.swapaxes(-1, -2), atol=1e-5)


def test_a_batch_equals_its_clips_one_by_one():
    batch = moving_body(2, clips=(2, 3))
    features = joints_to_features(batch)
    assert features.shape == (2, 3, 39, 263)
    assert features.dtype == np.float32
    joints = features_to_joints(features)
    assert joints.shape == (2, 3, 39, 22, 3)
    assert joints.dtype == np.float32
    for i, j in np.ndindex(2, 3):
        np.testing.assert_allclose(features[i, j], joints_to_features(batch[i, j]), atol=1e-6)
        np.testing.assert_allclose(joints[i, j], features_to_joints(features[i, j]), atol=1e-6)


def test_repeating_the_last_frame_leaves_the_rows_before_it():
    joints = moving_body(3, frames=50)
    padded = np.concatenate([joints, np.repeat(joints[-1:], 100, axis=0)])
    np.testing.assert_allclose(joints_to_features(padded)[:49], joints_to_features(joints), atol=1e-6)


def test_fast_and_plain_way_give_the_same():
    """The plain way computes in single precision; of a contact at the threshold that may decide."""
    batch = moving_body(7, frames=197, clips=(3,))
    features = joints_to_features(batch)
    plain = np.stack([features_joint_by_joint(joints) for joints in batch])
    np.testing.assert_allclose(features[..., : CONTACTS.start], plain[..., : CONTACTS.start], atol=5e-5)
    assert (features[..., CONTACTS] == plain[..., CONTACTS]).mean() > 0.999
    recovered = joints_by_quaternions(torch.from_numpy(features))
    np.testing.assert_allclose(features_to_joints(features), recovered, atol=1e-5)


def test_any_float_and_no_frame_are_taken():
    features = joints_to_features(moving_body(8))
    joints = features_to_joints(features)
    np.testing.assert_array_equal(features_to_joints(features.astype(np.float64)), joints)
    np.testing.assert_allclose(features_to_joints(features.astype(np.float16)), joints, atol=0.1)
    np.testing.assert_array_equal(features_to_joints(np.asfortranarray(features)), joints)
    features.flags.writeable = False
    np.testing.assert_array_equal(features_to_joints(features), joints)
    assert features_to_joints(features[:0]).shape == (0, 22, 3)
    assert joints_to_features(np.zeros((0, 5, 22, 3))).shape == (0, 4, 263)


def test_contacts_and_turns_read_as_documented():
    standing = np.repeat(moving_body(4, frames=1), 40, axis=0)
    np.testing.assert_array_equal(joints_to_features(standing)[:, CONTACTS], 1)
    np.testing.assert_allclose(joints_to_features(standing)[:, VELOCITIES], 0, atol=1e-6)
    kicking = standing.copy()
    kicking[20:, 10, 2] += 0.1
    features = joints_to_features(kicking)
    np.testing.assert_array_equal(features[19, CONTACTS], [1, 0, 1, 1])
    turning = rotate_about_y(np.repeat(standing[:1], 200, axis=0), 0.02 * np.arange(200)[:, None])  # towards the left
    np.testing.assert_allclose(joints_to_features(turning)[90:110, YAW], -0.01, atol=1e-4)


def test_poses_without_an_answer_stay_finite():
    joints = np.repeat(moving_body(5, frames=1), 10, axis=0)
    joints[3, 15] = joints[3, 12]  # a head inside the neck
    joints[4, 5] = joints[4, 2] + (0, 0.4, 0)  # a thigh that points straight up
    joints[5, [1, 2, 16, 17]] = joints[5, 0]  # hips and shoulders coincide, so the frame has no heading
    assert np.isfinite(joints_to_features(joints)).all()
    assert np.isfinite(joints_to_features(joints[4:], SYMMETRIC_OFFSETS)).all()


@pytest.mark.parametrize(
    ("call", "shape", "message"),
    [
        (joints_to_features, (10, 21, 3), r"\(10, 21, 3\)"),
        (joints_to_features, (22, 3), r"\(22, 3\)"),
        (joints_to_features, (1, 22, 3), "at least 2"),
        (joints_to_features, (10, 22, 3), "no length"),
        (features_to_joints, (10, 262), r"\(10, 262\)"),
    ],
)
def test_refuses_what_is_no_motion(call, shape, message):
    with pytest.raises(AtomError, match=message):
        call(np.zeros(shape))
