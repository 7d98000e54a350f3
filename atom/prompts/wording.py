"""Captions: sentences that describe events in the order in which they happen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from atom.errors import AtomError
from atom.events import ACTIONS, Event, Task
from atom.prompts.lexicon import NUMBERS, PHRASINGS, TIMES, phrasings

T = TypeVar("T")

SUBJECTS = ("a person", "the person", "a man", "a woman", "someone", "the figure")

# The words between two events, and before the last one. A list ("walks, bows and jumps") says what happens. Words of
# time also say in which order, so temporal captions use only these.
_LISTING, _LISTING_LAST = (", ",), (" and ", ", and ")
_ORDERING = (", then ", ", and then ", ", after that ")
_ORDERING_LAST = (" and then ", ", then ", ", and then ", ", after that ")
_FINALLY = (" and finally ", ", and finally ")

_ONCE_PROBABILITY = {"integrity": 0.05, "temporal": 0.0, "frequency": 0.4}
_LISTING_PROBABILITY = {"integrity": 0.6, "temporal": 0.0, "frequency": 0.3}
_USUAL_TIMES_PROBABILITY = 0.75  # of "twice" rather than "two times"


def caption(
    events: Iterable[Event], rng: np.random.Generator, task: Task | None = None
) -> tuple[str, tuple[Event, ...]]:
    """Writes a sentence that describes events in their order.

    The task sets the style: "integrity" often only lists the events, "temporal" always states the order, and
    "frequency" often writes "once", which the others leave out. Counts above one are always stated.

    Args:
        events: the events.
        rng: source of the random draws.
        task: task that sets the style; None for the style of a random task.

    Returns:
        The sentence, and the events with their phrases in it.

    Raises:
        AtomError: there are no events.
    """
    events = tuple(events)
    if not events:
        raise AtomError("a caption needs at least one event, and none was given")
    style: Task = task or _choose(rng, tuple(_ONCE_PROBABILITY))
    worded = tuple(replace(event, phrase=_choose_phrase(event, rng, style)) for event in events)
    is_listing = rng.random() < _LISTING_PROBABILITY[style]
    text = _choose(rng, SUBJECTS) + " " + worded[0].phrase
    for place, event in enumerate(worded[1:], start=2):
        options = _connective_options(is_listing, is_last=place == len(worded), allows_finally=place > 2)
        text += _choose(rng, options) + event.phrase
    return text, worded


def vocabulary() -> set[str]:
    """Returns every word that a caption may contain."""
    sentences = [*SUBJECTS, *_LISTING_LAST, *_ORDERING, *_ORDERING_LAST, *_FINALLY, "left", "right"]
    sentences += [word for words in TIMES.values() for word in words]
    sentences += NUMBERS.values()
    sentences += [form for forms in PHRASINGS.values() for each in forms for form in (each.once, each.often)]
    return {word for sentence in sentences for word in sentence.replace(",", " ").split() if not word.startswith("{")}


def _choose_phrase(event: Event, rng: np.random.Generator, style: Task) -> str:
    phrasing = _choose(rng, phrasings(event.action))
    if event.count == 1:
        says_once = ACTIONS[event.action].countable and rng.random() < _ONCE_PROBABILITY[style]
        return f"{phrasing.once} {_choose_times(1, rng)}" if says_once else phrasing.once
    return phrasing.often.format(times=_choose_times(event.count, rng), n=NUMBERS[event.count])


def _choose_times(count: int, rng: np.random.Generator) -> str:
    usual, *other = TIMES[count]
    return usual if not other or rng.random() < _USUAL_TIMES_PROBABILITY else other[0]


def _connective_options(is_listing: bool, is_last: bool, allows_finally: bool) -> tuple[str, ...]:
    if not is_last:
        return _LISTING if is_listing else _ORDERING
    if is_listing:
        return _LISTING_LAST
    return _ORDERING_LAST + _FINALLY if allows_finally else _ORDERING_LAST


def _choose(rng: np.random.Generator, options: Sequence[T]) -> T:
    return options[rng.integers(len(options))]
