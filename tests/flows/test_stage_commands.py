"""`atom run` and `atom runs` without a run: which config is taken up again, and how results read in the terminal."""

import os
import socket

import pytest

from atom.config import load_config
from atom.errors import AtomError
from flows import commands
from storage import Store


@pytest.fixture
def store(tmp_path):
    store = Store(str(tmp_path))
    config = load_config(overrides=["name=mine", "seed=3"]).model_dump(mode="json")
    for name, state, until in (("r1", "failed", "scores"), ("r2", "completed", None)):
        record = {"config": config, "state": state, "until": until, "stages": []}
        store.save_run(name, record | {"created_at": f"2026-01-0{name[1]}T00:00:00.000+00:00"})
    return store


def test_a_resumed_run_takes_its_own_config_and_last_stage(store):
    config, until = commands._settings(None, [], store.root, "r1", None)
    assert (config.name, config.seed, until) == ("mine", 3, "scores")
    config, until = commands._settings(None, ["seed=9"], store.root, None, "motions")
    assert (config.seed, until) == (9, "motions")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("r2", None, []), "run r2 is completed: there is nothing to resume"),
        (("latest", None, []), "run r2 is completed"),
        (("r1", "scores", []), "leave --config, --set and --until out"),
        (("r1", None, ["seed=1"]), "leave --config, --set and --until out"),
    ],
)
def test_what_can_not_be_resumed_says_why(store, arguments, reason):
    resume, until, overrides = arguments
    with pytest.raises(AtomError, match=reason):
        commands._settings(None, overrides, store.root, resume, until)


def test_a_running_run_whose_process_is_gone_has_crashed():
    here = {"host": socket.gethostname(), "pid": os.getpid()}
    assert commands.state_of({"state": "running", "process": here}) == "running"
    assert commands.state_of({"state": "running", "process": here | {"pid": 2**22 + 5}}) == "crashed"
    assert commands.state_of({"state": "running", "process": {"host": "elsewhere", "pid": 1}}) == "running"
    assert commands.state_of({"state": "failed", "process": here | {"pid": 2**22 + 5}}) == "failed"


@pytest.mark.parametrize(
    ("low", "high", "verdict", "text"),
    [
        (0.1, 0.25, "better", "+0.100 to +0.250"),
        (-0.1, 0.0, "within noise", "-0.100 to +0.000"),
        (0.1, 0.2, "too few prompts", "too few prompts"),
        (None, None, "within noise", ""),
    ],
)
def test_an_interval_reads_with_its_signs(low, high, verdict, text):
    assert commands._interval({"gain_low": low, "gain_high": high, "verdict": verdict}) == text


def test_a_run_is_printed_with_its_stages_failures_and_how_to_go_on(store, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    stage = {"name": "scores", "shards": 4, "reused": 1, "rows": 12, "seconds": 1.5, "quarantined": 0, "tokens": 70}
    record = store.run("r1") | {
        "stages": [stage | {"cost": None, "failures": [{"shards": [1, 3], "why": "the judge is out"}]}],
        "error": "AtomError: 2 of 4 shards failed",
        "preferences": {"pairs": 6, "prompts": 4, "of_prompts": 9, "tasks": [{"pairs": 6, "task": "temporal"}]},
        "spent": {"cost": 0.25, "tokens": 1234},
    }
    commands._print(record, "place")
    said = capsys.readouterr().out
    header, row = said.splitlines()[:2]
    assert header.split() == ["stage", "shards", "reused", "rows", "seconds", "tokens"]
    assert row.split() == ["scores", "4", "1", "12", "1.5", "70"]
    assert "preferences: 6 pairs of 4 of 9 prompts (6 temporal)" in said and "most prompts gave no pair" in said
    assert "spent by runs named 'mine': $0.2500, 1,234 tokens" in said
    assert "failed AtomError: 2 of 4 shards failed" in said and "scores 1, 3: the judge is out" in said
    assert "compute what is missing: atom run --resume r1 --store place" in said
    record["preferences"]["of_prompts"] = 8
    commands._print(record | {"state": "completed", "report": "here.html"}, "place")
    said = capsys.readouterr().out
    assert "most prompts gave no pair" not in said and "report: here.html" in said and "resume" not in said
