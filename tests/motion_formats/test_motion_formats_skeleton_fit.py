"""Constant bones and rotations, fitted to motions whose bones vary."""

import numpy as np
import pytest
from animated_bodies import LENGTHS, MOVES, animate, walking
from bones_one_by_one import aimed_one_by_one
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from atom.motion.rotation import unit
from atom.motion.skeleton import JOINT_INDEX, JOINTS
from atom.motion_formats.writers.inverse_kinematics import local_rotations, world_rotations
from atom.motion_formats.writers.mixamo_skeleton import T_POSE
from atom.motion_formats.writers.skeleton_fit import fit_skeleton, pose, rest_joints

JITTER = 0.005  # metres along each axis


def jittered(seconds=4, jitter=JITTER):
    body = animate(walking, seconds=seconds)
    return body + np.random.default_rng(0).normal(0, jitter, body.shape)


def distances(one, other):
    return np.linalg.norm(one - other, axis=-1)


def shaking(joints):
    return np.linalg.norm(np.diff(joints, 2, axis=0), axis=-1).mean()


@pytest.mark.parametrize("move", MOVES)
def test_constant_bones_are_reproduced_exactly(move):
    body = animate(move)
    fit = fit_skeleton(body)
    np.testing.assert_allclose(fit.joints, body, atol=1e-5)
    np.testing.assert_allclose(pose(fit.offsets, fit.rotations, body[:, 0]), fit.joints, atol=1e-9)


def test_jittered_joints_are_fitted_better_than_one_bone_after_the_other():
    joints = jittered()
    before, after = distances(aimed_one_by_one(joints), joints), distances(fit_skeleton(joints).joints, joints)
    assert after.mean() < 0.8 * before.mean()
    assert (after**2).mean() < 0.65 * (before**2).mean()
    assert after.max() < 0.8 * before.max()


def test_the_fit_of_a_frame_is_the_best_that_its_bones_allow():
    joints = jittered(1)
    fit = fit_skeleton(joints)

    def cost(positions, frame):
        return ((distances(positions, joints[frame]) ** 2 + 2e-4**2) ** 0.75).sum()

    for frame in (0, 7):
        start = np.stack([rotation.as_rotvec()[frame] for rotation in fit.rotations])

        def cost_of(changes, frame=frame, start=start):
            turns = [Rotation.from_rotvec(turn[None]) for turn in start + changes[3:].reshape(JOINTS, 3)]
            return cost(pose(fit.offsets, turns, (fit.joints[frame, 0] + changes[:3])[None])[0], frame)

        best = minimize(cost_of, np.zeros(3 + 3 * JOINTS), method="L-BFGS-B", options={"maxiter": 60}).fun
        assert cost(fit.joints[frame], frame) < 1.01 * best


def test_bones_are_constant_and_the_rotations_put_the_joints_where_the_fit_says():
    fit = fit_skeleton(jittered())
    np.testing.assert_allclose(pose(fit.offsets, fit.rotations, fit.joints[:, 0]), fit.joints, atol=1e-9)
    lengths = np.linalg.norm(fit.offsets, axis=-1)
    for name, length in LENGTHS.items():
        assert lengths[JOINT_INDEX[name]] == pytest.approx(length / 100, abs=0.003)


def test_the_fit_shakes_no_more_than_the_motion():
    joints = jittered()
    assert shaking(fit_skeleton(joints).joints) < shaking(joints)
    slow = animate(walking)
    slow *= 1 + 0.03 * np.sin(np.arange(len(slow)) / 9)[:, None, None]  # a body that breathes
    assert shaking(fit_skeleton(slow).joints) < 1.05 * shaking(slow)


def test_a_frame_with_a_broken_pose_does_not_change_the_bones_of_the_others():
    joints = animate(walking)
    joints[20, JOINT_INDEX["l_wrist"]] += 0.5
    away = distances(fit_skeleton(joints).joints, joints)
    assert np.median(away.max(axis=1)) < 0.002


@pytest.mark.parametrize("size", [0.05, 0.5])
def test_wild_motions_get_finite_rotations(size):
    fit = fit_skeleton(jittered(jitter=size))
    assert np.isfinite(fit.joints).all() and np.isfinite(fit.offsets).all()
    joints = jittered(jitter=size)
    assert distances(fit.joints, joints).mean() < distances(aimed_one_by_one(joints), joints).mean()


def test_a_body_at_rest_has_no_rotations_whatever_its_rest_pose():
    """Where thigh and shin are not in line at rest, as SMPL's, a standing body must not have twisted legs."""
    offsets = T_POSE * 0.3
    offsets[JOINT_INDEX["l_ankle"]] = 0.3 * unit(np.array([-0.03, -0.99, -0.11]))
    joints = np.tile(rest_joints(offsets), (10, 1, 1))
    for rotation in local_rotations(world_rotations(joints, offsets)):
        assert np.degrees(rotation.magnitude()).max() < 0.01
