"""Written BVH files, evaluated by a small player that shares no code with the project's reader."""

from math import cos, radians, sin

import numpy as np
import pytest
from animated_bodies import (
    LENGTHS,
    MOVES,
    animate,
    cartwheel,
    jumping,
    lying,
    rotation,
    spinning,
    still,
    walking,
    waving,
)

from atom.errors import AtomError
from atom.motion.skeleton import JOINT_INDEX, JOINT_NAMES, JOINTS, PARENTS
from atom.motion_formats.motion_files import read_motion
from atom.motion_formats.writers.bvh_writer import write_bvh

NAMES = {
    "pelvis": "Hips",
    "spine1": "Spine",
    "spine2": "Spine1",
    "spine3": "Spine2",
    "neck": "Neck",
    "head": "Head",
    **{
        f"{s[0].lower()}_{ours}": s + theirs
        for s in ("Left", "Right")
        for ours, theirs in {
            "hip": "UpLeg",
            "knee": "Leg",
            "ankle": "Foot",
            "foot": "ToeBase",
            "collar": "Shoulder",
            "shoulder": "Arm",
            "elbow": "ForeArm",
            "wrist": "Hand",
        }.items()
    },
}


class BvhPlayer:
    """A parsed file: offset and channels of each joint, and of each End Site as NAME/end, and the frames."""

    def __init__(self, path):
        head, motion = path.read_text().split("MOTION\n")
        self.offsets, self.parents, self.channels = {}, {}, []
        words, open_joints = iter(head.split()), []
        for word in words:
            if word in ("ROOT", "JOINT", "End"):
                name = next(words) if word != "End" else open_joints[-1] + "/end"
                self.parents[name] = open_joints[-1] if open_joints else None
                open_joints.append(name)
            elif word == "OFFSET":
                self.offsets[name] = np.array([float(next(words)) for _ in range(3)])
            elif word == "CHANNELS":
                self.channels += [(name, next(words)) for _ in range(int(next(words)))]
            elif word == "}":
                open_joints.pop()
        self.count, self.time, *lines = motion.splitlines()
        self.frames = np.array([[float(number) for number in line.split()] for line in lines])

    def positions(self, frames):
        """The positions (T, 3) in metres of joints and End Sites by name; channels apply in the order of the file."""
        positions, rotations = {}, {}
        for name, offset in self.offsets.items():
            parent = self.parents[name]
            positions[name] = offset if parent is None else positions[parent] + rotations[parent] @ offset
            rotations[name] = np.eye(3) if parent is None else rotations[parent]
            for (joint, channel), values in zip(self.channels, frames.T):
                if joint == name and channel.endswith("position"):
                    positions[name] = positions[name] + values[:, None] * np.eye(3)["XYZ".index(channel[0])]
                elif joint == name:
                    rotations[name] = rotations[name] @ np.array(
                        [rotation_matrix(channel[0], value) for value in values]
                    )
        return {name: values / 100 for name, values in positions.items()}

    def joints(self, frames):
        positions = self.positions(frames)
        return np.stack([positions[NAMES[name]] for name in JOINT_NAMES], axis=1)

    def angles(self, name):
        return self.frames[:, [column for column, (joint, kind) in enumerate(self.channels) if joint == name][-3:]]


def rotation_matrix(axis, degrees):
    c, s = cos(radians(degrees)), sin(radians(degrees))
    one, other = [(1, 2), (2, 0), (0, 1)]["XYZ".index(axis)]
    matrix = np.eye(3)
    matrix[[one, other], [one, other]], matrix[one, other], matrix[other, one] = c, -s, s
    return matrix


def write_and_play(folder, joints):
    write_bvh(folder / "a.bvh", joints)
    assert [path.name for path in folder.iterdir()] == ["a.bvh"]
    return BvhPlayer(folder / "a.bvh")


@pytest.mark.parametrize("move", MOVES)
def test_a_written_file_reproduces_the_joints(tmp_path, move):
    joints = animate(move)
    played = write_and_play(tmp_path, joints)
    np.testing.assert_allclose(played.joints(played.frames), joints, atol=1e-5)
    read = read_motion(tmp_path / "a.bvh", up="y")  # some lie all the time
    np.testing.assert_allclose(read - read[0, 0], joints - joints[0, 0], atol=1e-5)  # some hang above the floor


@pytest.mark.parametrize("move", MOVES)
def test_interpolated_angles_reproduce_the_motion_between_frames(tmp_path, move):
    """Programs that play more frames a second interpolate angles, so these must not jump."""
    played = write_and_play(tmp_path, animate(move))
    between = played.joints((played.frames[1:] + played.frames[:-1]) / 2)
    assert np.abs(between - animate(move, fps=40)[1::2]).max() < 0.04


