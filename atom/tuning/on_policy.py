"""Tunes the adapter on motions that the policy makes itself and a judge or a reward model rewards, with no fixed set of
pairs.

REINFORCE with a leave-one-out baseline: a motion counts for as much as its reward lies above the mean of the other
motions of the same prompt. Source: Ahmadian et al. 2024, "Back to Basics" (arXiv 2402.14740). Or in standard deviations
over the mean of all: GRPO with one step a batch, Shao et al. 2024, "DeepSeekMath" (arXiv 2402.03300).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Literal

import numpy as np
import torch
from peft import PeftModel
from torch import Tensor

from atom.config import GenerationConfig, OnPolicyConfig, TuningConfig
from atom.errors import AtomError
from atom.fast_linear import fast_frozen_linears
from atom.generation.adapter import adapter_hash
from atom.generation.generator import Generator
from atom.tuning.adapter import add_adapter, save_adapter
from atom.tuning.adapter_trainer import AdapterTrainer, Metrics, StepCallback
from atom.tuning.batches import IGNORE_INDEX, pad_right
from atom.tuning.log_probabilities import log_probabilities
from atom.tuning.rewards import RewardFunction, RolloutPrompt
from atom.tuning.validation import Validation
from atom.tuning.vocabulary import select_answer_vocabulary


def compute_rloo_advantages(rewards: Tensor) -> Tensor:
    """Advantages (P, K) of K samples for each of P prompts: each reward less the mean of the prompt's other ones."""
    samples = rewards.shape[1]
    return (rewards - rewards.mean(1, keepdim=True)) * samples / (samples - 1)


def compute_grpo_advantages(rewards: Tensor) -> Tensor:
    """Advantages (P, K): each reward less its prompt's mean, in standard deviations; 0 where all are equal."""
    apart = rewards - rewards.mean(1, keepdim=True)
    return apart / (rewards.std(1, keepdim=True) + 1e-4)


ADVANTAGES: dict[Literal["rloo", "grpo"], Callable[[Tensor], Tensor]] = {
    "rloo": compute_rloo_advantages,
    "grpo": compute_grpo_advantages,
}


def tune_on_policy(
    generator: Generator,
    prompts: Sequence[RolloutPrompt],
    reward: RewardFunction,
    config: OnPolicyConfig,
    lora: TuningConfig,
    sampling: GenerationConfig,
    seed: int,
    folder: Path,
    progress: StepCallback | None = None,
    work: Path | None = None,
    *,
    init_adapter: Path | None = None,
    base: str = "atom-motion",
    save_every: int = 10,
    validation: Validation | None = None,
) -> list[Metrics]:
    """Tunes an adapter (of the size that `lora` says, or on from `init_adapter`) towards what `reward` likes, saves it
    in peft's format in `folder` and returns the curve, one row a step. A motion without a code has the reward 0.

    The reference of the KL term is the model with the adapter off. With a `work` folder the state is kept every
    `save_every` steps, and a run that was cut off goes on from there. The generator comes back without an adapter.

    Raises AtomError when the generator already has an adapter, there are fewer prompts than a step takes, or the loss
    stops being a number.
    """
    if isinstance(generator.language_model, PeftModel):
        raise AtomError("the generator already has an adapter; load it without one and give it as init_adapter")
    if len(prompts) < config.prompts:
        raise AtomError(
            f"{len(prompts)} prompts are fewer than on_policy.prompts ({config.prompts}): write more or lower it"
        )
    adapted = add_adapter(generator.language_model, lora, seed, init_adapter)
    generator.language_model = adapted
    try:
        training = _OnPolicyTrainer(generator, prompts, reward, config, lora, sampling, seed, validation)
        name = _fingerprint(generator, prompts, reward, config, lora, sampling, seed, init_adapter, validation)
        state = work / f"on-policy-{name}.pt" if work else None
        rows = training.run(progress, state, save_every)
        rewarded = fmean(row["reward"] for row in rows[-10:])
        source = "a judge" if config.reward == "judge" else "a reward model"
        summary = (
            f"LoRA adapter (rank {lora.rank}, {lora.targets}) tuned on-policy with {source} in the loop: {len(rows)} "
            f"steps of {config.prompts} prompts x {config.num_generations} motions; mean reward at the end {rewarded:.2f}."
        )
        origin = {
            "base_weights": generator.weights_hash,
            "template": generator.template,
            "on_policy": config.model_dump(),
            "lora": lora.model_dump(),
            "sampling": sampling.sampling,
            "seed": seed,
            "prompts": len(prompts),
            "went_on_from": adapter_hash(init_adapter) if init_adapter else None,
        }
        save_adapter(adapted, folder, base, summary, origin)
        if state is not None:
            state.unlink(missing_ok=True)
        return rows
    finally:
        generator.language_model = adapted.unload()


