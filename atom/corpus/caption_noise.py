"""Noise for the captions of pre-training, which makes them wrong in a known way, as human captions are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from atom.events import MAX_COUNT, Composition, Event, Task
from atom.prompts.wording import caption


@dataclass(frozen=True)
class CaptionNoise:
    """The probability of each kind of error in a caption.

    - `drop`: one event, drawn uniformly, is left out. Applies to captions of two or more events.
    - `swap`: two neighbouring events, drawn uniformly, change places. Applies to captions of two or more events.
    - `miscount`: one event that happens more than once, drawn uniformly, gets a wrong count. Half of the time the count
      is left out (as if the event happened once), else it is one too high or one too low, a quarter each; the highest
      count is always one too low. Applies to captions with such an event.

    The three are drawn independently and applied in the order miscount, swap, drop, so the dropped event may be the one
    that was miscounted. The fraction of wrong captions is 1 - (1 - drop) (1 - swap) (1 - miscount) where all three
    apply: 0.45 with the defaults. It is 0.26 for several events that happen once each, and 0.30 to 0.35 over an even
    mix of the three tasks. The remaining events are worded as in clean captions.
    """

    drop: float = 0.12
    swap: float = 0.16
    miscount: float = 0.26


def write_noisy_caption(
    events: Iterable[Event], rng: np.random.Generator, noise: CaptionNoise | None = None, task: Task | None = None
) -> str:
    """Write a caption of events, with errors.

    Args:
        events: what happens in the motion.
        rng: random numbers for errors and wording.
        noise: the error probabilities; None gives a clean caption.
        task: the style of the caption, as in `atom.prompts.wording`.
    """
    events = tuple(events)
    mentioned = corrupt_events(events, rng, noise) if noise else events
    return caption(mentioned, rng, task)[0]


def corrupt_events(events: Composition, rng: np.random.Generator, noise: CaptionNoise) -> Composition:
    """Apply caption noise to a sequence of events.

    Args:
        events: what happens in the motion.
        rng: random numbers.
        noise: the error probabilities.

    Returns:
        The events that the caption mentions.
    """
    mentioned = list(events)
    miscount, swap, drop = rng.random(3) < (noise.miscount, noise.swap, noise.drop)
    repeated = [index for index, event in enumerate(mentioned) if event.count > 1]
    if miscount and repeated:
        index = repeated[rng.integers(len(repeated))]
        mentioned[index] = replace(mentioned[index], count=_draw_wrong_count(mentioned[index].count, rng))
    if swap and len(mentioned) > 1:
        first = rng.integers(len(mentioned) - 1)
        mentioned[first], mentioned[first + 1] = mentioned[first + 1], mentioned[first]
    if drop and len(mentioned) > 1:
        del mentioned[rng.integers(len(mentioned))]
    return tuple(mentioned)


def _draw_wrong_count(count: int, rng: np.random.Generator) -> int:
    if rng.random() < 0.5:
        return 1
    return count + 1 if count < MAX_COUNT and rng.random() < 0.5 else count - 1
