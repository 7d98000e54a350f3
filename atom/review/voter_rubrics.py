"""What voters are asked, in words: the rubric of each task (`atom.judging.rubric`) for people."""

from __future__ import annotations

RUBRICS = {
    "integrity": "Was everything done that the text asks for, and nothing else? "
    "5: all of it and nothing besides; 3: half of it; 1: nothing of it. Order and counts do not matter here.",
    "temporal": "Was it done in the order of the text? 5: all of it in that order, nothing else; about 4: all of it "
    "in another order; 3, 2 or 1: one, two or three things are missing. Whatever was not asked for takes away.",
    "frequency": "Was each thing done as often as the text says? 5: every count is right and nothing else was done; "
    "3: half or twice as often; 1: not at all. Whatever was not asked for takes away.",
}
UNKNOWN = "Does the motion show what the text says, in its order, as often as it says, and nothing else?"


def describe_rubric(task: str) -> str:
    """One line for the page; a general one for a task without a rubric."""
    return RUBRICS.get(task, UNKNOWN)
