"""The actions of a dataset, open ones included, from which compositions are drawn in their proportions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from atom.events import ACTIONS, is_known
from atom.prompts.reading import read_text

Posture = Literal["stand", "low"]

_MAX_DRAWS = 100  # of one action, until it may follow the one before
_MAX_LENGTH = 60  # characters of an open action; longer ones are misread sentences
# What the first words of an open action say of the posture: known actions have theirs in `ACTIONS`.
_ENDS_LOW = ("sit", "kneel", "lie", "lay", "crawl", "crouch", "get on all fours", "fall")
_RISES = ("stand up", "get up", "rise")


class ActionPool(dict[str, float]):
    """The weight of each action, and random sequences of them.

    Actions that a text can't name so that the reader finds them again are left out.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        super().__init__({action: weight for action, weight in weights.items() if weight > 0 and _is_nameable(action)})
        self._by_posture = {posture: self._select(posture) for posture in ("stand", "low")}

    def sample_actions(self, rng: np.random.Generator, length: int) -> list[str]:
        """Draws actions that fit one after another.

        Neighbours differ, and the body sits, lies or kneels down at most once.

        Args:
            rng: source of the random draws.
            length: number of actions.

        Returns:
            Their names; fewer where none fits any more.
        """
        actions: list[str] = []
        posture: Posture = "stand"
        has_sat = False
        while len(actions) < length:
            action = self._sample_action(rng, posture, actions[-1:], has_sat)
            if action is None:
                break
            actions.append(action)
            ends = _get_postures(action)[1]
            posture = posture if ends == "any" else ends  # type: ignore[assignment]
            has_sat = has_sat or ends == "low"
        return actions

    def _sample_action(
        self, rng: np.random.Generator, posture: Posture, before: list[str], has_sat: bool
    ) -> str | None:
        names, bounds = self._by_posture[posture]
        for _ in range(_MAX_DRAWS if names else 0):
            action = names[np.searchsorted(bounds, rng.random() * bounds[-1], side="right")]
            if action not in before and not (has_sat and _get_postures(action)[1] == "low"):
                return action
        return None

    def _select(self, posture: str) -> tuple[list[str], np.ndarray]:
        """The actions that are possible in a posture, and the sums of their weights."""
        names = [action for action in self if _get_postures(action)[0] in ("any", posture)]
        return names, np.cumsum([self[action] for action in names])


def _get_postures(action: str) -> tuple[str, str]:
    """The posture before an action, and the one after it: "stand", "low" or "any"."""
    if is_known(action):
        return ACTIONS[action].starts, ACTIONS[action].ends
    if _starts_with(action, _RISES):
        return "low", "stand"
    return ("any", "low") if _starts_with(action, _ENDS_LOW) else ("stand", "stand")


def _starts_with(action: str, beginnings: tuple[str, ...]) -> bool:
    return any(action == words or action.startswith(f"{words} ") for words in beginnings)


def _is_nameable(action: str) -> bool:
    if is_known(action):
        return True
    is_plain = action.replace(" ", "").isascii() and action.replace(" ", "").isalpha() and len(action) <= _MAX_LENGTH
    return is_plain and [event.action for event in read_text(f"a person can {action}").events] == [action]
