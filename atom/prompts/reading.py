"""Reads the events of any text: known actions where the words name one, open actions everywhere else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from atom.captions import CaptionEvent, read_caption
from atom.errors import AtomError
from atom.events import Composition, Event, Task, get_side, infer_task, is_countable, number_groups
from atom.prompts.parsing import parse_events

_CLAUSE_END = re.compile(r"[,.;!?]|\b(?:and|then|before|after|while|as|but)\b", re.IGNORECASE)


@dataclass(frozen=True)
class ReadText:
    """The events of a text in order of happening, and remarks on what could not be read."""

    text: str
    events: Composition
    remarks: tuple[str, ...]

    @property
    def task(self) -> Task:
        return infer_task(self.events)


def read_text(text: str, word_classes: Sequence[tuple[str, str]] | None = None) -> ReadText:
    """Reads the events of a text. No action is unknown: one that the lexicon lacks is open.

    Args:
        text: a caption or prompt.
        word_classes: (word, part of speech) of each word, as HumanML3D's files give them; None finds them.

    Returns:
        The events; none where the text describes no motion, with the reason as a remark.
    """
    caption = read_caption(text, word_classes)
    groups = {place: number for number, places in enumerate(caption.together) for place in places}
    by_place = sorted(range(len(caption.events)), key=lambda i: caption.events[i].start)
    wordings = {i: _find_wider_wording(text, caption.events, by_place[k : k + 2]) for k, i in enumerate(by_place)}
    merged = {other for _, other in wordings.values() if other is not None}
    events = [
        _to_event(event, groups.get(i), wordings[i][0]) for i, event in enumerate(caption.events) if i not in merged
    ]
    return ReadText(text, number_groups(events), tuple(caption.remarks))


def _find_wider_wording(
    text: str, events: Sequence[CaptionEvent], places: Sequence[int]
) -> tuple[str | None, int | None]:
    """A wording of the lexicon that is longer than the phrase of an event, such as "bends down to pick something up" or
    "turns to face the other way".

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
