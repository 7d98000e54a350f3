"""What the double says: the kinematic judge's findings in the shapes that our questions ask for, with noise."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np

from atom.errors import AtomError
from atom.events import ACTIONS, MAX_COUNT, TASKS, Event
from atom.judging import rubric
from atom.judging.detected_events import DetectedEvent
from atom.judging.vision.questions import (
    COMPARISON_HEADING,
    DESCRIPTION_HEADING,
    ACTIONS_HEADING,
    RULE_HEADING,
    known_actions,
    said,
)
from atom.judging.vision.vision_judge import FIRST_MOTION, SECOND_MOTION
from atom.mock_service.chat_request import Asked, Shown
from atom.mock_service.motion_index import Clip, MotionIndex
from atom.mock_service.settings import MockServiceSettings
from atom.prompts.parsing import parse_events
from atom.prompts.wording import caption
from atom.prompts.writer import LISTS_HEADING

_ACTIONS = known_actions()
_NUMBERED = re.compile(r"^(\d+)\. (.+)$", re.MULTILINE)
_COUNTED = re.compile(r"(.+) x(\d+)")
_TASK = re.compile(rf"{re.escape(DESCRIPTION_HEADING)}(.*?)\n\n{re.escape(RULE_HEADING)}(\w+):", re.DOTALL)
_INVENTED_FRAMES = 20


class Answering:
    """Says something to any request: the same to the same request, whenever and however often it is asked."""

    def __init__(self, settings: MockServiceSettings, index: MotionIndex) -> None:
        self._settings, self._index = settings, index

    def answer(self, asked: Asked) -> str:
        """The content of the answer, in the form that was asked for."""
        text = asked.text
        if ACTIONS_HEADING in text:
            value = self._events(asked, _paragraph(text, ACTIONS_HEADING))
        elif COMPARISON_HEADING in text:
            value = self._comparison(asked, text)
        elif RULE_HEADING in text:
            value = self._rating(asked, text)
        elif LISTS_HEADING in text:
            value = self._prompts(asked, _paragraph(text, LISTS_HEADING))
        else:
            sentence = "This is a test double of AToM and no language model; it only answers AToM's own questions."
            return sentence if asked.form == "text" else json.dumps({"answer": sentence})
        content = json.dumps(value)
        # Models that nothing holds to JSON put it into a code fence.
        return f"```json\n{content}\n```" if asked.form == "text" else content

    def _events(self, asked: Asked, listing: str) -> dict[str, Any]:
        listed = {int(number): _ACTIONS.get(phrase) for number, phrase in _NUMBERED.findall(listing)}
        actions = list(filter(None, listed.values()))
        clip = self._index.find(asked.pictures)
        seen = self._perceived(clip, actions, asked) if clip else []
        return {
            "description": _told(seen),
            "actions": [
                {"number": number, "occurrences": [_occurrence(event) for event in seen if event.action == action]}
                for number, action in listed.items()
            ],
            "others": list(dict.fromkeys(said(event.action) for event in seen if event.action not in actions)),
        }

    def _rating(self, asked: Asked, text: str) -> dict[str, Any]:
        score = int(_score(self._index.find(asked.pictures), text) + 0.5)
        chance = asked.chance(self._settings.seed, "rating")
        if chance.random() < self._settings.noise:
            score = chance.choice([other for other in (score - 1, score + 1) if 1 <= other <= 5])
        return {"reason": "The rubric's score of what the kinematic judge sees.", "score": score}

    def _comparison(self, asked: Asked, text: str) -> dict[str, Any]:
        first, second = (_score(self._index.find(pictures), text) for pictures in _two_motions(asked.parts))
        better = "first" if first > second else "second" if second > first else "neither"
        chance = asked.chance(self._settings.seed, "comparison")
        if chance.random() < self._settings.noise:
            better = {"first": "second", "second": "first"}.get(better) or chance.choice(["first", "second"])
        return {"reason": f"The kinematic judge gives {first:.1f} and {second:.1f}.", "better": better}

    def _prompts(self, asked: Asked, listing: str) -> dict[str, Any]:
        prompts = []
        for number, line in _NUMBERED.findall(listing):
            task, _, phrases = line.partition(": ")
            events = _listed_events(phrases)
            if task not in TASKS or not events:
                continue
            chance = asked.chance(self._settings.seed, "prompt", number)
            worded = _misworded(events, chance) if chance.random() < self._settings.noise else events
            text, _ = caption(worded, np.random.default_rng(chance.getrandbits(64)), task)
            claimed = [{"action": event.phrase, "count": event.count} for event in events]
            prompts.append({"number": int(number), "text": text, "events": claimed})
        return {"prompts": prompts}

    def _perceived(self, clip: Clip, listed: Iterable[str], asked: Asked) -> list[DetectedEvent]:
        """What happens in the clip as a poor observer has it: actions overlooked, imagined and miscounted."""
        seen = list(clip.seen)
        for action in listed:
            chance = asked.chance(self._settings.seed, "action", action)
            if chance.random() >= self._settings.noise:
                continue
            others = [event for event in seen if event.action != action]
            if len(others) == len(seen):
                start = chance.randrange(clip.frames)
                others.append(DetectedEvent(action, 1, start, min(start + _INVENTED_FRAMES, clip.frames)))
            seen = others
        return [self._counted(event, asked) for event in sorted(seen, key=lambda event: event.start)]

    def _counted(self, event: DetectedEvent, asked: Asked) -> DetectedEvent:
        chance = asked.chance(self._settings.seed, "count", event.action, event.start)
        if not ACTIONS[event.action].countable or chance.random() >= self._settings.count_noise:
            return event
        return replace(event, count=chance.choice([n for n in (event.count - 1, event.count + 1) if n]))


def _paragraph(text: str, heading: str) -> str:
    """The lines from a heading to the next empty line."""
    return text.partition(heading)[2].partition("\n\n")[0]


def _occurrence(event: DetectedEvent) -> dict[str, int]:
    return {"first_frame": event.start, "last_frame": event.end - 1, "times": event.count}


def _told(seen: Sequence[DetectedEvent]) -> str:
    if not seen:
        return "Nothing that I recognise happens."
    told = (f"{said(event.action)}{f', {event.count} times' if event.count > 1 else ''}" for event in seen)
    return f"The person {'; then '.join(told)}."


def _score(clip: Clip | None, text: str) -> float:
    """The rubric's score of a clip for the description and the task in a text; the lowest where it says nothing."""
    found = _TASK.search(text)
    description, task = found.groups() if found else ("", "")
    try:
        return rubric.score(task, parse_events(description).events, clip.seen if clip else ())
    except AtomError:
        return 1.0


