"""The questions to a vision-language model about a motion, and the form of its answers.

The docstrings, names and descriptions of the answer classes are part of the JSON schema that the model gets.

A decomposed question never says how often or in which order the actions should happen. It lists the actions in
alphabetical order and asks where and how often each is seen; the rubric turns the answer into a score.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, Field

from atom.events import ACTIONS, Event, Task, is_known
from atom.prompts.lexicon import phrasings

# Part of the keys of scores: raise it whenever a text below changes.
VERSION = 1

SYSTEM = (
    "You are an annotator of human motion. You see pictures of an animated figure that stands for one person: the "
    "limbs on its own left side are orange, those on its own right side are blue, the trunk is grey and the face shows "
    "where it looks. A line on the floor is the way of its hips. Judge only what the pictures show, not what would be "
    "likely."
)

RULES: dict[Task, str] = {
    "integrity": (
        "5: every action of the description is there and nothing else is done. 4: one small thing is missing or one "
        "other thing is done. 3: about half is there. 2: little is there. 1: nothing of it is there."
    ),
    "temporal": (
        "5: all actions are there in the right order. 4: all are there in a wrong order. 3: one is missing. 2: two are "
        "missing. 1: all are missing."
    ),
    "frequency": (
        "5: each action is done exactly as often as described. 4: one count is off by one. 3: counts are clearly off. "
        "2: the actions are there but the counts are far off. 1: the actions are not there."
    ),
}


class Occurrence(BaseModel):
    """One place in time where an action is done, one or several times in a row."""

    first_frame: int = Field(description="number of the first frame in which it is under way")
    last_frame: int = Field(description="number of the last frame in which it is under way")
    times: int = Field(
        description="how often it is done in a row there; 1 for what has no repetitions, such as walking"
    )


class ActionAnswer(BaseModel):
    """What was seen of one action of the list."""

    number: int = Field(description="the number of the action in the list")
    occurrences: list[Occurrence] = Field(description="every place where it is done, in order; empty if it is not")


class EventsAnswer(BaseModel):
    """The answer to decomposed questions."""

    description: str = Field(description="what the person does from beginning to end, in one or two sentences")
    actions: list[ActionAnswer] = Field(description="one entry for each action of the list")
    others: list[str] = Field(description="clear actions that are not in the list, as short phrases; empty if none")


class RatingAnswer(BaseModel):
    """The answer to the paper's direct question."""

    reason: str = Field(description="what is right and what is wrong, in one or two sentences")
    score: int = Field(description="1, 2, 3, 4 or 5")


class ComparisonAnswer(BaseModel):
    """Which of two motions follows a text better."""

    reason: str = Field(description="what speaks for which motion, in one or two sentences")
    better: Literal["first", "second", "neither"]


def plain_phrase(action: str) -> str:
    """The plainest words for an action, without a count: `jumps on the left foot`; an open action is its own words."""
    if not is_known(action):
        return action
    return phrasings(action)[0].once


def list_actions(events: Sequence[Event]) -> list[str]:
    """The actions that a question lists, each once, in alphabetical order of their phrases."""
    return sorted({event.action for event in events}, key=plain_phrase)


ACTIONS_HEADING = "Actions to look for:"
DESCRIPTION_HEADING = "Description: "
RULE_HEADING = "Rate by this rule, from 1 to 5, for "


def build_events_question(events: Sequence[Event], frames: int) -> str:
    """Build the decomposed question: where is each action seen, and how often?

    Args:
        events: the expected events, whose counts and order are not given away.
        frames: the length of the motion.
    """
    listed = "\n".join(
        f"{number}. {plain_phrase(action)}" for number, action in enumerate(list_actions(events), start=1)
    )
    return (
        f"{ACTIONS_HEADING}\n{listed}\n\n"
        f"The motion has the frames 0 to {frames - 1} at 20 a second; the labels give the frame numbers. First "
        "describe what happens. Then give for each action of the list every place where it is done: the first and the "
        "last frame and how often it is done there. An action that is not done, or done with the other side of the "
        "body, has no place. Last, name clear actions that the list lacks."
    )


def build_rating_question(text: str, task: Task) -> str:
    """Build the direct question of the AToM paper: how well does the motion follow the text?

    Args:
        text: the prompt.
        task: its task, whose rule the question gives.
    """
    return f"{_description_and_rule(text, task)}How well does the motion follow the description?"


COMPARISON_HEADING = "Which of the two motions follows the description better"


def build_comparison_question(text: str, task: Task) -> str:
    """Build the question which of two motions follows the text better.

    Args:
        text: the prompt of both motions.
        task: its task, whose rule the question gives.
    """
    return (
        f"{_description_and_rule(text, task)}{COMPARISON_HEADING}, the first or the second? Say neither only if you "
        "can't tell them apart by the rule."
    )


def _description_and_rule(text: str, task: Task) -> str:
    return f"{DESCRIPTION_HEADING}{text}\n\n{RULE_HEADING}{task}:\n{RULES[task]}\n\n"


def known_actions() -> dict[str, str]:
    """The actions by their phrases from `plain_phrase`."""
    return {plain_phrase(action): action for action in ACTIONS}
