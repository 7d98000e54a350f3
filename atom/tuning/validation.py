"""Validation during tuning: a judge on prompts of neither training nor test chooses the weights to end with."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from atom.config import RunConfig
from atom.external.motion_generator import derive_sample_seed
from atom.generation.generator import Generator
from atom.judging.kinematic_judge import KinematicJudge
from atom.prompts.grammar import write_split

MAX_VALIDATIONS = 10  # of one tuning, beside that of the initial weights


def validation_interval(every: int, steps: int) -> int:
    """Steps between two validations.

    Long tunings validate less often, because their scores stay noisy until the learning rate has come down.

    Args:
        every: the least number of steps.
        steps: of the whole tuning.

    Returns:
        The interval, with at most `MAX_VALIDATIONS` validations.
    """
    return max(every, math.ceil(steps / MAX_VALIDATIONS))


@dataclass(frozen=True)
class Validation:
    """Prompts, the seeds of their motions, and a judge.

    The seeds stay the same, so that two validations differ by their weights alone.

    Attributes:
        texts: the prompts.
        seeds: one for each prompt.
        score: called as (index of the prompt, joints (T, 22, 3)).
        sampling: keyword arguments of `Generator.sample`.
        every: the least number of steps between two validations.
        patience: validations in a row without new best weights after which a tuning stops early.
        description: of the judge, so that the hash of a tuning changes with it.
        empty_score: the score of a prompt without a motion.
        batch_size: motions sampled at a time.
    """

    texts: tuple[str, ...]
    seeds: tuple[int, ...]
    score: Callable[[int, np.ndarray], float]
    sampling: Mapping[str, Any]
    every: int
    patience: int
    description: str = ""
    empty_score: float = 1.0
    batch_size: int = 64

    @property
    def identity(self) -> list[Any]:
        """All that its outcome depends on, beside the weights; JSON-able."""
        return [
            self.texts,
            self.seeds,
            self.description,
            dict(self.sampling),
            self.every,
            self.patience,
            self.empty_score,
        ]

    def evaluate(self, generator: Generator) -> list[float]:
        """Samples a motion for each prompt and scores it.

        Args:
            generator: with the weights to validate.

        Returns:
            The score of each prompt.
        """
        motions = generator.sample(self.texts, self.seeds, batch_size=self.batch_size, **self.sampling)
        joints = generator.decode([motion.tokens for motion in motions])
        return [self.score(i, motion) if len(motion) else self.empty_score for i, motion in enumerate(joints)]


def build_validation(config: RunConfig) -> Validation | None:
    """Builds the validation of a run's config.

    The prompts come from the grammar, with compositions of neither training nor test. The kinematic judge scores their
    motions from 1 to 5.

    Args:
        config: of the run.

    Returns:
        The validation; None where `validation.prompts_per_task` is 0.
    """
    settings = config.validation
    if not settings.prompts_per_task:
        return None
    prompts = write_split(config.prompts, config.seed, "val", settings.prompts_per_task)
    judge = KinematicJudge(config.judging)

    def score(index: int, joints: np.ndarray) -> float:
        return judge.judge(joints, prompts[index]).score

    return Validation(
        texts=tuple(prompt.text for prompt in prompts),
        seeds=tuple(derive_sample_seed(config.seed, prompt.prompt_id, 0) for prompt in prompts),
        score=score,
        sampling=config.generation.sampling,
        every=settings.eval_steps,
        patience=settings.early_stopping_patience,
        description=f"kinematic judge, sensitivity {config.judging.sensitivity:g}",
        batch_size=config.resources.batch_size,
    )


@dataclass
class BestWeights:
    """The weights to end with: the latest whose scores are within one standard error of the highest.

    An earlier checkpoint that is better by less than that may be so by luck. The standard error is that of the mean
    difference, paired by prompt.

    Attributes:
        first: scores of the initial weights, one for each prompt.
        highest: scores of the validation with the highest mean.
        step: of the best weights.
        weights: copies of the best weights.
        missed: validations in a row without new best weights.
    """

    # The field names are keys of the saved trainer state.
    first: list[float] = field(default_factory=list)
    highest: list[float] = field(default_factory=list)
    step: int = 0
    weights: list[Tensor] = field(default_factory=list)
    missed: int = 0

    def update(self, step: int, scores: list[float], weights: Sequence[Tensor]) -> None:
        """Takes the result of a validation into account.

        Args:
            step: of the validation.
            scores: one for each prompt.
            weights: at that step; copied if they are the new best ones.
        """
        if not self.first:
            self.first = scores
        if not self.highest or np.mean(scores) > np.mean(self.highest):
            self.highest = scores
        if _is_worse(scores, self.highest):
            self.missed += 1
            return
        self.step, self.missed = step, 0
        # A copy, because the optimizer changes the weights in place.
        self.weights = [weight.detach().clone() for weight in weights]


def _is_worse(scores: Sequence[float], others: Sequence[float]) -> bool:
    """Whether the mean of scores (n,) is below that of others (n,) by more than the difference's standard error."""
    difference = np.subtract(others, scores)
    ddof = 1 if len(difference) > 1 else 0  # a single prompt has no sample deviation
    return bool(difference.mean() > difference.std(ddof=ddof) / np.sqrt(len(difference)))
