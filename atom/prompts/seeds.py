"""Seed texts, which decide the actions of prompts and how often each occurs."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from atom.errors import AtomError
from atom.events import ACTIONS, is_known
from atom.prompts.reading import VERSION as READER_VERSION
from atom.prompts.reading import read_text
from atom.prompts.text_files import TextRow, iterate_texts

_NUM_ACTIONS = 20  # how many of the open actions are kept as the most frequent ones
_SETTING = "prompts.seeds"
_NEEDS = f"{_SETTING} needs texts such as 'a person jumps twice', one a line"
_NOT_COMPOSABLE = ("repeat motion",)  # means nothing without the events before it


@dataclass(frozen=True)
class SeedTexts:
    """Statistics of seed texts.

    Attributes:
        weights: fraction of all known events that each known action has; actions that never occur are left out.
        all_weights: the same over all events, open actions included.
        texts: number of texts.
        understood: number of texts with a known event.
        with_open_actions: number of texts with an open event.
        open_actions: the most frequent open actions, and how often each occurs.
        digest: sha256 of the texts and of the reader's version, independent of their path.
    """

    weights: dict[str, float]
    all_weights: dict[str, float]
    texts: int
    understood: int
    with_open_actions: int
    open_actions: list[tuple[str, int]]
    digest: str


def read_seeds(path: str | None) -> SeedTexts:
    """Reads the events of texts: a file with one text a line, or a folder of such files (see `find_text_files`).

    Of a dataset with splits only the training texts count. Without a path, every known action has the same weight.

    Raises:
        AtomError: there is nothing to read, a file is not text, or no text describes an event.
    """
    if path is None:
        equal = dict.fromkeys(ACTIONS, 1.0)
        return SeedTexts(equal, equal, 0, 0, 0, [], "every action of the lexicon")
    try:
        rows = tuple(row for row in iterate_texts(Path(path)) if row.split in (None, "train") and not row.fault)
    except AtomError as error:
        raise AtomError(f"{error}; check {_SETTING}") from None
    seeds = _count_events(rows)
    if not seeds.all_weights:
        raise AtomError(f"none of the {seeds.texts} texts in {path} describes a motion: {_NEEDS}")
    return seeds


def known_weights(path: str | None) -> dict[str, float]:
    """The weights of the known actions, which are all that the grammar can word. AtomError if there is none."""
    seeds = read_seeds(path)
    if not seeds.weights:
        examples = ", ".join(repr(action) for action, _ in seeds.open_actions[:3])
        raise AtomError(
            f"none of the {seeds.texts} texts in {path} has a known action ({examples}), and the grammar has words for "
            f"no others: {_NEEDS}, or prompts.writer=llm, which takes any action"
        )
    return seeds.weights


@lru_cache(maxsize=2)  # the checks before a run, its writer and its validation read the same texts
def _count_events(rows: tuple[TextRow, ...]) -> SeedTexts:
    action_counts: Counter[str] = Counter()
    texts, understood, with_open_actions = hashlib.sha256(f"reader {READER_VERSION}".encode()), 0, 0
    for row in rows:
        texts.update(f"\n{row.text}{row.word_classes or ''}{row.events or ''}".encode())
        events = row.events or read_text(row.text, row.word_classes).events
        actions = {event.action for event in events}
        action_counts.update(event.action for event in events)
        understood += any(map(is_known, actions))
        with_open_actions += not all(map(is_known, actions))
    for action in _NOT_COMPOSABLE:
        del action_counts[action]
    known = {action: action_counts[action] for action in ACTIONS if action_counts[action]}
    opened = Counter({action: count for action, count in action_counts.items() if not is_known(action)})
    everything = known | dict(sorted(opened.items()))
    return SeedTexts(
        weights=_normalise(known),
        all_weights=_normalise(everything),
        texts=len(rows),
        understood=understood,
        with_open_actions=with_open_actions,
        open_actions=opened.most_common(_NUM_ACTIONS),
        digest=texts.hexdigest(),
    )


def _normalise(counts: dict[str, int]) -> dict[str, float]:
    total = sum(counts.values())
    return {action: count / total for action, count in counts.items()}
