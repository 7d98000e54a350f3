"""Events as a sentence, in the order in which they happen."""

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

# What stands between two events, and before the last one. A list ("walks, bows and jumps") tells what happens; the
# words of time tell in which order, so temporal captions use only these.
_LISTING, _LISTING_LAST = (", ",), (" and ", ", and ")
_ORDERING = (", then ", ", and then ", ", after that ")
_ORDERING_LAST = (" and then ", ", then ", ", and then ", ", after that ")
_FINALLY = (" and finally ", ", and finally ")

_ONCE_SAID = {"integrity": 0.05, "temporal": 0.0, "frequency": 0.4}
_LISTING_SHARE = {"integrity": 0.6, "temporal": 0.0, "frequency": 0.3}
_USUAL_TIMES = 0.75  # "twice" rather than "two times"


def caption(
    events: Iterable[Event], rng: np.random.Generator, task: Task | None = None
) -> tuple[str, tuple[Event, ...]]:
    """A sentence that tells the events in order, and the same events with the phrase each was given.

    The task sets the style: "integrity" often just lists events, "temporal" always says the order, "frequency" often
    says "once" where others leave it unsaid. None takes the style of a random task. Counts above one are always said.
    Raises AtomError when there are no events.
    """
    events = tuple(events)
    if not events:
        raise AtomError("a caption needs at least one event, and none was given")
    style: Task = task or _pick(rng, tuple(_ONCE_SAID))
    worded = tuple(replace(event, phrase=_phrase(event, rng, style)) for event in events)
    listing = rng.random() < _LISTING_SHARE[style]
    text = _pick(rng, SUBJECTS) + " " + worded[0].phrase
    for place, event in enumerate(worded[1:], start=2):
        text += _pick(rng, _connectives(listing, last=place == len(worded), finally_fits=place > 2)) + event.phrase
    return text, worded


def vocabulary() -> set[str]:
    """Every word that captions may use."""
    sentences = [*SUBJECTS, *_LISTING_LAST, *_ORDERING, *_ORDERING_LAST, *_FINALLY, "left", "right"]
    sentences += [word for words in TIMES.values() for word in words]
    sentences += NUMBERS.values()
    sentences += [form for said in PHRASINGS.values() for phrasing in said for form in (phrasing.once, phrasing.often)]
    return {word for sentence in sentences for word in sentence.replace(",", " ").split() if not word.startswith("{")}


def _phrase(event: Event, rng: np.random.Generator, style: Task) -> str:
    phrasing = _pick(rng, phrasings(event.action))
    if event.count == 1:
        said = ACTIONS[event.action].countable and rng.random() < _ONCE_SAID[style]
        return f"{phrasing.once} {_times(1, rng)}" if said else phrasing.once
    return phrasing.often.format(times=_times(event.count, rng), n=NUMBERS[event.count])


def _times(count: int, rng: np.random.Generator) -> str:
    usual, *other = TIMES[count]
    return usual if not other or rng.random() < _USUAL_TIMES else other[0]


def _connectives(listing: bool, last: bool, finally_fits: bool) -> tuple[str, ...]:
    if not last:
        return _LISTING if listing else _ORDERING
    if listing:
        return _LISTING_LAST
    return _ORDERING_LAST + _FINALLY if finally_fits else _ORDERING_LAST


def _pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    return options[rng.integers(len(options))]
