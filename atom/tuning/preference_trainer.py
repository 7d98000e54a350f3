"""Preference tuning: trains the language model's LoRA adapter on pairs of a chosen and a rejected motion."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from atom.config import STEP_LOSSES, TuningConfig
from atom.errors import AtomError
from atom.fast_linear import fast_frozen_linears
from atom.generation.adapter_loading import hash_adapter
from atom.generation.generator import Generator
from atom.tuning.adapter import gradient_checkpointing, save_adapter, trainable_adapter
from atom.tuning.adapter_trainer import AdapterTrainer, Metrics, StepCallback
from atom.tuning.batches import IGNORE_INDEX, PairBatch, iterate_batches, plan_batches
from atom.tuning.log_probabilities import compute_log_probs, compute_pair_log_probs, compute_reference_log_probs
from atom.tuning.losses import PREFERENCE_LOSSES, PreferenceLoss, kto, kto_pair, orpo, simpo
from atom.tuning.pairs import TokenizedPairs, TrainingPair, compute_pair_shapes, hash_pairs, unpair
from atom.tuning.process_group import SINGLE_PROCESS, ProcessGroup
from atom.tuning.validation import Validation
from atom.tuning.vocabulary import select_answer_vocabulary

REFERENCE_FREE = ("orpo", "simpo", "sft")  # losses without a reference; their curves show the policy's own margin


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
    loss: PreferenceLoss | None = None,
) -> list[Metrics]:
    """Tunes an adapter on preferences and saves it in peft's format.

    The reference model is the base with the adapter off, also when training starts from `init_adapter`. Its
    log-probabilities are computed once. The generator is returned to its state without an adapter; load the saved one
    to use it.

    An interrupted tuning resumes from the state in `work` and ends with the same weights as an uninterrupted one (on
    CPU with the same number of threads, bit for bit). The name of the state file depends on config, seed, pairs and
    weights, so that a different tuning never resumes from it.

    Args:
        generator: the base model, without an adapter.
        pairs: the preferences; a `PairFile` is read on demand.
        config: LoRA, loss and optimizer.
        seed: of the order of the pairs and the initial adapter.
        folder: where the adapter is saved.
        progress: called after each step, in the main process.
        work: where the state is saved; None saves none.
        init_adapter: folder of an adapter to start from.
        base: the name of the base model in the adapter's files.
        save_every: steps between two saves of the state.
        validation: chooses the weights to end with; None takes the last ones.
        process_group: processes that all call this with the same arguments; the main one writes the files.
        loss: a custom loss in place of `config.loss_type`, of whose settings beta and label smoothing don't apply
            to it.

    Returns:
        The training curve, one row a step.

    Raises:
        AtomError: the generator already has an adapter, there are no pairs, `loss` has no name or stands beside another
            `loss_type`, the loss is not finite, or the tuning diverges.
    """
    if process_group.world_size > 1 and config.loss_type in STEP_LOSSES:
        raise AtomError(f"{config.loss_type} compares the motions of a step with each other: set resources.processes=1")
    custom_loss = {} if loss is None else {"loss": _loss_identity(loss, config)}
    if not pairs:
        raise AtomError("there are no preferences to tune on; lower preferences.min_gap or raise generation.candidates")
    # Of the pairs as given: what sft and kto_unpaired make of them follows from the config, which is hashed too.
    pairs_hash = hash_pairs(pairs)
    if config.loss_type == "sft":
        pairs = _deduplicate_chosen(pairs)
    elif config.loss_type == "kto_unpaired":
        pairs = unpair(pairs)
    with trainable_adapter(generator, config, seed, init_adapter) as adapted:
        trainer = _PreferenceTrainer(generator, pairs, config, seed, validation, process_group, loss)
        resumed_from = hash_adapter(init_adapter) if init_adapter else None
        fingerprint_parts = [
            generator.weights_hash,
            generator.template,
            resumed_from,
            config.model_dump(),
            seed,
            pairs_hash,
            validation.identity if validation else None,
            *custom_loss.values(),
        ]
        fingerprint = hashlib.sha256(json.dumps(fingerprint_parts, sort_keys=True).encode()).hexdigest()
        state_file = work / f"tuning-{fingerprint}.pt" if work else None
        rows = trainer.run(progress, state_file, save_every)
        origin = {
            "base_weights": generator.weights_hash,
            "template": generator.template,
            "tuning": config.model_dump(),
            "seed": seed,
            "pairs": len(pairs),
            "pairs_hash": pairs_hash,
            "went_on_from": resumed_from,
            **custom_loss,
        }
        if process_group.is_main:
            loss_name = custom_loss.get("loss", config.loss_type)
            save_adapter(adapted, folder, base, _describe(rows, len(pairs), config, loss_name), origin)
            if state_file is not None:
                state_file.unlink(missing_ok=True)
        return [row | {"epoch": row["step"] / trainer.steps_per_epoch} for row in rows]


class _PreferenceTrainer(AdapterTrainer):
    """Trains on batches that are planned before the first step; nothing random happens after that."""

    config: TuningConfig

    def __init__(
        self,
        generator: Generator,
        pairs: Sequence[TrainingPair],
        config: TuningConfig,
        seed: int,
        validation: Validation | None,
        process_group: ProcessGroup,
        loss: PreferenceLoss | None,
    ) -> None:
        self.custom_loss = loss
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
        self.pad = generator.tokenizer.pad_token_id
        self.vocabulary = select_answer_vocabulary(generator, config)
        smoothing = [config.degree_smoothing.get(pair.degree, config.label_smoothing) for pair in pairs]
        self.smoothing = torch.tensor(smoothing, device=self.model.device)  # (pairs,)
        chosen = sum(pair.chosen is not None for pair in pairs)
        rejected = sum(pair.rejected is not None for pair in pairs)
        # Desirable and undesirable motions get the same total weight, however many there are of each, as KTO's
        # lambda_D and lambda_U do. For pairs both weights are 1.
        self.side_weights = [(chosen + rejected) / (2 * max(count, 1)) for count in (chosen, rejected)]
        self.steps_per_epoch = math.ceil(len(pairs) / config.batch_size)
        self.reference = torch.empty(0)  # (pairs, 2) log-probabilities of chosen and rejected
        self.batches: Iterator[PairBatch] | None = None

    def micro_batches(self, step: int) -> list[list[int]]:
        """This process's pairs of a step, divided into what is in memory at a time."""
        shard = list(self.process_group.shard(self.plan[step]))
        size = self.config.micro_batch_size or max(len(shard), 1)
        return [shard[start : start + size] for start in range(0, len(shard), size)]

    def backward(self) -> Metrics:
        config, done = self.config, len(self.rows)
        # Not in __init__: only here the trainer knows from which step a resumed tuning goes on.
        if self.batches is None:
            self._compute_reference()
            remaining = [indices for step in range(done, self.steps) for indices in self.micro_batches(step)]
            self.batches = iterate_batches(self.pairs, remaining, self.pad, self.model.device)
        names = ("loss", "preference_loss", "chosen_logp", "rejected_logp", "margin", "accuracy", "chosen_per_token")
        metrics: Metrics = dict.fromkeys(names, 0.0)
        with gradient_checkpointing(self.model, config.gradient_checkpointing), self._fast_matmul():
            for indices in self.micro_batches(done):
                loss, part = self._compute_loss(indices, next(self.batches))
                # Weighted by the share of the whole step, gradients and metrics of all parts and processes add up to
                # the mean over the step.
                weight = len(indices) / len(self.plan[done])
                (loss * weight).backward()
                metrics = {name: metrics[name] + weight * part[name] for name in names}
        return metrics

    def compute_drift(self, metrics: Metrics) -> float:
        return -metrics["chosen_per_token"]

    def _compute_reference(self) -> None:
        if self.config.loss_type in REFERENCE_FREE:
            self.reference = torch.zeros(len(self.pairs), 2)
        elif not len(self.reference):
            with self.adapted.disable_adapter(), self._fast_matmul(), self._autocast():
                self.reference = compute_reference_log_probs(
                    self.model,
                    self.pairs,
                    self.pad,
                    self.config.log_prob_reduction,
                    vocabulary=self.vocabulary,
                    process_group=self.process_group,
                )

    def _compute_loss(self, indices: list[int], batch: PairBatch) -> tuple[Tensor, Metrics]:
        """The mean loss of some pairs, and their metrics."""
        config = self.config
        with self._autocast():
            chosen, rejected = compute_pair_log_probs(self.model, batch, config.log_prob_reduction, self.vocabulary)
        reference = self.reference[indices].to(chosen.device)
        if config.loss_type == "kto_unpaired":
            return self._compute_unpaired_loss(reference, batch, chosen, rejected)
        margin = (chosen - rejected) - (reference[:, 0] - reference[:, 1])
        preference_loss = self._compute_preference_loss(chosen, rejected, reference, self.smoothing[indices]).mean()
        # As in Pang et al. 2024 (arXiv 2404.19733): the likelihood of the chosen motion keeps it from falling while the
        # margin grows.
        loss = preference_loss - (1.0 if config.loss_type == "sft" else config.sft_weight) * chosen.mean()
        return loss, {
            "loss": loss.item(),
            "preference_loss": preference_loss.item(),
            "chosen_logp": chosen.mean().item(),
            "rejected_logp": rejected.mean().item(),
            "margin": margin.mean().item(),
            "accuracy": (margin > 0).float().mean().item(),
            "chosen_per_token": self._mean_log_prob_per_token(chosen, batch),
        }

    def _compute_unpaired_loss(
        self, reference: Tensor, batch: PairBatch, chosen: Tensor, rejected: Tensor
    ) -> tuple[Tensor, Metrics]:
        """The same for unpaired motions.

        `accuracy` is the share of motions whose log ratio is on the right side of the KL reference point.
        """
        config, count = self.config, len(reference)
        desirable = torch.cat([torch.ones_like(chosen), torch.zeros_like(rejected)]).bool()
        log_ratio = torch.cat([chosen - reference[batch.has_chosen, 0], rejected - reference[batch.has_rejected, 1]])
        kl = self._kl_reference_point(batch)
        weights = torch.where(desirable, *self.side_weights)
        preference_loss = (weights * kto(log_ratio, desirable, kl, config.beta)).sum() / count
        loss = preference_loss - config.sft_weight * chosen.sum() / count
        chosen_logp, rejected_logp, chosen_log_ratio, rejected_log_ratio = (
            values.mean().item() if len(values) else 0.0
            for values in (chosen, rejected, log_ratio[desirable], log_ratio[~desirable])
        )
        return loss, {
            "loss": loss.item(),
            "preference_loss": preference_loss.item(),
            "chosen_logp": chosen_logp,
            "rejected_logp": rejected_logp,
            "margin": chosen_log_ratio - rejected_log_ratio,
            "accuracy": ((log_ratio > kl) == desirable).float().mean().item(),
            "chosen_per_token": self._mean_log_prob_per_token(chosen, batch),
        }

    @torch.no_grad()
    def _kl_reference_point(self, batch: PairBatch) -> Tensor:
        """KTO's z0: the mean log ratio of the answers, each given the next prompt of the batch, and at least 0.

        The mismatched answers make it an estimate of the KL divergence that no label has shaped.
        """
        arguments: tuple[Any, ...] = (
            batch.input_ids,
            batch.attention_mask,
            (batch.prompt_index + 1) % len(batch.input_ids),
            batch.labels,
            self.config.log_prob_reduction,
        )
        with self._autocast():
            policy = compute_log_probs(self.model, *arguments, self.vocabulary)
            with self.adapted.disable_adapter():
                reference = compute_log_probs(self.model, *arguments, self.vocabulary)
        return (policy - reference).mean().clamp(min=0)

    def _mean_log_prob_per_token(self, chosen: Tensor, batch: PairBatch) -> float:
        if not len(chosen):  # a batch of undesirable motions only: repeat the last value
            return self.rows[-1]["chosen_per_token"] if self.rows else 0.0
        lengths = 1 if self.config.average_log_prob else (batch.labels[batch.chosen_index] != IGNORE_INDEX).sum(1)
        return (chosen.detach() / lengths).mean().item()

    def _compute_preference_loss(
        self, chosen: Tensor, rejected: Tensor, reference: Tensor, smoothing: Tensor
    ) -> Tensor:
        """The preference loss of each pair.

        The log-probabilities of the policy are (B,), those of the reference (B, 2).
        """
        config = self.config
        if self.custom_loss is not None:
            return self.custom_loss(chosen, rejected, reference[:, 0], reference[:, 1])
        if config.loss_type == "sft":
            return torch.zeros_like(chosen)
        if config.loss_type == "orpo":
            return config.beta * orpo(chosen, rejected)
        if config.loss_type == "simpo":
            return simpo(chosen, rejected, config.beta, config.target_margin, smoothing)
        chosen_log_ratio, rejected_log_ratio = chosen - reference[:, 0], rejected - reference[:, 1]
        if config.loss_type == "kto":
            return kto_pair(chosen_log_ratio, rejected_log_ratio, config.beta)
        return PREFERENCE_LOSSES[config.loss_type](chosen_log_ratio - rejected_log_ratio, config.beta, smoothing)

    def _fast_matmul(self) -> AbstractContextManager[None]:
        """Multiplies frozen layers by the fastest way of the CPU, except in bfloat16."""
        return nullcontext() if self.config.bf16 else fast_frozen_linears(self.model)

    def _autocast(self) -> torch.autocast:
        """Matrix products in bfloat16 if the config says so; logits are always converted to float32."""
        return torch.autocast(self.model.device.type, torch.bfloat16, enabled=self.config.bf16)

    def state_dict(self) -> dict[str, Any]:
        return {"reference": self.reference}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.reference = state["reference"]


