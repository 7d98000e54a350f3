"""What trainings share: the state on disk from which one that was cut off goes on, and the learning rate's course."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from atom.files import replace_file

Progress = Callable[[str, int, int, str], None]
"""Told (what, done, total, note) while something long goes on."""


@dataclass(frozen=True)
class TrainingState:
    """A model and its optimizer, kept in `path` every `every` of `steps` steps and after the last."""

    path: Path
    model: torch.nn.Module
    optimizer: torch.optim.Optimizer
    steps: int
    every: int

    def restore(self) -> int:
        """Loads what is kept, if anything is, and gives the number of steps done."""
        if not self.path.exists():
            return 0
        saved = torch.load(self.path, weights_only=True)
        self.model.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        return saved["step"]

    def keep(self, done: int) -> None:
        """Keeps the state after step `done`, when it is time."""
        if done % self.every == 0 or done == self.steps:
            state = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), "step": done}
            replace_file(self.path, lambda path: torch.save(state, path))


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


def cosine(share: float) -> float:
    """1 at share 0, 0 at share 1 and after."""
    return 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))
