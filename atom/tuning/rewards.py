"""What the motions of a step of on-policy tuning are worth, and the judge as the one who says it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from atom.events import Event, Task
from atom.judging.judges import Judge


@dataclass(frozen=True)
class RolloutPrompt:
    """What motions are made for: the text for the policy, and the events that a judge looks for."""

    text: str
    task: Task
    events: tuple[Event, ...]


class RewardFunction(Protocol):
    """Whoever can say what motions are worth. `identity` tells one reward from another."""

    identity: str

    def of(self, prompts: Sequence[RolloutPrompt], motions: Sequence[Sequence[int]]) -> Sequence[float]:
        """Rewards from 0 to 1 of motions, each of one code or more, each made for the prompt at its place. Whoever
        needs joints decodes the codes."""
        ...


class JudgeReward:
    """The judge's score, mixed with whether all is exactly as asked by its weight. `decode` makes joints of codes."""

    def __init__(
        self,
        judge: Judge,
        decode: Callable[[Sequence[Sequence[int]]], Sequence[np.ndarray]],
        exact_weight: float,
        identity: str,
    ) -> None:
        self.judge, self.decode, self.exact_weight, self.identity = judge, decode, exact_weight, identity

    def of(self, prompts: Sequence[RolloutPrompt], motions: Sequence[Sequence[int]]) -> list[float]:
        return [self._worth(prompt, joints) for prompt, joints in zip(prompts, self.decode(motions), strict=True)]

    def _worth(self, prompt: RolloutPrompt, joints: np.ndarray) -> float:
        found = self.judge.judge(joints, prompt.events, prompt.task)
        return self.exact_weight * found.exact + (1 - self.exact_weight) * (found.score - 1) / 4
