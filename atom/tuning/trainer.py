"""Tunes the language model's LoRA adapter on preferences."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import PeftModel
from torch import Tensor

from atom.config import Degree, TuningConfig
from atom.errors import AtomError
from atom.generation.adapter import adapter_hash
from atom.generation.generator import Generator
from atom.tuning.adapter import add_adapter, recomputing, save_adapter
from atom.tuning.log_probabilities import (
    PairBatch,
    TokenizedPair,
    by_length,
    pair_log_probabilities,
    reference_log_probabilities,
)
from atom.tuning.losses import PREFERENCE_LOSSES, kto_pair, orpo, simpo
from atom.tuning.training import AdapterTraining, Progress, Row
from atom.tuning.vocabulary import vocabulary_of

# Batches whose pairs are sorted together: more of them pad less and share more answers, fewer mix the prompts better.
POOLED_BATCHES = 16

REFERENCE_FREE = ("orpo", "simpo", "sft")  # their curves tell the policy's own margin


@dataclass(frozen=True)
class TrainingPair:
    """A prompt, the codes of the better and the worse motion, and how clearly it is better, where that is known."""

    text: str
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]
    degree: Degree | None = None


def tune(generator: Generator, pairs: Sequence[TrainingPair], config: TuningConfig, seed: int, folder: Path,
         progress: Progress | None = None, work: Path | None = None, *, init_adapter: Path | None = None,
         base: str = "atom-motion", save_every: int = 25) -> list[Row]:  # fmt: skip
    """Tunes an adapter, saves it in peft's format in `folder` and returns the curves, one row a step.

    The reference is the model with the adapter off, computed once; it stays the base when training goes on from
    `init_adapter`. The generator comes back without an adapter: load the saved one to use it. `base` is the model's
    name in the adapter's files.

    With a `work` folder the state is kept every `save_every` steps; a run that was cut off goes on from there and ends
    with the same weights as without the break (on CPU with as many threads, to the bit). A state belongs to its
    config, seed, pairs and weights, so another tuning never goes on from it.

    Raises AtomError when the generator already has an adapter, there are no pairs, or the loss stops being a number.
    """
    if isinstance(generator.language_model, PeftModel):
        raise AtomError(
            "the generator already has an adapter; load it without one and give the adapter as init_adapter"
        )
    if not pairs:
        raise AtomError("there are no preferences to tune on; lower preferences.min_gap or raise generation.candidates")
    pairs = _once_each(pairs, by_chosen=config.loss == "sft")
    adapted = add_adapter(generator.language_model, config, seed, init_adapter)
    generator.language_model = adapted
    try:
        training = _PairTraining(generator, pairs, config, seed)
        state = work / f"tuning-{_fingerprint(generator, pairs, config, seed, init_adapter)}.pt" if work else None
        with recomputing(training.model, config.recompute):
            rows = training.run(progress, state, save_every)
        origin = {
            "base_weights": generator.weights_hash, "template": generator.template, "tuning": config.model_dump(),
            "seed": seed, "pairs": len(pairs), "pairs_hash": _hash([asdict(pair) for pair in pairs]),
            "went_on_from": adapter_hash(init_adapter) if init_adapter else None,
        }  # fmt: skip
        save_adapter(adapted, folder, base, _summary(rows[-1], len(pairs), config), origin)
        if state is not None:
            state.unlink(missing_ok=True)
        return rows
    finally:
        generator.language_model = adapted.unload()


def tokenize_pairs(generator: Generator, pairs: Sequence[TrainingPair]) -> list[TokenizedPair]:
    """Token ids of prompts as the generator words them when it samples, and of whole answers."""
    inputs, mask = generator.encode_prompts([pair.text for pair in pairs])
    prompts = [tuple(row[kept].tolist()) for row, kept in zip(inputs, mask.bool(), strict=True)]
    end = generator.tokenizer.eos_token_id

    def answer(codes: Sequence[int]) -> tuple[int, ...]:
        return tuple(generator.motions.answer(codes, end))

    return [
        TokenizedPair(prompt, answer(pair.chosen), answer(pair.rejected))
        for prompt, pair in zip(prompts, pairs, strict=True)
    ]


def plan_batches(pairs: Sequence[TokenizedPair], config: TuningConfig, seed: int) -> list[list[int]]:
    """Which pairs each step takes: all once an epoch, in batches of about one length, an order that only the seed
    decides. Ends after `max_steps` if that is set."""
    rng = np.random.default_rng(seed)
    size = config.batch_size
    batches: list[list[int]] = []
    for _ in range(config.epochs):
        order = rng.permutation(len(pairs)).tolist()
        epoch: list[list[int]] = []
        for start in range(0, len(order), size * POOLED_BATCHES):
            pool = by_length(pairs, order[start : start + size * POOLED_BATCHES])
            epoch += [pool[first : first + size] for first in range(0, len(pool), size)]
        batches += [epoch[i] for i in rng.permutation(len(epoch))]
    return batches[: config.max_steps] if config.max_steps else batches


class _PairTraining(AdapterTraining):
    """Nothing is drawn at random after the batches are planned."""

    def __init__(self, generator: Generator, pairs: Sequence[TrainingPair], config: TuningConfig, seed: int) -> None:
        self.pairs = tokenize_pairs(generator, pairs)
        self.batches = plan_batches(self.pairs, config, seed)
        super().__init__(generator.language_model, len(self.batches), config.learning_rate, config.warmup_steps,
                         config.gradient_clip, "lower tuning.learning_rate or raise tuning.beta")  # fmt: skip
        self.config, self.pad = config, generator.tokenizer.pad_token_id
        self.vocabulary = vocabulary_of(generator, config)
        smoothing = [config.degree_smoothing.get(pair.degree, config.label_smoothing) for pair in pairs]
        self.smoothing = torch.tensor(smoothing, device=self.model.device)  # (pairs,)
        self.steps_per_epoch = math.ceil(len(pairs) / config.batch_size)
        self.reference = torch.empty(0)  # (pairs, 2)

    def backward(self) -> Row:
        config, done = self.config, len(self.rows)
        if config.loss in REFERENCE_FREE:
            self.reference = torch.zeros(len(self.pairs), 2)
        elif not len(self.reference):
            with self.adapted.disable_adapter(), self._precision():
                self.reference = reference_log_probabilities(
                    self.model, self.pairs, self.pad, config.log_probability, vocabulary=self.vocabulary
                )
        batch = self.batches[done]
        size = config.at_once or len(batch)
        told: Row = {}
        for start in range(0, len(batch), size):
            part = batch[start : start + size]
            loss, figures = self._loss(part)
            share = len(part) / len(batch)
            (loss * share).backward()
            told = {name: told.get(name, 0.0) + share * value for name, value in figures.items()}
        return told | {"epoch": (done + 1) / self.steps_per_epoch}

    def _loss(self, indices: list[int]) -> tuple[Tensor, Row]:
        """The mean loss of some pairs, and their figures for the curve."""
        config = self.config
        batch = PairBatch.of([self.pairs[i] for i in indices], self.pad, self.model.device)
        with self._precision():
            chosen, rejected = pair_log_probabilities(self.model, batch, config.log_probability, self.vocabulary)
        reference = self.reference[indices].to(chosen.device)
        ratio = (chosen - rejected) - (reference[:, 0] - reference[:, 1])
        preference = self._preference(chosen, rejected, reference, self.smoothing[indices]).mean()
        loss = preference - (1.0 if config.loss == "sft" else config.chosen_weight) * chosen.mean()
        return loss, {
            "loss": loss.item(), "preference_loss": preference.item(), "chosen_logp": chosen.mean().item(),
            "rejected_logp": rejected.mean().item(), "margin": ratio.mean().item(),
            "accuracy": (ratio > 0).float().mean().item(),
        }  # fmt: skip

    def _preference(self, chosen: Tensor, rejected: Tensor, reference: Tensor, smoothing: Tensor) -> Tensor:
        """The preference loss of each pair, of log-probabilities (B,) and those (B, 2) of the reference."""
        config = self.config
        if config.loss == "sft":
            return torch.zeros_like(chosen)
        if config.loss == "orpo":
            return config.beta * orpo(chosen, rejected)
        if config.loss == "simpo":
            return simpo(chosen, rejected, config.beta, config.target_margin, smoothing)
        beyond = chosen - reference[:, 0], rejected - reference[:, 1]
        if config.loss == "kto":
            return kto_pair(*beyond, config.beta)
        return PREFERENCE_LOSSES[config.loss](beyond[0] - beyond[1], config.beta, smoothing)

    def _precision(self) -> torch.autocast:
        """Matrix products in bfloat16, if the config asks for it; the logits come back as float32."""
        return torch.autocast(self.model.device.type, torch.bfloat16, enabled=self.config.precision == "bfloat16")

    def extra(self) -> dict[str, Any]:
        return {"reference": self.reference}

    def take_up(self, extra: dict[str, Any]) -> None:
        self.reference = extra["reference"]


def _once_each(pairs: Sequence[TrainingPair], by_chosen: bool) -> list[TrainingPair]:
    """Fine-tuning on the chosen motions sees each once, however many pairs it won."""
    if not by_chosen:
        return list(pairs)
    return list({(pair.text, pair.chosen): pair for pair in reversed(pairs)}.values())[::-1]


def _fingerprint(generator: Generator, pairs: Sequence[TrainingPair], config: TuningConfig, seed: int,
                 init_adapter: Path | None) -> str:  # fmt: skip
    parts = [
        generator.weights_hash, generator.template, adapter_hash(init_adapter) if init_adapter else None,
        config.model_dump(), seed, [asdict(pair) for pair in pairs],
    ]  # fmt: skip
    return _hash(parts)


def _hash(parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _summary(last: Row, pairs: int, config: TuningConfig) -> str:
    return (
        f"LoRA adapter (rank {config.rank}, {config.targets}) tuned with {config.loss} on {pairs} pairs of motions for "
        f"{last['step']} steps; the last batch's accuracy is {last['accuracy']:.2f}."
    )
