"""What a stage does with its shards, without a server: which are retried, what the record keeps, and what it alerts."""

from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from atom.config import load_config
from atom.errors import AtomError
from flows import progress, stage_runner
from flows.progress import CountedProgress, Progress
from flows.stage_runner import StageLimitReached, StageRunner, resume_instructions
from flows.stages.shard import ShardResult, compute_or_reuse, requires_resource
from storage import PROMPTS, Recipe, Store, StoreError


class InlineShards:
    """Stands for the Prefect task: runs each shard at once and keeps how it was submitted."""

    def __init__(self):
        self.options, self.submitted = [], []

    def with_options(self, **options):
        self.options.append(options)
        return self

    def submit(self, stage, number, threads, work, *arguments):
        self.submitted.append((stage, number, threads))
        return SimpleNamespace(result=lambda: work(*arguments))


@pytest.fixture
def prefect(monkeypatch):
    """Prefect's part, replaced: shards run at once; events, warnings and artifacts are kept."""
    parts = SimpleNamespace(shard=InlineShards(), emit_event=Mock(), create_markdown_artifact=Mock(), logger=Mock())
    for name in ("shard", "emit_event", "create_markdown_artifact"):
        monkeypatch.setattr(stage_runner, name, getattr(parts, name))
    monkeypatch.setattr(stage_runner, "Progress", Mock())
    monkeypatch.setattr(stage_runner, "StageTable", Mock())
    monkeypatch.setattr(stage_runner, "flow_run", SimpleNamespace(id="flow"))
    monkeypatch.setattr(stage_runner, "get_run_logger", lambda: parts.logger)
    return parts


@pytest.fixture
def run(tmp_path, prefect):
    """`run("resources.retries=1", until="scores")` gives a runner on an empty store."""

    def start(*overrides, until=None):
        return StageRunner(load_config(overrides=overrides), str(tmp_path), Store(str(tmp_path)), until)

    return start


def prompt_row(number):
    return {
        "prompt_id": f"p{number}", "text": "a person bows", "task": "integrity", "events": [], "split": "train",
        "source": "grammar", "seed": 0, "rejected": None, "answer": None,
    }  # fmt: skip


def make(root, number, rows=1, reused=False, **stats):
    """A shard with so many rows."""
    recipe = Recipe("prompts", 1, PROMPTS, config=number)
    with Store(root).write(recipe) as writer:
        writer.rows([prompt_row(row) for row in range(rows)])
        writer.stats = stats
    return ShardResult(ref=writer.ref.to_dict(), reused=reused, seconds=0.0)


def fail(error):
    raise error


def test_the_record_adds_up_what_the_shards_did(run, tmp_path, prefect):
    runner = run("resources.retries=4", "resources.threads=3")
    jobs = [
        (make, str(tmp_path), 0, 2, False),
        (lambda: make(str(tmp_path), 1, 3, True, quarantined=2, tokens=50, cost=0.25),),
        (lambda: make(str(tmp_path), 2, 4, True, quarantined=1, tokens=30, cost=0.5),),
    ]
    refs = runner.stage("round 2", jobs)
    assert [ref.rows for ref in refs] == [2, 3, 4]
    (entry,) = runner.record["stages"]
    expected = {
        "name": "round 2", "stored": "prompts", "keys": [ref.key for ref in refs], "key": refs[0].key, "shards": 3,
        "reused": 2, "failed": 0, "failures": [], "rows": 9, "quarantined": 3, "tokens": 80, "cost": 0.75,
    }  # fmt: skip
    assert {name: entry[name] for name in expected} == expected and entry["seconds"] >= 0
    assert prefect.shard.options == [{"retries": 4}]
    assert prefect.shard.submitted == [("round 2", number, 3) for number in range(3)]
    saved = Store(str(tmp_path)).run(runner.run_id)
    assert saved["stages"] == runner.record["stages"] and saved["state"] == "running"


def test_a_cost_that_is_not_known_is_not_zero(run, tmp_path):
    runner = run()
    runner.stage("prompts", [(lambda: make(str(tmp_path), 0, cost=None, tokens=5),), (make, str(tmp_path), 1)])
    assert runner.record["stages"][0]["cost"] is None and runner.record["stages"][0]["tokens"] == 5


