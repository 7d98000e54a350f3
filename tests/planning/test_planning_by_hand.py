"""Estimates by hand: times by the rate limits, costs by the prices, sizes on the disk, and their units."""

from types import SimpleNamespace

import pytest
import torch

from atom.config import load_config
from atom.planning import compute_usage, llm_usage, plan
from atom.planning.counts import RunCounts, count_run
from atom.planning.estimate import format_duration, format_range
from atom.planning.llm_usage import ModelRequests, QuestionSize

COUNTS = RunCounts(
    prompts=0, generated=0, stored=1000, judged=0, auto_motions=0, auto_open=0, compared=0, pairs=0, steps=0,
    mean_frames=100.0,
)  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (89.9, "90 s"), (90, "2 min"), (150, "2 min"), (5399, "90 min"), (5400, "1.5 h"), (36000, "10.0 h")],
)
def test_times_are_in_the_unit_that_reads_best(seconds, text):
    assert format_duration(seconds) == text


def test_bounds_that_look_the_same_are_one_number():
    assert format_range((1.0, 1.2), "{:.0f}".format) == "1"
    assert format_range((1.0, 2.0), "{:.0f}".format) == "1 to 2"


@pytest.mark.parametrize(
    ("number", "text"), [(99_999, "99,999"), (100_000, "0.10 million"), (2_345_678, "2.35 million")]
)
def test_large_numbers_are_in_millions(number, text):
    assert llm_usage._format_number(number) == text


def estimates(monkeypatch, requests, *overrides):
    monkeypatch.setattr(llm_usage, "count_model_requests", lambda config, counts: requests)
    config = load_config(overrides=overrides)
    return {estimate.name: estimate for estimate in llm_usage.estimate_llm_usage(config, COUNTS)}


REQUESTS = [ModelRequests("gpt-4o", 3000, (100, 300), 50), ModelRequests("gpt-4o", 1000, (200, 200), 0)]


def test_requests_take_as_long_as_the_slower_of_the_two_limits_lets_them(monkeypatch):
    """4,000 requests at 100 a minute take 40 minutes; 1.25 million tokens at most, at 10,000 a minute, 125."""
    found = estimates(monkeypatch, REQUESTS, "service.requests_per_minute=100")
    assert found["request time"].amount == "at least 40 min"
    assert found["tokens"].amount == "0.65 million to 1.25 million in 4,000 requests"
    limited = estimates(monkeypatch, REQUESTS, "service.requests_per_minute=100", "service.tokens_per_minute=10000")
    assert limited["request time"].amount == "at least 2.1 h"
    loose = estimates(monkeypatch, REQUESTS, "service.requests_per_minute=100", "service.tokens_per_minute=100000000")
    assert loose["request time"].amount == "at least 40 min"
    assert "request time" not in estimates(monkeypatch, REQUESTS, "service.mode=batch")


@pytest.mark.parametrize(("budget", "stops"), [(2.74, True), (2.75, False), (3.0, False)])
def test_a_run_stops_where_its_budget_is_below_the_least_cost(monkeypatch, tmp_path, budget, stops):
    """At $2.50 and $10: 0.5 to 1.1 million prompt tokens cost $1.25 to $2.75, and 150,000 of answers $1.50."""
    prices = tmp_path / "prices.yaml"
    prices.write_text("gpt-4o: {input: 2.5, output: 10}\n")
    cost = estimates(monkeypatch, REQUESTS, f"service.budget_dollars={budget}", f"service.prices={prices}")["cost"]
    assert cost.amount == "$2.75 to $4.25"
    assert ("where the run will stop" in cost.basis) is stops and f"budget_dollars is {budget:g}" in cost.basis
    batch = estimates(monkeypatch, REQUESTS, "service.mode=batch", f"service.prices={prices}")["cost"]
    assert batch.amount == "$1.38 to $2.12"


def disk(monkeypatch, counts, *overrides):
    monkeypatch.setattr(plan, "measure_question", lambda config: QuestionSize((1, 1), 30_000))
    return plan._estimate_disk(load_config(overrides=overrides), counts)


def test_the_disk_holds_motions_and_the_clips_and_pictures_that_there_are(monkeypatch):
    many = RunCounts(**vars(COUNTS) | {"stored": 1_000_000})
    assert disk(monkeypatch, many).amount == "about 12.00 GB"
    assert disk(monkeypatch, many).basis == "motions"
    clips = disk(monkeypatch, many, "rendering.motions=all", "rendering.size=320")
    assert (clips.amount, clips.basis) == ("about 102.00 GB", "motions, clips of all")
    assert disk(monkeypatch, many, "rendering.motions=all", "rendering.size=80").amount == "about 23.25 GB"
    judged = RunCounts(**vars(many) | {"judged": 400_000})
    assert disk(monkeypatch, judged, "judging.vision.votes=2").amount == "about 18.00 GB"


def test_each_arm_adds_its_test_motions():
    def generated(*overrides):
        bare = ["prompts.train_per_task=1", "prompts.test_per_task=10", "prompts.tasks=[temporal]", "rounds=1"]
        bare += ["validation.prompts_per_task=0", "evaluation.metrics=null", "generation.candidates=2"]
        bare += ["generation.evaluation_samples=3", "on_policy.prompts=4", "on_policy.num_generations=8"]
        return count_run(load_config(overrides=[*bare, *overrides])).generated

    assert generated("on_policy.steps=0", "evaluation.baselines=[]") == 2 + 2 * 30
    assert generated("on_policy.steps=5", "evaluation.baselines=[]") == 2 + 3 * 30 + 5 * 4 * 8
    assert generated("on_policy.steps=0", "evaluation.baselines=[low_temperature]") == 2 + 3 * 30


@pytest.mark.parametrize(("bf16", "bytes_per_value"), [(False, 4), (True, 2)])
def test_the_memory_of_a_tuning_step_grows_with_its_pairs_and_their_length(bf16, bytes_per_value):
    """Two motions a pair; 20 vectors and two rows of attention a token and layer; three copies of its logits."""
    sizes = SimpleNamespace(num_decoder_layers=3, d_model=192, num_heads=6, vocab_size=1000)
    network = SimpleNamespace(config=sizes, parameters=lambda: [torch.zeros(10, 100)])
    generator = SimpleNamespace(language_model=network, vqvae=network, device=torch.device("cpu"))
    config = load_config(overrides=["tuning.batch_size=16", f"tuning.bf16={bf16}", "resources.batch_size=1"])
    activations = 3 * (20 * 192 + 2 * 6 * 2000) * bytes_per_value + 3 * 1000 * 4
    total = 4 * 2000 + 2 * 16 * 2000 * activations + compute_usage.TORCH_BYTES
    assert compute_usage._estimate_memory(config, generator, 2000).amount == f"about {total / 1e9:.1f} GB"
    config = load_config(overrides=["resources.batch_size=100000", "generation.max_new_tokens=60"])
    total = 4 * 2000 + 100000 * 60 * 3 * 2 * 192 * 4 + compute_usage.TORCH_BYTES
    assert compute_usage._estimate_memory(config, generator, 2).amount == f"about {total / 1e9:.1f} GB"
