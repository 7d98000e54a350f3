"""Written SMPL parameters, evaluated by the model's own rules and by the readers of this project."""

import numpy as np
import pytest
from animated_bodies import animate, jumping, lying, sitting_down, spinning, walking
from scipy.spatial.transform import Rotation

from atom.errors import AtomError
from atom.motion.rotation import unit
from atom.motion.skeleton import JOINT_INDEX, JOINTS, PARENTS
from atom.motion_formats.motion_files import read_motion, write_motion
from atom.motion_formats.smpl_skeleton import (
    SMPL_FEMALE,
    SMPL_MALE,
    SMPL_NEUTRAL,
    SMPLX_NEUTRAL,
    bone_offsets,
    rest_joints,
)
from atom.motion_formats.writers.amass_writer import write_amass

LIMBS = [JOINT_INDEX[f"{s}_{part}"] for s in "lr" for part in ("knee", "ankle", "foot", "elbow", "wrist", "shoulder")]
FEET = [JOINT_INDEX["l_foot"], JOINT_INDEX["r_foot"]]


def smpl_joints(file):
    """The joints of the mean shape, Y up: SMPL's forward kinematics, written out."""
    offsets = bone_offsets(SMPL_NEUTRAL)
    positions, turns = np.empty((len(file["poses"]), JOINTS, 3)), []
    for joint, parent in enumerate(PARENTS):
        own = Rotation.from_rotvec(file["poses"][:, 3 * joint : 3 * joint + 3])
        turns.append(own if parent < 0 else turns[parent] * own)
        positions[:, joint] = (
            file["trans"] + SMPL_NEUTRAL[0]
            if parent < 0
            else positions[:, parent] + turns[parent].apply(offsets[joint])
        )
    return positions[..., [0, 2, 1]] * (1, 1, -1)


def write(folder, joints, **settings):
    write_amass(folder / "a.npz", joints, **settings)
    assert [path.name for path in folder.iterdir()] == ["a.npz"]
    return np.load(folder / "a.npz", allow_pickle=False)


def bones(joints):
    return unit(joints - joints[:, (0, *PARENTS[1:])])


def test_the_file_has_the_arrays_of_amass(tmp_path):
    file = write(tmp_path, animate(walking), fps=30)
    shapes = {name: file[name].shape for name in file.files}
    assert shapes == {
        "poses": (41, 156),
        "trans": (41, 3),
        "betas": (16,),
        "dmpls": (41, 8),
        "gender": (),
        "mocap_framerate": (),
    }
    assert str(file["gender"]) == "neutral" and float(file["mocap_framerate"]) == 30
    assert not file["betas"].any() and not file["poses"][:, 66:].any() and file["poses"].dtype == np.float64


@pytest.mark.parametrize("move", [walking, jumping, spinning, sitting_down, lying])
def test_limbs_have_the_directions_of_the_motion(tmp_path, move):
    joints = animate(move)
    cosine = np.einsum("tji,tji->tj", bones(smpl_joints(write(tmp_path, joints))), bones(joints))
    assert np.degrees(np.arccos(np.clip(cosine[:, LIMBS], -1, 1))).max() < 0.01


def test_a_standing_smpl_body_has_no_rotations_but_that_to_z_up(tmp_path):
    """The rest pose of the written parameters is SMPL's own: a body in it has zero pose parameters."""
    file = write(tmp_path, np.tile(SMPL_NEUTRAL + np.array([0.3, 1.2, -0.2]), (8, 1, 1)))
    np.testing.assert_allclose(file["poses"][:, :3], np.tile((np.pi / 2, 0, 0), (8, 1)), atol=1e-5)
    assert np.abs(file["poses"][:, 3:]).max() < 1e-4
    pelvis = SMPL_NEUTRAL[0] + (0.3, 1.2, -0.2)
    np.testing.assert_allclose(
        file["trans"] + SMPL_NEUTRAL[0], np.tile(pelvis[[0, 2, 1]] * (1, -1, 1), (8, 1)), atol=1e-6
    )


def test_a_body_of_mean_shape_is_reproduced_exactly(tmp_path):
    offsets = bone_offsets(SMPL_NEUTRAL)
    rng = np.random.default_rng(0)
    turns = [Rotation.from_rotvec(np.cumsum(rng.normal(0, 0.03, (40, 3)), axis=0)) for _ in range(JOINTS)]
    joints = np.zeros((40, JOINTS, 3))
    joints[:, 0] = np.array([0, 0.95, 0]) + np.cumsum(rng.normal(0, 0.01, (40, 3)), axis=0)
    world = []
    for joint, parent in enumerate(PARENTS):
        world.append(turns[joint] if parent < 0 else world[parent] * turns[joint])
        if joint:
            joints[:, joint] = joints[:, parent] + world[parent].apply(offsets[joint])
    np.testing.assert_allclose(smpl_joints(write(tmp_path, joints)), joints, atol=1e-4)


@pytest.mark.parametrize("size", [0.8, 1.0, 1.2])
def test_feet_stay_on_the_floor_whatever_the_size_of_the_person(tmp_path, size):
    joints = animate(walking, size=size)
    scale = smpl_joints(write(tmp_path, joints))[:, FEET, 1] / joints[:, FEET, 1]
    lowest = smpl_joints(np.load(tmp_path / "a.npz"))[:, FEET, 1].min()
    assert abs(lowest - joints[:, FEET, 1].min() * np.median(scale)) < 0.03


def test_the_project_reads_back_what_it_writes(tmp_path):
    joints = animate(walking)
    write_motion(tmp_path / "a.npz", joints, kind="amass")
    np.testing.assert_allclose(read_motion(tmp_path / "a.npz"), smpl_joints(np.load(tmp_path / "a.npz")), atol=1e-4)


def test_rest_poses_are_bodies_that_face_ahead():
    for rest in (SMPL_NEUTRAL, SMPL_MALE, SMPL_FEMALE, SMPLX_NEUTRAL):
        assert rest.shape == (JOINTS, 3)
        assert rest[JOINT_INDEX["l_wrist"], 0] > 0.6 > -0.6 > rest[JOINT_INDEX["r_wrist"], 0]
        assert (rest[FEET, 2] > rest[[JOINT_INDEX["l_ankle"], JOINT_INDEX["r_ankle"]], 2] + 0.1).all()
        assert 1.4 < rest[JOINT_INDEX["head"], 1] - rest[FEET, 1].mean() < 1.6
        assert np.abs(np.abs(rest[JOINT_INDEX["l_wrist"]]) - np.abs(rest[JOINT_INDEX["r_wrist"]])).max() < 0.02
    assert rest_joints("smplh", "male") is SMPL_MALE and rest_joints("smplx", "male") is SMPLX_NEUTRAL
    assert rest_joints("smpl", "") is SMPL_NEUTRAL


def test_invalid_joints_leave_no_file(tmp_path):
    with pytest.raises(AtomError, match=r"a\.npz: joints of shape \(10, 263\)"):
        write_amass(tmp_path / "a.npz", np.zeros((10, 263)))
    with pytest.raises(AtomError, match=r"none/a\.npz: can't be written"):
        write_amass(tmp_path / "none" / "a.npz", animate(walking))
    assert not list(tmp_path.iterdir())
