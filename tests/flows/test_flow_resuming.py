"""Runs that end early, fail, crash, and are taken up again; and pairs that grow from day to day."""

import os
import signal
import socket
import subprocess
import sys
import time
from datetime import date

import pytest
from flow_runs import SMALL, computed
from prefect.client.orchestration import get_client
from prefect.client.schemas.sorting import TaskRunSort

from atom.config import load_config
from atom.errors import AtomError
from flows.commands import state_of
from flows.pipeline import align
from flows.scheduled import grow, resume
from flows.stages import scores as scores_stage
from storage import Store


@pytest.mark.slow
def test_a_run_ends_after_the_stage_it_is_asked_for_and_goes_on_from_there(tmp_path, run, server):
    config = load_config(overrides=SMALL)
    first = align(config, str(tmp_path), "scores")
    assert [stage["name"] for stage in first["stages"]] == ["prompts", "motions", "clips", "scores"]
    assert (first["state"], first["until"]) == ("completed", "scores") and "report" not in first
    tuned = align(config, str(tmp_path), "tuning")
    assert computed(tuned) == {"preferences": 1, "adapter": 1}
    assert "pairs of" in (tmp_path / "runs" / tuned["run_id"] / "report.html").read_text()
    last = align(config, str(tmp_path), "evaluation")
    assert last["evaluation"]["kinematic"]["overall"]["n"] == 9
    pairs = align(config, str(tmp_path), "preferences")
    assert pairs["preferences"]["pairs"] > 0 and "adapter" not in [stage["name"] for stage in pairs["stages"]]
    assert computed(run(tmp_path)).keys() & {"prompts", "motions", "scores", "preferences", "adapter"} == set()


@pytest.mark.slow
def test_twenty_shards_of_which_two_fail_once(tmp_path, server, monkeypatch, atom):
    """The failed ones are named with their reason and the command; taken up again, exactly these are computed."""
    real, failing = scores_stage.make_scores, {3, 11}
    calls = []

    def scores(root, config, prompts, motions, judge="kinematic"):
        calls.append(motions.key)
        if len(calls) <= 20 and failing and len(calls) - 1 in failing:
            raise OSError(f"the disk of shard {len(calls) - 1} went away")
        return real(root, config, prompts, motions, judge)

    monkeypatch.setattr(scores_stage, "make_scores", scores)
    settings = [
        *SMALL,
        "prompts.train_per_task=20",
        "prompts_per_shard=3",
        "resources.retries=0",
        "resources.workers=1",
    ]
    with pytest.raises(AtomError, match="2 of 20 shards failed") as caught:
        align(load_config(overrides=settings), str(tmp_path), "scores")
    assert "went away" in str(caught.value)
    record = Store(str(tmp_path)).run("latest")
    (stage,) = (stage for stage in record["stages"] if stage["name"] == "scores")
    assert stage["failed"] == 2 and sum(len(failure["shards"]) for failure in stage["failures"]) == 2
    status, said, _ = atom("runs", "show", "--store", tmp_path)
    assert status == 0 and "went away" in said and f"atom run --resume {record['run_id']}" in said.replace("\n", " ")

    again = resume(record["run_id"], str(tmp_path))
    assert computed(again) == {"scores": 2} and again["until"] == "scores"
    with get_client(sync_client=True) as client:
        newest = client.read_task_runs(sort=TaskRunSort.EXPECTED_START_TIME_DESC, limit=20)
    states = [run.state.name for run in newest]
    assert (states.count("Reused"), states.count("Completed")) == (18, 2)


@pytest.mark.slow
def test_every_day_brings_new_prompts_and_all_of_them_can_be_tuned_on(tmp_path, server):
    nightly = load_config(overrides=[*SMALL, "name=nightly"])
    days = [grow(nightly, str(tmp_path), date(2026, 11, day)) for day in (22, 23)]
    again = grow(nightly, str(tmp_path), date(2026, 11, 23))
    assert computed(again) == {}
    store = Store(str(tmp_path))
    (one, other) = ({row["prompt_id"] for row in rows(store, day, "prompts")} for day in days)
    assert not one & other
    weekly = align(load_config(overrides=[*SMALL, "name=weekly", "external.runs=[nightly]"]), str(tmp_path), "tuning")
    gathered = rows(store, weekly, "preferences")
    each = [row for day in days for row in rows(store, day, "preferences")]
    assert len(gathered) == len(each) > 0
    assert {row["chosen_motion_id"] for row in gathered} == {row["chosen_motion_id"] for row in each}
    with pytest.raises(AtomError, match="no finished run in the store is named monthly"):
        align(load_config(overrides=[*SMALL, "external.runs=[monthly]"]), str(tmp_path), "tuning")


def rows(store, record, name):
    (stage,) = (stage for stage in record["stages"] if stage["name"] == name)
    return [row for key in stage["keys"] for row in store.read(store.find(name, key)).to_pylist()]


def test_a_run_whose_process_is_gone_counts_as_crashed():
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    here = {"host": socket.gethostname(), "pid": os.getpid()}
    assert state_of({"state": "running", "process": here}) == "running"
    assert state_of({"state": "running", "process": here | {"pid": gone.pid}}) == "crashed"
    assert state_of({"state": "running", "process": here | {"host": "elsewhere", "pid": gone.pid}}) == "running"
    assert state_of({"state": "completed", "process": here | {"pid": gone.pid}}) == "completed"


@pytest.mark.slow
def test_a_killed_run_is_listed_as_crashed_and_taken_up_again(tmp_path, start_run, atom):
    process = start_run(tmp_path, [*SMALL, "prompts_per_shard=1"])
    deadline = time.monotonic() + 120
    while len(list(tmp_path.glob("motions/*/_manifest.json"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    made = len(list(tmp_path.glob("motions/*/_manifest.json")))
    assert made >= 3
    _, said, _ = atom("runs", "list", "--store", tmp_path)
    assert "crashed" in said
    again = resume("latest", str(tmp_path))
    motions = next(stage for stage in again["stages"] if stage["name"] == "motions")
    assert again["state"] == "completed" and motions["reused"] >= made
    status, _, complaint = atom("run", "--store", tmp_path, "--resume", again["run_id"])
    assert status == 2 and "is completed" in complaint
