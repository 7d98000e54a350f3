"""`atom run --check` describes the inputs, names the missing ones and starts nothing."""

import json

import numpy as np
import pytest

from atom.config import load_config
from atom.corpus.composition import make_motion
from atom.events import Event
from atom.planning.plan import make_plan

SMALL = (
    "prompts.train_per_task=4",
    "prompts.test_per_task=3",
    "rounds=1",
    "on_policy.steps=0",
    "evaluation.baselines=[]",
)


@pytest.fixture(scope="module")
def external_motions(tmp_path_factory):
    """Two motions of a generator without a codebook."""
    folder = tmp_path_factory.mktemp("motions")
    rows = []
    for number in range(2):
        np.save(folder / f"{number}.npy", make_motion((Event("jump_up", 2),), np.random.default_rng(number)).joints)
        rows.append({"text": "a person jumps twice", "file": f"{number}.npy"})
    (folder / "index.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def plan_of(*overrides):
    return make_plan(load_config(overrides=[*SMALL, *overrides]))


def test_the_default_run_lacks_nothing_and_every_estimate_says_how_it_was_found():
    plan = plan_of()
    assert plan.problems == []
    assert [what for what, _ in plan.found] == ["generator", "evaluation.metrics"]
    estimates = {estimate.name: estimate for estimate in plan.estimates}
    assert estimates.keys() == {"size of the run", "generation time", "tuning time", "device memory", "disk"}
    assert all(estimate.basis for estimate in plan.estimates)
    assert "21 prompts, 372 motions" in estimates["size of the run"].amount


def test_all_that_is_missing_is_named_at_once(tmp_path):
    (tmp_path / "labels.jsonl").write_text("{broken\n")
    plan = plan_of(
        f"generation.checkpoint={tmp_path}",
        f"external.preferences={tmp_path / 'labels.jsonl'}",
        f"evaluation.metrics.dataset={tmp_path}",
        f"evaluation.metrics.evaluator={tmp_path / 'finest.tar'}",
        f"evaluation.metrics.words={tmp_path}",
    )
    places = [problem.split(": ")[0] for problem in plan.problems]
    assert places == ["generator", "external.preferences", "evaluation.metrics", "evaluation.metrics.dataset"]
    assert not any("\n" in problem for problem in plan.problems)
    assert {estimate.name for estimate in plan.estimates} == {"size of the run", "disk"}


def test_external_motions_are_counted_and_tuned_on_only_with_tokens(external_motions):
    plan = plan_of(f"external.candidates={external_motions}")
    assert plan.problems == [] and ("external.candidates", "2 motions, 0 set aside") in plan.found
    assert "generator" not in dict(plan.found)
    (problem,) = plan_of(f"external.candidates={external_motions}", "external.tune=true").problems
    assert "no codebook tokens" in problem


def test_the_command_ends_with_status_2_when_something_is_missing(atom, tmp_path):
    settings = [argument for override in SMALL for argument in ("--set", override)]
    status, said, _ = atom("run", "--check", "--store", tmp_path / "store", *settings)
    assert status == 0 and "generation time" in said
    status, said, complaint = atom(
        "run", "--check", "--store", tmp_path / "store", *settings, "--set", "generation.checkpoint=nowhere"
    )
    assert status == 2 and "'nowhere' is no generator checkpoint" in said
    assert complaint.strip().splitlines()[-1] == "atom: the run can't start: 1 problem(s), each in a line above"
    assert not (tmp_path / "store/runs").exists()


def test_validation_prompts_that_can_not_be_written_are_a_problem_before_the_run():
    plan = plan_of("prompts.max_events=2", "prompts.max_count=2", "validation.prompts_per_task=5000")
    assert any("validation.prompts_per_task" in problem for problem in plan.problems)


def test_the_requests_of_a_reader_of_captions_are_forecast(external_motions, tmp_path):
    (tmp_path / "captions.txt").write_text("".join(f"a person juggles {n} balls\n" for n in range(2, 30)))
    reader = ["prompts.reader=llm", "prompts.reader_model=gpt-4o-mini", "prompts.llm.per_request=10"]
    for source, requests in (
        ([f"external.candidates={external_motions}"], 1),
        (["prompts.writer=captions", f"prompts.captions={tmp_path / 'captions.txt'}"], 3),
    ):
        estimates = {estimate.name: estimate for estimate in plan_of(*source, *reader).estimates}
        assert f"in {requests} requests" in estimates["tokens"].amount
        assert estimates["cost"].amount.startswith("$") or "to $" in estimates["cost"].amount
        assert "tokens" not in {estimate.name for estimate in plan_of(*source).estimates}
