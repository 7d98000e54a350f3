"""Sentences that tell events: varied subjects, phrasings and connectives; the order of the text is the order told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from atom.errors import AtomError
from atom.events import ACTIONS, Event
from atom.prompts.lexicon import NUMBERS, TIMES, phrasings

SUBJECTS = ("a person", "a man", "a woman", "someone", "the person", "the figure")
JOINS = (", then ", " and then ", ", after that ", ", next ")
LAST_JOINS = (" and ", " and finally ", ", then ", " and then ", ", finally ")
SAY_ONCE = 0.15  # a single repetition is said ("once") this often


def word_event(event: Event, rng: np.random.Generator) -> str:
    """One of the phrasings of an event with its count put in: "jumps twice", "does three squats"."""
    choices = phrasings(event.action)
    phrasing = choices[rng.integers(len(choices))]
    if event.count == 1:
        if ACTIONS[event.action].countable and "{times}" in phrasing.often and rng.random() < SAY_ONCE:
            return phrasing.often.format(times=TIMES[1][0], n="")
        return phrasing.once
    times = TIMES[event.count]
    spoken = times[0] if rng.random() < 0.75 else times[-1]
    return phrasing.often.format(times=spoken, n=NUMBERS[event.count])


def caption(events: Sequence[Event], rng: np.random.Generator) -> tuple[str, tuple[Event, ...]]:
    """A sentence that tells the events in order, and the events with the phrase that each was given."""
    if not events:
        raise AtomError("there are no events to word; give at least one")
    worded = tuple(replace(event, phrase=word_event(event, rng)) for event in events)
    text = SUBJECTS[rng.integers(len(SUBJECTS))] + " " + worded[0].phrase
    for number, event in enumerate(worded[1:], start=2):
        joins = LAST_JOINS if number == len(worded) else JOINS
        text += joins[rng.integers(len(joins))] + event.phrase
    return text, worded
