"""Wrong rates, axes, units, sides and statistics: each is refused or told, none passes in silence."""

from dataclasses import replace

import numpy as np
import pytest

from atom.errors import AtomError
from atom.motion.features import joints_to_features
from atom.motion.skeleton import JOINT_INDEX, MIRRORED_JOINTS
from atom.motion_formats.conversion import SourceSettings, convert_motion
from atom.motion_formats.formats import FORMATS, read_converted
from atom.motion_formats.motion_files import convert_array, read_motion
from atom.motion_formats.skeletons import HUMANML3D
from atom.motion_formats.source_motion import SourceMotion
from tests.motion_formats.source_files import frame_times, joints_at, smpl_parameters, write_mdm, write_mld

SAYS_ALL = [form for form in FORMATS if form.defaults.settings.metres == 1 and form.defaults.settings.fps]


def walk(fps=20):
    return joints_at(frame_times(fps))


def z_up(joints):
    return joints[..., [0, 2, 1]] * [1, -1, 1]


AXES = {
    "z up": (z_up, "z"),
    "y down": (lambda j: j * [1, -1, -1], "-y"),
    "z down": (lambda j: z_up(j) * [1, -1, -1], "-z"),
}
UNITS = {"cm": 100, "mm": 1000, "in": 1 / 0.0254, "dm": 10, "km": 0.001}
SIDES = {"mirrored": lambda j: j * [-1, 1, 1], "sides swapped": lambda j: j[:, MIRRORED_JOINTS]}


def convert(joints, form, **settings):
    return convert_motion(SourceMotion("walk", HUMANML3D, positions=joints), form.defaults, SourceSettings(**settings))


@pytest.mark.parametrize("form", SAYS_ALL, ids=lambda form: form.name)
class TestFormatsThatSayAll:
    """Every format whose files have one rate, axis and unit."""

    @pytest.mark.parametrize("axis", AXES)
    def test_another_axis_is_refused_with_the_right_one(self, form, axis):
        (turn, up), joints = AXES[axis], walk(form.defaults.settings.fps)
        with pytest.raises(AtomError, match=f"stands along {up} and not along y in 100% of the frames: give --up {up}"):
            convert(turn(joints), form)
        told = convert(turn(joints), form, up=up)
        assert np.abs(told.joints - walk()).max() < 1e-3
        assert f"read with {up} up as given, where the file or its format says y" in told.record.remarks

    @pytest.mark.parametrize("unit", UNITS)
    def test_another_unit_is_refused(self, form, unit):
        with pytest.raises(AtomError, match=r"the right leg is .* m long, a human leg is"):
            convert(walk() * UNITS[unit], form)

    @pytest.mark.parametrize("side", SIDES)
    def test_a_mirrored_body_is_refused(self, form, side):
        with pytest.raises(AtomError, match="toes and knees point backwards"):
            convert(SIDES[side](walk()), form)

    def test_another_rate_than_its_own_is_told(self, form):
        rate = form.defaults.settings.fps
        other = 60.0
        told = convert(walk(60), form, fps=other)
        assert f"read at 60 fps as given, where the file or its format says {rate:g}" in told.record.remarks

    @pytest.mark.parametrize("height", [0.7, -1.0])
    def test_a_body_off_the_floor_is_told_and_put_on_it(self, form, height):
        motion = convert(walk() + np.array([0, height, 0]), form)
        assert motion.joints[:, [7, 8, 10, 11], 1].min() == pytest.approx(0, abs=1e-5)
        assert any("to stand on the floor" in remark for remark in motion.record.remarks)


def test_a_rate_that_nobody_says_is_asked_for_in_an_import_and_told_in_a_single_file(tmp_path):
    np.save(tmp_path / "a.npy", walk())
    with pytest.raises(AtomError, match=r"neither the file nor its format says its frame rate: .* --fps 30"):
        read_converted(tmp_path / "a.npy")
    motion = read_converted(tmp_path / "a.npy", assumed_fps=20)
    assert motion.record.fps_from == "assumed" and "no frame rate in the file, read at 20 fps" in motion.record.remarks
    assert len(read_motion(tmp_path / "a.npy", fps=30)) == 41


@pytest.mark.parametrize("unit", UNITS)
def test_the_unit_of_plain_joints_is_found_on_the_body_and_on_record(unit):
    if unit == "km":
        return  # no unit that anyone uses
    motion = convert(walk() * UNITS[unit], next(form for form in FORMATS if form.name == "joints"), fps=20.0)
    assert np.abs(motion.joints - walk()).max() < 1e-3
    assert motion.record.metres_from == "body" and motion.record.metres == pytest.approx(1 / UNITS[unit])


@pytest.mark.parametrize("axis", AXES)
def test_the_axis_of_plain_joints_is_found_on_the_body_and_on_record(axis):
    turn, up = AXES[axis]
    motion = convert(turn(walk()), next(form for form in FORMATS if form.name == "joints"), fps=20.0)
    assert (motion.record.up, motion.record.up_from) == (up, "body")
    assert np.abs(motion.joints - walk()).max() < 1e-3


def test_a_body_faster_than_people_run_is_doubted_and_faster_than_any_can_refused():
    """Too slow can't be seen on a body, as people move slowly: the rate is asked for instead."""
    ahead = np.arange(61)[:, None, None] * [0, 0, 1 / 20]  # a metre a second
    motion = convert_array(walk() + 8 * ahead, "walk")
    assert "the pelvis moves at 9 m/s: is the rate right?" in motion.record.remarks
    with pytest.raises(AtomError, match="the pelvis moves at 21 m/s, which no person can"):
        convert_array(walk() + 20 * ahead, "walk")


