import numpy as np
import pytest

from atom.errors import AtomError
from atom.motion.feature_statistics import (
    BLOCKS,
    FeatureStatistics,
    identify_statistics,
    measure_statistics,
    read_statistics,
)


def pair(tmp_path, mean, std):
    np.save(tmp_path / "Mean.npy", mean, allow_pickle=True)
    np.save(tmp_path / "Std.npy", std, allow_pickle=True)
    return tmp_path / "Mean.npy", tmp_path / "Std.npy"


MEAN, STD = np.linspace(-1, 1, 263), np.full(263, 0.3)


def test_blocks_cover_every_feature_once():
    covered = np.concatenate([np.arange(263)[block] for block in BLOCKS.values()])
    np.testing.assert_array_equal(covered, np.arange(263))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_pair_of_unknown_origin_is_read_as_float32(tmp_path, dtype):
    read = read_statistics(*pair(tmp_path, MEAN.astype(dtype), STD.astype(dtype)))
    assert read.name == "unknown" and read.mean.dtype == read.std.dtype == np.float32
    np.testing.assert_array_equal(read.mean, MEAN.astype(np.float32))


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        (MEAN[:-1], STD, r"Mean\.npy: the mean has shape \(262,\), expected \(263,\)"),
        (MEAN, STD[None], r"Std\.npy: the std has shape \(1, 263\)"),
        (MEAN.astype(int), STD, r"Mean\.npy: the mean holds values of type int64"),
        (np.where(np.arange(263) == 7, np.nan, MEAN), STD, r"Mean\.npy: the mean of feature 7 is nan"),
        (MEAN, np.where(np.arange(263) == 9, np.inf, STD), r"Std\.npy: the std of feature 9 is inf"),
        (MEAN, np.where(np.arange(263) == 3, 0, STD), r"Std\.npy: the std of feature 3 is 0, it must be above 0"),
        (MEAN, np.where(np.arange(263) == 3, -1, STD), r"Std\.npy: the std of feature 3 is -1, it must be above 0"),
        (STD, MEAN, "swapped"),
        (MEAN, np.array([{}] * 263), r"Std\.npy: is not a complete NumPy array"),
    ],
)
def test_a_pair_that_can_not_be_is_refused_in_one_line(tmp_path, mean, std, message):
    with pytest.raises(AtomError, match=message) as raised:
        read_statistics(*pair(tmp_path, mean, std))
    assert "\n" not in str(raised.value) and str(tmp_path) in str(raised.value)


def test_missing_and_truncated_files_are_named(tmp_path):
    mean, std = pair(tmp_path, MEAN, STD)
    std.write_bytes(std.read_bytes()[:-8])
    with pytest.raises(AtomError, match=r"Std\.npy: is not a complete NumPy array"):
        read_statistics(mean, std)
    std.unlink()
    with pytest.raises(AtomError, match=r"Std\.npy: no such file"):
        read_statistics(mean, std)


def test_a_header_that_asks_for_more_than_there_is_does_no_harm(tmp_path):
    mean, std = pair(tmp_path, MEAN, STD)
    mean.write_bytes(mean.read_bytes().replace(b"(263,), }" + b" " * 15, b"(263, 9999999999999), }" + b" "))
    with pytest.raises(AtomError, match=r"Mean\.npy: is not a complete NumPy array"):
        read_statistics(mean, std)


def test_the_public_pairs_are_recognised_and_never_mixed(shared):
    folder = shared / "data/humanml3d"
    official = folder / "HumanML3D_Mean.npy", folder / "HumanML3D_Std.npy"
    motiongpt = folder / "motiongpt_mean.npy", folder / "motiongpt_std.npy"
    assert read_statistics(*official).name == "HumanML3D" and read_statistics(*motiongpt).name == "MotionGPT"
    with pytest.raises(AtomError, match=r"is HumanML3D's mean but .* is MotionGPT's std"):
        read_statistics(official[0], motiongpt[1])
    with pytest.raises(AtomError, match=r"is MotionGPT's mean but .* is HumanML3D's std"):
        read_statistics(motiongpt[0], official[1])
    for mean, std in (official, motiongpt):
        with pytest.raises(AtomError, match="swapped"):
            read_statistics(std, mean)


def test_a_pair_off_by_the_last_bit_is_another_one(shared):
    folder = shared / "data/humanml3d"
    mean, std = np.load(folder / "HumanML3D_Mean.npy"), np.load(folder / "HumanML3D_Std.npy")
    assert identify_statistics(mean, std) == "HumanML3D"
    mean[100] = np.nextafter(mean[100], np.float32(9))
    assert identify_statistics(mean, std) == "unknown"


def test_measured_statistics_equal_those_of_all_frames_at_once():
    rng = np.random.default_rng(0)
    scale, shift = rng.uniform(0.01, 2, 263), rng.normal(size=263) * 1000
    clips = [(rng.normal(size=(frames, 263)) * scale + shift).astype(np.float32) for frames in (1, 40, 7, 199)]
    measured = measure_statistics(iter(clips))
    frames = np.concatenate(clips).astype(np.float64)
    std = frames.std(axis=0)
    np.testing.assert_allclose(measured.mean, frames.mean(axis=0), rtol=1e-6)
    for block in BLOCKS.values():
        np.testing.assert_allclose(measured.std[block], std[block].mean(), rtol=1e-5)
    assert measured.name == "unknown" and measured.mean.dtype == measured.std.dtype == np.float32


def test_clips_that_are_not_finite_do_not_count():
    rng = np.random.default_rng(0)
    clip, broken = rng.normal(size=(50, 263)), rng.normal(size=(50, 263))
    broken[3, 5] = np.nan
    alone = measure_statistics([clip])
    np.testing.assert_array_equal(measure_statistics([broken, clip, np.zeros((0, 263))]).mean, alone.mean)
    with pytest.raises(AtomError, match="no frame"):
        measure_statistics([broken])


def test_what_can_not_be_measured_is_said():
    with pytest.raises(AtomError, match=r"shape \(5, 22, 3\)"):
        measure_statistics([np.zeros((5, 22, 3))])
    with pytest.raises(AtomError, match="std of feature 0 is 0"):
        measure_statistics([np.zeros((5, 263))])


def test_statistics_check_themselves():
    with pytest.raises(AtomError, match="std of feature 0 is 0"):
        FeatureStatistics(MEAN, np.zeros(263))
    with pytest.raises(AtomError, match=r"mean has shape \(3,\)"):
        FeatureStatistics(np.zeros(3), STD)
