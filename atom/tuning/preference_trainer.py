"""Tunes the language model's LoRA adapter on preferences."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor

from atom.config import STEP_LOSSES, TuningConfig
from atom.errors import AtomError
from atom.fast_linear import fast_frozen_linears
from atom.generation.adapter import adapter_hash
from atom.generation.generator import Generator
from atom.tuning.adapter import add_adapter, gradient_checkpointing, save_adapter
from atom.tuning.batches import IGNORE_INDEX, PairBatch, iterate_batches, plan_batches
from atom.tuning.log_probabilities import log_probabilities, compute_pair_log_probs, compute_reference_log_probs
from atom.tuning.losses import PREFERENCE_LOSSES, kto, kto_pair, orpo, simpo
from atom.tuning.pairs import TokenizedPairs, TrainingPair, hash_pairs, compute_pair_shapes, unpair
from atom.tuning.process_group import SINGLE_PROCESS, ProcessGroup
from atom.tuning.adapter_trainer import AdapterTrainer, StepCallback, Metrics
from atom.tuning.validation import Validation
from atom.tuning.vocabulary import select_answer_vocabulary

REFERENCE_FREE = ("orpo", "simpo", "sft")  # their curves tell the policy's own margin


def tune(
    generator: Generator,
    pairs: Sequence[TrainingPair],
    config: TuningConfig,
    seed: int,
    folder: Path,
    progress: StepCallback | None = None,
    work: Path | None = None,
    *,
    init_adapter: Path | None = None,
    base: str = "atom-motion",
    save_every: int = 25,
    validation: Validation | None = None,
    process_group: ProcessGroup = SINGLE_PROCESS,
) -> list[Metrics]:
    """Tunes an adapter, saves it in peft's format in `folder` and returns the curves, one row a step.

    The reference is the model with the adapter off, computed once; it stays the base when training goes on from
    `init_adapter`. The generator comes back without an adapter: load the saved one to use it. `base` is the model's
    name in the adapter's files. `pairs` may be read from a file as they are needed (`PairFile`). With a `validation`
    the adapter saved is the best one by it. The processes of a `process_group` call this alike; the first one writes.

    With a `work` folder the state is kept every `save_every` steps; a run that was cut off goes on from there and ends
    with the same weights as without the break (on CPU with as many threads, to the bit). A state belongs to its
    config, seed, pairs and weights, so another tuning never goes on from it.

    Raises AtomError when the generator already has an adapter, there are no pairs, the loss stops being a number, or
    the tuning diverges.
    """
    if isinstance(generator.language_model, PeftModel):
        raise AtomError(
            "the generator already has an adapter; load it without one and give the adapter as init_adapter"
        )
    if process_group.size > 1 and config.loss_type in STEP_LOSSES:
        raise AtomError(f"{config.loss_type} compares the motions of a step with each other: set resources.processes=1")
    if not pairs:
        raise AtomError("there are no preferences to tune on; lower preferences.min_gap or raise generation.candidates")
    pairs_hash = hash_pairs(pairs)
    if config.loss_type == "sft":
        pairs = _best_motions(pairs)
    elif config.loss_type == "kto_unpaired":
        pairs = unpair(pairs)
    adapted = add_adapter(generator.language_model, config, seed, init_adapter)
    generator.language_model = adapted
    try:
        training = _PreferenceTrainer(generator, pairs, config, seed, validation, process_group)
        went_on_from = adapter_hash(init_adapter) if init_adapter else None
        parts = [
            generator.weights_hash,
            generator.template,
            went_on_from,
            config.model_dump(),
            seed,
            pairs_hash,
            validation.identity if validation else None,
        ]
        name = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
        state = work / f"tuning-{name}.pt" if work else None
        rows = training.run(progress, state, save_every)
        origin = {
            "base_weights": generator.weights_hash,
            "template": generator.template,
            "tuning": config.model_dump(),
            "seed": seed,
            "pairs": len(pairs),
            "pairs_hash": pairs_hash,
            "went_on_from": went_on_from,
        }
        if process_group.first:
            save_adapter(adapted, folder, base, _summary(rows, len(pairs), config), origin)
            if state is not None:
                state.unlink(missing_ok=True)
        return [row | {"epoch": row["step"] / training.steps_per_epoch} for row in rows]
    finally:
        generator.language_model = adapted.unload()


class _PreferenceTrainer(AdapterTrainer):
    """Nothing is drawn at random after the batches are planned."""

    def __init__(
        self,
        generator: Generator,
        pairs: Sequence[TrainingPair],
        config: TuningConfig,
        seed: int,
        validation: Validation | None,
        process_group: ProcessGroup,
    ) -> None:
        self.pairs = TokenizedPairs(generator, pairs)
        self.plan = plan_batches(compute_pair_shapes(pairs), config, seed)
        super().__init__(
            generator,
            len(self.plan),
            config,
            f"lower tuning.learning_rate={config.learning_rate:g} or raise tuning.beta={config.beta:g}",
            validation,
            process_group,
        )
        self.config, self.pad = config, generator.tokenizer.pad_token_id
        self.vocabulary = select_answer_vocabulary(generator, config)
        smoothing = [config.degree_smoothing.get(pair.degree, config.label_smoothing) for pair in pairs]
        self.smoothing = torch.tensor(smoothing, device=self.model.device)  # (pairs,)
        chosen = sum(pair.chosen is not None for pair in pairs)
        rejected = sum(pair.rejected is not None for pair in pairs)
        # Of single motions both kinds count as much, however many there are of each.
        self.side_weights = [(chosen + rejected) / (2 * max(count, 1)) for count in (chosen, rejected)]
        self.steps_per_epoch = math.ceil(len(pairs) / config.batch_size)
        self.reference = torch.empty(0)  # (pairs, 2)
        self.batches: Iterator[PairBatch] | None = None

    def parts(self, step: int) -> list[list[int]]:
        """The pairs of a step that are this process's, in the parts that are in memory at a time."""
        share = list(self.process_group.share(self.plan[step]))
        size = self.config.micro_batch_size or max(len(share), 1)
        return [share[start : start + size] for start in range(0, len(share), size)]

    def backward(self) -> Metrics:
        config, done = self.config, len(self.rows)
        if self.batches is None:
            self._look_up_reference()
            left = [part for step in range(done, self.steps) for part in self.parts(step)]
            self.batches = iterate_batches(self.pairs, left, self.pad, self.model.device)
        figures = ("loss", "preference_loss", "chosen_logp", "rejected_logp", "margin", "accuracy", "chosen_per_token")
        told: Metrics = dict.fromkeys(figures, 0.0)
        with gradient_checkpointing(self.model, config.gradient_checkpointing), self._fast():
            for part in self.parts(done):
                loss, found = self._loss(part, next(self.batches))
                share = len(part) / len(self.plan[done])
                (loss * share).backward()
                told = {name: told[name] + share * found[name] for name in figures}
        return told

    def drift(self, row: Metrics) -> float:
        return -row["chosen_per_token"]

    def _look_up_reference(self) -> None:
        if self.config.loss_type in REFERENCE_FREE:
            self.reference = torch.zeros(len(self.pairs), 2)
        elif not len(self.reference):
            with self.adapted.disable_adapter(), self._fast(), self._precision():
                self.reference = compute_reference_log_probs(
                    self.model,
                    self.pairs,
                    self.pad,
                    self.config.log_prob_reduction,
                    vocabulary=self.vocabulary,
                    process_group=self.process_group,
                )

    def _loss(self, indices: list[int], batch: PairBatch) -> tuple[Tensor, Metrics]:
        """The mean loss of some pairs, and their figures for the curve."""
        config = self.config
        with self._precision():
            chosen, rejected = compute_pair_log_probs(self.model, batch, config.log_prob_reduction, self.vocabulary)
        reference = self.reference[indices].to(chosen.device)
        if config.loss_type == "kto_unpaired":
            return self._loss_of_single_motions(reference, batch, chosen, rejected)
        ratio = (chosen - rejected) - (reference[:, 0] - reference[:, 1])
        preference = self._preference(chosen, rejected, reference, self.smoothing[indices]).mean()
        loss = preference - (1.0 if config.loss_type == "sft" else config.sft_weight) * chosen.mean()
        return loss, {
            "loss": loss.item(),
            "preference_loss": preference.item(),
            "chosen_logp": chosen.mean().item(),
            "rejected_logp": rejected.mean().item(),
            "margin": ratio.mean().item(),
            "accuracy": (ratio > 0).float().mean().item(),
            "chosen_per_token": self._per_token(chosen, batch),
        }

    def _loss_of_single_motions(
        self, reference: Tensor, batch: PairBatch, chosen: Tensor, rejected: Tensor
    ) -> tuple[Tensor, Metrics]:
        """The same of motions that are good or bad for themselves. They are held against how far the policy has moved
        on answers to other prompts of the batch; `accuracy` is the share on its own side of that."""
        config, count = self.config, len(reference)
        good = torch.cat([torch.ones_like(chosen), torch.zeros_like(rejected)]).bool()
        beyond = torch.cat([chosen - reference[batch.has_chosen, 0], rejected - reference[batch.has_rejected, 1]])
        moved = self._moved_elsewhere(batch)
        weights = torch.where(good, *self.side_weights)
        preference = (weights * kto(beyond, good, moved, config.beta)).sum() / count
        loss = preference - config.sft_weight * chosen.sum() / count
        sides = [side.mean().item() if len(side) else 0.0 for side in (chosen, rejected, beyond[good], beyond[~good])]
        return loss, {
            "loss": loss.item(),
            "preference_loss": preference.item(),
            "chosen_logp": sides[0],
            "rejected_logp": sides[1],
            "margin": sides[2] - sides[3],
            "accuracy": ((beyond > moved) == good).float().mean().item(),
            "chosen_per_token": self._per_token(chosen, batch),
        }

    @torch.no_grad()
    def _moved_elsewhere(self, batch: PairBatch) -> Tensor:
        """How far the policy is beyond the reference, on average, on each answer under the next prompt; at
        least 0."""
        arguments: tuple[Any, ...] = (
            batch.inputs,
            batch.mask,
            (batch.owner + 1) % len(batch.inputs),
            batch.labels,
            self.config.log_prob_reduction,
        )
        with self._precision():
            policy = log_probabilities(self.model, *arguments, self.vocabulary)
            with self.adapted.disable_adapter():
                reference = log_probabilities(self.model, *arguments, self.vocabulary)
        return (policy - reference).mean().clamp(min=0)

    def _per_token(self, chosen: Tensor, batch: PairBatch) -> float:
        if not len(chosen):
            return self.rows[-1]["chosen_per_token"] if self.rows else 0.0
        lengths = (batch.labels[batch.chosen] != IGNORE_INDEX).sum(1) if not self.config.average_log_prob else 1
        return (chosen.detach() / lengths).mean().item()

    def _preference(self, chosen: Tensor, rejected: Tensor, reference: Tensor, smoothing: Tensor) -> Tensor:
        """The preference loss of each pair, of log-probabilities (B,) and those (B, 2) of the reference."""
        config = self.config
        if config.loss_type == "sft":
            return torch.zeros_like(chosen)
        if config.loss_type == "orpo":
            return config.beta * orpo(chosen, rejected)
        if config.loss_type == "simpo":
            return simpo(chosen, rejected, config.beta, config.target_margin, smoothing)
        beyond = chosen - reference[:, 0], rejected - reference[:, 1]
        if config.loss_type == "kto":
            return kto_pair(*beyond, config.beta)
        return PREFERENCE_LOSSES[config.loss_type](beyond[0] - beyond[1], config.beta, smoothing)

    def _fast(self) -> AbstractContextManager[None]:
        """Frozen layers as fast as a CPU multiplies, where float32 is asked for."""
        return fast_frozen_linears(self.model) if not self.config.bf16 else nullcontext()

    def _precision(self) -> torch.autocast:
        """Matrix products in bfloat16, if the config asks for it; the logits come back as float32."""
        return torch.autocast(self.model.device.type, torch.bfloat16, enabled=self.config.bf16)

    def extra(self) -> dict[str, Any]:
        return {"reference": self.reference}

    def take_up(self, extra: dict[str, Any]) -> None:
        self.reference = extra["reference"]


def _best_motions(pairs: Sequence[TrainingPair]) -> list[TrainingPair]:
    """A pair for each chosen motion: fine-tuning on them sees each once, however many pairs it won."""
    return list({(pair.text, pair.chosen): pair for pair in reversed(pairs)}.values())[::-1]


def _summary(rows: Sequence[Metrics], pairs: int, config: TuningConfig) -> str:
    kept = next((row["step"] for row in rows if row["kept"]), 0)
    return (
        f"LoRA adapter (rank {config.r}, {config.target_modules}) tuned with {config.loss_type} on {pairs} pairs of motions for "
        f"{len(rows)} steps, kept as it was after {kept}; the last batch's accuracy is {rows[-1]['accuracy']:.2f}."
    )