def test_smpl_parameters_that_are_not_z_up_are_refused_with_the_right_axis(tmp_path):
    poses, trans = smpl_parameters(30)
    np.savez(tmp_path / "a.npz", poses=poses, trans=trans, mocap_framerate=30)
    with pytest.raises(AtomError, match="stands along y and not along z in 100% of the frames: give --up y"):
        read_converted(tmp_path / "a.npz")
    assert len(read_converted(tmp_path / "a.npz", SourceSettings(up="y")).joints) == 61


def test_a_person_who_lies_all_the_time_is_accepted_when_someone_says_so():
    lying = z_up(walk())
    assert (
        np.abs(convert_array(lying, "lying", SourceSettings(up="y")).joints[:, :, [0, 2]] - lying[:, :, [0, 2]]).max()
        < 1e-4
    )


def test_features_of_other_statistics_are_refused():
    features = joints_to_features(walk().astype(np.float32)).astype(np.float64)
    rng = np.random.default_rng(3)
    for _ in range(4):  # any pair of mean and std that differ from block to block, as all published pairs do
        mean = features.mean(axis=0) + rng.normal(0, 0.05, 263)
        std = np.repeat(rng.uniform(0.05, 1.0, 7), [1, 2, 1, 63, 126, 66, 4])
        with pytest.raises(AtomError, match="the features contradict themselves"):
            convert_array((features - mean) / std, "features")
    assert len(convert_array(features, "features").joints) == len(features)


@pytest.mark.parametrize(
    ("write", "problem"),
    [
        (lambda f: write_mdm(f / "results.npy", [walk()], [3]), "its texts are not strings"),
        (lambda f: write_mdm(f / "results.npy", [walk()], ["a"], lengths=[1.5]), "cut off?"),
        (lambda f: write_mld(f / "a.pkl", walk()[:, :5]), r"has shape \(61, 5, 3\)"),
    ],
)
def test_files_of_other_shapes_are_refused_in_one_line(tmp_path, write, problem):
    with pytest.raises(AtomError, match=problem) as error:
        read_converted(write(tmp_path))
    assert "\n" not in str(error.value)


def test_what_no_reader_takes_is_described(tmp_path):
    np.save(tmp_path / "tokens.npy", np.zeros((1, 42), int))
    with pytest.raises(AtomError, match=r"holds an array \(1, 42\) of int64, .* `atom motions formats`"):
        read_converted(tmp_path / "tokens.npy")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(AtomError, match=r"holds a \(3,\), which is no motion"):
        read_converted(tmp_path / "other.npz")
    with pytest.raises(AtomError, match="no such file"):
        read_converted(tmp_path / "none.npy")


def test_frames_that_are_not_numbers_are_counted():
    joints = walk()
    joints[7, 3] = np.nan
    with pytest.raises(AtomError, match="1 of 61 frames hold NaN or infinity, first frame 7"):
        convert_array(joints, "walk")


def test_a_remark_of_the_reader_stays():
    source = SourceMotion("walk", HUMANML3D, fps=20.0, up="y", metres=1.0, positions=walk())
    assert convert_motion(replace(source, remarks=("noted",)), SAYS_ALL[0].defaults).record.remarks == ("noted",)


def test_a_skeleton_whose_neck_lies_low_is_a_body():
    """CMU's neck lies at the upper end of the chest, a quarter of a leg above the pelvis; its head where heads are."""
    joints = walk()
    pelvis, neck = JOINT_INDEX["pelvis"], JOINT_INDEX["neck"]
    joints[:, neck] = joints[:, pelvis] + 0.4 * (joints[:, neck] - joints[:, pelvis])
    assert len(convert_array(joints, "walk").joints) == len(joints)
    joints[:, JOINT_INDEX["head"]] = joints[:, neck]
    with pytest.raises(AtomError, match=r"the trunk is .* times as long as the leg"):
        convert_array(joints, "walk")


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
@pytest.mark.parametrize(
    "array", [walk(), walk()[:1], np.zeros((1, 42)), np.zeros((60, 251)), np.zeros((0, 272)), np.zeros(3)]
)
def test_a_file_that_is_forced_into_another_format_is_refused_in_one_line(tmp_path, form, array):
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "a.npz", poses=array, trans=array, posed_joints=array, global_rot_mats=array, Rh=array)
    (tmp_path / "a.bvh").write_text("HIERARCHY\n")
    (tmp_path / "a.pkl").write_bytes(b"\x80\x04K")
    for name in ("a.npy", "a.npz", "a.bvh", "a.pkl"):
        try:
            assert read_converted(tmp_path / name, form=form, assumed_fps=20).joints.shape[1:] == (22, 3)
        except AtomError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize(
    "header",
    [
        b"\x93NUMPY\x02\x00" + (1 << 31).to_bytes(4, "little") + b"{}",  # 2 GiB of header
        b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 22, 3), }".ljust(128),
        b"\x93NUMPY\x01\x00v\x00__import__('os').abort()".ljust(128),
        b"\x93NUMPY\x01",
        b"",
    ],
)
def test_a_header_that_lies_is_refused(tmp_path, header):
    (tmp_path / "a.npy").write_bytes(header)
    with pytest.raises(AtomError, match=r"is damaged or no file of motions|is not a complete NumPy array"):
        read_converted(tmp_path / "a.npy", assumed_fps=20)


def test_arrays_of_either_order_and_any_number_type_are_the_same(tmp_path):
    np.save(tmp_path / "a.npy", walk())
    for array in (np.asfortranarray(walk()), walk().astype(">f8"), walk().astype(np.float32)):
        np.save(tmp_path / "b.npy", array)
        joints = [read_converted(tmp_path / name, assumed_fps=20).joints for name in ("a.npy", "b.npy")]
        np.testing.assert_allclose(joints[0], joints[1], atol=1e-6)
