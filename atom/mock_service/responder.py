"""Answers of the mock service: what the kinematic judge detects, in the format of each question, with noise."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np

from atom.captions import read_caption
from atom.captions.morphology import inflect
from atom.errors import AtomError
from atom.events import MAX_COUNT, TASKS, Event, Task, is_countable, is_known
from atom.judging import rubric
from atom.judging.detected_events import DetectedEvent
from atom.judging.vision.questions import (
    ACTIONS_HEADING,
    COMPARISON_HEADING,
    DESCRIPTION_HEADING,
    RULE_HEADING,
    known_actions,
    plain_phrase,
)
from atom.judging.vision.vision_judge import FIRST_MOTION, SECOND_MOTION
from atom.mock_service.chat_request import ChatRequest, RequestPicture
from atom.mock_service.motion_index import IndexedMotion, MotionIndex
from atom.mock_service.settings import MockServiceSettings
from atom.prompts.lexicon import TIMES
from atom.prompts.llm_reading import CAPTIONS_HEADING, parse_captions
from atom.prompts.reading import read_text
from atom.prompts.wording import SUBJECTS, caption
from atom.prompts.writer import LISTS_HEADING

_ACTIONS = known_actions()
_NUMBERED_LINE = re.compile(r"^(\d+)\. (.+)$", re.MULTILINE)
_PHRASE_AND_COUNT = re.compile(r"(.+) x(\d+)")
_QUESTION = re.compile(rf"{re.escape(DESCRIPTION_HEADING)}(.*?)\n\n{re.escape(RULE_HEADING)}(\w+):", re.DOTALL)
_INVENTED_FRAMES = 20


class Responder:
    """Answers any request. The same request always gets the same answer."""

    def __init__(self, settings: MockServiceSettings, index: MotionIndex) -> None:
        self._settings, self._index = settings, index

    def answer(self, request: ChatRequest) -> str:
        """Returns the text of the answer, in the requested format."""
        text = request.text
        if ACTIONS_HEADING in text:
            value = self._answer_events(request, _read_paragraph(text, ACTIONS_HEADING))
        elif COMPARISON_HEADING in text:
            value = self._answer_comparison(request, text)
        elif RULE_HEADING in text:
            value = self._answer_rating(request, text)
        elif CAPTIONS_HEADING in text:
            value = self._answer_captions(request, _read_paragraph(text, CAPTIONS_HEADING))
        elif LISTS_HEADING in text:
            value = self._answer_prompts(request, _read_paragraph(text, LISTS_HEADING))
        else:
            sentence = "This is AToM's mock judge service, not a language model; it answers AToM's own questions only."
            return sentence if request.form == "text" else json.dumps({"answer": sentence})
        content = json.dumps(value)
        # Real models without a JSON mode often wrap JSON in a code fence.
        return f"```json\n{content}\n```" if request.form == "text" else content

    def _answer_events(self, request: ChatRequest, listing: str) -> dict[str, Any]:
        listed = {int(number): _ACTIONS.get(phrase, phrase) for number, phrase in _NUMBERED_LINE.findall(listing)}
        actions = list(listed.values())
        motion = self._index.find(request.pictures)
        events = self._add_noise(motion, actions, request) if motion else []
        return {
            "description": _describe_events(events),
            "actions": [
                {
                    "number": number,
                    "occurrences": [_format_occurrence(event) for event in events if event.action == action],
                }
                for number, action in listed.items()
            ],
            "others": list(
                dict.fromkeys(plain_phrase(event.action) for event in events if event.action not in actions)
            ),
        }

    def _answer_rating(self, request: ChatRequest, text: str) -> dict[str, Any]:
        score = int(_score_motion(self._index.find(request.pictures), text) + 0.5)
        rng = request.random(self._settings.seed, "rating")
        if rng.random() < self._settings.noise:
            score = rng.choice([other for other in (score - 1, score + 1) if 1 <= other <= 5])
        return {"reason": "The rubric's score of what the kinematic judge sees.", "score": score}

    def _answer_comparison(self, request: ChatRequest, text: str) -> dict[str, Any]:
        first, second = (_score_motion(self._index.find(pictures), text) for pictures in _split_motions(request.parts))
        better = "first" if first > second else "second" if second > first else "neither"
        rng = request.random(self._settings.seed, "comparison")
        if rng.random() < self._settings.noise:
            better = {"first": "second", "second": "first"}.get(better) or rng.choice(["first", "second"])
        return {"reason": f"The kinematic judge gives {first:.1f} and {second:.1f}.", "better": better}

    def _answer_prompts(self, request: ChatRequest, listing: str) -> dict[str, Any]:
        prompts = []
        for number, line in _NUMBERED_LINE.findall(listing):
            task, _, phrases = line.partition(": ")
            events = _parse_events_list(phrases)
            if task not in TASKS or not events:
                continue
            rng = request.random(self._settings.seed, "prompt", number)
            written = _change_events(events, rng) if rng.random() < self._settings.noise else events
            text = _write_text(written, rng, task)
            claims = [{"action": event.phrase, "count": event.count or 1} for event in events]
            prompts.append({"number": int(number), "text": text, "events": claims})
        return {"prompts": prompts}

    def _answer_captions(self, request: ChatRequest, listing: str) -> dict[str, Any]:
        """What the offline reader reads. With noise some captions are missing, and others have a phrase that is not in
        the text or a count that it does not state."""
        answers = []
        for number, text in parse_captions(listing).items():
            rng = request.random(self._settings.seed, "caption", number)
            caption = read_caption(text)
            groups = {place: group for group, places in enumerate(caption.together) for place in places}
            events: list[dict[str, Any]] = [
                {
                    "phrase": event.phrase,
                    "action": event.action,
                    "side": event.side,
                    "count": event.count,
                    "together": groups.get(place),
                }
                for place, event in enumerate(caption.events)
            ]
            if rng.random() < self._settings.noise:
                mistake = rng.choice([{"phrase": "as the text never says"}, {"count": 0}, None])
                if mistake is None or not events:
                    continue
                events[rng.randrange(len(events))] |= mistake
            answers.append({"number": number, "events": events})
        return {"captions": answers}

    def _add_noise(self, motion: IndexedMotion, listed: Iterable[str], request: ChatRequest) -> list[DetectedEvent]:
        """The events of a motion as an unreliable judge sees them: some are missed, invented or miscounted."""
        events = list(motion.events)
        for action in listed:
            rng = request.random(self._settings.seed, "action", action)
            if rng.random() >= self._settings.noise:
                continue
            others = [event for event in events if event.action != action]
            if len(others) == len(events):
                start = rng.randrange(motion.frames)
                others.append(DetectedEvent(action, 1, start, min(start + _INVENTED_FRAMES, motion.frames)))
            events = others
        return [self._add_count_noise(event, request) for event in sorted(events, key=lambda event: event.start)]

    def _add_count_noise(self, event: DetectedEvent, request: ChatRequest) -> DetectedEvent:
        rng = request.random(self._settings.seed, "count", event.action, event.start)
        if not is_countable(event.action) or rng.random() >= self._settings.count_noise:
            return event
        return replace(event, count=rng.choice([n for n in (event.count - 1, event.count + 1) if n]))


def _read_paragraph(text: str, heading: str) -> str:
    """Returns the lines from a heading to the next empty line."""
    return text.partition(heading)[2].partition("\n\n")[0]


def _format_occurrence(event: DetectedEvent) -> dict[str, int]:
    return {"first_frame": event.start, "last_frame": event.end - 1, "times": event.count}


def _describe_events(events: Sequence[DetectedEvent]) -> str:
    if not events:
        return "Nothing that I recognise happens."
    sentences = (
        f"{_in_third_person(event.action)}{f', {event.count} times' if event.count > 1 else ''}" for event in events
    )
    return f"The person {'; then '.join(sentences)}."


def _score_motion(motion: IndexedMotion | None, text: str) -> float:
    """The rubric's score of a motion for the description and task in a question; the lowest if it can't be scored."""
    found = _QUESTION.search(text)
    description, task = found.groups() if found else ("", "")
    try:
        return rubric.score(task, read_text(description).events, motion.events if motion else ())
    except AtomError:
        return 1.0


def _split_motions(parts: Iterable[str | RequestPicture]) -> tuple[list[str], list[str]]:
    """The pictures of the two motions, which follow the text that introduces each."""
    pictures: dict[str, list[str]] = {FIRST_MOTION: [], SECOND_MOTION: []}
    motion = FIRST_MOTION
    for part in parts:
        if isinstance(part, RequestPicture):
            pictures[motion].append(part.sha256)
        elif part in pictures:
            motion = part
    return pictures[FIRST_MOTION], pictures[SECOND_MOTION]


def _parse_events_list(phrases: str) -> list[Event]:
    """Parses `phrase xCOUNT; phrase xCOUNT`, where an event without a count has none. Returns no events if one of them
    has no words."""
    events = []
    for item in phrases.split("; "):
        found = _PHRASE_AND_COUNT.fullmatch(item)
        phrase, count = (found[1], int(found[2])) if found else (item, None)
        try:
            events.append(Event(_ACTIONS.get(phrase, phrase), count, phrase))
        except AtomError:
            return []
    return events


def _write_text(events: Sequence[Event], rng: Random, task: Task) -> str:
    """A sentence that tells these events in their order."""
    if all(is_known(event.action) and (event.count or 1) <= MAX_COUNT for event in events):
        counted = [replace(event, count=event.count or 1) for event in events]
        return caption(counted, np.random.default_rng(rng.getrandbits(64)), task)[0]
    verbs = [_tell(event) for event in events]
    return f"{rng.choice(SUBJECTS)} {', then '.join(verbs)}"


def _in_third_person(action: str) -> str:
    if is_known(action):
        return plain_phrase(action)
    verb, _, rest = action.partition(" ")
    form = {"be": "is", "have": "has"}.get(verb) or next(form for form, kind in inflect(verb) if kind == "s")
    return f"{form} {rest}".strip()


def _tell(event: Event) -> str:
    """The verb phrase of an event in the third person, with its count."""
    count, words = event.count or 1, _in_third_person(event.action)
    return f"{words} {TIMES[count][0] if count in TIMES else f'{count} times'}" if count > 1 else words


def _change_events(events: Sequence[Event], rng: Random) -> list[Event]:
    """Makes one mistake where possible: a count off by one, or two neighbours swapped."""
    mistakes = []
    for place, event in enumerate(events):
        if is_countable(event.action):
            count = event.count or 1
            counts = [other for other in (count - 1, count + 1) if 1 <= other <= max(MAX_COUNT, count)]
            mistakes += [[*events[:place], replace(event, count=other), *events[place + 1 :]] for other in counts]
        if place and events[place - 1] != event:
            mistakes.append([*events[: place - 1], event, events[place - 1], *events[place + 1 :]])
    return rng.choice(mistakes) if mistakes else list(events)
