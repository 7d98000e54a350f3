"""Rewards for the motions of on-policy tuning, and the reward function that asks a judge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from atom.events import Event, Task
from atom.judging.judges import Judge


@dataclass(frozen=True)
class RolloutPrompt:
    """A prompt of on-policy tuning.

    Attributes:
        text: what the policy reads.
        task: the task whose rubric a judge applies.
        events: the events that a judge checks.
    """

    text: str
    task: Task
    events: tuple[Event, ...]


class RewardFunction(Protocol):
    """Rewards motions. `identity` names the function and all that its rewards depend on."""

    identity: str

    def compute_rewards(self, prompts: Sequence[RolloutPrompt], motions: Sequence[Sequence[int]]) -> Sequence[float]:
        """Rewards motions. A function that needs joints decodes the codes itself.

        Args:
            prompts: the prompt of each motion.
            motions: codes, at least one for each motion.

        Returns:
            One reward from 0 to 1 for each motion.
        """
        ...


class JudgeReward:
    """A weighted mean of a judge's score, scaled to 0 to 1, and whether the motion matches the prompt exactly.

    The score counts alone where a judge can't tell whether the match is exact.
    """

    def __init__(
        self,
        judge: Judge,
        decode: Callable[[Sequence[Sequence[int]]], Sequence[np.ndarray]],
        exact_weight: float,
        identity: str,
    ) -> None:
        """Sets up the reward.

        Args:
            judge: scores joints from 1 to 5.
            decode: turns codes into joints (T, 22, 3).
            exact_weight: from 0 to 1, the weight of the exact match.
            identity: as for `RewardFunction`.
        """
        self.judge, self.decode, self.exact_weight, self.identity = judge, decode, exact_weight, identity

    def compute_rewards(self, prompts: Sequence[RolloutPrompt], motions: Sequence[Sequence[int]]) -> list[float]:
        """Judges motions.

        Args:
            prompts: the prompt of each motion.
            motions: codes, at least one for each motion.

        Returns:
            One reward from 0 to 1 for each motion.
        """
        return [
            self._compute_reward(prompt, joints) for prompt, joints in zip(prompts, self.decode(motions), strict=True)
        ]

    def _compute_reward(self, prompt: RolloutPrompt, joints: np.ndarray) -> float:
        judgement = self.judge.judge(joints, prompt)
        reward = (judgement.score - 1) / 4
        if judgement.exact is None:  # a judge that sees no events has no exact match
            return reward
        return self.exact_weight * judgement.exact + (1 - self.exact_weight) * reward
