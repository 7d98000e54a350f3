"""The pipeline judged by a vision-language model and prompted by a language model, both the double over HTTP."""

import json
import os
import sqlite3
import urllib.request
from pathlib import Path

import pytest
from flow_runs import computed
from prefect.blocks.system import Secret
from pydantic import SecretStr

from atom.config import load_config
from atom.errors import AtomError
from atom.mock_service import FaultRates, MockServiceSettings, MotionIndex, run_in_thread
from flows.services import check_services
from storage import Store

VISION = [
    "judging.judge=vision",
    "judging.vision.model=atom-double",
    "evaluation.judges=[vision, kinematic]",
    "judging.vision.frames.size=64",
    "service.requests_per_minute=60000",
    "evaluation.bootstrap=100",
]
MARKED = "sk-marked-4f1c9a7e2b"


@pytest.fixture
def double(tmp_path):
    """`double(noise=0.1, ...)` starts one that knows the pictures of the test's store."""
    started = []

    def start(**settings):
        faults = {name: settings.pop(name) for name in list(settings) if name in FaultRates.model_fields}
        context = run_in_thread(
            MockServiceSettings(faults=FaultRates(**faults), **settings), MotionIndex(store=Store(str(tmp_path)))
        )
        started.append(context)
        return context.__enter__()

    yield start
    for context in started:
        context.__exit__(None, None, None)


def rows_of(root, table):
    store = Store(str(root))
    return [row for key in store.keys(table) for row in store.read(store.find(table, key)).to_pylist()]


def test_a_run_by_models_pays_once_and_tells_what_it_paid(run, double, tmp_path):
    there = double()
    settings = [
        *VISION,
        f"service.base_url={there.address}",
        "prompts.writer=llm",
        "prompts.llm.model=atom-double",
        "judging.vision.near_ties=1",
        "judging.vision.votes=2",
        "judging.vision.second_model=gpt-4o-mini",
    ]
    record = run(tmp_path, *settings)
    seen = there.statistics()
    assert record["state"] == "completed"
    assert seen["repeated"] == 0 and record["spent"]["tokens"] == seen["tokens"] > 0
    assert record["spent"]["cost"] == pytest.approx((seen["prompt_tokens"] + 4 * seen["completion_tokens"]) / 1e6, 0.5)
    scores = [row for row in rows_of(tmp_path, "scores") if row["judge"] != "kinematic"]
    assert {(row["judge"], row["vote"]) for row in scores} == {
        (judge, vote) for judge in ("vision", "second vision") for vote in (0, 1)
    }
    assert all(json.loads(row["answers"][-1])["choices"] for row in scores)
    kinematic = {row["motion_id"]: row["score"] for row in rows_of(tmp_path, "scores") if row["judge"] == "kinematic"}
    same = [
        row["score"] == pytest.approx(kinematic[row["motion_id"]]) for row in scores if row["motion_id"] in kinematic
    ]
    assert sum(same) > 0.9 * len(same)  # the double says what the kinematic judge sees, in whole frames
    assert all(row["source"] == "atom-double" for row in rows_of(tmp_path, "prompts"))

    again = run(tmp_path, *settings)
    assert computed(again) == {} and there.statistics()["requests"] == seen["requests"]

    lost = Store(str(tmp_path))
    key = next(stage["key"] for stage in record["stages"] if stage["name"] == "scores")
    Path(lost.path(lost.find("scores", key), "part-00000.parquet")).unlink()
    mended = run(tmp_path, *settings)
    assert computed(mended)["scores"] == 1 and there.statistics()["requests"] == seen["requests"]

    rated = run(tmp_path, *settings, "judging.vision.question=rating")
    assert not {"motions", "pictures", "prompts"} & set(computed(rated)) and "scores" in computed(rated)


def test_a_batch_run_scores_the_same(run, double, tmp_path, monkeypatch):
    monkeypatch.setattr("atom.llm_client.batch.FLUSH_DELAY", 0.1)
    there = double()
    record = run(
        tmp_path, *VISION, f"service.base_url={there.address}", "service.mode=batch", "service.poll_seconds=0.1"
    )
    seen = there.statistics()
    assert record["state"] == "completed" and seen["requests"] == 0
    answers = [row["answers"][0] for row in rows_of(tmp_path, "scores") if row["judge"] == "vision"]
    # Where tuning left a motion as it was, its pictures and its question are the same: not asked again.
    assert seen["answered_in_batches"] == len(set(answers)) <= len(answers)


def test_what_gets_no_score_is_counted_and_too_much_of_it_stops_the_run(run, double, tmp_path):
    there = double(refusal=1.0)
    settings = [*VISION, f"service.base_url={there.address}"]
    with pytest.raises(AtomError, match=r"have no score.*refused.*judging\.vision\.attempt=1"):
        run(tmp_path, *settings)
    rows = rows_of(tmp_path, "scores")
    assert rows and all(row["error"].startswith("refused") and row["score"] is None for row in rows)
    assert all(len(row["answers"]) == 2 for row in rows)