@pytest.mark.parametrize("move", [walking, spinning, cartwheel, jumping, lying, waving, still])
def test_angles_change_as_smoothly_as_the_body_turns(tmp_path, move):
    played = write_and_play(tmp_path, animate(move))
    angles = np.array([played.angles(name) for name in NAMES.values()])
    assert np.abs(np.diff(angles, axis=1)).max() < 20  # the body turns by up to 18 degrees a frame
    assert np.abs(angles[1:]).max() < 135  # no limb gets a rotation that it does not have


def test_knees_and_elbows_bend_as_hinges(tmp_path):
    angles = write_and_play(tmp_path, animate(walking)).angles
    for name, hinge in (("LeftLeg", 1), ("RightLeg", 1), ("LeftForeArm", 2), ("RightForeArm", 2)):
        turns = angles(name)
        bent = np.abs(turns[:, hinge]) > 50
        assert bent.any() and np.abs(np.delete(turns[bent], hinge, axis=1)).max() < 0.01
        assert (np.sign(turns[bent][:, hinge]) == (-1 if name == "LeftForeArm" else 1)).all()


def test_straight_limbs_do_not_twist_with_every_tremor(tmp_path):
    joints = animate(lambda time: ({"l_hip": rotation("x", 60 * time - 60)}, (0, 0.9, 0)))
    joints[:, JOINT_INDEX["l_elbow"]] = (joints[:, JOINT_INDEX["l_shoulder"]] + joints[:, JOINT_INDEX["l_wrist"]]) / 2
    joints += np.random.default_rng(0).normal(0, 0.001, joints.shape)
    angles = write_and_play(tmp_path, joints).angles
    assert np.abs(np.diff(angles("LeftArm")[:, 1])).max() < 5  # about X, along which it lies
    assert np.abs(np.diff(angles("LeftUpLeg")[:, 2])).max() < 5


def test_angles_are_steady_in_gimbal_lock(tmp_path):
    played = write_and_play(tmp_path, animate(still))
    rest = played.joints(np.zeros((1, len(played.channels))))
    joints = rest @ rotation_matrix("X", 90).T + np.random.default_rng(0).normal(0, 1e-7, (20, JOINTS, 3))
    played = write_and_play(tmp_path, joints)
    assert np.ptp(played.angles("Hips"), axis=0).max() < 0.01
    np.testing.assert_allclose(played.joints(played.frames), joints, atol=1e-4)


def test_the_chest_shares_its_rotation_with_the_spine(tmp_path):
    joints = animate(lambda time: ({"spine3": rotation("y", 20 * time)}, (0, 0.9, 0)))
    angles = write_and_play(tmp_path, joints).angles
    for name in ("Spine", "Spine1", "Spine2"):
        assert 10 < angles(name)[-1, 2] - angles(name)[0, 2] < 16


def test_the_rest_pose_is_a_t_pose_with_the_proportions_of_the_person(tmp_path):
    played = write_and_play(tmp_path, animate(lying))
    assert set(played.offsets) == {*NAMES.values(), *(f"{name}/end" for name in end_site_directions())}
    for name, length in LENGTHS.items():
        assert np.linalg.norm(played.offsets[NAMES[name]]) == pytest.approx(length, abs=1e-3)
        assert played.parents[NAMES[name]] == NAMES[JOINT_NAMES[PARENTS[JOINT_INDEX[name]]]]
    (rest,) = played.joints(np.zeros((1, len(played.channels))))
    for side, sign in (("l", 1), ("r", -1)):
        hip, knee, ankle, toe, collar, shoulder, elbow, wrist = (
            rest[JOINT_INDEX[f"{side}_{part}"]]
            for part in ("hip", "knee", "ankle", "foot", "collar", "shoulder", "elbow", "wrist")
        )
        np.testing.assert_allclose(wrist[1:], shoulder[1:], atol=1e-5)
        np.testing.assert_allclose(ankle[[0, 2]], hip[[0, 2]], atol=1e-5)
        assert sign * wrist[0] > sign * elbow[0] > sign * shoulder[0] > sign * collar[0] > 0 < sign * hip[0]
        assert ankle[1] < knee[1] < hip[1] < 0 and toe[1] < ankle[1] and toe[2] > ankle[2] + 0.1
    spine = rest[[JOINT_INDEX[name] for name in ("pelvis", "spine1", "spine2", "spine3", "neck", "head")]]
    assert (np.diff(spine[:, 1]) > 0.03).all() and np.abs(spine[:-1, [0, 2]]).max() < 0.05
    positions = played.positions(np.zeros((1, len(played.channels))))
    for name, (axis, sign) in end_site_directions().items():
        end = (positions[f"{name}/end"] - positions[name])[0]
        assert 0.05 < sign * end[axis] < 0.25 and np.count_nonzero(np.abs(end) > 1e-6) == 1


