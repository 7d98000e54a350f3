"""Captions as imperfect as real ones are, so that alignment has work to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from atom.events import ACTIONS, MAX_COUNT, Event, postures_fit
from atom.prompts.wording import caption


@dataclass(frozen=True)
class CaptionNoise:
    """How captions go wrong, each with its own chance and independently of the others.

    `drop`: one event of two or more is left out. `swap`: two neighbouring events change places. `miscount`: the count
    of one countable event of the clip is told wrong by one. With the defaults some 28 % of the captions of sequences
    are wrong in at least one way.
    """

    drop: float = 0.10
    swap: float = 0.10
    miscount: float = 0.15


def imperfect_caption(events: Sequence[Event], rng: np.random.Generator, noise: CaptionNoise | None) -> str:
    """A caption of `events` with the faults of `noise`; None tells the truth."""
    told = list(events)
    if noise is not None:
        countable = [i for i, event in enumerate(told) if ACTIONS[event.action].countable]
        if countable and rng.random() < noise.miscount:
            i = countable[rng.integers(len(countable))]
            wrong = told[i].count + (1 if told[i].count == 1 or rng.random() < 0.5 else -1)
            told[i] = replace(told[i], count=wrong if wrong <= MAX_COUNT else MAX_COUNT - 1)
        if len(told) > 1 and rng.random() < noise.swap:
            i = int(rng.integers(len(told) - 1))
            swapped = [*told[:i], told[i + 1], told[i], *told[i + 2 :]]
            if postures_fit(swapped):
                told = swapped
        if len(told) > 1 and rng.random() < noise.drop:
            del told[int(rng.integers(len(told)))]
    return caption(told, rng)[0]
