"""Which weights a tuning ends with, found by a judge on prompts that are neither trained nor tested on."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from atom.config import RunConfig
from atom.external.motion_generator import sample_seed
from atom.generation.generator import Generator
from atom.judging.kinematic_judge import KinematicJudge
from atom.prompts.grammar import write_split

MAX_VALIDATIONS = 10  # of a tuning, beside that of its start


def validation_interval(every: int, steps: int) -> int:
    """Steps between two measurements, at least `every`, of a tuning of so many: the longer it is, the longer it is
    noisy before its learning rate has come down."""
    return max(every, math.ceil(steps / MAX_VALIDATIONS))


@dataclass(frozen=True)
class Validation:
    """Texts, the seeds of their motions, and a judge: `score` of the number of a text and its joints (T, 22, 3).

    The seeds stay the same, so that two measurements differ by their weights alone. A text without a motion scores
    `worst`. `every` is the least number of steps between measurements; after `patience` of them in a row that were not
    kept the tuning ends. `meaning` says what is asked of the texts, for what is built on it.
    """

    texts: tuple[str, ...]
    seeds: tuple[int, ...]
    score: Callable[[int, np.ndarray], float]
    sampling: Mapping[str, Any]
    every: int
    patience: int
    meaning: str = ""
    worst: float = 1.0
    batch_size: int = 64

    @property
    def identity(self) -> list[Any]:
        """What decides its outcome, beside the weights."""
        return [self.texts, self.seeds, self.meaning, dict(self.sampling), self.every, self.patience, self.worst]

    def measure(self, generator: Generator) -> list[float]:
        """The score of each text's motion, made by the generator as it is now."""
        motions = generator.sample(self.texts, self.seeds, batch_size=self.batch_size, **self.sampling)
        joints = generator.decode([motion.tokens for motion in motions])
        return [self.score(number, clip) if len(clip) else self.worst for number, clip in enumerate(joints)]


def build_validation(config: RunConfig) -> Validation | None:
    """What a run's config asks for: motions for prompts of the grammar whose compositions are in neither training nor
    test, scored 1 to 5 by the kinematic judge. None where it asks for none."""
    settings = config.validation
    if not settings.prompts_per_task:
        return None
    prompts = write_split(config.prompts, config.seed, "val", settings.prompts_per_task)
    judge = KinematicJudge(config.judging)

    def score(number: int, joints: np.ndarray) -> float:
        return judge.judge(joints, prompts[number].events, prompts[number].task).score

    return Validation(
        texts=tuple(prompt.text for prompt in prompts),
        seeds=tuple(sample_seed(config.seed, prompt.prompt_id, 0) for prompt in prompts),
        score=score,
        sampling=config.generation.sampling,
        every=settings.eval_steps,
        patience=settings.early_stopping_patience,
        meaning=f"kinematic judge, sensitivity {config.judging.sensitivity:g}",
        batch_size=config.resources.batch_size,
    )


@dataclass
class BestWeights:
    """The weights to end with: the latest whose scores lie within one standard error of the highest.

    An earlier checkpoint that is better by less than that is as likely to be luck. The error is that of the mean
    difference, text by text.
    """

    first: list[float] = field(default_factory=list)
    highest: list[float] = field(default_factory=list)
    step: int = 0
    weights: list[Tensor] = field(default_factory=list)
    missed: int = 0  # measurements in a row that were not kept

    def hear(self, step: int, scores: list[float], weights: Sequence[Tensor]) -> None:
        """Takes note of a measurement; the weights are copied if they are kept."""
        if not self.first:
            self.first = scores
        if not self.highest or np.mean(scores) > np.mean(self.highest):
            self.highest = scores
        if _behind(scores, self.highest):
            self.missed += 1
            return
        self.step, self.missed = step, 0
        self.weights = [weight.detach().clone() for weight in weights]


def _behind(scores: Sequence[float], others: Sequence[float]) -> bool:
    """Whether scores (n,) are lower than others (n,) by more than the standard error of the mean difference."""
    less = np.subtract(others, scores)
    return bool(less.mean() > less.std(ddof=1 if len(less) > 1 else 0) / np.sqrt(len(less)))
