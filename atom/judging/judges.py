"""The judges of joints by name."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from atom.config import JudgingConfig
from atom.events import Event, Task, is_known
from atom.judging.judgement import Judgement
from atom.judging.kinematic_judge import KinematicJudge
from atom.judging.learned_judge import BUILTIN, LearnedJudge


class Judge(Protocol):
    """Anything that scores joints (T, 22, 3) by how well they fit the expected events."""

    def judge(self, joints: np.ndarray, events: Sequence[Event], task: Task) -> Judgement: ...


def find_unjudgeable_actions(events: Sequence[Event]) -> list[str]:
    """The actions of a prompt that no judge of joints can see: the open ones. Such a prompt gets no score from it."""
    return list(dict.fromkeys(event.action for event in events if not is_known(event.action)))


def make_judge(name: str, config: JudgingConfig) -> Judge:
    """Make a judge of joints.

    Args:
        name: "learned" or "kinematic".
        config: the settings of the kinematic judge.
    """
    return LearnedJudge.load() if name == "learned" else KinematicJudge(config)


def judge_weight_hashes(name: str) -> dict[str, str]:
    """The hashes of a judge's weights, which go into the keys of its scores; empty for a judge without weights."""
    if name != "learned":
        return {}
    return {"judge": hashlib.sha256((BUILTIN / "segmenter.safetensors").read_bytes()).hexdigest()}
