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


OPEN_TEXT = "a person jumps twice, then does a cartwheel"


def test_auto_asks_a_model_only_where_the_kinematic_judge_can_not_see(atom, mock_service, tmp_path):
    service, options = mock_service
    call = ["judge", tmp_path / "right.npy", TEXT, "--task", "temporal", "--json", *options]
    found = json.loads(atom(*call, "--by", "auto")[1])
    assert (found["judge"], found["score"], found["tokens"]) == ("kinematic", 5, 0)
    assert found | {"judge": ""} == json.loads(atom(*call, "--by", "kinematic")[1]) | {"judge": ""}
    assert service.statistics()["requests"] == 0
    call[2] = OPEN_TEXT
    status, out, err = atom(*call, "--by", "auto")
    found = json.loads(out)
    assert status == 0 and service.statistics()["answered"] == 1, err
    assert found["judge"] == "vision" and [event["action"] for event in found["asked"]] == ["jump_up", "do cartwheel"]
    # The mock service sees two jumps and a wave: one of two is there, and one other.
    assert 1 < found["score"] < 3 and {"action": "wave_left"}.items() <= found["seen"][-1].items()
    assert "Missing: do cartwheel" in found["rationale"] and "wave left" in found["rationale"]
    for by in ("kinematic", "learned"):
        status, _, err = atom(*call, "--by", by)
        assert status == 2 and f"the {by} judge can't see 'do cartwheel'" in err and "--by vision" in err


def test_a_motion_is_judged_by_retrieval_without_events_or_a_service(atom, tmp_path):
    for name, events in (("right", RIGHT), ("wrong", [Event("walk_forward"), Event("sit_down")])):
        np.save(tmp_path / f"{name}.npy", make_motion(events, np.random.default_rng(0)).joints)
    found = [
        json.loads(atom("judge", tmp_path / f"{name}.npy", TEXT, "--by", "retrieval", "--json")[1])
        for name in ("right", "wrong")
    ]
    assert found[0]["score"] > 4 > 2 > found[1]["score"] and found[0]["exact"] is None and found[0]["seen"] == []
    status, out, _ = atom("judge", tmp_path / "right.npy", TEXT, "--by", "retrieval")
    assert status == 0 and "no verdicts on single events" in " ".join(out.split())
    status, _, err = atom("judge", tmp_path / "right.npy", OPEN_TEXT, "--by", "retrieval")
    assert status == 2 and "does not know 'cartwheel'" in err.splitlines()[-1]


@pytest.mark.slow
def test_labelled_clips_with_open_events_calibrate_every_judge(atom, mock_service, tmp_path):
    service, options = mock_service
    rows = [
        {
            "motion": "right.npy",
            "text": TEXT,
            "task": "temporal",
            "events": [{"action": "jump_up", "count": 2}, {"action": "waves with the left hand"}],
        },
        {
            "motion": "wrong.npy",
            "text": TEXT,
            "task": "temporal",
            "events": [{"action": "wave_left"}, {"action": "jumps", "count": 3}],
        },
        {
            "motion": "right.npy",
            "text": OPEN_TEXT,
            "task": "temporal",
            "events": [{"action": "jump_up", "count": 2}, {"action": "waves with the left hand"}],
        },
    ]
    (tmp_path / "set.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    by = [word for name in ("vision", "auto", "kinematic", "retrieval") for word in ("--by", name)]
    call = ["judge", "calibrate", "-o", tmp_path / "out", "--labelled", tmp_path / "set.jsonl", *by, *options]
    status, _, err = atom(*call)
    assert status == 0, err
    judges = json.loads((tmp_path / "out" / "calibration.json").read_text())["judges"]
    scored = {name: (result["overall"]["n"], result["overall"]["unscored"]) for name, result in judges.items()}
    vision = "atom-mock_service, sheet, events"
    assert scored == {vision: (3, 0), f"auto, {vision}": (3, 0), "kinematic judge": (2, 1), "retrieval judge": (2, 1)}
    assert judges[vision]["overall"]["absolute_error"]["value"] == pytest.approx(0, abs=0.01)
    assert judges["retrieval judge"]["overall"]["missed"]["n"] == 0
    table = pd.read_parquet(tmp_path / "out" / "clips.parquet")
    assert table[table["judge"] == "kinematic judge"]["error"].str.contains("can't see 'do cartwheel'").sum() == 1
    assert service.statistics()["answered"] == 3  # auto asks about one clip, which vision has asked about


def test_two_motions_are_compared_in_both_orders(atom, mock_service, tmp_path):
    service, options = mock_service
    call = ["judge", "compare", tmp_path / "wrong.npy", tmp_path / "right.npy", TEXT, "--task", "temporal", *options]
    status, out, err = atom(*call, "--json")
    assert status == 0, err
    found = json.loads(out)
    assert found["better"] == "second" and [row["better"] for row in found["orders"]] == ["second", "first"]
    assert "better in both orders" in atom(*call)[1] and service.statistics()["answered"] == 2


@pytest.mark.slow
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
    "unknown judge": (
        ["judge", "{}/right.npy", TEXT, "--by", "oracle"],
        ["'oracle'", "kinematic, learned, vision, auto or retrieval"],
    ),
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
    *remarks, line = err.splitlines()
    assert line.startswith("atom: "), err
    assert all(remark.endswith("no frame rate in the file, read at 20 fps") for remark in remarks), err
    assert "sk-proj" not in err
    for word in words:
        assert word in err


def test_a_port_in_use_is_an_error(atom, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        status, _, err = atom("serve-mock", "--store", tmp_path, "--port", taken.getsockname()[1])
    assert status == 2 and "in use" in err and "--port" in err
