"""What all trainings share: a checkpoint to resume from after an interruption, and the learning rate schedule."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from atom.atomic_write import write_atomically

ProgressCallback = Callable[[str, int, int, str], None]
"""Called as (activity, done, total, note) during long work."""


@dataclass(frozen=True)
class TrainingState:
    """A model and its optimizer, saved to `path` every `save_every` of `steps` steps and after the last step."""

    path: Path
    model: torch.nn.Module
    optimizer: torch.optim.Optimizer
    steps: int
    save_every: int

    def restore(self) -> int:
        """Loads the saved state if there is one. Returns the number of finished steps, 0 without a saved state."""
        if not self.path.exists():
            return 0
        saved = torch.load(self.path, weights_only=True)
        self.model.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        return saved["step"]

    def save_if_due(self, step: int) -> None:
        """Saves the state after step `step` (counted from 1) if that step is one to save."""
        if step % self.save_every == 0 or step == self.steps:
            state = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), "step": step}
            write_atomically(self.path, lambda path: torch.save(state, path))


def warmup_cosine_rate(peak: float, step: int, steps: int, warmup: int, floor: float) -> float:
    """The learning rate of a step: a linear warm-up, then half a cosine down to a floor.

    Args:
        peak: the highest rate.
        step: number of the step, from 0.
        steps: of the whole training.
        warmup: steps of the warm-up.
        floor: the last rate, as a fraction of `peak`.

    Returns:
        The rate.
    """
    return peak * min(1, (step + 1) / warmup) * (floor + (1 - floor) * cosine_decay(step / steps))


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Sets one learning rate for all parameter groups.

    Args:
        optimizer: changed in place.
        rate: the new learning rate.
    """
    for group in optimizer.param_groups:
        group["lr"] = rate


def cosine_decay(fraction: float) -> float:
    """Half a cosine: 1 at fraction 0 of the training, 0 at fraction 1 and beyond."""
    return 0.5 * (1 + math.cos(math.pi * min(fraction, 1.0)))
