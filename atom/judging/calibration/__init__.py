"""How far to trust a judge: its scores and seen events held against motions whose events are known.

A calibration clip is a motion for a prompt, with what was asked, what is done and the score that follows from the two.
Clips are made (`make_calibration_clips`) or a user's own (`read_labelled_clips`); `calibrate` takes what any judge said of them.
"""

from atom.judging.calibration.calibration_clip import CalibrationClip, level_counts
from atom.judging.calibration.calibration_metrics import AGREEMENT, ERRORS, EVENT_ERRORS, calibrate, compare_judges
from atom.judging.calibration.corpus_clips import make_calibration_clips
from atom.judging.calibration.labelled_set import read_labelled_clips

__all__ = [
    "AGREEMENT",
    "ERRORS",
    "EVENT_ERRORS",
    "CalibrationClip",
    "calibrate",
    "make_calibration_clips",
    "compare_judges",
    "read_labelled_clips",
    "level_counts",
]
