"""Shards that fail and processes that are killed: what was finished is never done again."""

import json
import random
import re
import signal
from pathlib import Path

import pytest
from flow_runs import SMALL, computed

from atom.errors import AtomError
from flows.stages import scores as scores_stage
from storage import Store

EIGHT = ["prompts.train_per_task=8", "prompts_per_shard=3", "generation.candidates=2"]  # shards


@pytest.fixture
def two_fail_once(monkeypatch):
    """Makes two shards of the first scores stage fail once, the second and the sixth begun; gives all attempts."""
    attempts: dict[str, int] = {}
    score = scores_stage.make_scores

    def failing(root, config, prompts, motions, judge):
        attempts[motions.key] = attempts.get(motions.key, 0) + 1
        if attempts[motions.key] == 1 and list(attempts).index(motions.key) in (1, 5):
            raise RuntimeError("the disk had a bad moment")
        return score(root, config, prompts, motions, judge)

    monkeypatch.setattr(scores_stage, "make_scores", failing)
    return attempts


@pytest.mark.slow
def test_a_retry_executes_exactly_the_shards_that_failed(tmp_path, run, two_fail_once):
    record = run(tmp_path, *EIGHT, "resources.retries=1", until="scores")
    scores = next(stage for stage in record["stages"] if stage["name"] == "scores")
    assert (scores["shards"], scores["reused"], scores["failed"]) == (8, 0, 0)
    assert sorted(two_fail_once[key] for key in list(two_fail_once)[:8]) == [1] * 6 + [2] * 2


@pytest.mark.slow
def test_a_new_run_executes_exactly_the_shards_that_failed(tmp_path, run, two_fail_once):
    with pytest.raises(AtomError, match=r"2 of 8 shards failed.*run again.*scores \d+, \d+: .*bad moment"):
        run(tmp_path, *EIGHT, "resources.retries=0", until="scores")
    failed = Store(str(tmp_path)).run("latest")
    assert failed["state"] == "failed" and "2 of 8" in failed["error"]
    record = run(tmp_path, *EIGHT, "resources.retries=0", until="scores")
    assert record["state"] == "completed"
    assert computed(record)["scores"] == 2
    assert not {"prompts", "motions"} & computed(record).keys()


def _committed(root: Path) -> dict[Path, str]:
    """What was computed so far: each manifest and when it was written."""
    return {path: json.loads(path.read_text())["created_at"] for path in root.glob("*/*/_manifest.json")}


@pytest.mark.slow
def test_after_kill_9_in_any_stage_a_new_run_does_only_what_was_unfinished(tmp_path, start_run):
    settings = [*SMALL, "prompts_per_shard=2", "tuning.max_steps=70", "tuning.num_train_epochs=200"]
    settings += [
        "rendering.preview_prompts=1",
        "on_policy.steps=25",
        "on_policy.prompts=4",
        "on_policy.num_generations=2",
    ]
    finished: dict[Path, str] = {}
    stages_in_turn = ("motions", "clips", "scores", "steps of tuning", "on-policy steps", "test motions tuned")
    for stage in (*stages_in_turn, "test scores tuned learned", "evaluation"):
        process = start_run(tmp_path, settings)
        wanted = {"steps of tuning": 30, "on-policy steps": 12, "evaluation": 0}.get(stage, random.choice([0, 1]))
        seen = []
        for line in process.stderr:
            seen.append(line)
            if (found := re.match(rf"{stage} +(\d+)/", line)) and int(found[1]) >= wanted:
                process.kill()
                break
        assert process.wait() == -signal.SIGKILL, f"never came to {stage}: {''.join(seen)[-2000:]}"
        assert {path: _committed(tmp_path)[path] for path in finished} == finished
        finished = _committed(tmp_path)
    process = start_run(tmp_path, settings)
    said = process.stderr.read()
    assert process.wait() == 0, said[-2000:]
    assert {path: _committed(tmp_path)[path] for path in finished} == finished
    assert not list(tmp_path.glob("adapter/.unfinished/scratch-*"))


@pytest.mark.slow
@pytest.mark.parametrize(("steps_of", "kept"), [("steps of tuning", 25), ("on-policy steps", 20)])
def test_a_tuning_that_was_killed_goes_on_from_its_checkpoint(tmp_path, start_run, steps_of, kept):
    settings = [*SMALL, "tuning.max_steps=60", "tuning.num_train_epochs=200"]
    settings += ["on_policy.steps=40", "on_policy.prompts=4", "on_policy.num_generations=2"]
    process = start_run(tmp_path, settings)
    for line in process.stderr:
        if (found := re.match(rf"{steps_of} +(\d+)/", line)) and int(found[1]) >= kept + 4:
            process.kill()
            break
    assert process.wait() == -signal.SIGKILL
    process = start_run(tmp_path, settings)
    said = process.stderr.read()
    assert process.wait() == 0, said[-2000:]
    steps = [int(found[1]) for found in re.finditer(rf"{steps_of} +(\d+)/", said)]
    assert steps[1] > kept, "0 is told when it starts, the next is the step after the checkpoint"
    rows = {stage["name"]: stage["rows"] for stage in Store(str(tmp_path)).run("latest")["stages"]}
    assert (rows["adapter"], rows["on-policy adapter"]) == (60, 40)
