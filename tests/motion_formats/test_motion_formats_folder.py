"""Folders as generators leave them: what holds a motion, what holds it again, what is passed over."""

import os

import numpy as np
import pytest

from atom.errors import AtomError
from atom.motion_formats.formats import find_format
from atom.motion_formats.motion_folder import list_motion_files
from tests.motion_formats.source_files import frame_times, joints_at


@pytest.fixture(scope="module")
def walk():
    return joints_at(frame_times(20)).astype(np.float32)


def names(listing):
    used = [file.path.name for file in listing.files if not file.passed_over]
    return used, {file.path.name: file.passed_over for file in listing.files if file.passed_over}


def touch(path, array=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array) if array is not None else path.write_bytes(b"not a motion")
    return path


def test_files_of_one_motion_count_once(tmp_path, walk):
    """MotionGPT's joints and features; MoMask's joints, with foot contact mended, and its BVH in another folder."""
    touch(tmp_path / "0_out.npy", walk[None])
    touch(tmp_path / "0_out_feats.npy", np.zeros((60, 263), np.float32))
    touch(tmp_path / "joints/2/sample2_repeat0_len61.npy", walk)
    touch(tmp_path / "joints/2/sample2_repeat0_len61_ik.npy", walk)
    touch(tmp_path / "animations/2/sample2_repeat0_len61.bvh")
    touch(tmp_path / "animations/2/sample2_repeat1_len61.bvh")
    used, passed_over = names(list_motion_files(tmp_path))
    assert used == ["0_out.npy", "sample2_repeat1_len61.bvh", "sample2_repeat0_len61.npy"]
    assert passed_over == {
        "0_out_feats.npy": "the same motion as 0_out.npy",
        "sample2_repeat0_len61_ik.npy": "the same motion as sample2_repeat0_len61.npy",
        "sample2_repeat0_len61.bvh": "the same motion as sample2_repeat0_len61.npy",
    }


def test_kimodos_three_files_of_a_motion_count_once(tmp_path, walk):
    arrays = {"posed_joints": walk, "global_rot_mats": np.zeros((61, 22, 3, 3), np.float32)}
    np.savez(tmp_path / "test.npz", **arrays)
    np.savez(tmp_path / "test_amass.npz", poses=np.zeros((61, 156)), trans=np.zeros((61, 3)))
    np.savez(tmp_path / "amass_00.npz", poses=np.zeros((61, 156)), trans=np.zeros((61, 3)))
    np.savez(tmp_path / "motion_00.npz", **arrays)
    touch(tmp_path / "motion_00.bvh")
    used, passed_over = names(list_motion_files(tmp_path))
    assert used == ["motion_00.npz", "test.npz"]
    assert set(passed_over) == {"test_amass.npz", "amass_00.npz", "motion_00.bvh"}


def test_motions_of_one_name_in_two_folders_are_two(tmp_path, walk):
    touch(tmp_path / "a/x.npy", walk)
    touch(tmp_path / "b/x.npy", walk)
    assert names(list_motion_files(tmp_path)) == (["x.npy", "x.npy"], {})


def test_hidden_files_are_counted_and_other_files_left_alone(tmp_path, walk):
    touch(tmp_path / "a.npy", walk)
    for name in ("._a.npy", ".DS_Store", ".cache/b.npy"):
        touch(tmp_path / name)
    for name in ("a.mp4", "log.txt", "meta.json"):
        touch(tmp_path / name)
    listing = list_motion_files(tmp_path)
    assert names(listing) == (["a.npy"], {}) and listing.hidden == 3 and listing.unknown == []


def test_what_is_no_motion_is_listed_with_its_reason(tmp_path, walk):
    touch(tmp_path / "tokens.npy", np.zeros((1, 40), int))
    touch(tmp_path / "damaged.npz")
    listing = list_motion_files(tmp_path)
    reasons = {path.name: reason for path, reason in listing.unknown}
    assert reasons["damaged.npz"] == "is damaged or no file of motions, restore it"
    assert reasons["tokens.npy"].startswith("holds an array (1, 40) of int64, which is no motion that is known here")


def test_a_format_that_is_given_is_that_of_motion_files_alone(tmp_path, walk):
    touch(tmp_path / "a.npy", walk)
    (tmp_path / "a.txt").write_text("a person walks")
    listing = list_motion_files(tmp_path, find_format("momask"))
    assert [(file.path.name, file.form.name) for file in listing.files] == [("a.npy", "momask")]


def test_links_out_of_the_folder_and_pipes_are_not_read(tmp_path, walk):
    outside = touch(tmp_path / "outside/x.npy", walk)
    (tmp_path / "set").mkdir()
    (tmp_path / "set/link.npy").symlink_to(outside)
    (tmp_path / "set/loop").symlink_to(tmp_path / "set")
    os.mkfifo(tmp_path / "set/pipe.npy")
    touch(tmp_path / "set/x.npy", walk)
    assert names(list_motion_files(tmp_path / "set")) == (["x.npy"], {})


def test_a_folder_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(AtomError, match="no such file or folder, give the motions of a generator"):
        list_motion_files(tmp_path / "none")