def _two_motions(parts: Iterable[str | Shown]) -> tuple[list[str], list[str]]:
    """The pictures after the words that announce each motion."""
    shown: dict[str, list[str]] = {FIRST_MOTION: [], SECOND_MOTION: []}
    motion = FIRST_MOTION
    for part in parts:
        if isinstance(part, Shown):
            shown[motion].append(part.sha256)
        elif part in shown:
            motion = part
    return shown[FIRST_MOTION], shown[SECOND_MOTION]


def _listed_events(phrases: str) -> list[Event]:
    """The events of `phrase xCOUNT; phrase xCOUNT`; none when one of them is unknown."""
    events = []
    for item in phrases.split("; "):
        found = _COUNTED.fullmatch(item)
        if found is None or found[1] not in _ACTIONS:
            return []
        try:
            events.append(Event(_ACTIONS[found[1]], int(found[2]), found[1]))
        except AtomError:
            return []
    return events


def _misworded(events: Sequence[Event], chance: Random) -> list[Event]:
    """The events with one count off by one, or with two neighbours swapped, where that is possible."""
    mistakes = []
    for place, event in enumerate(events):
        if ACTIONS[event.action].countable:
            counts = [count for count in (event.count - 1, event.count + 1) if 1 <= count <= MAX_COUNT]
            mistakes += [[*events[:place], replace(event, count=count), *events[place + 1 :]] for count in counts]
        if place and events[place - 1] != event:
            mistakes.append([*events[: place - 1], event, events[place - 1], *events[place + 1 :]])
    return chance.choice(mistakes) if mistakes else list(events)
