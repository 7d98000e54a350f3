"""Events of captions read by a language model, with the offline reader where its answer fails a check."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

from pydantic import BaseModel, Field

from atom.captions import CaptionEvent, ReadCaption, lexicon, read_caption
from atom.captions.actions_in_words import action_side
from atom.captions.tokens import MAX_CHARACTERS
from atom.config import PromptConfig
from atom.events import MAX_ACTION_LENGTH, is_countable
from atom.llm_client.request import Answer, Request
from atom.llm_client.runtime import gather_settled
from atom.llm_client.structured import SupportsAsk, ask_structured
from atom.prompts.reading import ReadText, find_known_action, map_known_actions, read_text

# Part of the artifact keys of prompts: raise it whenever a text below or the rules for an accepted answer change.
VERSION = 1

SYSTEM = (
    "You are an annotator of human motion. You are given descriptions of what one person does, as people wrote them: "
    "some are misspelt, passive or cut short. For each one you list its events, which are the actions of the body that "
    "it describes, in the order in which they happen, and nothing that it does not say."
)

RULES = (
    "An event is one action of the body. Manner, style, place, reason and a posture in which the person merely is are "
    "no events, and neither is what the person does not do or has not begun. Being pushed and then stumbling are two "
    "events. A direction or a path belongs to its walking or running.\n"
    "phrase: the piece of the description that tells the event, copied letter for letter with its spelling mistakes: "
    "the verb with its object, limb, direction and number, without the subject.\n"
    "action: the same in plain base-form words without articles and numbers, with the limb or the direction and its "
    "side: wave right hand, kick with left leg, turn left, step forward, walk in circle, pick up object, be pushed "
    "from behind. Different wordings of one action get the same words.\n"
    "side: left or right where the description tells it for this event, else null.\n"
    "count: the number of times, steps or laps that the description states for this event (once is 1), else null. A "
    "length in metres, an angle and words such as a, some, several and again are no counts.\n"
    "together: null, or a number that is the same for the events that happen at the same time (while, as, with an "
    "-ing verb). Events joined by and, then or a comma follow one another.\n"
    "List the events in order of happening, even where the description tells them in another order."
)

# The first example has another order than the text, the second has events at once.
EXAMPLES: tuple[tuple[str, list[dict[str, str | int | None]]], ...] = (
    (
        "before bending down, a man claps his hands three times",
        [
            {"phrase": "claps his hands three times", "action": "clap hands", "side": None, "count": 3},
            {"phrase": "bending down", "action": "bend down", "side": None, "count": None},
        ],
    ),
    (
        "a woman walks foward while she waves with the left hand, then she hurls a ball.",
        [
            {"phrase": "walks foward", "action": "walk forward", "side": None, "count": None, "together": 1},
            {
                "phrase": "waves with the left hand",
                "action": "wave left hand",
                "side": "left",
                "count": None,
                "together": 1,
            },
            {"phrase": "hurls a ball", "action": "hurl ball", "side": None, "count": None},
        ],
    ),
)

CAPTIONS_HEADING = "List the events of each of these descriptions:"

_CAPTION_LINE = re.compile(r'^(\d+)\. (".*")$', re.MULTILINE)
_ACTION = re.compile(r"[a-z][a-z' -]*")
_WORDS = re.compile(r"[a-z]+|[0-9]+")
_NUMBER_WORDS = lexicon.NUMBERS | lexicon.TIMES_ADVERBS | {"couple": 2, "pair": 2}
_PATHS = re.compile(r"\b(?:circles?|curves?|corner|arc|loop)\b")  # their side is a bend, which the action leaves out


# The names, docstrings and descriptions of these three classes are sent to the model as the JSON schema of the answer.
class EventAnswer(BaseModel):
    """One action of the body that a description tells."""

    phrase: str = Field(description="the piece of the description that tells it, letter for letter")
    action: str = Field(description="what is done, in base-form words with limb, direction and side")
    side: Literal["left", "right"] | None = Field(description="the side that the description tells, or null")
    count: int | None = Field(description="how often, where the description states a number, or null")
    together: int | None = Field(description="the same number for events that happen at the same time, or null")


class CaptionAnswer(BaseModel):
    """The events of one description."""

    number: int = Field(description="the number of the description")
    events: list[EventAnswer] = Field(description="its events in order of happening; empty if it tells no action")


class CaptionsAnswer(BaseModel):
    """The events of the numbered descriptions, each description once."""

    captions: list[CaptionAnswer]


@dataclass(frozen=True)
class ReadingFallback:
    """A caption that the offline reader read, and what was wrong with the model's answer."""

    text: str
    reason: str


