"""A motion for a prompt of which it is known what is done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from atom.evaluation.agreement import (
    LEVELS,
    rounded,
)
from atom.events import Composition, Task


@dataclass(frozen=True, eq=False)
class CalibrationClip:
    """A motion, joints (T,22,3) in metres at 20 fps, for a prompt. `truth` is 1 to 5: the rubric's score of what is
    done against what is asked, or a person's, where `done` is None. `change` says how what is done was made."""

    clip_id: str
    prompt_id: str
    text: str
    task: Task
    asked: Composition
    done: Composition | None
    joints: np.ndarray
    truth: float
    change: str = ""


def level_counts(clips: Iterable[CalibrationClip]) -> dict[str, list[int]]:
    """For each task, how many clips have the truth 1, 2, 3, 4 and 5, rounded."""
    counts: dict[str, list[int]] = {}
    for clip in clips:
        counts.setdefault(clip.task, [0] * LEVELS)[int(rounded(clip.truth)) - 1] += 1
    return counts
