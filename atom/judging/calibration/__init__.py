"""Calibration: how far to trust a judge, by its scores and events on motions whose events are known.

A calibration clip is a motion for a prompt, with the events the prompt expects, the events the motion performs and the
score that follows from the two. `make_calibration_clips` makes clips, `read_labelled_clips` reads a user's own, and
`calibrate` measures any judge on them.
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
    "compare_judges",
    "level_counts",
    "make_calibration_clips",
    "read_labelled_clips",
]
