"""How far to trust a judge: its scores and seen events held against motions whose events are known.

A calibration clip is a motion for a prompt, with what was asked, what is done and the score that follows from the two.
Clips are made (`calibration_clips`) or a user's own (`labelled_clips`); `calibrate` takes what any judge said of them.
"""

from atom.judging.calibration.clip import CalibrationClip, level_counts
from atom.judging.calibration.figures import AGREEMENT, ERRORS, EVENT_ERRORS, calibrate, compare_judges
from atom.judging.calibration.labelled import labelled_clips
from atom.judging.calibration.made import calibration_clips

__all__ = [
    "AGREEMENT",
    "ERRORS",
    "EVENT_ERRORS",
    "CalibrationClip",
    "calibrate",
    "calibration_clips",
    "compare_judges",
    "labelled_clips",
    "level_counts",
]