class _OnPolicyTrainer(AdapterTrainer):
    """All that is drawn at random in a step comes from the seed and the step's number."""

    def __init__(
        self,
        generator: Generator,
        prompts: Sequence[RolloutPrompt],
        reward: RewardFunction,
        config: OnPolicyConfig,
        lora: TuningConfig,
        sampling: GenerationConfig,
        seed: int,
        validation: Validation | None,
    ) -> None:
        super().__init__(
            generator, config.steps, config, f"lower on_policy.learning_rate={config.learning_rate:g}", validation
        )
        self.prompts, self.reward, self.config, self.sampling, self.seed = prompts, reward, config, sampling, seed
        self.vocabulary = select_answer_vocabulary(generator, lora)

    def backward(self) -> Metrics:
        config, generator = self.config, self.generator
        asked = [self.prompts[i] for i in self._batch(len(self.rows))]
        texts = [prompt.text for prompt in asked for _ in range(config.num_generations)]
        seeds = np.random.default_rng([self.seed, 40, len(self.rows)]).integers(2**31, size=len(texts)).tolist()
        motions = generator.sample(texts, seeds, batch_size=len(texts), **self.sampling.sampling)
        made = [i for i, motion in enumerate(motions) if motion.tokens]
        rewards = torch.zeros(len(motions))
        rewards[made] = torch.tensor(
            self.reward.of([asked[i // config.num_generations] for i in made], [motions[i].tokens for i in made])
        )
        rewards = rewards.view(config.prompts, config.num_generations)
        advantages = ADVANTAGES[config.advantage](rewards).flatten()
        end = generator.tokenizer.eos_token_id
        answers = [generator.motions.answer(motion.tokens, end) for motion in motions]
        # An answer that was cut off at the limit never had its end tokens.
        answers = [ids if motion.stop_reason == "end" else ids[:-2] for ids, motion in zip(answers, motions)]
        counts = [i for i, advantage in enumerate(advantages.tolist()) if advantage and len(answers[i]) > 1]
        told = {"reward": rewards.mean().item(), "kl": 0.0, "tokens": fmean(len(motion.tokens) for motion in motions)}
        if not counts:  # every prompt's motions were equally good: nothing to learn here
            for parameter in self.trained:
                parameter.grad = torch.zeros_like(parameter)
            return {"loss": 0.0} | told
        inputs, mask = generator.encode_prompts([prompt.text for prompt in asked])
        owner = torch.tensor([i // config.num_generations for i in counts], device=inputs.device)
        labels = pad_right([answers[i] for i in counts], IGNORE_INDEX).to(inputs.device)
        with fast_frozen_linears(self.model):
            policy = self._log_probabilities(inputs, mask, owner, labels)
            weights = advantages[counts].to(policy.device)
            loss = -(weights * policy).sum()
            if config.kl_coef:
                with torch.no_grad(), self.adapted.disable_adapter():
                    reference = self._log_probabilities(inputs, mask, owner, labels)
                apart = policy.detach() - reference
                loss = loss + config.kl_coef * (apart * policy).sum()
                told["kl"] = apart.mean().item()
            loss = loss / len(texts)
            loss.backward()
        return {"loss": loss.item()} | told

    def drift(self, row: Metrics) -> float:
        return row["kl"] / max(row["tokens"], 1.0)

    def _batch(self, step: int) -> list[int]:
        """Which prompts a step takes: all of them before one comes again."""
        a_pass = len(self.prompts) // self.config.prompts
        order = np.random.default_rng([self.seed, 41, step // a_pass]).permutation(len(self.prompts))
        first = step % a_pass * self.config.prompts
        return order[first : first + self.config.prompts].tolist()

    def _log_probabilities(self, inputs: Tensor, mask: Tensor, owner: Tensor, labels: Tensor) -> Tensor:
        return log_probabilities(self.model, inputs, mask, owner, labels, "sum", self.vocabulary)


def _fingerprint(
    generator: Generator,
    prompts: Sequence[RolloutPrompt],
    reward: RewardFunction,
    config: OnPolicyConfig,
    lora: TuningConfig,
    sampling: GenerationConfig,
    seed: int,
    init_adapter: Path | None,
    validation: Validation | None,
) -> str:
    parts = [
        generator.weights_hash,
        adapter_hash(init_adapter) if init_adapter else None,
        config.model_dump(),
        lora.model_dump(),
        generator.template,
        sampling.sampling,
        seed,
        reward.identity,
        [asdict(prompt) for prompt in prompts],
        validation.identity if validation else None,
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
