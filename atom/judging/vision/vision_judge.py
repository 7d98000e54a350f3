"""The vision judge: asks a vision-language model to judge one motion, or to compare two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from atom.config import VisionConfig
from atom.events import Event, Task, counts_repetitions
from atom.judging.detected_events import DetectedEvent, sort_and_merge
from atom.judging.judgement import Judgement, judge_events
from atom.judging.vision.questions import (
    SYSTEM,
    ComparisonAnswer,
    EventsAnswer,
    RatingAnswer,
    build_comparison_question,
    build_events_question,
    build_rating_question,
    list_actions,
)
from atom.llm_client.request import Answer, Picture, Request
from atom.llm_client.structured import StructuredAnswer, SupportsAsk, ask_structured
from atom.prompts.reading import read_text

MAX_REPETITIONS = 30  # the most repetitions that an answer may give for one occurrence
_BETWEEN_ACTS = frozenset({"stand", "breathe", "remain", "stay", "wait", "pause", "rest", "idle"})  # first words
FIRST_MOTION, SECOND_MOTION = "First motion:", "Second motion:"


@dataclass(frozen=True)
class JudgeInput:
    """What the model judges: the pictures of a motion, its length in frames, and its prompt with events and task."""

    pictures: Sequence[Picture]
    frames: int
    text: str
    events: Sequence[Event]
    task: Task


@dataclass(frozen=True)
class JudgeOutput:
    """The judgement of a model on a motion. It is None, with an error, where the model gave no usable answer."""

    judgement: Judgement | None
    error: str | None
    answers: list[Answer] = field(default_factory=list)


@dataclass(frozen=True)
class Comparison:
    """Which of two motions follows the prompt better: "first", "second" or "neither"; None where there is an error."""

    better: str | None
    rationale: str
    error: str | None
    answers: list[Answer] = field(default_factory=list)


async def judge_motion(
    service: SupportsAsk, judge_input: JudgeInput, settings: VisionConfig, model: str, vote: int = 0
) -> JudgeOutput:
    """Score a motion with a vision-language model.

    Args:
        service: the client of the model.
        judge_input: the motion and its prompt.
        settings: the settings of the judge, among them the form of the question.
        model: the name of the model.
        vote: the number of the vote; each vote is a request of its own.

    Returns:
        The judgement, or an error where this one motion got no usable answer. Every other failure is raised.
    """
    if settings.question == "rating":
        return await _judge_by_rating(service, judge_input, settings, model, vote)
    question = build_events_question(judge_input.events, judge_input.frames)
    request = _build_request(settings, model, vote, (*judge_input.pictures, question))
    actions = list_actions(judge_input.events)
    answer = await ask_structured(
        service, request, EventsAnswer, lambda value: _find_fault(value, len(actions), judge_input.frames)
    )
    if answer.value is None:
        return JudgeOutput(None, answer.error, answer.answers)
    detected = to_detected_events(answer.value, actions, judge_input.frames)
    judgement = judge_events(detected, judge_input.events, judge_input.task)
    return JudgeOutput(_with_description(judgement, answer.value.description), None, answer.answers)


async def compare_motions(
    service: SupportsAsk, first: JudgeInput, second: JudgeInput, settings: VisionConfig, model: str
) -> Comparison:
    """Ask a vision-language model which of two motions of one prompt follows it better.

    Args:
        service: the client of the model.
        first: the motion that is shown first.
        second: the motion that is shown second.
        settings: the settings of the judge.
        model: the name of the model.
    """
    question = build_comparison_question(first.text, first.task)
    parts = (FIRST_MOTION, *first.pictures, SECOND_MOTION, *second.pictures, question)
    answer = await ask_structured(service, _build_request(settings, model, 0, parts), ComparisonAnswer)
    return Comparison(
        answer.value.better if answer.value else None,
        answer.value.reason if answer.value else "",
        answer.error,
        answer.answers,
    )


def to_detected_events(answer: EventsAnswer, actions: Sequence[str], frames: int) -> list[DetectedEvent]:
    """Turn the answer of a model into events in order of time.

    Other actions that the model names count too, known or open, but for what any body does between its acts, such as
    standing. They are put at the end, because the question does not ask where they happen.

    Args:
        answer: the answer to the decomposed question.
        actions: the actions that the question lists.
        frames: the length of the motion.
    """
    detected = [
        DetectedEvent(
            action=(action := actions[listed.number - 1]),
            count=occurrence.times if counts_repetitions(action) else 1,
            start=min(max(occurrence.first_frame, 0), frames - 1),
            end=min(max(occurrence.last_frame, 0), frames - 1) + 1,
        )
        for listed in answer.actions
        for occurrence in listed.occurrences
    ]
    for phrase in answer.others:
        events = read_text(phrase).events
        detected += [
            DetectedEvent(event.action, event.count or 1, frames, frames, confidence=0.5)
            for event in events
            if event.action not in actions and event.action.split()[0] not in _BETWEEN_ACTS
        ]
    return sort_and_merge(detected)


async def _judge_by_rating(
    service: SupportsAsk, judge_input: JudgeInput, settings: VisionConfig, model: str, vote: int
) -> JudgeOutput:
    request = _build_request(
        settings, model, vote, (*judge_input.pictures, build_rating_question(judge_input.text, judge_input.task))
    )
    answer: StructuredAnswer[RatingAnswer] = await ask_structured(
        service,
        request,
        RatingAnswer,
        lambda value: None if 1 <= value.score <= 5 else f"the score {value.score} is not one of 1 to 5",
    )
    if answer.value is None:
        return JudgeOutput(None, answer.error, answer.answers)
    score = answer.value.score
    return JudgeOutput(Judgement(float(score), score == 5, [], [], answer.value.reason), None, answer.answers)


def _build_request(settings: VisionConfig, model: str, vote: int, parts: tuple[str | Picture, ...]) -> Request:
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


def _find_fault(answer: EventsAnswer, num_actions: int, frames: int) -> str | None:
    """What is wrong with an answer whose form is right; None if nothing is."""
    numbers = sorted(listed.number for listed in answer.actions)
    if numbers != list(range(1, num_actions + 1)):
        return f"the list has the actions 1 to {num_actions}, the answer has {', '.join(map(str, numbers)) or 'none'}"
    for listed in answer.actions:
        for occurrence in listed.occurrences:
            if not 0 <= occurrence.first_frame <= occurrence.last_frame:
                return f"action {listed.number} from frame {occurrence.first_frame} to {occurrence.last_frame}"
            if occurrence.first_frame >= frames:
                return f"action {listed.number} begins in frame {occurrence.first_frame} of {frames}"
            if not 1 <= occurrence.times <= MAX_REPETITIONS:
                return f"action {listed.number} is done {occurrence.times} times"
    return None


def _with_description(judgement: Judgement, description: str) -> Judgement:
    description = " ".join(description.split())
    return Judgement(
        judgement.score,
        judgement.exact,
        judgement.detected,
        judgement.verdicts,
        f"{judgement.rationale} The model saw: {description}" if description else judgement.rationale,
    )
