"""Prompts in the words of a language model: we choose the events, it words them, and we check what it wrote."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from pydantic import BaseModel, Field

from atom.config import PromptConfig, WriterConfig
from atom.errors import AtomError
from atom.events import TASKS, Composition, Event, Split, Task
from atom.llm_client.request import Answer, Request
from atom.llm_client.runtime import gather_settled
from atom.llm_client.structured import StructuredAnswer, SupportsAsk, ask_structured
from atom.prompts.grammar import Prompt, prompt_id, sample_balanced_compositions
from atom.prompts.seeds import read_seeds
from atom.prompts.validation import LONGEST, Duplicates, claims_differ, fault, listed, with_phrases

# Enters the keys of prompts: raise it whenever a text below or what counts as a good text changes.
VERSION = 1

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
class Rejected:
    """A text that was not taken, or a composition that got none, and why.

    `answer` is the whole answer that it was part of, empty where there was none; `attempt` counts from 1; `events` are
    those that were wanted, none where the model answered a number that nobody asked for.
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
class Written:
    """Prompts in the order of the grammar's, what was rejected on the way, and what all of it took.

    `cost` is in US dollars, None where the price of any answer is unknown; `requests` counts answers.
    """

    prompts: list[Prompt]
    rejected: list[Rejected]
    tokens: int
    cost: float | None
    requests: int


async def write_prompts_with_llm(
    service: SupportsAsk, config: PromptConfig, seed: int, told: Callable[[int, int], None]
) -> Written:
    """Train and test prompts of all tasks in the model's words, for compositions that are drawn as the grammar does.

    A text that doesn't tell its events, or is there already, is asked for again with the reason. `told(done, total)`
    hears how many texts are good so far. The same config, seed and answers give the same prompts.
    Raises AtomError when the seed texts leave too few compositions, when a task and split gets too few texts, and
    when the service can't be used; by then all requests under way have their answers.
    """
    # Seed texts may be many, and the event loop has others to serve.
    drafts = await asyncio.to_thread(_drafts, config, seed)
    writing = _Writing(service, config.llm, seed, told, len(drafts))
    waiting = drafts
    for attempt in range(1, config.llm.attempts + 1):
        waiting = await writing.attempt(waiting, attempt) if waiting else []
    _check_shares(config, writing.prompts.values(), writing.rejected)
    costs = [answer.cost for answer in writing.answers]
    return Written(
        prompts=[prompt for _, prompt in sorted(writing.prompts.items())],
        rejected=writing.rejected,
        tokens=sum(answer.tokens for answer in writing.answers),
        cost=None if None in costs else sum((cost for cost in costs if cost is not None), 0.0),
        requests=len(writing.answers),
    )


@dataclass(frozen=True)
class _Draft:
    """A composition that waits for its text, at its place among all; `complaint` is about the last try."""

    place: int
    split: Split
    task: Task
    events: Composition
    complaint: str = ""


@dataclass(frozen=True)
class _Reading:
    """What an answer holds for a draft: a text or none, and what is wrong with it. A stray text is one beyond those
    that were asked for; it leaves its draft as it is."""

    draft: _Draft
    text: str
    reason: str | None
    answer: str
    stray: bool = False


@dataclass
class _Writing:
    """The state of a run: the prompts by their places, what was rejected and what was answered."""

    service: SupportsAsk
    settings: WriterConfig
    seed: int
    told: Callable[[int, int], None]
    total: int
    prompts: dict[int, Prompt] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    taken: Duplicates = field(default_factory=Duplicates)

    async def attempt(self, drafts: Sequence[_Draft], attempt: int) -> list[_Draft]:
        """Asks for the texts of all drafts at once; gives the drafts that are still without one."""
        good = len(self.prompts)

        async def ask(batch: Sequence[_Draft]) -> tuple[list[_Reading], list[Answer]]:
            nonlocal good
            answered = await ask_structured(self.service, _request(batch, attempt, self.settings), PromptsAnswer)
            readings = _read(answered, batch)
            good += sum(reading.reason is None for reading in readings)
            self.told(good, self.total)
            return readings, answered.answers

        self.told(good, self.total)
        waiting: list[_Draft] = []
        # In the order of asking, not of answering: which of two twins is taken must not depend on the service's pace.
        for readings, answers in await gather_settled([ask(batch) for batch in _batches(drafts, self.settings)]):
            self.answers += answers
            for reading in readings:
                reason = self._take(reading, attempt)
                if reason and not reading.stray:
                    waiting.append(replace(reading.draft, complaint=_complaint(reading.text, reason)))
        self.told(len(self.prompts), self.total)
        return waiting

    def _take(self, reading: _Reading, attempt: int) -> str | None:
        """Makes the text a prompt, or rejects it and says why."""
        draft, text, reason = reading.draft, reading.text, reading.reason
        named = prompt_id(text, draft.task, draft.events)
        if reason is None and (twin := self.taken.twin(text, draft.events)):
            reason = f'too much like another text: "{twin}"'
        if reason is not None:
            self.rejected.append(
                Rejected(named, text, draft.task, draft.split, draft.events, reason, reading.answer, attempt)
            )
            return reason
        self.taken.add(text, draft.events)
        worded = with_phrases(text, draft.events)
        self.prompts[draft.place] = Prompt(
            named, text, draft.task, worded, draft.split, self.seed, source=self.settings.model
        )
        return None


