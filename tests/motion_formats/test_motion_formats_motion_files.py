import numpy as np
import pytest

from atom.errors import AtomError
from atom.motion.features import features_to_joints, joints_to_features
from atom.motion_formats.motion_files import read_motion, write_motion
from tests.motion.motion_bodies import moving_body


def test_joints_come_back_as_written(tmp_path):
    joints = moving_body(0)
    write_motion(tmp_path / "a.npy", joints)
    read = read_motion(tmp_path / "a.npy")
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, joints)


def test_four_frames_are_a_motion(tmp_path):
    joints = moving_body(0)[:4]
    np.save(tmp_path / "a.npy", joints)
    np.testing.assert_array_equal(read_motion(tmp_path / "a.npy"), joints.astype(np.float32))


def test_features_come_back_as_joints(tmp_path):
    joints = moving_body(0)
    write_motion(tmp_path / "a.npy", joints, kind="features")
    assert np.load(tmp_path / "a.npy").shape == (39, 263)
    np.testing.assert_array_equal(read_motion(str(tmp_path / "a.npy")), features_to_joints(joints_to_features(joints)))


def test_archives_and_real_captures_can_be_read(tmp_path, shared):
    joints = read_motion(shared / "data/real_motion/dm_walk.npz")
    assert joints.shape == (26, 22, 3)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_number_types_are_converted(tmp_path, dtype):
    np.savez(tmp_path / "a.npz", joints=moving_body(0).astype(dtype), fps=20)
    joints = read_motion(tmp_path / "a.npz")
    assert joints.dtype == np.float32
    np.testing.assert_allclose(joints, moving_body(0), atol=2e-3)


def with_nan():
    joints = moving_body(0)
    joints[[7, 9], 3, 1] = np.nan
    return joints


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((10, 20, 3)), r"holds an array \(10, 20, 3\) of float64"),
        (np.zeros((10, 262)), r"holds an array \(10, 262\)"),
        (np.zeros((2, 10, 22, 3)), r"holds an array \(2, 10, 22, 3\)"),
        (np.zeros(()), r"holds an array \(\)"),
        (np.array(["a", "b"]), "of <U1"),
        (np.zeros((10, 22, 3), dtype=complex), "of complex128"),
        (moving_body(0)[:3], "has 3 frames"),
        (np.zeros((0, 263)), r"has 0 frame\(s\)"),
        (with_nan(), "2 of 40 frames hold NaN or infinity, first frame 7"),
        (np.zeros((40, 22, 3)), "no length|human leg"),
        (np.zeros((40, 263)), "not normalised"),
        (np.array([{"a": 1}], dtype=object), "of object"),
    ],
)
def test_a_wrong_array_is_named(tmp_path, array, message):
    path = tmp_path / "a.npy"
    np.save(path, array, allow_pickle=True)
    with pytest.raises(AtomError, match=message) as raised:
        read_motion(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"HIERARCHY\nROOT Hips", b"PK\x03\x04broken", b"\x93NUMPY\x01\x00v\x00{"])
def test_a_file_that_is_no_array_is_named(tmp_path, content):
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(AtomError, match=r"a\.npy: is damaged or no file of motions"):
        read_motion(tmp_path / "a.npy")


def test_a_truncated_file_is_named(tmp_path):
    write_motion(tmp_path / "a.npy", moving_body(0))
    (tmp_path / "a.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-100])
    with pytest.raises(AtomError, match="is not a complete NumPy array"):
        read_motion(tmp_path / "a.npy")


def test_missing_things_are_named(tmp_path):
    with pytest.raises(AtomError, match="no such file"):
        read_motion(tmp_path / "a.npy")
    with pytest.raises(AtomError, match="no such file"):
        read_motion(tmp_path)
    np.savez(tmp_path / "b.npz", poses=moving_body(0))
    with pytest.raises(AtomError, match=r"holds poses \(40, 22, 3\), which is no motion that is known here"):
        read_motion(tmp_path / "b.npz")


def test_writing_where_it_can_not_be_is_refused(tmp_path):
    with pytest.raises(AtomError, match="can't be written"):
        write_motion(tmp_path / "missing" / "a.npy", moving_body(0))
    with pytest.raises(AtomError, match=r"ends in \.npy, \.bvh, \.glb or \.npz"):
        write_motion(tmp_path / "a.fbx", moving_body(0))
    with pytest.raises(AtomError, match="holds no features"):
        write_motion(tmp_path / "a.bvh", moving_body(0), kind="features")
    with pytest.raises(AtomError, match="'poses'"):
        write_motion(tmp_path / "a.npy", moving_body(0), kind="poses")
    assert list(tmp_path.iterdir()) == []
