"""What the judges share that detect known actions: which prompts they can judge, and the score by the rubric."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from atom.judging.detected_events import DetectedEvent
from atom.judging.judged_prompt import JudgedPrompt
from atom.judging.judgement import Judgement, explain_open_actions, judge_events


class EventJudge(ABC):
    """A judge that detects the known actions in joints and scores what it detects."""

    name: str

    @abstractmethod
    def detect(self, joints: np.ndarray) -> list[DetectedEvent]:
        """Detects the events of a motion.

        Args:
            joints: (T, 22, 3) in metres, 20 fps, Y up, of any heading, position and body size.

        Returns:
            The events in order of time.

        Raises:
            AtomError: the joints have another shape or a number that is not finite.
        """

    def find_obstacle(self, prompt: JudgedPrompt) -> str | None:
        """Says why this judge can't judge motions of a prompt.

        Args:
            prompt: the prompt.

        Returns:
            The actions that the judge does not know, in a sentence; None where it knows all.
        """
        return explain_open_actions(self.name, prompt.events)

    def judge(self, joints: np.ndarray, prompt: JudgedPrompt) -> Judgement:
        """Score a motion by the events in its prompt.

        Args:
            joints: (T, 22, 3) in metres, 20 fps, Y up.
            prompt: whose events are expected, and whose task decides the rubric.

        Returns:
            The score with the evidence for each event.

        Raises:
            AtomError: for bad joints, an unknown task or no expected event.
        """
        return judge_events(self.detect(joints), prompt.events, prompt.task)
