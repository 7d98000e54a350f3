"""The training loop of an adapter, shared by preference and on-policy tuning: optimizer, curve, validation, resume."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.utils import clip_grad_norm_

from atom.config import OnPolicyConfig, TuningConfig
from atom.generation.generator import Generator
from atom.tuning.divergence import WINDOW, check_divergence, check_finite
from atom.tuning.process_group import SINGLE_PROCESS, ProcessGroup
from atom.tuning.trainer_state import load_trainer_state, save_trainer_state
from atom.tuning.validation import BestWeights, Validation, validation_interval

Metrics = dict[str, Any]
"""One row of a training curve: the metrics of a step, or of an epoch for a reward model."""

StepCallback = Callable[[int, int, Metrics], None]
"""Called as (step, steps, metrics) after each step."""


class AdapterTrainer(ABC):
    """Trains the trainable weights of a generator's PEFT model with AdamW, a linear warm-up and a cosine decay.

    With a validation the adapter ends with the best weights found, which may be the initial ones.

    A step may depend only on the weights, the optimizer, the number of finished steps and what `state_dict` returns.
    Then a resumed training ends with the same weights as an uninterrupted one.
    """

    def __init__(
        self,
        generator: Generator,
        steps: int,
        config: TuningConfig | OnPolicyConfig,
        hint: str,
        validation: Validation | None = None,
        process_group: ProcessGroup = SINGLE_PROCESS,
    ) -> None:
        """Sets up the optimizer.

        Args:
            generator: its language model is the PEFT model to train.
            steps: the number of optimizer steps.
            config: learning rate, warm-up, gradient clipping and the limit of the drift.
            hint: what to change if the training diverges, for the error message.
            validation: chooses the weights to end with; None takes the last ones.
            process_group: the processes that train together.
        """
        self.generator, self.adapted = generator, generator.language_model
        self.model = self.adapted.get_base_model()
        self.steps, self.config, self.hint = steps, config, hint
        self.validation, self.process_group = validation, process_group
        self.parameters = [parameter for parameter in self.adapted.parameters() if parameter.requires_grad]
        # No weight decay, as by default in transformers and TRL.
        self.optimizer = torch.optim.AdamW(self.parameters, lr=config.learning_rate, weight_decay=0.0)
        self.rows: list[Metrics] = []
        self.best = BestWeights()
        self.start_time = time.monotonic()

    @abstractmethod
    def backward(self) -> Metrics:
        """Accumulates the gradients of this process's shard of the next step.

        Returns the shard's contribution to each metric: the sum over the process group is the metric of the step.
        """

    @abstractmethod
    def compute_drift(self, metrics: Metrics) -> float:
        """A number that rises as the model moves away from its initial weights, in nats a token."""

    def state_dict(self) -> dict[str, Any]:
        """What a subclass must save beside weights, optimizer and curve."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # noqa: B027 - most subclasses save nothing
        """Restores what `state_dict` returned."""

    def step(self) -> Metrics:
        """Does one optimizer step. Returns its row of the curve.

        Raises AtomError when the loss is not finite or the training diverges.
        """
        done, config = len(self.rows), self.config
        rate = compute_learning_rate(done, self.steps, config.learning_rate, config.warmup_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        metrics = self.process_group.all_reduce_metrics(self.backward(), self.model.device)
        self.process_group.all_reduce_gradients(self.parameters)
        # After the all-reduce: every process clips the same gradient by the same norm, so their weights stay equal.
        norm = clip_grad_norm_(self.parameters, config.max_grad_norm).item()
        # Before the optimizer step, which would write a NaN into the weights and its moments.
        check_finite(done + 1, self.steps, metrics["loss"], norm, self.hint)
        self.optimizer.step()
        self.rows.append(
            {"step": done + 1}
            | metrics
            | {"gradient_norm": norm, "learning_rate": rate, "seconds": time.monotonic() - self.start_time}
            | {"validation": None, "validation_gain": None, "kept": False}
        )
        first, last = self.rows[:WINDOW], self.rows[-WINDOW:]
        check_divergence(
            done + 1,
            *([self.compute_drift(row) for row in rows] for rows in (first, last)),
            *([row["gradient_norm"] for row in rows] for rows in (first, last)),
            config.max_drift,
            self.hint,
        )
        return self.rows[-1]

    def run(self, progress: StepCallback | None, state_file: Path | None, save_every: int) -> list[Metrics]:
        """Does all remaining steps and leaves the best weights in the adapter.

        Args:
            progress: called after each step, in the main process.
            state_file: where the state is saved and resumed from; None saves nothing.
            save_every: steps between two saves.

        Returns:
            The curve. Its column `kept` is true in the row of the weights that the adapter ends with, and in none if
            these are the initial weights.

        Raises:
            AtomError: the loss is not finite, the training diverges, or the state can't be saved or read.
        """
        if state_file is not None:
            self._restore(state_file)
        # The initial weights compete too, so that a tuning that only harms ends where it began. A resumed one has
        # validated them already.
        if self.validation and not self.best.first:
            self._validate(0)
        every = validation_interval(self.validation.every, self.steps) if self.validation else 0
        while len(self.rows) < self.steps and not self._should_stop_early():
            row = self.step()
            # The last step is always validated: otherwise its weights could not be kept.
            if every and (row["step"] % every == 0 or row["step"] == self.steps):
                row |= self._validate(row["step"])
            if state_file is not None and row["step"] % save_every == 0:
                self._save(state_file)
            if progress and self.process_group.is_main:
                progress(row["step"], self.steps, row)
        kept = self.best.step if self.validation else self.steps
        if self.validation:
            self._load_weights(self.best.weights)
        for row in self.rows:
            row["kept"] = row["step"] == kept
        return self.rows

    def _should_stop_early(self) -> bool:
        return self.validation is not None and self.best.missed >= self.validation.patience

    def _validate(self, step: int) -> Metrics:
        assert self.validation is not None
        # Only the main process samples and judges; the others must take the same decisions from its scores.
        scores = self.process_group.broadcast(
            self.validation.evaluate(self.generator) if self.process_group.is_main else []
        )
        self.best.update(step, scores, self.parameters)
        mean = float(np.mean(scores))
        return {"validation": mean, "validation_gain": mean - float(np.mean(self.best.first))}

    def _load_weights(self, weights: list[torch.Tensor]) -> None:
        with torch.no_grad():
            for parameter, value in zip(self.parameters, weights, strict=True):
                parameter.copy_(value)

    def _save(self, path: Path) -> None:
        # All processes hold the same weights, and one file is enough to resume them all.
        if self.process_group.is_main:
            save_trainer_state(
                path,
                {
                    "trained": [parameter.detach() for parameter in self.parameters],
                    "optimizer": self.optimizer.state_dict(),
                    "rows": self.rows,
                    "best": asdict(self.best),
                    "extra": self.state_dict(),
                },
            )

    def _restore(self, path: Path) -> None:
        if not path.exists():
            return
        state = load_trainer_state(path)
        self._load_weights(state["trained"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.rows = state["rows"]
        self.best = BestWeights(**state["best"])
        self.load_state_dict(state["extra"])
        self.start_time -= self.rows[-1]["seconds"]  # the column `seconds` counts on from the saved row


def compute_learning_rate(step: int, steps: int, peak: float, warmup_steps: int) -> float:
    """Linear warm-up followed by a cosine decay to 0, like transformers' `get_cosine_schedule_with_warmup`.

    Args:
        step: counted from 0.
        steps: of the whole training.
        peak: the highest learning rate.
        warmup_steps: limited to half of all steps.

    Returns:
        The learning rate of this step.
    """
    # A tuning shorter than its warm-up would never reach the peak.
    warmup_steps = min(warmup_steps, steps // 2)
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup_steps) / (steps - warmup_steps)))
