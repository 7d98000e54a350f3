"""Captions for pre-training that are wrong in a known way, as captions written by people are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from atom.events import MAX_COUNT, Composition, Event, Task
from atom.prompts.wording import caption


@dataclass(frozen=True)
class CaptionNoise:
    """How captions go wrong; each is a probability per caption.

    - `drop`: one event, any of them with equal chance, is left out. Only captions of two or more events.
    - `swap`: two neighbouring events, any pair with equal chance, change places. Only captions of two or more events.
    - `miscount`: of one event that happens more than once, any with equal chance, the count is left unsaid half of the
      time (it is worded as if it happened once), else said as one more or one less, a quarter each (one less always for
      the highest count). Only captions with such an event.

    The three are drawn independently and applied in the order miscount, swap, drop, so a drop may take the very event
    that was miscounted. The share of wrong captions is 1 - (1 - drop) (1 - swap) (1 - miscount) where all three apply:
    0.45 with the defaults, 0.26 for several events that happen once each, 0.30 to 0.35 over an even mix of the three
    tasks. The events that remain are worded as in clean captions.
    """

    drop: float = 0.12
    swap: float = 0.16
    miscount: float = 0.26


def write_noisy_caption(
    events: Iterable[Event], rng: np.random.Generator, noise: CaptionNoise | None = None, task: Task | None = None
) -> str:
    """A caption of the events with that noise; None gives a clean one. `task` is the style, as in `caption`."""
    events = tuple(events)
    told = corrupt_events(events, rng, noise) if noise else events
    return caption(told, rng, task)[0]


def corrupt_events(events: Composition, rng: np.random.Generator, noise: CaptionNoise) -> Composition:
    """The events as an inattentive witness tells them, by the rule of `CaptionNoise`."""
    told = list(events)
    miscount, swap, drop = rng.random(3) < (noise.miscount, noise.swap, noise.drop)
    repeated = [place for place, event in enumerate(told) if event.count > 1]
    if miscount and repeated:
        place = repeated[rng.integers(len(repeated))]
        told[place] = replace(told[place], count=_wrong_count(told[place].count, rng))
    if swap and len(told) > 1:
        first = rng.integers(len(told) - 1)
        told[first], told[first + 1] = told[first + 1], told[first]
    if drop and len(told) > 1:
        del told[rng.integers(len(told))]
    return tuple(told)


def _wrong_count(count: int, rng: np.random.Generator) -> int:
    if rng.random() < 0.5:
        return 1
    return count + 1 if count < MAX_COUNT and rng.random() < 0.5 else count - 1