def test_the_budget_ends_a_run_and_a_larger_one_goes_on(run, double, tmp_path):
    there = double()
    settings = [*VISION, f"service.base_url={there.address}"]
    # One request at a time: a reservation is the largest answer so far, which larger ones in flight could pass.
    alone = ["service.concurrency=1", "resources.workers=1"]
    with pytest.raises(AtomError, match="budget") as caught:
        run(tmp_path, *settings, *alone, "service.budget_tokens=9000")
    assert "Traceback" not in str(caught.value)
    before = there.statistics()
    assert 0 < before["tokens"] <= 9000
    record = run(tmp_path, *settings, "service.budget_tokens=9000000", until="scores")
    after = there.statistics()
    assert record["state"] == "completed" and after["repeated"] == 0 and after["tokens"] > before["tokens"]


def files_with(secret, *folders):
    found = []
    for folder in folders:
        for path in Path(folder).rglob("*"):
            if path.is_file() and secret.encode() in path.read_bytes():
                found.append(str(path))
    return found


def test_the_key_is_nowhere_but_in_the_environment(run, double, server, tmp_path, monkeypatch, capfd, caplog):
    from prefect.settings import PREFECT_HOME

    there = double(key=SecretStr(MARKED))
    monkeypatch.setenv("ATOM_TEST_KEY", MARKED)
    settings = [*VISION, f"service.base_url={there.address}", "service.key_variable=ATOM_TEST_KEY"]
    assert run(tmp_path, *settings)["state"] == "completed"
    assert there.statistics()["requests"] > 0  # so the key was used
    wrong = MARKED + "-wrong"  # the double repeats it in its answer
    monkeypatch.setenv("ATOM_TEST_KEY", wrong)
    with pytest.raises(AtomError, match="401") as caught:
        run(tmp_path, *settings, "judging.vision.refresh=1")
    assert MARKED not in repr(caught.getrepr(chain=True))
    said = capfd.readouterr()
    assert MARKED not in said.out + said.err + caplog.text
    database = sqlite3.connect(tmp_path / "journal" / "answers.sqlite")
    assert MARKED not in "".join(database.iterdump())
    assert files_with(MARKED, tmp_path, PREFECT_HOME.value()) == []
    assert_not_told_by_the_server(server)


def assert_not_told_by_the_server(server):
    """What the UI shows comes from these."""
    for what in ("flow_runs", "task_runs", "logs", "artifacts"):
        offset = 0
        while True:
            body = json.dumps({"limit": 200, "offset": offset}).encode()
            request = urllib.request.Request(f"{server}/{what}/filter", body, {"Content-Type": "application/json"})
            told = urllib.request.urlopen(request).read()
            assert MARKED.encode() not in told, what
            if len(json.loads(told)) < 200:
                break
            offset += 200


def test_the_key_may_be_a_secret_block(run, double, server, tmp_path, monkeypatch):
    there = double(key=SecretStr(MARKED))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    Secret(value=MARKED).save("atom-test-key", overwrite=True)
    settings = [*VISION, f"service.base_url={there.address}"]
    record = run(tmp_path, *settings, "service.key_block=atom-test-key", until="scores")
    assert record["state"] == "completed" and there.statistics()["requests"] > 0
    with pytest.raises(AtomError, match="no Prefect Secret block 'none-such'"):
        run(tmp_path, *settings, "service.key_block=none-such")
    assert files_with(MARKED, tmp_path) == [] and "OPENAI_API_KEY" not in os.environ


def test_what_a_person_should_know_is_said_before_anything_is_asked(tmp_path):
    (tmp_path / "seeds.txt").write_text("a person jumps twice\na person drinks tea\n")
    config = load_config(
        overrides=[
            "prompts.writer=llm",
            "prompts.llm.model=unheard-of",
            "service.base_url=http://127.0.0.1:9/v1",
            f"prompts.seeds={tmp_path / 'seeds.txt'}",
        ]
    )
    price, seeds = check_services(config, Store(str(tmp_path)))
    assert "no price is known for unheard-of" in price
    assert "1 of 2 seed texts hold known actions, 1 hold open ones (used too)" in seeds and "'drink tea' (1)" in seeds


def test_on_policy_tuning_by_what_was_learned_from_a_vision_judge_asks_it_nothing_more(run, double, tmp_path):
    there = double()
    settings = [*VISION, f"service.base_url={there.address}", "evaluation.metrics=null"]
    assert run(tmp_path, *settings, until="tuning")["state"] == "completed"
    paid = there.statistics()["requests"]
    assert paid > 0
    record = run(
        tmp_path,
        *settings,
        "on_policy.steps=2",
        "on_policy.prompts=4",
        "on_policy.num_generations=2",
        "on_policy.reward=model",
        "reward_model.num_train_epochs=1",
        "evaluation.judges=[kinematic]",
    )
    assert record["state"] == "completed" and "reward model" in {stage["name"] for stage in record["stages"]}
    assert there.statistics()["requests"] == paid


def test_mistakes_are_said_before_anything_is_made(run, tmp_path):
    with pytest.raises(AtomError, match="there is no key"):
        run(tmp_path, *VISION)
    with pytest.raises(AtomError, match=r"on_policy\.reward=model.* or on_policy\.steps=0"):
        run(tmp_path, *VISION, "on_policy.steps=3")
    assert not (tmp_path / "prompts").exists()
