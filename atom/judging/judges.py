"""The judges of joints by name."""

from __future__ import annotations

import hashlib
from typing import Any, Protocol

import numpy as np

from atom.config import RunConfig
from atom.judging.judged_prompt import JudgedPrompt
from atom.judging.judgement import Judgement
from atom.judging.kinematic_judge import KinematicJudge
from atom.judging.learned_judge import BUILTIN, LearnedJudge
from atom.judging.retrieval_judge import RetrievalJudge, load_retrieval_judge


class Judge(Protocol):
    """Anything that scores joints (T, 22, 3) by how well they fit a prompt."""

    def find_obstacle(self, prompt: JudgedPrompt) -> str | None:
        """Says why it can't judge motions of a prompt. Such a prompt gets no score.

        Args:
            prompt: the prompt.

        Returns:
            The reason in one line; None where it can judge them.
        """
        ...

    def judge(self, joints: np.ndarray, prompt: JudgedPrompt) -> Judgement:
        """Scores a motion by how well it fits a prompt.

        Args:
            joints: (T, 22, 3) in metres, Y up, 20 fps, with at least one frame.
            prompt: what the motion should show.

        Returns:
            The score from 1 to 5 with its evidence.
        """
        ...


def make_judge(name: str, config: RunConfig) -> Judge:
    """Make a judge of joints.

    Args:
        name: "kinematic", "learned" or "retrieval".
        config: a run's config.

    Returns:
        The judge.

    Raises:
        AtomError: what the retrieval judge needs is missing.
    """
    if name == "retrieval":
        return load_retrieval(config)
    return LearnedJudge.load() if name == "learned" else KinematicJudge(config.judging)


def load_retrieval(config: RunConfig) -> RetrievalJudge:
    """Load the retrieval judge of a run's config. Raises AtomError that names what is missing."""
    return load_retrieval_judge(config.retrieval_evaluator, config.resources.device)


def judge_key_fields(name: str, config: RunConfig) -> tuple[dict[str, Any], dict[str, str]]:
    """What decides the scores of a judge of joints, for the keys of artifacts.

    Args:
        name: as for `make_judge`.
        config: a run's config.

    Returns:
        The settings, and the hashes of the weights; the latter are empty for a judge without weights.
    """
    if name == "retrieval":
        judge = load_retrieval(config)
        anchors = [judge.anchors.near, judge.anchors.far]
        return {"judge": name, "anchors": anchors}, {"judge": judge.evaluator.weights_hash}
    if name == "learned":
        weights = hashlib.sha256((BUILTIN / "segmenter.safetensors").read_bytes()).hexdigest()
        return {"judge": name}, {"judge": weights}
    return {"judge": name, "sensitivity": config.judging.sensitivity}, {}
