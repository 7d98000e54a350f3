"""Prompts that are the captions of a dataset, as people wrote them."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from atom.config import PromptConfig
from atom.errors import AtomError
from atom.events import TASKS, Composition, Split, Task, assign_split, infer_task
from atom.prompts.grammar import Prompt, prompt_id
from atom.prompts.reading import ReadText
from atom.prompts.text_files import TextRow, iterate_texts

SOURCE = "captions"  # in the column `source` of the prompts
_SETTING = "prompts.captions"
# Test prompts come first: a caption for training gives way where its events are tested.
_SPLITS: tuple[Split, ...] = ("test", "train")
_MAX_TEXT = 60  # characters of another text in a reason


@dataclass(frozen=True)
class RejectedCaption:
    """A caption that is not used, and why. Its events are empty where it has none."""

    prompt_id: str
    text: str
    task: Task
    split: Split
    events: Composition
    reason: str


@dataclass(frozen=True)
class DatasetPrompts:
    """The prompts of a dataset: train, then test, task by task; and the captions that can't be used.

    `not_drawn` counts the usable captions that are above the numbers of the config, or of a task that it leaves out,
    and `validation` those of the validation split.
    """

    prompts: list[Prompt]
    rejected: list[RejectedCaption]
    not_drawn: int
    validation: int


@dataclass(frozen=True)
class _Candidate:
    row: TextRow
    events: Composition
    split: Split

    @property
    def task(self) -> Task:
        return infer_task(self.events)

    @property
    def actions(self) -> tuple[tuple[str, int], ...]:
        """What must not be in training and in test: the actions and counts in order.

        Events in an order and at the same time are too much alike to test one with the other.
        """
        return tuple((event.action, event.count or 1) for event in self.events)


def load_captions(path: str) -> list[TextRow]:
    """Loads the captions of `prompts.captions`. AtomError if there are none."""
    try:
        rows = list(iterate_texts(Path(path)))
    except AtomError as error:
        raise AtomError(f"{error}; check {_SETTING}") from None
    if not rows:
        raise AtomError(f"{path} holds no text: {_SETTING} needs captions, one a line")
    return rows


def hash_captions(rows: Iterable[TextRow]) -> str:
    """The sha256 of all that decides the prompts of some captions, independent of their path."""
    digest = hashlib.sha256()
    for row in rows:
        fields = (row.text, row.word_classes, row.split, row.fault, row.events and [e.to_dict() for e in row.events])
        digest.update(f"{fields!r}\n".encode(errors="surrogatepass"))
    return digest.hexdigest()


def find_unread_captions(rows: Iterable[TextRow]) -> list[TextRow]:
    """The first row of each text that a reader has to read: those whose events nobody gives."""
    return list({row.text: row for row in rows if not row.fault and row.events is None}.values())


def select_captions(
    rows: Sequence[TextRow], read_texts: Mapping[str, ReadText], config: PromptConfig, seed: int
) -> DatasetPrompts:
    """Selects the prompts among captions.

    The task of a caption follows from its events. Its split is that of the dataset, else that of its composition, by
    which single events are divided, too. Of equal texts the first of a split is used, and a composition that is drawn
    for test is not used for training.

    Args:
        rows: the captions.
        read_texts: the events of each text that has no events of its own.
        config: settings of the prompts.
        seed: draws the captions where a task and split has more than the config asks for.

    Returns:
        The prompts and the rejected captions; the same captions, config and seed give the same ones.

    Raises:
        AtomError: a task and split has too few captions.
    """
    rejected: list[RejectedCaption] = []
    candidates, validation = _collect_candidates(rows, read_texts, rejected)
    tested: dict[tuple[tuple[str, int], ...], str] = {}
    drawn: dict[Split, list[Prompt]] = {}
    available: Counter[tuple[Split, Task]] = Counter()
    targets: dict[Split, int] = {"test": config.test_per_task, "train": config.train_per_task}
    for split in _SPLITS:
        by_task: defaultdict[Task, list[_Candidate]] = defaultdict(list)
        for candidate in candidates[split]:
            if other := tested.get(candidate.actions) if split == "train" else None:
                rejected.append(_reject(candidate, f"the same events are in the test prompt {other!r}"))
            else:
                by_task[candidate.task].append(candidate)
        drawn[split] = []
        for task_number, task in enumerate(TASKS):
            available[split, task] = len(by_task[task])
            if task not in config.tasks:
                continue
            rng = np.random.default_rng([seed, _SPLITS.index(split), task_number])
            for place in rng.permutation(len(by_task[task]))[: targets[split]]:
                candidate = by_task[task][place]
                drawn[split].append(_to_prompt(candidate, seed))
                if split == "test":
                    tested.setdefault(candidate.actions, _shorten(candidate.row.text))
    _check_numbers(config, targets, available, rejected)
    prompts = drawn["train"] + drawn["test"]
    return DatasetPrompts(prompts, rejected, available.total() - len(prompts), validation)


def _collect_candidates(
    rows: Iterable[TextRow], read_texts: Mapping[str, ReadText], rejected: list[RejectedCaption]
) -> tuple[dict[Split, list[_Candidate]], int]:
    """The captions with events of each split, without repetitions, and the number of those of the validation split."""
    candidates: dict[Split, list[_Candidate]] = {"train": [], "val": [], "test": []}
    first_rows: dict[tuple[Split, str], TextRow] = {}
    for row in rows:
        read = None if row.fault else read_texts.get(row.text)
        events = row.events or (read.events if read else ())
        split = row.split or (assign_split(events, divide_single_events=True) if events else "train")
        candidate = _Candidate(row, events, split)
        words = " ".join(re.findall(r"\w+", row.text.lower()))
        if row.fault:
            rejected.append(_reject(candidate, f"{row.where}: {row.fault}"))
        elif not events:
            reasons = " ".join(read.remarks if read else ()) or "It describes no motion."
            rejected.append(_reject(candidate, f"{row.where}: can't be read. {reasons}"))
        elif first := first_rows.get((split, words)):
            rejected.append(_reject(candidate, f"{row.where}: the same text as in {first.where}"))
        else:
            first_rows[split, words] = row
            candidates[split].append(candidate)
    return candidates, len(candidates["val"])


def _to_prompt(candidate: _Candidate, seed: int) -> Prompt:
    text, task, events = candidate.row.text, candidate.task, candidate.events
    return Prompt(prompt_id(text, task, events), text, task, events, candidate.split, seed, SOURCE)


def _reject(candidate: _Candidate, reason: str) -> RejectedCaption:
    row = candidate.row
    # The place makes the id another one than that of a prompt with the same text.
    place_id = prompt_id(f"{row.where}\n{row.text}", candidate.task, candidate.events)
    return RejectedCaption(place_id, row.text, candidate.task, candidate.split, candidate.events, reason)


def _check_numbers(
    config: PromptConfig,
    targets: Mapping[Split, int],
    available: Mapping[tuple[Split, Task], int],
    rejected: Sequence[RejectedCaption],
) -> None:
    """AtomError if a task and split has fewer captions than the config asks for."""
    missing = [
        f"{available[split, task]} of {number} {task} prompts for {split}"
        for split, number in reversed(targets.items())
        for task in config.tasks
        if available[split, task] < number
    ]
    if missing:
        raise AtomError(
            f"{config.captions} has only {', '.join(missing)} ({len(rejected):,} captions are set aside): lower "
            "prompts.train_per_task and prompts.test_per_task, leave the task out of prompts.tasks, or give more "
            "captions, or in a .jsonl the `split` of each"
        )


def _shorten(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else f"{text[: _MAX_TEXT - 3]}..."
