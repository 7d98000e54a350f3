"""The rubric of each task (`atom.judging.rubric`) in words, for people who vote."""

from __future__ import annotations

RUBRICS = {
    "integrity": "Does the person do everything that the text asks for, and nothing else? "
    "5: all of it and nothing else; 3: half of it; 1: nothing of it. Order and counts do not matter here.",
    "temporal": "Does the person do it in the order of the text? 5: all of it in that order, nothing else; about 4: "
    "all of it in another order; 3, 2 or 1: one, two or three things are missing. Extra actions cost points. What the "
    "text describes as happening at the same time has no order.",
    "frequency": "Does the person do each thing as often as the text says? 5: every count is right and there is "
    "nothing else; 3: half or twice as often; 1: not at all. Extra actions cost points. Where the text gives no "
    "number, any number is right.",
}
GENERAL_RUBRIC = "Does the motion show what the text says, in its order, as often as it says, and nothing else?"


def describe_rubric(task: str) -> str:
    """The rubric as one line for the review page; a general one for a task without its own."""
    return RUBRICS.get(task, GENERAL_RUBRIC)
