"""Compares detected with expected events: the score, the evidence for each event, and the rationale in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from atom.events import Event, Task, counts_repetitions, describe_action, is_known
from atom.judging import rubric
from atom.judging.detected_events import DetectedEvent

# The start of a row's `error` where the judge can't judge motions of the prompt; what it can't see follows.
NOT_JUDGED = "not judged"


@dataclass(frozen=True)
class Verdict:
    """What a judge detected of one expected event.

    Attributes:
        expected: the event of the prompt.
        found: whether it happens.
        seen_count: how often; 0 where it is missing.
        start: its first frame; None where it is missing.
        end: the frame after its last one; None where it is missing.
        in_order: whether it happens in its place among the others.
    """

    expected: Event
    found: bool
    seen_count: int
    start: int | None
    end: int | None
    in_order: bool


@dataclass(frozen=True)
class Judgement:
    """How well a motion follows its prompt.

    Attributes:
        score: 1 to 5 by the rubric of the task.
        exact: whether the detected events are the expected ones, with the same counts and order and nothing else; None
            by a judge that sees no events.
        detected: the events that the judge sees, in order of time.
        verdicts: one for each expected event.
        rationale: why the score is what it is, in words.
    """

    score: float
    exact: bool | None
    detected: list[DetectedEvent]
    verdicts: list[Verdict]
    rationale: str


def find_open_actions(events: Sequence[Event]) -> list[str]:
    """The actions of a prompt that no judge of known actions can see, each once."""
    return list(dict.fromkeys(event.action for event in events if not is_known(event.action)))


def explain_open_actions(judge: str, events: Sequence[Event]) -> str | None:
    """Why a judge of known actions can't judge these events, None where it can.

    Args:
        judge: its name.
        events: of a prompt.
    """
    actions = find_open_actions(events)
    return f"the {judge} judge can't see {', '.join(map(repr, actions))}" if actions else None


def judge_events(detected: list[DetectedEvent], expected: Sequence[Event], task: Task) -> Judgement:
    """Judge the events that a judge detected in a motion.

    Args:
        detected: the detected events, in order of time.
        expected: the events of the prompt, in order.
        task: the task of the prompt, which decides the rubric.

    Returns:
        The judgement, with a verdict for each expected event.

    Raises:
        AtomError: for an unknown task or no expected event.
    """
    exact = rubric.exact(expected, detected)
    verdicts = _match_expected(expected, detected)
    rationale = _explain(verdicts, detected, exact)
    return Judgement(rubric.score(task, expected, detected), exact, detected, verdicts, rationale)


def _match_expected(expected: Sequence[Event], detected: Sequence[DetectedEvent]) -> list[Verdict]:
    order = rubric.arrange_groups(expected, detected)
    pairs = rubric.match_actions([expected[i].action for i in order], [event.action for event in detected])
    match_of = {order[i]: (detected[j], in_order) for i, j, in_order in pairs}
    verdicts = []
    for i, event in enumerate(expected):
        if i in match_of:
            match, in_order = match_of[i]
            verdicts.append(Verdict(event, True, match.count, match.start, match.end, in_order))
        else:
            verdicts.append(Verdict(event, False, 0, None, None, False))
    return verdicts


def _explain(verdicts: list[Verdict], detected: list[DetectedEvent], exact: bool) -> str:
    if exact:
        return "Everything asked happens, as often and in the order told, and nothing else."
    parts = []
    missing = [describe_action(v.expected.action) for v in verdicts if not v.found]
    if missing:
        parts.append(f"missing: {', '.join(missing)}")
    if any(v.found and not v.in_order for v in verdicts):
        parts.append("the order differs: " + ", then ".join(describe_action(e.action) for e in detected))
    for v in verdicts:
        if v.found and v.expected.count not in (None, v.seen_count) and counts_repetitions(v.expected.action):
            parts.append(f"{describe_action(v.expected.action)} {v.seen_count} times instead of {v.expected.count}")
    # By action and start, because two events of a clip may be equal in all but their frames.
    matched = {(v.expected.action, v.start) for v in verdicts if v.found}
    extra = [describe_action(event.action) for event in detected if (event.action, event.start) not in matched]
    if extra:
        parts.append(f"not asked for: {', '.join(extra)}")
    sentence = "; ".join(parts) or "the same events are told in another grouping"
    return sentence[0].upper() + sentence[1:] + "."