@dataclass(frozen=True)
class LLMReading:
    """The events of captions, and what it took to read them.

    Attributes:
        texts: what was read, in the order of the captions.
        tokens: tokens of all requests and answers.
        cost: US dollars; None if the price of any answer is unknown.
        fallbacks: each distinct caption for which the model's answer was no use.
    """

    texts: list[ReadText]
    tokens: int = 0
    cost: float | None = 0.0
    fallbacks: tuple[ReadingFallback, ...] = ()

    @property
    def stats(self) -> dict[str, int | float | None]:
        """The figures for the stage that reads: what was spent, and how many captions the offline reader read."""
        return {"tokens": self.tokens, "cost": self.cost, "read_offline": len(self.fallbacks)}


async def read_texts_with_llm(
    client: SupportsAsk,
    texts: Sequence[str],
    settings: PromptConfig,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    word_classes: Mapping[str, Sequence[tuple[str, str]]] | None = None,
) -> LLMReading:
    """Lets a language model read the events of captions.

    A caption whose answer is missing or fails a check is read by the offline reader, with a remark that says why. A
    caption that stands there several times is sent once; one that is empty or too long is not sent.

    Args:
        client: sends the requests.
        texts: the captions.
        settings: `reader_model` reads; `llm` has the size, temperature and token limit of the requests.
        on_progress: gets the number of captions read so far, and their total.
        word_classes: for the offline reader, the (word, part of speech) pairs of the captions that have them.

    Returns:
        The events; the same captions, settings and answers give the same ones.

    Raises:
        AtomError: the service can't be used. Requests in flight are completed first, because they are paid for.
    """
    word_classes = word_classes or {}
    distinct = list(dict.fromkeys(texts))
    sent = [text for text in distinct if _can_be_sent(text)]
    read: dict[str, ReadText] = {}
    fallbacks: dict[str, str] = {}
    answers: list[Answer] = []
    num_read = len(distinct) - len(sent)

    async def ask(batch: Sequence[str]) -> tuple[dict[str, ReadCaption | str], list[Answer]]:
        nonlocal num_read
        answer = await ask_structured(client, build_reading_request(batch, settings), CaptionsAnswer)
        num_read += len(batch)
        on_progress(num_read, len(distinct))
        if answer.value is None:
            return dict.fromkeys(batch, answer.error or "no answer"), answer.answers
        return _read_answer(answer.value, batch), answer.answers

    on_progress(num_read, len(distinct))
    size = settings.llm.per_request
    batches = [sent[start : start + size] for start in range(0, len(sent), size)]
    for captions, batch_answers in await gather_settled([ask(batch) for batch in batches]):
        answers += batch_answers
        for text, caption in captions.items():
            if isinstance(caption, ReadCaption):
                read[text] = map_known_actions(caption)
            else:
                fallbacks[text] = caption
    for text in distinct:
        if text not in read:
            offline = read_text(text, word_classes.get(text))
            if reason := fallbacks.get(text):
                offline = replace(offline, remarks=(*offline.remarks, f"read offline: {reason}"))
            read[text] = offline
    costs = [answer.cost for answer in answers]
    return LLMReading(
        texts=[read[text] for text in texts],
        tokens=sum(answer.tokens for answer in answers),
        cost=None if None in costs else sum((cost for cost in costs if cost is not None), 0.0),
        fallbacks=tuple(ReadingFallback(text, reason) for text, reason in fallbacks.items()),
    )


def reader_model(settings: PromptConfig) -> str:
    """The name of the language model that reads captions."""
    return settings.reader_model or settings.llm.model


def reader_settings(settings: PromptConfig) -> dict[str, Any]:
    """What decides how captions are read, for the keys of artifacts; empty for the offline reader."""
    if settings.reader == "offline":
        return {}
    requests = settings.llm.model_dump(include={"per_request", "temperature", "max_tokens", "refresh"})
    return {"reader": {"model": reader_model(settings), "wording": VERSION, **requests}}


def format_captions(texts: Sequence[str]) -> str:
    """Numbers captions for a request, each as a JSON string in a line, so that no caption can end its line."""
    return "\n".join(f"{number}. {json.dumps(text, ensure_ascii=False)}" for number, text in enumerate(texts, start=1))


def parse_captions(listing: str) -> dict[int, str]:
    """The captions of a list by `format_captions`, by their numbers. Other lines are no part of it."""
    return {int(number): json.loads(text) for number, text in _CAPTION_LINE.findall(listing)}


def build_reading_request(batch: Sequence[str], settings: PromptConfig) -> Request:
    """Builds the request to read some captions.

    Args:
        batch: the captions.
        settings: name the model and its limits.
    """
    examples = "\n".join(f"{json.dumps(text)}: {json.dumps(_complete(events))}" for text, events in EXAMPLES)
    message = f"{RULES}\n\nExamples:\n{examples}\n\n{CAPTIONS_HEADING}\n{format_captions(batch)}"
    return Request(
        reader_model(settings),
        SYSTEM,
        (message,),
        max_tokens=settings.llm.max_tokens,
        temperature=settings.llm.temperature,
        refresh=settings.llm.refresh,
    )


