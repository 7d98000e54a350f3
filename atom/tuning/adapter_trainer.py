"""An adapter in training: its optimizer, its curve so far, and its way back after a break."""

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
StepCallback = Callable[[int, int, Metrics], None]


class AdapterTrainer(ABC):
    """Steps of AdamW on the trainable weights of a generator's PeftModel, up in a line over the warm-up and down by a
    cosine.

    With a validation the adapter ends with the best weights, which may be those that it began with, not the last ones.
    A step may depend on nothing but the weights, the optimizer, the number of steps done and what `extra` keeps, so
    that a training taken up again ends with the same weights as without the break.
    """

    def __init__(
        self,
        generator: Generator,
        steps: int,
        config: TuningConfig | OnPolicyConfig,
        remedy: str,
        validation: Validation | None = None,
        process_group: ProcessGroup = SINGLE_PROCESS,
    ) -> None:
        self.generator, self.adapted = generator, generator.language_model
        self.model = self.adapted.get_base_model()
        self.steps, self.schedule, self.remedy = steps, config, remedy
        self.validation, self.process_group = validation, process_group
        self.trained = [parameter for parameter in self.adapted.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.AdamW(self.trained, lr=config.learning_rate, weight_decay=0.0)
        self.rows: list[Metrics] = []
        self.best = BestWeights()
        self.began = time.monotonic()

    @abstractmethod
    def backward(self) -> Metrics:
        """Adds the gradients of this process's share of the step that is due to the trainable weights. Gives its share
        of the step's loss and of what else belongs into the curve: what the process_group gives adds up to the whole."""

    @abstractmethod
    def drift(self, row: Metrics) -> float:
        """What of a row of the curve rises, in nats a token, as the model leaves the place where it began."""

    def extra(self) -> dict[str, Any]:
        """What else has to be kept; given back to `take_up`."""
        return {}

    def take_up(self, extra: dict[str, Any]) -> None:  # noqa: B027 - most have nothing to take back
        """Takes back what `extra` gave."""

    def step(self) -> Metrics:
        done, schedule = len(self.rows), self.schedule
        rate = learning_rate(done, self.steps, schedule.learning_rate, schedule.warmup_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        told = self.process_group.totals(self.backward(), self.model.device)
        self.process_group.all_reduce_gradients(self.trained)
        norm = clip_grad_norm_(self.trained, schedule.max_grad_norm).item()
        check_finite(done + 1, self.steps, told["loss"], norm, self.remedy)
        self.optimizer.step()
        self.rows.append(
            {"step": done + 1}
            | told
            | {"gradient_norm": norm, "learning_rate": rate, "seconds": time.monotonic() - self.began}
            | {"validation": None, "validation_gain": None, "kept": False}
        )
        early, late = self.rows[:WINDOW], self.rows[-WINDOW:]
        check_divergence(
            done + 1,
            *([self.drift(row) for row in rows] for rows in (early, late)),
            *([row["gradient_norm"] for row in rows] for rows in (early, late)),
            schedule.max_drift,
            self.remedy,
        )
        return self.rows[-1]

    def run(self, progress: StepCallback | None, state_file: Path | None, save_every: int) -> list[Metrics]:
        """All steps that are left, the state kept in `state_file` on the way; the weights are then the best ones.
        Gives the curve, whose row `kept` is that of these weights, if they are not those of the start."""
        if state_file is not None:
            self._restore(state_file)
        if self.validation and not self.best.first:
            self._validate(0)
        every = validation_interval(self.validation.every, self.steps) if self.validation else 0
        while len(self.rows) < self.steps and not self._exhausted():
            row = self.step()
            if every and (row["step"] % every == 0 or row["step"] == self.steps):
                row |= self._validate(row["step"])
            if state_file is not None and row["step"] % save_every == 0:
                self._save(state_file)
            if progress and self.process_group.first:
                progress(row["step"], self.steps, row)
        kept = self.best.step if self.validation else self.steps
        if self.validation:
            with torch.no_grad():
                for parameter, value in zip(self.trained, self.best.weights, strict=True):
                    parameter.copy_(value)
        for row in self.rows:
            row["kept"] = row["step"] == kept
        return self.rows

    def _exhausted(self) -> bool:
        return self.validation is not None and self.best.missed >= self.validation.patience

    def _validate(self, step: int) -> Metrics:
        assert self.validation is not None
        scores = self.process_group.broadcast(
            self.validation.measure(self.generator) if self.process_group.first else []
        )
        self.best.hear(step, scores, self.trained)
        mean = float(np.mean(scores))
        return {"validation": mean, "validation_gain": mean - float(np.mean(self.best.first))}

    def _save(self, path: Path) -> None:
        if self.process_group.first:
            save_trainer_state(
                path,
                {
                    "trained": [parameter.detach() for parameter in self.trained],
                    "optimizer": self.optimizer.state_dict(),
                    "rows": self.rows,
                    "best": asdict(self.best),
                    "extra": self.extra(),
                },
            )

    def _restore(self, path: Path) -> None:
        if not path.exists():
            return
        state = load_trainer_state(path)
        with torch.no_grad():
            for parameter, value in zip(self.trained, state["trained"], strict=True):
                parameter.copy_(value)
        self.optimizer.load_state_dict(state["optimizer"])
        self.rows = state["rows"]
        self.best = BestWeights(**state["best"])
        self.take_up(state["extra"])
        self.began -= self.rows[-1]["seconds"]


def learning_rate(step: int, steps: int, highest: float, warmup: int) -> float:
    """Of step 0, 1, ...: up in a line over the warm-up, which is at most half of all steps, then down by a cosine."""
    warmup = min(warmup, steps // 2)
    if step < warmup:
        return highest * (step + 1) / warmup
    return highest * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))