def test_all_shards_run_and_one_error_names_those_that_failed_by_reason(run, tmp_path, prefect):
    runner = run(until="prompts")
    bad = AtomError("the judge\n is out")
    jobs = [(fail, bad), (make, str(tmp_path), 1, 5), (fail, ZeroDivisionError("by zero")), (fail, bad)]
    with pytest.raises(AtomError) as caught:
        runner.stage("prompts", jobs)
    assert str(caught.value) == (
        "3 of 4 shards failed; run again to compute only these: prompts 0, 3: the judge is out; prompts 2: "
        "ZeroDivisionError: by zero"
    )
    (entry,) = runner.record["stages"]
    assert (entry["shards"], entry["failed"], entry["rows"], len(entry["keys"])) == (4, 3, 5, 1)
    assert entry["failures"] == [
        {"shards": [0, 3], "why": "the judge is out"},
        {"shards": [2], "why": "ZeroDivisionError: by zero"},
    ]
    ((text,), about) = prefect.create_markdown_artifact.call_args
    assert text == resume_instructions(runner.run_id, str(tmp_path), "prompts", {
        "the judge is out": [0, 3], "ZeroDivisionError: by zero": [2],
    })  # fmt: skip
    assert about["key"] == "failed"
    runner.stage("prompts", [(make, str(tmp_path), 2)])  # the stage that failed was not the end of the run
    with pytest.raises(StageLimitReached):
        runner.stage("motions", [])


def test_the_commands_that_resume_name_the_run_and_its_store():
    text = resume_instructions("20260101-run", "s3://b/store", "scores", {"a|b *c*": [1, 3]})
    assert "| shards of scores | why |\n|---|---|\n| 1, 3 | a\\|b \\*c\\* |\n" in text
    assert "    atom run --resume 20260101-run --store s3://b/store\n" in text
    assert text.endswith("    prefect deployment run resume/resume -p run_id=20260101-run -p store=s3://b/store")


def test_a_long_reason_is_cut():
    assert stage_runner._reason(AtomError("x" * 400)) == "x" * 300


def test_the_run_ends_after_the_stage_that_is_named(run, tmp_path):
    runner = run(until="prompts")
    runner.stage("motions", [(make, str(tmp_path), 0)])
    runner.stage("prompts", [(make, str(tmp_path), 1)])
    with pytest.raises(StageLimitReached):
        runner.stage("scores", [(make, str(tmp_path), 2)])
    runner.end_stage("tuning")
    with pytest.raises(StageLimitReached):
        runner.stage("scores", [(make, str(tmp_path), 2)])
    assert [stage["name"] for stage in runner.record["stages"]] == ["motions", "prompts"]
    assert runner.record["until"] == "prompts"


@pytest.mark.parametrize(
    ("error", "retried"),
    [(AtomError("bad config"), False), (StoreError("disk full"), False), (RuntimeError("lost"), True)],
)
def test_what_must_be_fixed_first_is_not_tried_again(error, retried):
    state = SimpleNamespace(result=lambda raise_on_failure: error)
    assert stage_runner._is_worth_retrying(None, None, state) is retried


@pytest.mark.parametrize(
    ("rows", "stats", "alerts"),
    [
        (20, {"quarantined": 1}, []),  # 5 %, which is the limit
        (20, {"quarantined": 2}, [("quarantined", 0.1, 0.05)]),
        (0, {"quarantined": 1}, [("quarantined", 1.0, 0.05)]),
        (20, {"cost": 2.0}, []),
        (20, {"cost": 2.5}, [("dollars", 2.5, 2.0)]),
        (20, {"cost": None}, []),
    ],
)
def test_a_limit_that_is_passed_alerts_and_one_that_is_reached_does_not(run, tmp_path, prefect, rows, stats, alerts):
    runner = run("gates.alert_quarantined=0.05", "gates.alert_dollars=2")
    runner.stage("scores", [(lambda: make(str(tmp_path), 0, rows, **stats),)])
    found = [call.kwargs["payload"] for call in prefect.emit_event.call_args_list]
    assert found == [{"stage": "scores", "what": name, "value": v, "limit": limit} for name, v, limit in alerts]
    assert prefect.logger.warning.call_count == len(alerts)
    for call in prefect.emit_event.call_args_list:
        assert call.kwargs["resource"] == {"prefect.resource.id": "prefect.flow-run.flow", "atom.run": runner.run_id}


def test_costs_alert_only_where_a_limit_is_set(run, tmp_path, prefect):
    run().stage("scores", [(lambda: make(str(tmp_path), 0, cost=1e6),)])
    assert not prefect.emit_event.called