def end_site_directions():
    """The axis and the sign of the direction from the last joint of a limb to its End Site."""
    return {"Head": (1, 1), "LeftToeBase": (2, 1), "RightToeBase": (2, 1), "LeftHand": (0, 1), "RightHand": (0, -1)}


def test_the_file_has_the_form_that_animation_programs_expect(tmp_path):
    played = write_and_play(tmp_path, animate(walking))
    turns = ["Zrotation", "Xrotation", "Yrotation"]
    assert [kind for joint, kind in played.channels if joint == "Hips"] == [f"{a}position" for a in "XYZ"] + turns
    for name in set(NAMES.values()) - {"Hips"}:
        assert [kind for joint, kind in played.channels if joint == name] == turns
    assert (played.count, played.time) == ("Frames: 41", "Frame Time: 0.05000000")
    assert (played.offsets["Hips"] == 0).all()  # some programs add it to the positions, others don't
    text = (tmp_path / "a.bvh").read_text()
    assert text.startswith("HIERARCHY\nROOT Hips\n{\n\tOFFSET ") and text.endswith("\n") and "-0.00000 " not in text
    write_bvh(tmp_path / "a.bvh", animate(walking), fps=30)
    assert BvhPlayer(tmp_path / "a.bvh").time == "Frame Time: 0.03333333"


@pytest.mark.parametrize("size", [0.75, 1.25])
def test_small_and_tall_people_keep_their_size(tmp_path, size):
    joints = animate(walking, size=size)
    write_bvh(tmp_path / "a.bvh", joints)
    np.testing.assert_allclose(read_motion(tmp_path / "a.bvh"), joints, atol=1e-5)


def test_bones_that_change_length_get_the_median_and_limbs_still_reach_their_joints(tmp_path):
    joints = animate(walking)
    joints += np.random.default_rng(0).normal(0, 0.004, joints.shape)
    played = write_and_play(tmp_path, joints)
    for name, length in LENGTHS.items():
        assert np.linalg.norm(played.offsets[NAMES[name]]) == pytest.approx(length, abs=0.4)
    error = np.linalg.norm(played.joints(played.frames) - joints, axis=-1)
    assert (
        error.mean() < 0.006 and error[:, [JOINT_INDEX["l_foot"], JOINT_INDEX["r_foot"]]].mean() < 0.008
    )  # errors do not add up along a limb


def test_a_joint_without_length_stays_on_its_parent(tmp_path):
    joints = animate(walking)
    joints[:, JOINT_INDEX["head"]] = joints[:, JOINT_INDEX["neck"]]
    played = write_and_play(tmp_path, joints)
    np.testing.assert_allclose(played.joints(played.frames), joints, atol=1e-5)


def test_real_captures_are_reproduced(tmp_path, shared):
    for path in sorted((shared / "data/real_motion").glob("*.npz"))[::4]:
        joints = read_motion(path)
        write_bvh(tmp_path / "a.bvh", joints)
        assert np.linalg.norm(read_motion(tmp_path / "a.bvh") - joints, axis=-1).max() < 1e-3, path.stem


def with_nan():
    joints = animate(still)
    joints[[7, 9], 3, 1] = np.nan
    return joints


@pytest.mark.parametrize(
    ("joints", "message"),
    [
        (with_nan(), "2 of 41 frames hold NaN or infinity, first frame 7: leave"),
        (np.zeros((10, 21, 3)), r"shape \(10, 21, 3\) make no BVH, give \(frames, 22, 3\) with 2 frames or more"),
        (np.zeros((1, 22, 3)), r"shape \(1, 22, 3\)"),
        (np.zeros((10, 263)), r"shape \(10, 263\)"),
    ],
)
def test_invalid_joints_leave_the_file_unchanged(tmp_path, joints, message):
    (tmp_path / "a.bvh").write_text("before")
    with pytest.raises(AtomError, match=message) as raised:
        write_bvh(tmp_path / "a.bvh", joints)
    assert str(tmp_path / "a.bvh") in str(raised.value)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["before"]


def test_a_full_disk_leaves_the_file_unchanged(tmp_path, monkeypatch):
    def half(path, text, **options):
        path.write_bytes(text[:1000].encode())
        raise OSError(28, "No space left on device")

    (tmp_path / "a.bvh").write_text("before")
    monkeypatch.setattr("pathlib.Path.write_text", half)
    with pytest.raises(AtomError, match="No space left"):
        write_bvh(tmp_path / "a.bvh", animate(still))
    assert (tmp_path / "a.bvh").read_text() == "before"


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(AtomError, match=r"none/a\.bvh: can't be written \(No such file or directory\), choose another"):
        write_bvh(tmp_path / "none" / "a.bvh", animate(still))
