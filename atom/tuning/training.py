"""An adapter in training: its optimizer, its curve so far, and its way back after a break."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch.nn.utils import clip_grad_norm_

from atom.errors import AtomError
from atom.files import replace_file

Row = dict[str, Any]
Progress = Callable[[int, int, Row], None]


class AdapterTraining(ABC):
    """Steps of AdamW on the trainable weights of a PeftModel, up in a line over the warm-up and down by a cosine.

    A step may depend on nothing but the weights, the optimizer, the number of steps done and what `extra` keeps, so
    that a training taken up again ends with the same weights as without the break.
    """

    def __init__(self, adapted: PeftModel, steps: int, learning_rate: float, warmup: int, gradient_clip: float,
                 remedy: str) -> None:  # fmt: skip
        self.adapted, self.model = adapted, adapted.get_base_model()
        self.steps, self.learning_rate, self.warmup = steps, learning_rate, warmup
        self.clip, self.remedy = gradient_clip, remedy
        self.trained = [parameter for parameter in adapted.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.AdamW(self.trained, lr=learning_rate, weight_decay=0.0)
        self.rows: list[Row] = []
        self.began = time.monotonic()

    @abstractmethod
    def backward(self) -> Row:
        """Adds the gradients of the step that is due to the trainable weights, and gives its loss and what else of it
        belongs into the curve."""

    def extra(self) -> dict[str, Any]:
        """What else has to be kept; given back to `take_up`."""
        return {}

    def take_up(self, extra: dict[str, Any]) -> None:  # noqa: B027 - most have nothing to take back
        """Takes back what `extra` gave."""

    def step(self) -> Row:
        done = len(self.rows)
        rate = learning_rate(done, self.steps, self.learning_rate, self.warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        told = self.backward()
        norm = clip_grad_norm_(self.trained, self.clip)
        if not (math.isfinite(told["loss"]) and math.isfinite(norm.item())):
            raise AtomError(
                f"tuning broke down at step {done + 1} of {self.steps}: loss {told['loss']:g}, gradient norm "
                f"{norm.item():g}; {self.remedy} (the learning rate is {self.learning_rate:g})"
            )
        self.optimizer.step()
        self.rows.append(
            {"step": done + 1}
            | told
            | {"gradient_norm": norm.item(), "learning_rate": rate, "seconds": time.monotonic() - self.began}
        )
        return self.rows[-1]

    def run(self, progress: Progress | None, state_file: Path | None, save_every: int) -> list[Row]:
        """All steps that are left, the state kept in `state_file` on the way. Gives the curve."""
        if state_file is not None:
            self._restore(state_file)
        while len(self.rows) < self.steps:
            row = self.step()
            if state_file is not None and row["step"] % save_every == 0:
                self._save(state_file)
            if progress:
                progress(row["step"], self.steps, row)
        return self.rows

    def _save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        state = {
            "trained": [parameter.detach() for parameter in self.trained], "optimizer": self.optimizer.state_dict(),
            "rows": self.rows, "extra": self.extra(),
        }  # fmt: skip
        replace_file(path, lambda temporary: torch.save(state, temporary))

    def _restore(self, path: Path) -> None:
        if not path.exists():
            return
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # torch.load raises whatever the damaged bytes lead it to
            raise AtomError(
                f"can't go on from {path}: {str(error).splitlines()[0]}; delete it to start over"
            ) from error
        with torch.no_grad():
            for parameter, value in zip(self.trained, state["trained"], strict=True):
                parameter.copy_(value)
        self.optimizer.load_state_dict(state["optimizer"])
        self.rows = state["rows"]
        self.take_up(state["extra"])
        self.began -= self.rows[-1]["seconds"]


def learning_rate(step: int, steps: int, highest: float, warmup: int) -> float:
    """Of step 0, 1, ...: up in a line over the warm-up, which is at most half of all steps, then down by a cosine."""
    warmup = min(warmup, steps // 2)
    if step < warmup:
        return highest * (step + 1) / warmup
    return highest * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))
