"""Judges: which events happen in a motion, and how well they fit the expected events."""

from typing import TYPE_CHECKING

from atom.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from atom.judging.detected_events import DetectedEvent
    from atom.judging.judged_prompt import JudgedPrompt, PlainPrompt
    from atom.judging.judgement import Judgement, Verdict, judge_events
    from atom.judging.judges import Judge, make_judge
    from atom.judging.kinematic_judge import KinematicJudge
    from atom.judging.learned_judge import LearnedJudge

__all__, __getattr__, __dir__ = lazy_exports(__name__)
