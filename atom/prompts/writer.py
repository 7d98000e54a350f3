"""Prompts written by a language model: we draw the events, the model words them, and we check its texts."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from pydantic import BaseModel, Field

from atom.config import PromptConfig, WriterConfig
from atom.errors import AtomError
from atom.events import TASKS, Composition, Event, Split, Task, is_known
from atom.llm_client.request import Answer, Request
from atom.llm_client.runtime import gather_settled
from atom.llm_client.structured import StructuredAnswer, SupportsAsk, ask_structured
from atom.prompts.action_pool import ActionPool
from atom.prompts.grammar import Prompt, prompt_id, sample_balanced_compositions
from atom.prompts.seeds import read_seeds
from atom.prompts.validation import (
    MAX_CHARACTERS,
    DuplicateFilter,
    assign_phrases,
    find_claim_mismatch,
    find_fault,
    format_events,
)

# Part of the artifact keys of prompts: raise it whenever a text below or the rules for an accepted text change.
VERSION = 2

SYSTEM = (
    "You write short descriptions of human movement, from which a computer model makes motions. You are given lists of "
    "actions and word each list as one sentence about one person. The sentence tells exactly the actions of its list, "
    "in the order of the list, as often as the list says, and nothing else. Beside each sentence you give the actions "
    "that it tells, in order, in the words of the list, with their counts."
)

STYLE = (
    "Vary the wording, the subject (a person, the man, a woman, someone ...) and the rhythm from sentence to sentence. "
    "Use plain everyday words for the movements and close synonyms at most, each with a verb (does three squats, not: "
    "followed by three squats). Always name left or right where the list does. The actions follow one another and "
    "never happen at once, so don't write while or as. No other movements, no scenery, no reasons, no adverbs of "
    "feeling, no names, no digits and no signs but commas and full stops. At most thirty words each."
)

# Follows STYLE where a list has open actions, which stand there in base form.
OPEN_STYLE = (
    "Some actions are given in base form without articles, such as hurl ball with left hand: put them into the form of "
    "the sentence (hurls a ball with the left hand) and keep their verb, thing, limb and direction as they are."
)

RULES: dict[Task, str] = {
    "integrity": "What matters here is that every action of the list is named.",
    "temporal": (
        "What matters here is the order: say it in words for every action, such as first, then, after that, before or "
        "finally. A list with commas alone is not enough."
    ),
    "frequency": (
        "What matters here is how often: say the counts in words, such as once, twice, three times or two jumps. "
        "An action with x1 may stand without a count."
    ),
}

EXAMPLES: dict[Task, tuple[tuple[Composition, str], ...]] = {
    "integrity": (
        ((Event("run_forward"), Event("pick_up")), "A man runs forward and picks something up from the floor."),
        (
            (Event("kick_left"), Event("turn_around"), Event("clap", 2)),
            "She kicks with her left foot, turns around and claps twice.",
        ),
    ),
    "temporal": (
        ((Event("bow"), Event("wave_right")), "Before waving with the right hand, the person bows."),
        (
            (Event("sit_down"), Event("raise_arms"), Event("get_up")),
            "Someone first sits down, then lifts both arms, and finally stands up again.",
        ),
    ),
    "frequency": (
        ((Event("squat", 3),), "A woman does three squats."),
        ((Event("hop_right", 2), Event("run_forward")), "The figure hops two times on the right leg and jogs forward."),
    ),
}

LISTS_HEADING = "Write one sentence for each of these:"


# The names, docstrings and descriptions of these three classes are sent to the model as the JSON schema of the answer.
class WrittenEvent(BaseModel):
    """An action that a sentence tells."""

    action: str = Field(description="the action in the words of the list")
    count: int = Field(description="how often it happens in a row; 1 for what has no repetitions, such as walking")


class WrittenPrompt(BaseModel):
    """One sentence."""

    number: int = Field(description="the number of the list that the sentence words")
    text: str = Field(description="the sentence")
    events: list[WrittenEvent] = Field(description="what the sentence tells, in order of happening")


class PromptsAnswer(BaseModel):
    """The sentences for the numbered lists, each once."""

    prompts: list[WrittenPrompt]


@dataclass(frozen=True)
class RejectedText:
    """A text that was rejected, or a composition for which the model wrote no text.

    Attributes:
        text: the text, empty if there is none.
        events: the requested events, empty if the model answered a number that was not in the request.
        reason: why it was rejected.
        answer: the whole answer with this text, empty if there was none.
        attempt: number of the attempt, from 1.
    """

    prompt_id: str
    text: str
    task: Task
    split: Split
    events: Composition
    reason: str
    answer: str
    attempt: int


@dataclass(frozen=True)
class WritingResult:
    """The accepted prompts, the rejected texts and the spending.

    Attributes:
        prompts: accepted prompts, in the order in which the compositions were drawn.
        rejected: rejected texts of all attempts.
        tokens: tokens of all requests and answers.
        cost: US dollars; None if the price of any answer is unknown.
        requests: number of answers.
    """

    prompts: list[Prompt]
    rejected: list[RejectedText]
    tokens: int
    cost: float | None
    requests: int


async def write_prompts_with_llm(
    client: SupportsAsk, config: PromptConfig, seed: int, on_progress: Callable[[int, int], None]
) -> WritingResult:
    """Lets a language model write the train and test prompts of all tasks.

    Compositions are drawn by the rules of the grammar, from all events of the seed texts where the config names some,
    open actions included. An event that the texts don't count may happen several times if its action can be counted.
    A text that does not describe its events, or that is a duplicate, is requested again together with the reason.

    Args:
        client: sends the requests.
        config: settings of the prompts.
        seed: seed of the compositions.
        on_progress: gets the number of accepted texts so far, and their total.

    Returns:
        The prompts; the same config, seed and answers give the same ones.

    Raises:
        AtomError: there are too few compositions, too few accepted texts of a task and split, or the service can't be
            used. Requests in flight are completed first, because they are paid for.
    """
    # Reading many seed texts takes a while, and other shards share the event loop.
    drafts = await asyncio.to_thread(_sample_drafts, config, seed)
    run = _WritingRun(client, config.llm, seed, on_progress, len(drafts))
    for attempt in range(1, config.llm.attempts + 1):
        drafts = await run.attempt(drafts, attempt) if drafts else []
    _check_accepted_fractions(config, run.prompts.values(), run.rejected)
    costs = [answer.cost for answer in run.answers]
    return WritingResult(
        prompts=[prompt for _, prompt in sorted(run.prompts.items())],
        rejected=run.rejected,
        tokens=sum(answer.tokens for answer in run.answers),
        cost=None if None in costs else sum((cost for cost in costs if cost is not None), 0.0),
        requests=len(run.answers),
    )


@dataclass(frozen=True)
class _Draft:
    """A composition without a text yet, its place among the prompts, and the complaint about the last attempt."""

    place: int
    split: Split
    task: Task
    events: Composition
    complaint: str = ""


@dataclass(frozen=True)
class _CandidateText:
    """A text from an answer, or its absence.

    Attributes:
        draft: the composition that the text belongs to.
        text: the text, empty if there is none.
        reason: what is wrong with it, or None.
        answer: the whole answer.
        is_extra: whether the text was not requested; then it does not count as an attempt for its draft.
    """

    draft: _Draft
    text: str
    reason: str | None
    answer: str
    is_extra: bool = False


@dataclass
class _WritingRun:
    """State of the writing: accepted prompts by their places, rejected texts and answers."""

    client: SupportsAsk
    settings: WriterConfig
    seed: int
    on_progress: Callable[[int, int], None]
    total: int
    prompts: dict[int, Prompt] = field(default_factory=dict)
    rejected: list[RejectedText] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    accepted_texts: DuplicateFilter = field(default_factory=DuplicateFilter)

    async def attempt(self, drafts: Sequence[_Draft], attempt: int) -> list[_Draft]:
        """Requests the texts of all drafts at once. Returns the drafts that still have none."""
        num_accepted = len(self.prompts)

        async def ask(batch: Sequence[_Draft]) -> tuple[list[_CandidateText], list[Answer]]:
            nonlocal num_accepted
            answer = await ask_structured(self.client, _build_request(batch, attempt, self.settings), PromptsAnswer)
            candidates = _read_answer(answer, batch)
            num_accepted += sum(candidate.reason is None for candidate in candidates)
            self.on_progress(num_accepted, self.total)
            return candidates, answer.answers

        self.on_progress(num_accepted, self.total)
        remaining: list[_Draft] = []
        # In the order of the requests, not of the answers: timing must not decide which of two duplicates is accepted.
        for candidates, answers in await gather_settled([ask(batch) for batch in _group_drafts(drafts, self.settings)]):
            self.answers += answers
            for candidate in candidates:
                reason = self._accept(candidate, attempt)
                if reason and not candidate.is_extra:
                    remaining.append(replace(candidate.draft, complaint=_format_complaint(candidate.text, reason)))
        self.on_progress(len(self.prompts), self.total)
        return remaining

    def _accept(self, candidate: _CandidateText, attempt: int) -> str | None:
        """Accepts the text as a prompt, or rejects it and returns the reason."""
        draft, text, reason = candidate.draft, candidate.text, candidate.reason
        text_id = prompt_id(text, draft.task, draft.events)
        if reason is None and (duplicate := self.accepted_texts.find_duplicate(text, draft.events)):
            reason = f'too much like another text: "{duplicate}"'
        if reason is not None:
            self.rejected.append(
                RejectedText(text_id, text, draft.task, draft.split, draft.events, reason, candidate.answer, attempt)
            )
            return reason
        self.accepted_texts.add(text, draft.events)
        worded = assign_phrases(text, draft.events)
        self.prompts[draft.place] = Prompt(
            text_id, text, draft.task, worded, draft.split, self.seed, source=self.settings.model
        )
        return None


def _sample_drafts(config: PromptConfig, seed: int) -> list[_Draft]:
    """Draws all compositions, so that too few of them are an error before anything is paid for."""
    weights = read_seeds(config.seeds).all_weights
    if not all(map(is_known, weights)):
        weights = ActionPool(weights)
    compositions = [
        (split, task, events)
        for split_number, (split, num_prompts) in enumerate(_target_counts(config).items())
        for task_number, task in enumerate(TASKS)
        if task in config.tasks
        for events in sample_balanced_compositions(
            np.random.default_rng([seed, split_number, task_number]), task, split, num_prompts, config, weights
        )
    ]
    return [_Draft(place, *composition) for place, composition in enumerate(compositions)]


def _target_counts(config: PromptConfig) -> dict[Split, int]:
    return {"train": config.train_per_task, "test": config.test_per_task}


def _group_drafts(drafts: Iterable[_Draft], settings: WriterConfig) -> list[list[_Draft]]:
    """Groups drafts of one split and task, as many as a request may hold."""
    groups: defaultdict[tuple[Split, Task], list[_Draft]] = defaultdict(list)
    for draft in drafts:
        groups[draft.split, draft.task].append(draft)
    size = settings.per_request
    return [group[start : start + size] for group in groups.values() for start in range(0, len(group), size)]


def _build_request(batch: Sequence[_Draft], attempt: int, settings: WriterConfig) -> Request:
    return Request(
        settings.model,
        SYSTEM,
        (_build_message(batch),),
        max_tokens=settings.max_tokens,
        temperature=settings.temperature,
        vote=attempt - 1,  # without it the journal would answer the same lists with the rejected answer
        refresh=settings.refresh,
    )


def _build_message(batch: Sequence[_Draft]) -> str:
    task = batch[0].task
    examples = "\n".join(f'{format_events(events)}: "{text}"' for events, text in EXAMPLES[task])
    lists = "\n".join(f"{number}. {task}: {format_events(draft.events)}" for number, draft in enumerate(batch, start=1))
    complaints = [
        f"About {number}: {draft.complaint}" for number, draft in enumerate(batch, start=1) if draft.complaint
    ]
    is_open = any(not is_known(event.action) for draft in batch for event in draft.events)
    style = f"{STYLE} {OPEN_STYLE}" if is_open else STYLE
    return "\n\n".join([f"{RULES[task]} {style}", f"Examples:\n{examples}", f"{LISTS_HEADING}\n{lists}", *complaints])


def _format_complaint(text: str, reason: str) -> str:
    text = " ".join(text.split())
    return (
        f'Your last text for it was "{text[:MAX_CHARACTERS]}": {reason}'
        if text
        else "Your last answer had no text for it."
    )


def _read_answer(structured: StructuredAnswer[PromptsAnswer], batch: Sequence[_Draft]) -> list[_CandidateText]:
    """Returns a candidate for each draft, and one for each text that was not requested."""
    answer = structured.answers[-1].text if structured.answers else ""
    if structured.value is None:
        return [_CandidateText(draft, "", structured.error, answer) for draft in batch]
    drafts = dict(enumerate(batch, start=1))
    missing = dict(drafts)
    candidates = []
    for written in structured.value.prompts:
        is_only_one = len(batch) == len(structured.value.prompts) == 1  # weak models may give it a wrong number
        number, text = 1 if is_only_one else written.number, written.text.strip()
        if draft := missing.pop(number, None):
            reason = find_fault(text, draft.events, draft.task) or find_claim_mismatch(written.events, draft.events)
            candidates.append(_CandidateText(draft, text, reason, answer))
        elif draft := drafts.get(number):
            candidates.append(_CandidateText(draft, text, f"answered twice: number {number}", answer, is_extra=True))
        else:
            no_events = replace(batch[0], events=())
            candidates.append(_CandidateText(no_events, text, f"not asked for: number {number}", answer, is_extra=True))
    return candidates + [
        _CandidateText(draft, "", f"no text: number {number} is not in the answer", answer)
        for number, draft in missing.items()
    ]


def _check_accepted_fractions(
    config: PromptConfig, prompts: Iterable[Prompt], rejected: Sequence[RejectedText]
) -> None:
    """AtomError for the first split and task with too few accepted prompts; see `min_accepted_fraction`."""
    num_accepted = Counter((prompt.split, prompt.task) for prompt in prompts)
    settings = config.llm
    for split, num_prompts in _target_counts(config).items():
        for task in config.tasks:
            if num_accepted[split, task] < settings.min_accepted_fraction * num_prompts:
                reasons = [text.reason for text in rejected if (text.split, text.task) == (split, task)]
                raise AtomError(
                    f"{settings.model} wrote {num_accepted[split, task]} of {num_prompts} {task} prompts for the "
                    f"{split} split, and prompts.llm.min_accepted_fraction is {settings.min_accepted_fraction:.0%}; "
                    f"most often wrong: {_describe_most_common(reasons)}. Name another model in prompts.llm.model, "
                    "raise prompts.llm.attempts or lower prompts.llm.min_accepted_fraction"
                )


def _describe_most_common(reasons: Iterable[str]) -> str:
    """The three most common kinds of reasons, each with an example."""
    kinds: defaultdict[str, list[str]] = defaultdict(list)
    for reason in reasons:
        kinds[reason.partition(":")[0]].append(reason)
    most_common = sorted(kinds.values(), key=len, reverse=True)[:3]
    return ", ".join(f"{len(kind)} times ({' '.join(kind[0].split())})" for kind in most_common)
