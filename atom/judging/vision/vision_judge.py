"""Asking a vision-language model about motions: one at a time, or two against each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from atom.config import VisionConfig
from atom.events import ACTIONS, Event, Task
from atom.judging.detected_events import DetectedEvent, sort_and_merge
from atom.judging.judgement import Judgement, judge_seen
from atom.judging.vision.questions import (
    SYSTEM,
    ComparisonAnswer,
    EventsAnswer,
    RatingAnswer,
    list_actions,
    build_comparison_question,
    build_events_question,
    build_rating_question,
)
from atom.llm_client.request import Answer, Picture, Request
from atom.llm_client.structured import StructuredAnswer, SupportsAsk, ask_structured
from atom.prompts.parsing import parse_events

MOST_TIMES = 30  # repetitions that an answer may claim in one place
FIRST_MOTION, SECOND_MOTION = "First motion:", "Second motion:"


@dataclass(frozen=True)
class JudgeInput:
    """A motion to be judged: its pictures, its length in frames, and what was asked for."""

    pictures: Sequence[Picture]
    frames: int
    text: str
    events: Sequence[Event]
    task: Task


@dataclass(frozen=True)
class JudgeOutput:
    """What a model said of a motion; judgement is None, with an error, where it said nothing that can be used."""

    judgement: Judgement | None
    error: str | None
    answers: list[Answer] = field(default_factory=list)


@dataclass(frozen=True)
class Comparison:
    """Which of two motions follows the text better: first, second or neither; None with an error."""

    better: str | None
    rationale: str
    error: str | None
    answers: list[Answer] = field(default_factory=list)


async def judge_motion(
    service: SupportsAsk, subject: JudgeInput, settings: VisionConfig, model: str, vote: int = 0
) -> JudgeOutput:
    """Scores a motion as `settings` say. What is wrong with this motion alone is in the verdict, the rest is raised."""
    if settings.question == "rating":
        return await _rate(service, subject, settings, model, vote)
    question = build_events_question(subject.events, subject.frames)
    request = _request(settings, model, vote, (*subject.pictures, question))
    actions = list_actions(subject.events)
    told = await ask_structured(
        service, request, EventsAnswer, lambda answer: _fault(answer, len(actions), subject.frames)
    )
    if told.value is None:
        return JudgeOutput(None, told.error, told.answers)
    seen = to_detected_events(told.value, actions, subject.frames)
    judgement = judge_seen(seen, subject.events, subject.task)
    return JudgeOutput(_with_words(judgement, told.value.description), None, told.answers)


async def compare_motions(
    service: SupportsAsk, first: JudgeInput, second: JudgeInput, settings: VisionConfig, model: str
) -> Comparison:
    """Asks which of two motions of one prompt follows it better, shown in this order."""
    question = build_comparison_question(first.text, first.task)
    parts = (FIRST_MOTION, *first.pictures, SECOND_MOTION, *second.pictures, question)
    told = await ask_structured(service, _request(settings, model, 0, parts), ComparisonAnswer)
    return Comparison(
        told.value.better if told.value else None, told.value.reason if told.value else "", told.error, told.answers
    )


def to_detected_events(answer: EventsAnswer, actions: Sequence[str], frames: int) -> list[DetectedEvent]:
    """The events that an answer tells, in order. Other actions that the lexicon knows count too, as seen at the end:
    where they happened was not asked."""
    seen = [
        DetectedEvent(
            action=(action := actions[told.number - 1]),
            count=place.times if ACTIONS[action].countable else 1,
            start=min(max(place.first_frame, 0), frames - 1),
            end=min(max(place.last_frame, 0), frames - 1) + 1,
        )
        for told in answer.actions
        for place in told.occurrences
    ]
    for phrase in answer.others:
        events = parse_events(phrase).events if any(letter.isalpha() for letter in phrase) else ()
        seen += [
            DetectedEvent(event.action, event.count, frames, frames, confidence=0.5)
            for event in events
            if event.action not in actions
        ]
    return sort_and_merge(seen)


async def _rate(
    service: SupportsAsk, subject: JudgeInput, settings: VisionConfig, model: str, vote: int
) -> JudgeOutput:
    request = _request(settings, model, vote, (*subject.pictures, build_rating_question(subject.text, subject.task)))
    told: StructuredAnswer[RatingAnswer] = await ask_structured(
        service,
        request,
        RatingAnswer,
        lambda answer: None if 1 <= answer.score <= 5 else f"the score {answer.score} is not one of 1 to 5",
    )
    if told.value is None:
        return JudgeOutput(None, told.error, told.answers)
    score = told.value.score
    return JudgeOutput(Judgement(float(score), score == 5, [], [], told.value.reason), None, told.answers)


def _request(settings: VisionConfig, model: str, vote: int, parts: tuple[str | Picture, ...]) -> Request:
    return Request(
        model,
        SYSTEM,
        parts,
        max_tokens=settings.max_tokens,
        temperature=settings.temperature,
        detail=settings.detail,
        vote=vote,
        refresh=settings.refresh,
    )


def _fault(answer: EventsAnswer, listed: int, frames: int) -> str | None:
    """What makes an answer of the right shape useless."""
    numbers = sorted(told.number for told in answer.actions)
    if numbers != list(range(1, listed + 1)):
        return f"the list has the actions 1 to {listed}, the answer has {', '.join(map(str, numbers)) or 'none'}"
    for told in answer.actions:
        for place in told.occurrences:
            if not 0 <= place.first_frame <= place.last_frame:
                return f"action {told.number} from frame {place.first_frame} to {place.last_frame}"
            if place.first_frame >= frames:
                return f"action {told.number} begins in frame {place.first_frame} of {frames}"
            if not 1 <= place.times <= MOST_TIMES:
                return f"action {told.number} is done {place.times} times"
    return None


def _with_words(judgement: Judgement, description: str) -> Judgement:
    said = " ".join(description.split())
    return Judgement(
        judgement.score,
        judgement.exact,
        judgement.seen,
        judgement.verdicts,
        f"{judgement.rationale} The model saw: {said}" if said else judgement.rationale,
    )