def _drafts(config: PromptConfig, seed: int) -> list[_Draft]:
    """All that is wanted, so that a lack of compositions shows before anything is paid for."""
    weights = read_seeds(config.seeds).weights
    chosen = [
        (split, task, events)
        for split_number, (split, wanted) in enumerate(_wanted(config).items())
        for task_number, task in enumerate(TASKS)
        if task in config.tasks
        for events in sample_balanced_compositions(
            np.random.default_rng([seed, split_number, task_number]), task, split, wanted, config, weights
        )
    ]
    return [_Draft(place, *draft) for place, draft in enumerate(chosen)]


def _wanted(config: PromptConfig) -> dict[Split, int]:
    return {"train": config.train_per_task, "test": config.test_per_task}


def _batches(drafts: Iterable[_Draft], settings: WriterConfig) -> list[list[_Draft]]:
    """Drafts of one split and task each, as many as a request may hold."""
    alike: defaultdict[tuple[Split, Task], list[_Draft]] = defaultdict(list)
    for draft in drafts:
        alike[draft.split, draft.task].append(draft)
    size = settings.per_request
    return [group[at : at + size] for group in alike.values() for at in range(0, len(group), size)]


def _request(batch: Sequence[_Draft], attempt: int, settings: WriterConfig) -> Request:
    return Request(
        settings.model,
        SYSTEM,
        (_message(batch),),
        max_tokens=settings.max_tokens,
        temperature=settings.temperature,
        vote=attempt - 1,  # the same lists again are another question, which the journal must not answer
        refresh=settings.refresh,
    )


def _message(batch: Sequence[_Draft]) -> str:
    task = batch[0].task
    examples = "\n".join(f'{listed(events)}: "{text}"' for events, text in EXAMPLES[task])
    lists = "\n".join(f"{number}. {task}: {listed(draft.events)}" for number, draft in enumerate(batch, start=1))
    complaints = [
        f"About {number}: {draft.complaint}" for number, draft in enumerate(batch, start=1) if draft.complaint
    ]
    return "\n\n".join([f"{RULES[task]} {STYLE}", f"Examples:\n{examples}", f"{LISTS_HEADING}\n{lists}", *complaints])


def _complaint(text: str, reason: str) -> str:
    text = " ".join(text.split())
    return f'Your last text for it was "{text[:LONGEST]}": {reason}' if text else "Your last answer had no text for it."


def _read(told: StructuredAnswer[PromptsAnswer], batch: Sequence[_Draft]) -> list[_Reading]:
    """A reading for each draft, and one for each text that nobody asked for."""
    answer = told.answers[-1].text if told.answers else ""
    if told.value is None:
        return [_Reading(draft, "", told.error, answer) for draft in batch]
    drafts = dict(enumerate(batch, start=1))
    missing = dict(drafts)
    readings = []
    for written in told.value.prompts:
        only_one = len(batch) == len(told.value.prompts) == 1  # whatever number a weak model gives it
        number, text = 1 if only_one else written.number, written.text.strip()
        if draft := missing.pop(number, None):
            reason = fault(text, draft.events, draft.task) or claims_differ(written.events, draft.events)
            readings.append(_Reading(draft, text, reason, answer))
        elif draft := drafts.get(number):
            readings.append(_Reading(draft, text, f"answered twice: number {number}", answer, stray=True))
        else:
            nothing = replace(batch[0], events=())
            readings.append(_Reading(nothing, text, f"not asked for: number {number}", answer, stray=True))
    return readings + [
        _Reading(draft, "", f"no text: number {number} is not in the answer", answer)
        for number, draft in missing.items()
    ]


def _check_shares(config: PromptConfig, prompts: Iterable[Prompt], rejected: Sequence[Rejected]) -> None:
    """AtomError for the first task and split with fewer prompts than `min_accepted_fraction` of the wanted."""
    done = Counter((prompt.split, prompt.task) for prompt in prompts)
    settings = config.llm
    for split, wanted in _wanted(config).items():
        for task in config.tasks:
            if done[split, task] < settings.min_accepted_fraction * wanted:
                reasons = [no.reason for no in rejected if (no.split, no.task) == (split, task)]
                raise AtomError(
                    f"{settings.model} wrote {done[split, task]} of {wanted} {task} prompts for the {split} split, and "
                    f"prompts.llm.min_accepted_fraction asks for {settings.min_accepted_fraction:.0%}; most often wrong: "
                    f"{_commonest(reasons)}. Name another model in prompts.llm.model, raise prompts.llm.attempts or "
                    "lower prompts.llm.min_accepted_fraction"
                )


def _commonest(reasons: Iterable[str]) -> str:
    """The three commonest kinds of reasons, each with an example."""
    kinds: defaultdict[str, list[str]] = defaultdict(list)
    for reason in reasons:
        kinds[reason.partition(":")[0]].append(reason)
    most = sorted(kinds.values(), key=len, reverse=True)[:3]
    return ", ".join(f"{len(alike)} times ({' '.join(alike[0].split())})" for alike in most)
