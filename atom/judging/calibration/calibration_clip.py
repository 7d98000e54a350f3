"""A motion for a prompt whose performed events are known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from atom.evaluation.agreement import LEVELS, round_to_levels
from atom.events import Composition, Task
from atom.judging.judged_prompt import PlainPrompt


@dataclass(frozen=True, eq=False)
class CalibrationClip:
    """A motion for a prompt, with the score that it deserves.

    `joints` are (T, 22, 3) in metres at 20 fps. `truth` is 1 to 5: the rubric's score of the performed events, or a
    person's score, where `performed` is None. `change` says how the performed events differ from the expected ones.
    """

    clip_id: str
    prompt_id: str
    text: str
    task: Task
    expected: Composition
    performed: Composition | None
    joints: np.ndarray
    truth: float
    change: str = ""

    @property
    def prompt(self) -> PlainPrompt:
        """What a judge needs of its prompt."""
        return PlainPrompt(self.text, self.expected, self.task)


def level_counts(clips: Iterable[CalibrationClip]) -> dict[str, list[int]]:
    """For each task, the number of clips whose rounded truth is 1, 2, 3, 4 and 5."""
    counts: dict[str, list[int]] = {}
    for clip in clips:
        counts.setdefault(clip.task, [0] * LEVELS)[int(round_to_levels(clip.truth)) - 1] += 1
    return counts