def _complete(events: Sequence[Mapping[str, str | int | None]]) -> list[dict[str, str | int | None]]:
    return [{"together": None, **event} for event in events]


def _can_be_sent(text: str) -> bool:
    try:
        text.encode()  # half of a surrogate pair has no bytes
    except UnicodeEncodeError:
        return False
    return len(text) <= MAX_CHARACTERS and any(character.isalpha() for character in text)


def _read_answer(answer: CaptionsAnswer, batch: Sequence[str]) -> dict[str, ReadCaption | str]:
    """The events of each caption of a request, or what is wrong with the answer for it."""
    by_number: dict[int, list[EventAnswer]] = {}
    for caption in answer.captions:
        by_number.setdefault(caption.number, caption.events)
    read: dict[str, ReadCaption | str] = {}
    for number, text in enumerate(batch, start=1):
        events = by_number.get(number)
        if events is None:
            read[text] = f"number {number} is not in the answer"
        elif not events:
            # A caption without events is lost to the run, so a model's silence alone does not decide it.
            read[text] = "the model finds no action"
        else:
            read[text] = _to_caption(text, events)
    return read


def _to_caption(text: str, answers: Sequence[EventAnswer]) -> ReadCaption | str:
    """The events of an answer with their places in the text, or the first thing that is wrong with them."""
    offline_actions = {event.action for event in read_caption(text).events}
    events, num_found = [], dict[str, int]()
    for answer in answers:
        place = _find_place(text, answer.phrase, num_found)
        if place is None:
            return f"the phrase {_shorten(answer.phrase)} is not in the text, or not as often"
        words = " ".join(answer.action.lower().split())
        if not _ACTION.fullmatch(words) or len(words) > MAX_ACTION_LENGTH:
            return f"the action {_shorten(answer.action)} is not plain words"
        action = words if words in offline_actions else _reword_action(words)
        if action is None:
            return f"the action {_shorten(words)} is more than one"
        if fault := _find_side_fault(text, action, answer.side) or _find_count_fault(text, answer.count):
            return fault
        count = None if answer.count == 1 and 1 not in _stated_numbers(text) else answer.count
        side = answer.side or action_side(action)
        countable = count is not None or is_countable(action)
        events.append(CaptionEvent(text[slice(*place)], *place, action, side, count, countable))
    places: dict[int, list[int]] = {}
    for position, answer in enumerate(answers):
        if answer.together is not None:
            places.setdefault(answer.together, []).append(position)
    return ReadCaption(text, tuple(events), tuple(tuple(group) for group in places.values() if len(group) > 1))


def _find_place(text: str, phrase: str, num_found: dict[str, int]) -> tuple[int, int] | None:
    """Where a phrase stands in the text, in any case and with any spaces.

    The second event of the same phrase gets the second place.
    """
    words = phrase.split()
    if not words:
        return None
    pattern = r"\s+".join(map(re.escape, words))
    matches = list(re.finditer(rf"(?<!\w){pattern}(?!\w)", text, re.IGNORECASE))
    key = " ".join(words).lower()
    number = num_found.get(key, 0)
    num_found[key] = number + 1
    return matches[number].span() if number < len(matches) else None


@lru_cache(maxsize=65536)
def _reword_action(words: str) -> str | None:
    """The words that the offline reader has for an action, so that both readers give one action one name.

    None where it reads several actions.
    """
    events = read_caption(f"a person can {words}").events
    if len(events) > 1:
        return None
    return events[0].action if events else words


def _find_side_fault(text: str, action: str, side: str | None) -> str | None:
    named = action_side(action)
    if side and named and side != named:
        return f"the side is {side}, and the action {action!r} names the other"
    stated = side or named
    if stated and stated not in text.lower():
        return f"the side {stated} is not in the text"
    if side and side not in action and not _PATHS.search(action) and not find_known_action(action, side):
        return f"the action {action!r} does not name its side, {side}"
    return None


def _find_count_fault(text: str, count: int | None) -> str | None:
    if count is None or count == 1:
        return None
    return None if count in _stated_numbers(text) else f"the count {count} is not in the text"


def _stated_numbers(text: str) -> set[int]:
    words = _WORDS.findall(text.lower())
    # A number of many digits is none that a body can do, and Python refuses to convert the longest.
    return {int(word) if word.isdigit() else _NUMBER_WORDS.get(word, 0) for word in words if len(word) <= 12} - {0}


def _shorten(text: str) -> str:
    text = " ".join(text.split())
    return repr(text if len(text) <= 60 else text[:57] + "...")
