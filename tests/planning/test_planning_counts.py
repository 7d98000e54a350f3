"""How much a run makes, computed from its config."""

import pytest

from atom.config import load_config
from atom.planning.counts import ExternalCounts, count_run
from atom.planning.llm_usage import count_model_requests, count_picture_tokens, estimate_llm_usage, measure_question


def counts_of(*overrides, **known):
    return count_run(load_config(overrides=overrides), **known)


def test_a_run_is_counted_as_it_is_made():
    """The default run: 600 candidates x 8 in two rounds, a second set of round 2 for 'sft', five arms of 720."""
    counts = counts_of()
    on_policy = 90 * 16 * 8
    validation = 120 * (2 * 2 * (1 + 3) + 1 + 2)  # 113 steps in each of two rounds of two tunings, then 90 of the loop
    assert counts.steps == 2 * 2 * 113
    assert counts.generated == 600 * 8 + 600 * 8 // 2 + 5 * 720 + on_policy + validation
    again = counts_of("rounds=3", "round_prompts=all", "evaluation.baselines=[]", "validation.prompts_per_task=0")
    assert again.generated == 3 * 600 * 8 + 3 * 720 + on_policy
    assert counts.prompts == 960 and counts.judged == counts.compared == 0


def test_external_motions_and_preferences_are_not_generated():
    scored = counts_of("external.candidates=a", external=ExternalCounts(candidates=500))
    assert scored.generated == scored.steps == 0 and scored.stored == 500
    tuned = counts_of(
        "external.preferences=p", "rounds=1", "on_policy.steps=0", "evaluation.baselines=[]", external_pairs=160
    )
    assert tuned.generated == 2 * 720 + 2 * 120 and tuned.steps == 10


def test_limits_hold():
    paper = (
        "rounds=1",
        "preferences.pairs_per_prompt=3",
        "preferences.pairs_per_task=120",
        "tuning.batch_size=32",
        "tuning.num_train_epochs=20",
        "evaluation.baselines=[]",
    )
    counts = counts_of(*paper)
    assert counts.pairs == 360 and counts.steps == 20 * 12
    assert counts_of(*paper, "tuning.max_steps=7").steps == 7


def test_models_are_asked_about_each_motion_vote_and_model():
    vision = (
        "judging.judge=vision",
        "on_policy.steps=0",
        "rounds=1",
        "evaluation.baselines=[]",
        "prompts.train_per_task=10",
        "prompts.test_per_task=5",
        "judging.vision.near_ties=1",
    )
    counts = counts_of(*vision)
    assert (counts.judged, counts.compared) == (240, 60)
    assert counts_of(*vision, "judging.vision.votes=3", "judging.vision.second_model=gpt-4.1").judged == 240 * 6
    config = load_config(overrides=[*vision, "evaluation.judges=[vision]"])
    assert [one.requests for one in count_model_requests(config, count_run(config))] == [240 + 2 * 30 * 2 // 2, 60]


def test_the_judge_auto_asks_only_about_prompts_with_open_actions():
    settings = ("judging.vision.votes=2", "judging.vision.near_ties=1", "on_policy.steps=0", "rounds=1")
    external = ExternalCounts(candidates=40, tested=20, open_candidates=12, open_tested=6)
    brought = (*settings, "external.candidates=a", "external.base=b", "external.tuned=c")
    auto = counts_of(*brought, "judging.judge=auto", "evaluation.judges=[auto,kinematic]", external=external)
    assert (auto.judged, auto.auto_motions, auto.auto_open) == (2 * 18, 60, 18)
    vision = counts_of(*brought, "judging.judge=vision", "evaluation.judges=[vision]", external=external)
    assert (vision.judged, vision.auto_motions) == (2 * 60, 0)
    grammar = counts_of(*settings, "judging.judge=auto", "evaluation.judges=[auto]")
    assert (grammar.judged, grammar.compared) == (0, 0) and grammar.auto_motions == 600 * 8 + 4 * 720
    written = counts_of(*settings, "judging.judge=auto", "prompts.writer=llm")
    assert written.judged == 2 * 600 * 8 and written.compared == 2 * 600


@pytest.mark.parametrize(
    ("size", "high"), [((512, 512), 255), ((1024, 1024), 765), ((2048, 4096), 1105), ((224, 246), 255)]
)
def test_pictures_cost_what_openai_says(size, high):
    """The worked examples of its guide: 1024 x 1024 costs 765, 2048 x 4096 costs 1105."""
    assert count_picture_tokens(*size) == (85, high)


def test_the_cost_follows_the_prices_and_the_budget_is_shown():
    config = load_config(overrides=["judging.judge=vision", "on_policy.steps=0", "service.budget_dollars=1"])
    estimates = {estimate.name: estimate for estimate in estimate_llm_usage(config, count_run(config))}
    assert "where the run will stop" in estimates["cost"].basis
    low, high = measure_question(config).tokens
    assert 0 < low < high
    batch = load_config(overrides=["judging.judge=vision", "on_policy.steps=0", "service.mode=batch"])
    dollars = [
        float(each["cost"].amount.split()[0].strip("$").replace(",", ""))
        for each in (estimates, {e.name: e for e in estimate_llm_usage(batch, count_run(batch))})
    ]
    assert dollars[1] == pytest.approx(dollars[0] / 2, abs=0.01)
    unknown = load_config(overrides=["judging.judge=vision", "on_policy.steps=0", "judging.vision.model=mine"])
    assert {e.name: e for e in estimate_llm_usage(unknown, count_run(unknown))}["cost"].amount == "not known"
