"""`atom data` on a small dataset of procedural motions."""

import json
import re
from itertools import chain

import numpy as np
import pytest
from typer.testing import CliRunner

from atom.commands.data import data_app
from atom.corpus.corpus_shards import make_clip
from atom.errors import AtomError
from atom.humanml3d.dataset import HumanML3D
from atom.motion.feature_statistics import measure_statistics, read_statistics

SPLITS = {"train": ["000000", "000001", "000002"], "val": ["000003"], "test": ["000004"]}


@pytest.fixture
def folder(tmp_path):
    folder, rng = tmp_path / "data", np.random.default_rng(0)
    for name in ("new_joint_vecs", "texts"):
        (folder / name).mkdir(parents=True)
    for split, ids in (*SPLITS.items(), ("train_val", SPLITS["train"]), ("all", list(chain(*SPLITS.values())))):
        (folder / f"{split}.txt").write_text("\n".join(ids))
    for id in chain(*SPLITS.values()):
        np.save(folder / f"new_joint_vecs/{id}.npy", make_clip(rng).features[:60])
        (folder / f"texts/{id}.txt").write_text("a person walks#a/DET person/NOUN walk/VERB#0#0\n")
    statistics = measure_statistics(map(HumanML3D(folder).read_clip, SPLITS["train"]))
    np.save(folder / "Mean.npy", statistics.mean)
    np.save(folder / "Std.npy", statistics.std)
    return folder


def call(*arguments):
    """(exit status, standard output with single spaces); an AtomError is raised as `atom` would show it."""
    result = CliRunner().invoke(data_app, [*map(str, arguments)], env={"COLUMNS": "200"})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


def test_a_sound_dataset_passes(folder):
    status, out = call("check", folder)
    assert status == 0 and "train 3, val 1, test 1" in out and "nothing is wrong" in out


def test_an_error_decides_the_exit_status_and_a_warning_does_not(folder):
    (folder / "texts/000001.txt").write_text("broken [line]\n")
    status, out = call("check", folder)
    assert status == 0 and "000001 line 1: has 1 fields" in out and "warning 1" in out
    (folder / "new_joint_vecs/000002.npy").unlink()
    status, out = call("check", folder)
    assert status == 1 and "ids of a split without features" in out and "error 1, warning 1" in out


def test_the_report_comes_as_data(folder):
    (folder / "texts/000001.txt").unlink()
    status, out = call("check", folder, "--json")
    report = json.loads(out)
    assert status == 1 and report["sound"] is False and report["counts"]["clips"] == 5
    assert [(finding["kind"], finding["where"]) for finding in report["findings"]] == [("no captions", ["000001"])]


def test_a_split_is_tokenised_by_the_built_in_generator_and_goes_on(folder, tmp_path):
    np.save(folder / "new_joint_vecs/000001.npy", np.full((50, 263), np.nan))
    frames = len(np.load(folder / "new_joint_vecs/000002.npy"))
    status, out = call("tokenise", folder, tmp_path / "out", "--split", "train")
    assert status == 0 and "2 clips encoded, 0 were already there, 1 left out" in out and "NaN" in out
    assert np.load(tmp_path / "out/TOKENS/000002.npy").shape == (1, frames // 4)
    assert "0 clips encoded, 2 were already there, 1 left out" in call("tokenise", folder, tmp_path / "out")[1]


def test_statistics_are_named_and_compared(folder):
    status, out = call("statistics", folder)
    assert status == 0 and "neither HumanML3D's official pair nor MotionGPT's" in out
    ratios = re.findall(r"│ +(\d\.\d{3}) │ +(\d\.\d{3}) │", out)
    assert len(ratios) == 7 and set(ratios) == {("1.000", "0.000")}


def test_statistics_of_motiongpt_are_named(folder, shared):
    for name in ("Mean", "Std"):
        (folder / f"{name}.npy").write_bytes((shared / f"data/humanml3d/motiongpt_{name.lower()}.npy").read_bytes())
    assert "MotionGPT's pair" in call("statistics", folder)[1]


def test_statistics_can_be_measured_and_are_never_overwritten(folder, tmp_path):
    status, out = call("statistics", folder, "--write", tmp_path / "new")
    assert status == 0 and "3 clips" in out
    measured = read_statistics(tmp_path / "new/Mean.npy", tmp_path / "new/Std.npy")
    np.testing.assert_array_equal(measured.mean, np.load(folder / "Mean.npy"))
    with pytest.raises(AtomError, match=r"Mean\.npy is there already"):
        call("statistics", folder, "--write", tmp_path / "new")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", "{}/texts"], "no folder new_joint_vecs"),
        (["tokenise", "{}", "{}/out", "--split", "dev"], r"dev\.txt: no such file, the dataset has the splits train"),
        (["tokenise", "{}", "{}/out", "--checkpoint", "{}/none"], "no generator checkpoint"),
        (["tokenise", "{}", "{}/out", "--device", "abacus"], "abacus"),
    ],
)
def test_a_mistake_is_one_line(folder, arguments, message):
    with pytest.raises(AtomError, match=message) as raised:
        call(*(argument.format(folder) for argument in arguments))
    assert "\n" not in str(raised.value)
