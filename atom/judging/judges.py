"""The judges by name."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from atom.config import JudgingConfig
from atom.events import Event, Task
from atom.judging.judgement import Judgement
from atom.judging.kinematic_judge import KinematicJudge
from atom.judging.learned_judge import BUILTIN, LearnedJudge


class Judge(Protocol):
    """Whoever can say what happens in joints (T, 22, 3) and how well that fits the asked events."""

    def judge(self, joints: np.ndarray, events: Sequence[Event], task: Task) -> Judgement: ...


def make_judge(name: str, config: JudgingConfig) -> Judge:
    return LearnedJudge.load() if name == "learned" else KinematicJudge(config)


def judge_weight_hashes(name: str) -> dict[str, str]:
    """Hashes of what a judge has learned, for the keys of its scores; empty where that is nothing."""
    if name != "learned":
        return {}
    return {"judge": hashlib.sha256((BUILTIN / "segmenter.safetensors").read_bytes()).hexdigest()}
