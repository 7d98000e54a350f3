"""Tuning with a judge in the loop: it learns what is rewarded, and goes on where it was cut off."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tuning_models import random_generator

from atom.config import GenerationConfig, OnPolicyConfig, RunConfig, TuningConfig
from atom.errors import AtomError
from atom.events import Event
from atom.generation.generator import Generator
from atom.judging.judges import make_judge
from atom.tuning.on_policy import compute_grpo_advantages, compute_rloo_advantages, tune_on_policy
from atom.tuning.rewards import JudgeReward, RolloutPrompt

LORA = TuningConfig(r=4, lora_alpha=8)
CONFIG = OnPolicyConfig(steps=12, prompts=2, num_generations=6, learning_rate=3e-2, kl_coef=0.0, warmup_steps=1)
SAMPLING = GenerationConfig(max_new_tokens=12)
PROMPTS = [
    RolloutPrompt("a person walks forward", "integrity", (Event("walk_forward", 1, "walks forward"),)),
    RolloutPrompt("a person bows", "integrity", (Event("bow", 1, "bows"),)),
    RolloutPrompt("a person jumps twice", "frequency", (Event("jump_up", 2, "jumps twice"),)),
]


class OfLength:
    """Rewards a motion for its number of codes alone."""

    identity = "length"

    def __init__(self, worth=lambda codes: codes / 12):
        self.worth = worth

    def compute_rewards(self, prompts, motions):
        assert len(prompts) == len(motions) and all(motions)
        return [self.worth(len(codes)) for codes in motions]


class Stop(Exception):
    pass


def test_rloo_advantages_are_rewards_minus_the_mean_of_the_others():
    rewards = torch.tensor([[1.0, 0.0, 0.5], [0.2, 0.2, 0.2]])
    advantages = compute_rloo_advantages(rewards)
    assert torch.allclose(advantages[0], torch.tensor([1 - 0.25, 0 - 0.75, 0.5 - 0.5])) and not advantages[1].any()


def test_grpo_advantages_have_the_same_size_for_every_prompt():
    advantages = compute_grpo_advantages(torch.tensor([[1.0, 0.0, 0.5], [0.21, 0.2, 0.19], [0.2, 0.2, 0.2]]))
    assert torch.allclose(advantages[0], torch.tensor([1.0, -1.0, 0.0]), atol=1e-3)
    assert torch.allclose(advantages[1], torch.tensor([1.0, 0.0, -1.0]), atol=2e-2) and not advantages[2].any()


@pytest.mark.slow
@pytest.mark.parametrize("change", [{"advantage": "grpo"}, {}])
def test_a_motion_vocabulary_can_be_tuned_too(tmp_path, change):
    config, lora = CONFIG.model_copy(update=change), LORA.model_copy(update={"vocabulary": "motion"})
    rows = tune_on_policy(random_generator(), PROMPTS, OfLength(), config, lora, SAMPLING, 0, tmp_path)
    assert np.mean([row["reward"] for row in rows[-4:]]) > np.mean([row["reward"] for row in rows[:4]])


@pytest.mark.slow
def test_what_is_rewarded_becomes_likelier(tmp_path):
    """The built-in generator learns to be brief."""
    config = OnPolicyConfig(steps=10, prompts=3, num_generations=12, learning_rate=1e-2, kl_coef=0.0, warmup_steps=1)
    rows = tune_on_policy(
        Generator.load(),
        PROMPTS,
        OfLength(lambda codes: float(codes <= 11)),
        config,
        TuningConfig(),
        GenerationConfig(),
        0,
        tmp_path,
    )
    assert len(rows) == 10 and (tmp_path / "adapter_model.safetensors").exists()
    assert np.mean([row["reward"] for row in rows[-4:]]) > 0.15 + np.mean([row["reward"] for row in rows[:4]])


def test_rewards_that_never_differ_change_nothing(tmp_path):
    rows = tune_on_policy(random_generator(), PROMPTS, OfLength(lambda _: 0.0), CONFIG, LORA, SAMPLING, 0, tmp_path)
    assert {row["loss"] for row in rows} == {0.0}
    weights = load_file(tmp_path / "adapter_model.safetensors")
    assert not any(value.any() for name, value in weights.items() if "lora_B" in name)


@pytest.mark.slow
def test_a_resumed_tuning_ends_with_exactly_the_same_weights(tmp_path):
    def stop(step, *_):
        if step == 7:
            raise Stop

    run = (CONFIG.model_copy(update={"kl_coef": 0.1}), LORA, SAMPLING, 3)
    tune_on_policy(random_generator(), PROMPTS, OfLength(), *run, tmp_path / "unbroken")
    with pytest.raises(Stop):
        tune_on_policy(
            random_generator(), PROMPTS, OfLength(), *run, tmp_path / "broken", stop, tmp_path / "work", save_every=3
        )
    steps = []
    tune_on_policy(
        random_generator(),
        PROMPTS,
        OfLength(),
        *run,
        tmp_path / "broken",
        lambda step, *_: steps.append(step),
        tmp_path / "work",
    )
    assert steps == [7, 8, 9, 10, 11, 12]
    first, again = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("unbroken", "broken"))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert list((tmp_path / "work").iterdir()) == []


def test_too_few_prompts_are_refused(tmp_path):
    with pytest.raises(AtomError, match=r"3 prompts are fewer than on_policy\.prompts \(4\)"):
        config = CONFIG.model_copy(update={"prompts": 4})
        tune_on_policy(random_generator(), PROMPTS, OfLength(), config, LORA, SAMPLING, 0, tmp_path)


def test_the_judge_rewards_the_joints_of_the_codes_by_score_and_exact_match(tmp_path):
    judge, generator = make_judge("kinematic", RunConfig()), Generator.load()
    motions = [motion.tokens for motion in generator.sample([prompt.text for prompt in PROMPTS], [1, 2, 3])]
    rewards = JudgeReward(judge, generator.decode, 0.25, "kinematic").compute_rewards(PROMPTS, motions)
    for prompt, joints, reward in zip(PROMPTS, generator.decode(motions), rewards, strict=True):
        judgement = judge.judge(joints, prompt)
        assert reward == 0.25 * judgement.exact + 0.75 * (judgement.score - 1) / 4


@pytest.mark.parametrize(
    ("score", "exact", "reward"),
    [(3.0, True, 0.25 + 0.75 / 2), (3.0, False, 0.75 / 2), (1.0, False, 0.0), (5.0, True, 1.0), (4.0, None, 0.75)],
)
def test_a_score_of_1_to_5_becomes_a_reward_of_0_to_1(score, exact, reward):
    judge = SimpleNamespace(judge=lambda joints, prompt: SimpleNamespace(score=score, exact=exact))
    rewards = JudgeReward(judge, lambda motions: motions, 0.25, "a judge").compute_rewards(PROMPTS[:1], [[1]])
    assert rewards == [pytest.approx(reward)]


def test_a_motion_without_codes_has_no_reward_and_calls_no_reward_function(tmp_path):
    """Sampling from all of the vocabulary, random weights give answers of words alone."""
    sampling = SAMPLING.model_copy(update={"vocabulary": "all", "max_new_tokens": 4, "top_k": 0})
    rows = tune_on_policy(
        random_generator(),
        PROMPTS,
        OfLength(lambda _: 1.0),
        CONFIG.model_copy(update={"steps": 3}),
        LORA,
        sampling,
        0,
        tmp_path,
    )
    assert any(row["reward"] < 1 for row in rows)
