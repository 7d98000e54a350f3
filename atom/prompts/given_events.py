"""Events that people give beside a text, in place of those that a reader finds in it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from atom.captions.actions_in_words import action_side
from atom.errors import AtomError
from atom.events import Composition, Event, get_side, number_groups
from atom.prompts.reading import canonical_action

_MAX_NUMBER = 2**15 - 1  # the store's columns are int16


def parse_given_events(value: Any, together: Any = None) -> Composition:
    """Parses the events of a row, in order of happening.

    Args:
        value: a list of {action, count, phrase, side, group}, or the same as JSON. Only `action` is needed: the name of
            a known action, or words in base form.
        together: lists of the places of events that happen at the same time, in place of `group`.

    Returns:
        The events.

    Raises:
        AtomError: they are of another form, or contradict themselves.
    """
    rows = decode_json("events", value)
    if not isinstance(rows, list) or not rows or not all(isinstance(row, Mapping) for row in rows):
        raise AtomError(f"events {_shorten(value)} are no list of {{action, count, phrase, group}}")
    events = [_parse_event(row) for row in rows]
    groups = decode_json("together", together) or []
    if not isinstance(groups, list):
        raise AtomError(f"together {_shorten(groups)} is no list of lists of places")
    for number, places in enumerate(groups):
        _check_places(places, len(events))
        for place in places:
            if events[place].group is not None:
                raise AtomError(f"together puts event {place} into two groups, or its events have a `group` besides")
            events[place] = replace(events[place], group=number)
    return number_groups(events)


def check_phrases(events: Composition, text: str) -> None:
    """AtomError if the phrase of an event is not a piece of the text."""
    if absent := [event.phrase for event in events if event.phrase and event.phrase not in text]:
        raise AtomError(f"the phrase {_shorten(absent[0])} of its events is not in the text")


def _parse_event(row: Mapping[str, Any]) -> Event:
    action, phrase, side = (row.get(name) for name in ("action", "phrase", "side"))
    if not isinstance(action, str) or not isinstance(phrase, str | None):
        raise AtomError(f"event {_shorten(row)} needs the name of an action; its phrase, if it has one, must be text")
    if side not in (None, "left", "right"):
        raise AtomError(f"the side {_shorten(side)} of {_shorten(action)} is not left, right or null")
    numbers = ((name, row.get(name)) for name in ("count", "group"))
    count, group = (None if value is None else parse_whole_number(name, value) for name, value in numbers)
    name = canonical_action(action, side, count)
    named = get_side(name) or action_side(action)
    if side is not None and named not in (None, side):
        raise AtomError(f"the side of {_shorten(action)} is given as {side}, and its words name {named}")
    if row.get("countable") is False and (count or 1) > 1:
        raise AtomError(f"{_shorten(action)} is given {count} times and as what can't be counted")
    return Event(name, count, phrase or "", group)


def _check_places(places: Any, num_events: int) -> None:
    valid = isinstance(places, Sequence) and not isinstance(places, str)
    if not valid or not all(type(place) is int and 0 <= place < num_events for place in places):
        raise AtomError(f"together {_shorten(places)} does not list places from 0 to {num_events - 1}")


def parse_whole_number(name: str, value: Any, maximum: int = _MAX_NUMBER) -> int:
    """Parses a whole number, also as CSV files and columns with gaps hold it: "3" and 3.0.

    Args:
        name: of the column, for the error.
        value: the cell.
        maximum: the largest number that is allowed; the smallest is 0.

    Raises:
        AtomError: the value is none.
    """
    try:
        number = int(value)
        if isinstance(value, bool) or not 0 <= number <= maximum or (isinstance(value, float) and number != value):
            raise ValueError
    except (ValueError, TypeError, OverflowError):
        raise AtomError(f"{name} {_shorten(value)} is no whole number from 0 to {maximum}") from None
    return number


def decode_json(name: str, value: Any) -> Any:
    """The value of a cell, decoded if it is text: tables that can't hold lists hold them as JSON.

    Args:
        name: of the column, for the error.
        value: the cell.

    Raises:
        AtomError: the text is no JSON.
    """
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise AtomError(f"{name} {value[:60]!r} are not JSON, write a list") from None


def _shorten(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
