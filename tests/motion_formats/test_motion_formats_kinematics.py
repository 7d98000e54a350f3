"""Resampling at true times: rotations by slerp, positions with constant bones, against motions known at every time."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from atom.errors import AtomError
from atom.motion.skeleton import PARENTS
from atom.motion_formats.kinematics import positions_at, to_local
from atom.motion_formats.skeletons import HUMANML3D
from atom.motion_formats.smpl_skeleton import SMPL_NEUTRAL, bone_offsets
from atom.motion_formats.source_motion import Skeleton, SourceMotion
from tests.motion_formats.source_files import expected, frame_times, joints_at, root_at, rotation_vectors

SHARED = Path(__file__).resolve().parents[3] / "shared/data"


def by_rotations(fps):
    times = frame_times(fps)
    quaternions = Rotation.from_rotvec(rotation_vectors(times).reshape(-1, 3)).as_quat(scalar_first=True)
    translations = np.tile(bone_offsets(SMPL_NEUTRAL), (len(times), 1, 1))
    translations[:, 0] = root_at(times)
    rotations = quaternions.reshape(len(times), 22, 4)
    rotations[::2] *= -1  # the same rotations: files write either sign
    return SourceMotion("walk", HUMANML3D, rotations=rotations, translations=translations)


def by_positions(fps):
    return SourceMotion("walk", HUMANML3D, positions=joints_at(frame_times(fps)))


def bone_lengths(joints):
    return np.linalg.norm(joints[:, 1:] - joints[:, list(PARENTS[1:])], axis=-1)


@pytest.mark.parametrize("fps", [20, 24, 25, 29.97, 30, 50, 60, 100, 120, 240])
@pytest.mark.parametrize("source", [by_rotations, by_positions])
def test_a_motion_is_sampled_at_its_true_times(fps, source):
    joints = positions_at(source(fps), fps, 20)
    truth = joints_at(np.arange(len(joints)) / 20)
    assert len(joints) == len(expected(fps))
    assert np.abs(joints - truth).max() < 1e-3
    assert np.abs(bone_lengths(joints) / bone_lengths(truth) - 1).max() < 1e-3
    speeds = np.linalg.norm(np.diff(joints[:, 0], axis=0), axis=-1)
    assert np.abs(speeds / np.linalg.norm(np.diff(truth[:, 0], axis=0), axis=-1) - 1).max() < 1e-3


def test_frames_beyond_the_last_of_the_source_are_not_invented():
    """31 frames at 30 fps last one second: 21 frames at 20 fps; a frame less ends before the last twentieth."""
    source = by_rotations(30)
    for frames, count in ((31, 21), (30, 20), (2, 1), (1, 1)):
        part = SourceMotion(
            "w", HUMANML3D, rotations=source.rotations[:frames], translations=source.translations[:frames]
        )
        assert len(positions_at(part, 30, 20)) == count


def test_a_rounded_frame_time_keeps_the_last_frame():
    assert len(positions_at(by_rotations(30), 1 / 0.0333333, 20)) == len(expected(30))
    assert len(positions_at(by_rotations(20), 1 / 0.05, 20)) == len(expected(20))


def test_a_source_at_20_fps_is_not_touched():
    source = by_positions(20)
    np.testing.assert_array_equal(positions_at(source, 20.0, 20), source.positions)


def test_bones_of_changing_length_and_joints_on_their_parent_are_interpolated():
    positions = np.zeros((2, 3, 3))
    positions[:, 1] = [[0, 1, 0], [0, 3, 0]]  # twice as long
    positions[:, 2] = positions[:, 1]  # on its parent
    source = SourceMotion("x", Skeleton(("a", "b", "c"), (-1, 0, 1)), positions=positions)
    sampled = positions_at(source, 10, 20)
    np.testing.assert_allclose(sampled[1], [[0, 0, 0], [0, 2, 0], [0, 2, 0]])


def test_a_bone_that_turns_by_a_quarter_moves_along_the_arc():
    positions = np.zeros((2, 2, 3))
    positions[:, 1] = [[1, 0, 0], [0, 1, 0]]
    source = SourceMotion("x", Skeleton(("a", "b"), (-1, 0)), positions=positions)
    np.testing.assert_allclose(positions_at(source, 10, 20)[1, 1], [np.sqrt(0.5), np.sqrt(0.5), 0])


def test_a_bone_that_turns_over_within_a_frame_is_interpolated_straight():
    positions = np.zeros((2, 2, 3))
    positions[:, 1] = [[1, 0, 0], [-1, 0, 0]]
    source = SourceMotion("x", Skeleton(("a", "b"), (-1, 0)), positions=positions)
    assert np.isfinite(positions_at(source, 10, 20)).all()


def test_a_path_with_corners_keeps_its_length():
    """Straight pieces between frames would cut the corners of a circle and make the path shorter by 0.5 %."""
    angle = np.arange(91) * 0.2
    circle = np.stack([np.cos(angle), np.zeros(91), np.sin(angle)], axis=-1)[:, None]
    sampled = positions_at(SourceMotion("x", Skeleton(("a",), (-1,)), positions=circle), 30, 20)
    off = np.abs(np.linalg.norm(sampled, axis=-1) - 1)
    assert off[1:-1].max() < 2e-4 and off.max() < 2e-3  # beyond the ends it goes straight on


def test_rotations_in_the_world_become_local_ones():
    times = frame_times(20)
    joints = joints_at(times)
    local = Rotation.from_rotvec(rotation_vectors(times).reshape(-1, 3)).as_matrix().reshape(len(times), 22, 3, 3)
    world = local.copy()
    for joint in range(1, 22):
        world[:, joint] = world[:, PARENTS[joint]] @ local[:, joint]
    rotations, translations = to_local("walk", PARENTS, joints, world)
    source = SourceMotion("walk", HUMANML3D, rotations=rotations, translations=translations)
    np.testing.assert_allclose(positions_at(source, 20, 20), joints, atol=1e-9)
    world[3, 2] = np.nan
    with pytest.raises(AtomError, match="1 of 61 frames hold NaN or infinity, first frame 3"):
        to_local("walk", PARENTS, joints, world)
    with pytest.raises(AtomError, match="its matrices are no rotations"):
        to_local("walk", PARENTS, joints, np.zeros_like(world))


def test_a_real_capture_at_30_fps_meets_its_own_frames_at_60():
    """60 fps has a frame at every i / 20 s: what 30 fps gives there is compared with what was recorded."""
    path = SHARED / "samples/r272/joints_000000.npy"
    if not path.is_file():
        pytest.skip("needs ../shared/data/samples")
    recorded = np.load(path)[:, :22].astype(np.float64)
    joints = positions_at(SourceMotion("x", HUMANML3D, positions=recorded[::2]), 30, 20)
    truth = recorded[::3][: len(joints)]
    assert np.abs(bone_lengths(joints) / bone_lengths(truth) - 1).max() < 1e-3
    error = np.linalg.norm(joints - truth, axis=-1)
    assert error.mean() < 5e-4
    path_length = np.linalg.norm(np.diff(joints[:, 0], axis=0), axis=-1).sum()
    assert path_length == pytest.approx(np.linalg.norm(np.diff(truth[:, 0], axis=0), axis=-1).sum(), rel=1e-3)
