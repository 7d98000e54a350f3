"""On-policy tuning, without a fixed set of pairs.

The policy samples motions, a judge or a reward model rewards them, and the adapter is trained on the rewards.

RLOO: REINFORCE with a leave-one-out baseline, Ahmadian et al. 2024, "Back to Basics" (arXiv 2402.14740).
GRPO with one optimizer step for each batch of rollouts: Shao et al. 2024, "DeepSeekMath" (arXiv 2402.03300).
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
from torch import Tensor

from atom.config import GenerationConfig, OnPolicyConfig, TuningConfig
from atom.errors import AtomError
from atom.fast_linear import fast_frozen_linears
from atom.generation.adapter_loading import hash_adapter
from atom.generation.generator import Generator, Sample
from atom.tuning.adapter import save_adapter, trainable_adapter
from atom.tuning.adapter_trainer import AdapterTrainer, Metrics, StepCallback
from atom.tuning.batches import IGNORE_INDEX, pad_right
from atom.tuning.log_probabilities import compute_log_probs
from atom.tuning.rewards import RewardFunction, RolloutPrompt
from atom.tuning.validation import Validation
from atom.tuning.vocabulary import select_answer_vocabulary


def compute_rloo_advantages(rewards: Tensor) -> Tensor:
    """RLOO: the reward minus the mean reward of the prompt's other samples.

    (P, K) for K samples of each of P prompts -> (P, K).
    """
    samples = rewards.shape[1]
    # Equal to the difference to the mean of the others, and needs only the mean of all.
    return (rewards - rewards.mean(1, keepdim=True)) * samples / (samples - 1)


def compute_grpo_advantages(rewards: Tensor) -> Tensor:
    """GRPO: the reward minus the prompt's mean, divided by its standard deviation.

    (P, K) -> (P, K); 0 where all rewards of a prompt are equal.
    """
    difference = rewards - rewards.mean(1, keepdim=True)
    # The small number keeps a prompt whose rewards are almost equal from getting huge advantages.
    return difference / (rewards.std(1, keepdim=True) + 1e-4)


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
    """Tunes an adapter to raise the reward of its own motions and saves it in peft's format.

    The reference model of the KL term is the base with the adapter off. An interrupted tuning resumes from the state in
    `work`. The generator is returned to its state without an adapter.

    Args:
        generator: the base model, without an adapter.
        prompts: what motions are sampled for.
        reward: called with all motions that have a code; the others get the reward 0.
        config: rewards, advantages and optimizer.
        lora: the fields of LoRA, and `vocabulary`.
        sampling: how motions are sampled.
        seed: of the prompts of each step, the sampling and the initial adapter.
        folder: where the adapter is saved.
        progress: called after each step.
        work: where the state is saved; None saves none.
        init_adapter: folder of an adapter to start from.
        base: the name of the base model in the adapter's files.
        save_every: steps between two saves of the state.
        validation: chooses the weights to end with; None takes the last ones.

    Returns:
        The training curve, one row a step.

    Raises:
        AtomError: the generator already has an adapter, there are fewer prompts than a step takes, the loss is not
            finite, or the tuning diverges.
    """
    if len(prompts) < config.prompts:
        raise AtomError(
            f"{len(prompts)} prompts are fewer than on_policy.prompts ({config.prompts}): write more or lower it"
        )
    with trainable_adapter(generator, lora, seed, init_adapter) as adapted:
        trainer = _OnPolicyTrainer(generator, prompts, reward, config, lora, sampling, seed, validation)
        fingerprint = _fingerprint(generator, prompts, reward, config, lora, sampling, seed, init_adapter, validation)
        state_file = work / f"on-policy-{fingerprint}.pt" if work else None
        rows = trainer.run(progress, state_file, save_every)
        final_reward = fmean(row["reward"] for row in rows[-10:])
        source = "a judge" if config.reward == "judge" else "a reward model"
        summary = (
            f"LoRA adapter (rank {lora.r}, {lora.target_modules}) tuned on-policy with {source} in the loop: "
            f"{len(rows)} steps of {config.prompts} prompts x {config.num_generations} motions; mean reward at the end "
            f"{final_reward:.2f}."
        )
        provenance = {
            "base_weights": generator.weights_hash,
            "template": generator.template,
            "on_policy": config.model_dump(),
            "lora": lora.model_dump(),
            "sampling": sampling.sampling,
            "seed": seed,
            "prompts": len(prompts),
            "went_on_from": hash_adapter(init_adapter) if init_adapter else None,
        }
        save_adapter(adapted, folder, base, summary, provenance)
        if state_file is not None:
            state_file.unlink(missing_ok=True)
        return rows


class _OnPolicyTrainer(AdapterTrainer):
    """Trains on fresh rollouts. All random draws of a step depend on the seed and the number of the step alone."""

    config: OnPolicyConfig

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
        self.prompts, self.reward, self.sampling, self.seed = prompts, reward, sampling, seed
        self.vocabulary = select_answer_vocabulary(generator, lora)

    def backward(self) -> Metrics:
        config, generator = self.config, self.generator
        prompts = [self.prompts[i] for i in self._select_prompts(len(self.rows))]
        texts = [prompt.text for prompt in prompts for _ in range(config.num_generations)]
        seeds = np.random.default_rng([self.seed, 40, len(self.rows)]).integers(2**31, size=len(texts)).tolist()
        motions = generator.sample(texts, seeds, batch_size=len(texts), **self.sampling.sampling)
        rewards = self._compute_rewards(prompts, motions)
        advantages = ADVANTAGES[config.advantage](rewards).flatten()
        end = generator.tokenizer.eos_token_id
        answers = [generator.motions.answer(motion.tokens, end) for motion in motions]
        # `answer` adds two end tokens. A motion that reached the length limit was sampled without them.
        answers = [ids if motion.stop_reason == "end" else ids[:-2] for ids, motion in zip(answers, motions)]
        used = [i for i, advantage in enumerate(advantages.tolist()) if advantage and len(answers[i]) > 1]
        mean_tokens = fmean(len(motion.tokens) for motion in motions)
        metrics = {"reward": rewards.mean().item(), "kl": 0.0, "tokens": mean_tokens}
        # The optimizer step still runs, with gradients of zero, so that the learning rate and the curve keep their
        # steps.
        if not used:  # all motions of each prompt have the same reward, so there is nothing to learn
            for parameter in self.parameters:
                parameter.grad = torch.zeros_like(parameter)
            return {"loss": 0.0} | metrics
        input_ids, attention_mask = generator.encode_prompts([prompt.text for prompt in prompts])
        prompt_index = torch.tensor([i // config.num_generations for i in used], device=input_ids.device)
        labels = pad_right([answers[i] for i in used], IGNORE_INDEX).to(input_ids.device)
        with fast_frozen_linears(self.model):
            policy = self._compute_log_probs(input_ids, attention_mask, prompt_index, labels)
            weights = advantages[used].to(policy.device)
            loss = -(weights * policy).sum()
            if config.kl_coef:
                with torch.no_grad(), self.adapted.disable_adapter():
                    reference = self._compute_log_probs(input_ids, attention_mask, prompt_index, labels)
                log_ratio = policy.detach() - reference
                # The policy gradient of the KL divergence: the log ratio acts as a negative reward.
                loss = loss + config.kl_coef * (log_ratio * policy).sum()
                metrics["kl"] = log_ratio.mean().item()
            # The mean over all motions of the step: those without an advantage count as zeros.
            loss = loss / len(texts)
            loss.backward()
        return {"loss": loss.item()} | metrics

    def compute_drift(self, metrics: Metrics) -> float:
        return metrics["kl"] / max(metrics["tokens"], 1.0)

    def _select_prompts(self, step: int) -> list[int]:
        """The indices of a step's prompts: a random order, drawn again for each epoch."""
        steps_per_epoch = len(self.prompts) // self.config.prompts
        order = np.random.default_rng([self.seed, 41, step // steps_per_epoch]).permutation(len(self.prompts))
        start = step % steps_per_epoch * self.config.prompts
        return order[start : start + self.config.prompts].tolist()

    def _compute_rewards(self, prompts: Sequence[RolloutPrompt], motions: Sequence[Sample]) -> Tensor:
        """(P, K) rewards; 0 for a motion without a code, which no reward function can read."""
        nonempty = [i for i, motion in enumerate(motions) if motion.tokens]
        rewards = torch.zeros(len(motions))
        rewards[nonempty] = torch.tensor(
            self.reward.compute_rewards(
                [prompts[i // self.config.num_generations] for i in nonempty], [motions[i].tokens for i in nonempty]
            )
        )
        return rewards.view(self.config.prompts, self.config.num_generations)

    def _compute_log_probs(
        self, input_ids: Tensor, attention_mask: Tensor, prompt_index: Tensor, labels: Tensor
    ) -> Tensor:
        return compute_log_probs(self.model, input_ids, attention_mask, prompt_index, labels, "sum", self.vocabulary)


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
        hash_adapter(init_adapter) if init_adapter else None,
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
