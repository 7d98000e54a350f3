"""`atom judge` with a model: one motion, two motions, a calibration; the model is the mock_service over HTTP."""

import json
import socket

import numpy as np
import pandas as pd
import pytest

from atom.corpus.composition import make_motion
from atom.events import Event
from atom.judging.vision.motion_pictures import draw_pictures
from atom.mock_service import MockServiceSettings, MotionIndex, run_in_thread
from storage import Store

TEXT = "a person jumps twice, then waves with the left hand"
RIGHT, WRONG = [Event("jump_up", 2), Event("wave_left")], [Event("wave_left"), Event("jump_up", 3)]


@pytest.fixture
def mock_service(tmp_path):
    """A mock service that knows two motions, and the options that make `atom judge` use it."""
    from atom.config import VisionConfig

    index = MotionIndex(store=Store(str(tmp_path / "store")))
    for name, events in (("right", RIGHT), ("wrong", WRONG)):
        joints = make_motion(events, np.random.default_rng(0)).joints
        np.save(tmp_path / f"{name}.npy", joints)
        for task in ("temporal", "frequency"):
            for picture in draw_pictures(joints, VisionConfig().frames, task):
                index.add(picture.data, joints)
    with run_in_thread(MockServiceSettings(), index) as service:
        yield (
            service,
            [
                "--store",
                tmp_path / "store",
                "--set",
                f"service.base_url={service.address}",
                "--set",
                "judging.vision.model=atom-mock_service",
                "--set",
                "service.requests_per_minute=60000",
            ],
        )


def test_a_motion_is_judged_by_a_model_and_its_answer_is_kept(atom, mock_service, tmp_path):
    service, options = mock_service
    call = ["judge", tmp_path / "right.npy", TEXT, "--task", "temporal", "--by", "vision", "--json", *options]
    status, out, err = atom(*call)
    found = json.loads(out)
    assert status == 0, err
    assert found["score"] == 5 and found["exact"] and found["answers"][0]["model"] == "atom-mock_service"
    assert json.loads(atom(*call)[1])["tokens"] == found["tokens"] and service.statistics()["answered"] == 1
    status, out, _ = atom("store", "spending", "--store", tmp_path / "store")
    assert status == 0 and "default" in out and f"{found['tokens']:,}" in out
    status, out, _ = atom("judge", tmp_path / "wrong.npy", TEXT, "--task", "temporal", "--by", "vision", *options)
    assert status == 0 and "model saw: The person waves" in " ".join(out.split()) and "order" in out


def test_two_motions_are_compared_in_both_orders(atom, mock_service, tmp_path):
    service, options = mock_service
    call = ["judge", "compare", tmp_path / "wrong.npy", tmp_path / "right.npy", TEXT, "--task", "temporal", *options]
    status, out, err = atom(*call, "--json")
    assert status == 0, err
    found = json.loads(out)
    assert found["better"] == "second" and [row["better"] for row in found["orders"]] == ["second", "first"]
    assert "better in both orders" in atom(*call)[1] and service.statistics()["answered"] == 2


def test_a_calibration_writes_a_report_and_the_rows(atom, mock_service, tmp_path):
    service, options = mock_service
    status, out, err = atom(
        "judge",
        "calibrate",
        "-o",
        tmp_path / "out",
        "--prompts",
        6,
        "--by",
        "vision",
        "--by",
        "kinematic",
        "--form",
        "sheet",
        "--form",
        "frames",
        *options,
    )
    assert status == 0, err
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "calibration.html",
        "calibration.png",
        "calibration.json",
        "clips.parquet",
    }
    judges = json.loads((tmp_path / "out" / "calibration.json").read_text())["judges"]
    assert list(judges) == ["atom-mock_service, sheet, events", "atom-mock_service, frames, events", "kinematic judge"]
    assert all(result["overall"]["weighted_kappa"]["value"] > 0.95 for result in judges.values())
    rows = pd.read_parquet(tmp_path / "out" / "clips.parquet")
    assert len(rows) == 3 * 24 and {"truth", "score", "change", "answers"} <= set(rows.columns)
    assert "weighted kappa" in out and "calibration.html" in out
    assert service.statistics()["answered"] == 48


MISTAKES = {
    "unknown judge": (["judge", "{}/right.npy", TEXT, "--by", "oracle"], ["'oracle'", "kinematic or vision"]),
    "unknown judge to calibrate": (["judge", "calibrate", "-o", "{}/o", "--by", "oracle"], ["'oracle'", "learned"]),
    "unknown form": (["judge", "calibrate", "-o", "{}/o", "--form", "film", "--prompts", "1"], ["'film'", "sheet"]),
    "no key": (["judge", "{}/right.npy", TEXT, "--by", "vision"], ["no key", "OPENAI_API_KEY"]),
    "no price": (
        [
            "judge",
            "{}/right.npy",
            TEXT,
            "--by",
            "vision",
            "--set",
            "service.base_url=http://127.0.0.1:9/v1",
            "--set",
            "judging.vision.model=new",
            "--set",
            "service.budget_dollars=1",
        ],
        ["no price for new", "service.prices"],
    ),
    "nobody service": (
        [
            "judge",
            "{}/right.npy",
            TEXT,
            "--by",
            "vision",
            "--set",
            "service.base_url=http://127.0.0.1:9/v1",
            "--set",
            "service.attempts=1",
        ],
        ["does not answer", "127.0.0.1:9"],
    ),
    "a key where a name belongs": (
        ["run", "--set", "service.key_variable=sk-proj-abc"],
        ["service.key_variable", "environment"],
    ),
    "labelled set that is not service": (["judge", "calibrate", "-o", "{}/o", "--labelled", "{}/x.jsonl"], ["x.jsonl"]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_gets_one_line_with_cause_and_remedy(atom, tmp_path, monkeypatch, mistake):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.chdir(tmp_path)
    np.save(tmp_path / "right.npy", make_motion(RIGHT, np.random.default_rng(0)).joints)
    arguments, words = MISTAKES[mistake]
    status, out, err = atom(*(argument.format(tmp_path) for argument in arguments))
    assert status == 2 and out == "", (out, err)
    assert err.startswith("atom: ") and err.count("\n") == 1, err
    assert "sk-proj" not in err
    for word in words:
        assert word in err


def test_a_port_in_use_is_an_error(atom, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        status, _, err = atom("serve-mock", "--store", tmp_path, "--port", taken.getsockname()[1])
    assert status == 2 and "in use" in err and "--port" in err