def test_gpu_work_goes_to_gpus_and_requests_stay_in_this_process(monkeypatch):
    monkeypatch.setattr(stage_runner, "gpu_tasks", lambda resources: "gpu")
    monkeypatch.setattr(stage_runner, "local_runner", lambda resources: "here")
    marked = {name: requires_resource(name)(lambda: None) for name in ("gpu", "service")}
    assert stage_runner._task_runner_for(None, [(marked["gpu"],), (len,)]) == "gpu"
    assert stage_runner._task_runner_for(None, [(marked["service"], 1)]) == "here"
    for jobs in ([(len,)], []):
        assert stage_runner._task_runner_for(None, jobs) not in ("gpu", "here")


def test_the_id_of_a_run_ends_with_its_name_and_sorts_by_time(run):
    runner = run("name=my run")
    assert runner.run_id.endswith("-my-run") and runner.record["run_id"] == runner.run_id
    date, clock, milliseconds = runner.run_id.split("-")[:3]
    assert (len(date), len(clock), len(milliseconds)) == (8, 6, 3)


def test_the_task_says_whether_its_shard_was_reused(monkeypatch):
    monkeypatch.setattr(stage_runner, "get_run_logger", Mock())
    ref = {"stage": "prompts", "key": "0" * 64, "rows": 2}
    for reused, name in ((True, "Reused"), (False, "Completed")):
        result = ShardResult(ref=ref, reused=reused, seconds=0.5)
        state = stage_runner.shard.fn("prompts", 0, 1, lambda result: result, result)
        assert (state.name, state.data) == (name, result)


# One shard: look up, claim, look up again, compute.


def test_what_another_process_committed_before_the_claim_is_not_computed_again(tmp_path, monkeypatch):
    store, recipe = Store(str(tmp_path)), Recipe("prompts", 1, PROMPTS, config=0)
    claim = Store.claim

    def claim_late(self, stage, key):
        make(str(tmp_path), 0, rows=2)  # whoever held the claim commits and lets go
        return claim(self, stage, key)

    monkeypatch.setattr(Store, "claim", claim_late)
    compute = Mock()
    result = compute_or_reuse(store, recipe, compute)
    assert result.reused and result.artifact.rows == 2 and not compute.called


def test_an_artifact_is_computed_under_its_claim_and_found_without_one(tmp_path, monkeypatch):
    store, recipe = Store(str(tmp_path)), Recipe("prompts", 1, PROMPTS, config=0)
    claims = []
    claim = Store.claim
    monkeypatch.setattr(Store, "claim", lambda self, *names: claims.append(names) or claim(self, *names))
    first = compute_or_reuse(store, recipe, lambda writer: writer.rows([prompt_row(0)]))
    again = compute_or_reuse(store, recipe, fail)
    assert (first.reused, again.reused) == (False, True) and first.artifact == again.artifact
    assert claims == [("prompts", recipe.key)]


def test_a_shard_that_fails_commits_nothing_and_leaves_no_claim(tmp_path):
    store, recipe = Store(str(tmp_path)), Recipe("prompts", 1, PROMPTS, config=0)
    with pytest.raises(ZeroDivisionError):
        compute_or_reuse(store, recipe, lambda writer: fail(ZeroDivisionError()))
    assert store.find("prompts", recipe.key) is None
    assert not compute_or_reuse(store, recipe, lambda writer: writer.rows([prompt_row(0)])).reused


# Progress.


@pytest.fixture
def shown(monkeypatch):
    """The per cent that the UI is given."""
    import uuid

    kept = []
    monkeypatch.setattr(progress, "create_progress_artifact", lambda progress, description: uuid.uuid4())
    monkeypatch.setattr(
        progress, "update_progress_artifact", lambda artifact, progress, description: kept.append(progress)
    )
    return kept


def test_the_ui_is_told_in_steps_of_five_per_cent_and_at_the_end(shown):
    heard = []
    with progress.progress_listener(lambda *news: heard.append(news)):
        bar = Progress("motions", 200)
        for done in (9, 10, 19, 20, 199, 200, 200):
            bar.update(done, "note")
    assert shown == [5.0, 10.0, 99.5, 100.0]
    assert heard[0] == ("motions", 0, 200, "") and heard[-1] == ("motions", 200, 200, "note") and len(heard) == 8
    Progress("after", 1)
    assert len(heard) == 8, "nobody listens any more"


def test_a_count_appears_once_its_total_is_known(shown):
    counted = CountedProgress("captions read")
    counted.show()
    assert shown == []
    counted.count(1, 4)
    counted.show()
    counted.one_more()
    counted.show()
    assert shown == [25.0, 50.0]
