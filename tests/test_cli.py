"""The command line: what it writes, and one line with cause and remedy for each mistake."""

import json
from importlib.metadata import version

import numpy as np
import pytest

from atom.corpus.composition import make_motion
from atom.events import Event


@pytest.fixture
def motion(tmp_path):
    path = tmp_path / "motion.npy"
    np.save(path, make_motion([Event("jump_up", 2), Event("wave_left")], np.random.default_rng(0)).joints)
    return path


def test_generate_writes_a_video_and_the_same_joints_for_the_same_seed(atom, tmp_path):
    text = "a person jumps twice, then waves with the left hand"
    for name in "ab":
        status, _, err = atom(
            "generate",
            text,
            "-o",
            tmp_path / f"{name}.mp4",
            "--npy",
            tmp_path / f"{name}.npy",
            "--seed",
            4,
            "--size",
            96,
        )
        assert status == 0, err
    first, again = np.load(tmp_path / "a.npy"), np.load(tmp_path / "b.npy")
    assert first.shape[1:] == (22, 3) and np.array_equal(first, again)
    assert (tmp_path / "a.mp4").read_bytes()[4:8] == b"ftyp"


def test_judge_prints_the_score_and_the_evidence(atom, motion):
    text = "a person jumps twice, then waves with the left hand"
    status, out, _ = atom("judge", motion, text, "--json")
    found = json.loads(out)
    assert status == 0 and found["score"] == 5 and found["exact"]
    assert [(event["action"], event["count"]) for event in found["seen"]] == [("jump_up", 2), ("wave_left", 1)]
    status, out, _ = atom(
        "judge", motion, "a person waves with the left hand, then jumps three times", "--task", "temporal"
    )
    assert status == 0 and "of 5" in out and "order" in out


def test_version_is_that_of_the_package(atom):
    assert atom("--version") == (0, f"atom-motion {version('atom-motion')}\n", "")


def test_a_renamed_command_names_its_new_name_and_is_not_in_the_help(atom):
    status, out, error = atom("serve-judge", "--port", "1")
    assert status == 2 and out == "" and error == "atom: `atom serve-judge` is now called `atom serve-mock`\n"
    assert "serve-judge" not in atom("--help")[1] and "serve-mock" in atom("--help")[1]


def test_runs_of_an_empty_store_are_an_error(atom, tmp_path):
    status, _, err = atom("runs", "show", "latest", "--store", tmp_path)
    assert status == 2 and err.count("\n") == 1 and "atom run" in err


MISTAKES = {
    "unknown key": (["run", "--set", "tuning.betta=1"], ["tuning.betta", "beta"]),
    "unknown key in a file": (["run", "--config", "{}/config.yaml"], ["tuning.betta", "beta"]),
    "value out of range": (["run", "--set", "tuning.beta=-1"], ["tuning.beta", "greater than 0"]),
    "no value": (["run", "--set", "tuning.beta"], ["tuning.beta", "section.field=value"]),
    "no config file": (["run", "--config", "{}/none.yaml"], ["none.yaml", "--config"]),
    "store below a file": (["run", "--store", "{}/file/store"], ["file/store", "--store"]),
    "no checkpoint": (
        ["generate", "a person jumps", "-o", "{}/out.mp4", "--checkpoint", "{}"],
        ["no generator checkpoint", "atom pretrain"],
    ),
    "empty prompt": (["generate", " ", "-o", "{}/out.mp4"], ["empty", "describe"]),
    "unknown kind of video": (["generate", "a person jumps", "-o", "{}/out.avi"], ["out.avi", ".mp4"]),
    "missing folder": (["generate", "a person jumps", "-o", "{}/none/a.mp4"], ["none", "make it"]),
    "missing device": (["generate", "a person jumps", "-o", "{}/out.mp4", "--device", "cuda:7"], ["cuda:7", "use cpu"]),
    "missing motion": (["judge", "{}/none.npy", "a person jumps"], ["none.npy"]),
    "text for a motion": (["judge", "{}/text.npy", "a person jumps"], ["text.npy"]),
    "cut motion": (["judge", "{}/cut.npy", "a person jumps"], ["cut.npy"]),
    "wrong shape": (["judge", "{}/shape.npy", "a person jumps"], ["(10, 23, 3)", "atom motions formats"]),
    "empty text to judge": (["judge", "{}/motion.npy", ""], ["cannot judge", "empty"]),
    "nothing the judge knows": (["judge", "{}/motion.npy", "a person drinks tea"], ["drink tea", "--by"]),
    "unknown task": (["judge", "{}/motion.npy", "a person jumps", "--task", "x"], ["'x'", "integrity"]),
    "unknown training field": (["pretrain", "{}/o", "--work", "{}/w", "--set", "vqvae.x=1"], ["vqvae.x"]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_gets_one_line_with_cause_and_remedy(atom, tmp_path, motion, mistake):
    (tmp_path / "text.npy").write_text("no array")
    (tmp_path / "cut.npy").write_bytes(motion.read_bytes()[:500])
    np.save(tmp_path / "shape.npy", np.zeros((10, 23, 3)))
    (tmp_path / "file").write_text("")
    (tmp_path / "config.yaml").write_text("tuning: {betta: 1}")
    arguments, words = MISTAKES[mistake]
    status, out, err = atom(*(argument.format(tmp_path) for argument in arguments))
    assert status == 2, (out, err)
    *remarks, line = err.splitlines()
    assert out == "" and line.startswith("atom: "), err
    assert all(remark.endswith("no frame rate in the file, read at 20 fps") for remark in remarks), err
    for word in words:
        assert word in line
