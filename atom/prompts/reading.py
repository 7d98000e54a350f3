"""Reads the events of any text: known actions where the words name one, open actions everywhere else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from atom.captions import CaptionEvent, ReadCaption, read_caption
from atom.errors import AtomError
from atom.events import (
    Composition,
    Event,
    Task,
    describe_action,
    get_side,
    infer_task,
    is_countable,
    is_known,
    number_groups,
)
from atom.prompts.parsing import parse_events

# Part of the artifact keys of prompts that are read from texts: raise it whenever a text gets other events than before.
VERSION = 1

_CLAUSE_END = re.compile(r"[,.;!?]|\b(?:and|then|before|after|while|as|but)\b", re.IGNORECASE)


@dataclass(frozen=True)
class ReadText:
    """The events of a text in order of happening, and remarks on what could not be read.

    Attributes:
        text: the text.
        events: its events; none where it describes no motion.
        remarks: why a part of the text could not be read.
        worded: each event in the words of its text, parallel to `events`; empty for events that were given.
    """

    text: str
    events: Composition
    remarks: tuple[str, ...]
    worded: tuple[CaptionEvent, ...] = ()

    @property
    def task(self) -> Task:
        """The task that the events test."""
        return infer_task(self.events)

    @property
    def together(self) -> list[list[int]]:
        """The places of the events that happen at the same time, a list for each group."""
        groups: dict[int, list[int]] = {}
        for place, event in enumerate(self.events):
            if event.group is not None:
                groups.setdefault(event.group, []).append(place)
        return list(groups.values())

    def describe_events(self) -> list[dict[str, Any]]:
        """Describes the events in plain values.

        Returns:
            For each event its phrase, action in base-form words, side, count and countability.
        """
        worded = self.worded or (None,) * len(self.events)
        return [_describe_event(event, words) for event, words in zip(self.events, worded, strict=True)]

    def to_json(self) -> dict[str, Any]:
        """Makes a labelled caption.

        Returns:
            The text, task and events, JSON-able; `note` holds the remarks, where there are some.
        """
        row = {
            "text": self.text,
            "task": self.task,
            "readable": bool(self.events),
            "events": self.describe_events(),
            "together": self.together,
        }
        return row | ({"note": " ".join(self.remarks)} if self.remarks else {})


def _describe_event(event: Event, worded: CaptionEvent | None) -> dict[str, Any]:
    action, side, countable = describe_action(event.action), get_side(event.action), is_countable(event.action)
    if worded is not None:
        side, countable = worded.side or side, worded.countable
        # The words of the text name the side of a limb or a path, which the name of a known action may leave out.
        if canonical_action(worded.action, side, event.count) == event.action:
            action = worded.action
    return {"phrase": event.phrase, "action": action, "side": side, "count": event.count, "countable": countable}


def read_text(text: str, word_classes: Sequence[tuple[str, str]] | None = None) -> ReadText:
    """Reads the events of a text. No action is unknown: one that the lexicon lacks is open.

    Args:
        text: a caption or prompt.
        word_classes: (word, part of speech) of each word, as HumanML3D's files give them; None finds them.

    Returns:
        The events; none where the text describes no motion, with the reason as a remark.
    """
    return map_known_actions(read_caption(text, word_classes))


def map_known_actions(caption: ReadCaption) -> ReadText:
    """Names the known actions among the events of a caption, whoever read it.

    Args:
        caption: the caption with its events, whose places in the text are known.

    Returns:
        The events; those that no known action fits stay open.
    """
    text = caption.text
    groups = {place: number for number, places in enumerate(caption.together) for place in places}
    by_place = sorted(range(len(caption.events)), key=lambda i: caption.events[i].start)
    wordings = {i: _find_wider_wording(text, caption.events, by_place[k : k + 2]) for k, i in enumerate(by_place)}
    merged = {other for _, other in wordings.values() if other is not None}
    kept = [i for i in range(len(caption.events)) if i not in merged]
    events = [_to_event(caption.events[i], groups.get(i), wordings[i][0]) for i in kept]
    worded = tuple(caption.events[i] for i in kept)
    return ReadText(text, number_groups(events), tuple(caption.remarks), worded)


def canonical_action(words: str, side: str | None = None, count: int | None = None) -> str:
    """The name of an action that is given in words: that of a known action, or the words of an open one.

    Args:
        words: such as `wave right hand`, `wave_right` or `hurl ball`.
        side: that of the action in its text.
        count: how often it happens; more than once it is no known action whose repetitions can't be counted.

    Returns:
        The name.
    """
    name = "_".join(words.split())
    known = name if is_known(name) else find_known_action(words, side or get_side(words))
    return known if known and ((count or 1) == 1 or is_countable(known)) else words


def _find_wider_wording(
    text: str, events: Sequence[CaptionEvent], places: Sequence[int]
) -> tuple[str | None, int | None]:
    """A wording of the lexicon that is longer than the phrase of an event.

    Examples are "bends down to pick something up" and "turns to face the other way".

    Args:
        text: the whole text.
        events: its events.
        places: those of the event and of the one that follows it in the text, if any.

    Returns:
        The wording, and the place of the following event where the wording includes it; None, None without one.
    """
    event = events[places[0]]
    if len(places) > 1:
        wording = text[event.start : events[places[1]].end]
        if not _CLAUSE_END.search(wording) and find_known_action(wording, event.side or events[places[1]].side):
            return wording, places[1]
    end = _CLAUSE_END.search(text, event.end)
    wording = text[event.start : end.start() if end else len(text)].strip()
    if len(wording) > event.end - event.start and find_known_action(wording, event.side):
        return wording, None
    return None, None


def _to_event(event: CaptionEvent, group: int | None, wording: str | None) -> Event:
    known = find_known_action(wording, event.side) if wording else None
    known = known or find_known_action(event.action, event.side) or find_known_action(event.phrase, event.side)
    if known and (event.count or 1) > 1 and not is_countable(known):
        known = None  # "takes four steps forward" is no walk: its steps are counted
    return Event(known or event.action, event.count, wording or event.phrase, group)


@lru_cache(maxsize=65536)
def find_known_action(words: str, side: str | None = None) -> str | None:
    """The known action that some words name.

    Args:
        words: of one action, such as `waves his right hand` or `wave right hand`.
        side: of the action in its text; a known action of another side does not match.

    Returns:
        Its name; None where the words name no known action, several, or more than one.
    """
    try:
        parsed = parse_events(words)
    except AtomError:  # there are no words
        return None
    if parsed.unknown or len(parsed.events) != 1:
        return None
    action = parsed.events[0].action
    return action if get_side(action) in (None, side) else None