def _deduplicate_chosen(pairs: Sequence[TrainingPair]) -> list[TrainingPair]:
    """One pair for each chosen motion, so that fine-tuning sees each motion once, however many pairs it won."""
    return list({(pair.text, pair.chosen): pair for pair in reversed(pairs)}.values())[::-1]


def _loss_identity(loss: PreferenceLoss, config: TuningConfig) -> str:
    """The name of a custom loss. AtomError if it has none, or if the config names another loss."""
    if "loss_type" in config.model_fields_set:
        raise AtomError(f"tune has a custom loss and loss_type={config.loss_type}: give one of them")
    name = getattr(loss, "identity", None) or getattr(loss, "__qualname__", None)
    if not isinstance(name, str):
        raise AtomError(f"the loss {loss!r} has no name: give it an attribute `identity`, a text that names it")
    return name


def _describe(rows: Sequence[Metrics], pairs: int, config: TuningConfig, loss: str) -> str:
    kept = next((row["step"] for row in rows if row["kept"]), 0)
    return (
        f"LoRA adapter (rank {config.r}, {config.target_modules}) tuned with {loss} on {pairs} pairs of "
        f"motions for {len(rows)} steps, with the weights of step {kept}; the accuracy of the last batch is "
        f"{rows[-1]['accuracy']:.2f}."
    )
