"""The items that people judge: pairs of motions or single motions, under ids that do not reveal who made them."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import shorten
from typing import TYPE_CHECKING, Any, Literal

from atom.errors import AtomError
from atom.events import TASKS, describe_action

if TYPE_CHECKING:
    from atom.report.run_tables import RunTables

ItemKind = Literal["pairs", "training", "clips"]
UNKNOWN_TASK = "unknown"  # of imported pairs without a task
_ARMS = ("base", "tuned")
_MAX_OTHER_NAME = 40  # characters of an event that another one names


@dataclass(frozen=True)
class ReviewItem:
    """Two motions of one prompt to compare, or one motion to score."""

    prompt_id: str
    task: str
    text: str  # of the prompt
    events: tuple[str, ...]  # of the prompt, in words
    motion_ids: tuple[str, ...]  # one or two
    arms: tuple[str, ...]  # which model made each motion

    @property
    def item_id(self) -> str:
        """A hash of the motion ids: the same in every review of these motions, and it reveals no id."""
        return hash_names("item", *self.motion_ids).hex()[:24]

    @property
    def is_pair(self) -> bool:
        return len(self.motion_ids) == 2


def hash_names(*names: object) -> bytes:
    """A pseudo-random number that depends on the names alone; items sorted by it are in a random but fixed order."""
    return hashlib.sha256("\x1f".join(map(str, names)).encode()).digest()


def collect_review_items(
    tables: RunTables,
    kind: ItemKind = "pairs",
    tasks: Sequence[str] = (),
    max_per_task: int | None = None,
    seed: int = 0,
) -> list[ReviewItem]:
    """The items of a run to judge. Motions that are empty or not in the run are left out.

    Args:
        tables: the run.
        kind: "pairs" of the base's and the tuned model's test motion of the same prompt and sample, "training" for the
            chosen and the rejected motion of each preference, "clips" for single test motions of both models.
        tasks: only items of these tasks; all tasks when empty.
        max_per_task: how many items of one task, drawn by `seed`; a larger number keeps what a smaller one drew.
        seed: of that draw.

    Returns:
        The items, sorted by task.

    Raises:
        AtomError: a task is unknown, or there is nothing to judge.
    """
    if unknown := sorted(set(tasks) - set(TASKS)):
        raise AtomError(f"unknown task {unknown[0]!r}; known tasks: {', '.join(TASKS)}")
    candidates = {"pairs": _test_pairs, "training": _training_pairs, "clips": _clips}[kind](tables)
    frames = tables.motions["frames"].to_dict()
    by_task: dict[str, dict[str, ReviewItem]] = defaultdict(dict)
    for item in candidates:
        if (not tasks or item.task in tasks) and all(frames.get(motion_id) for motion_id in item.motion_ids):
            by_task[item.task][item.item_id] = item
    if not by_task:
        of_tasks = f" of {', '.join(tasks)}" if tasks else ""
        raise AtomError(f"run {tables.run_id} has no {kind}{of_tasks} to judge; name another run, --what or --task")
    return [
        item
        for task in sorted(by_task)
        for item in sorted(by_task[task].values(), key=lambda item: hash_names(seed, "most", item.item_id))[
            :max_per_task
        ]
    ]


def _test_pairs(tables: RunTables) -> Iterator[ReviewItem]:
    motions: dict[tuple[str, int], dict[str, str]] = defaultdict(dict)  # (prompt_id, sample) -> arm -> motion_id
    for motion_id, prompt_id, sample, arm in _test_motions(tables):
        motions[prompt_id, sample][arm] = motion_id
    for (prompt_id, _), by_arm in motions.items():
        if len(by_arm) == 2:
            yield _item(tables.prompts[prompt_id], tuple(by_arm[arm] for arm in _ARMS), _ARMS)


def _clips(tables: RunTables) -> Iterator[ReviewItem]:
    for motion_id, prompt_id, _, arm in _test_motions(tables):
        yield _item(tables.prompts[prompt_id], (motion_id,), (arm,))


def _training_pairs(tables: RunTables) -> Iterator[ReviewItem]:
    for row in tables.preferences:
        motion_ids = (row["chosen_motion_id"], row["rejected_motion_id"])
        yield _item({**row, "text": row["prompt"]}, motion_ids, ("chosen", "rejected"))


def _test_motions(tables: RunTables) -> Iterator[tuple[str, str, int, str]]:
    """Tuples (motion_id, prompt_id, sample, arm)."""
    for arm in _ARMS:
        motions = tables.motions[tables.motions["stage"] == f"test motions {arm}"]
        for motion_id, prompt_id, sample in zip(motions.index, motions["prompt_id"], motions["sample"]):
            if prompt_id in tables.prompts:
                yield motion_id, prompt_id, int(sample), arm


def _item(prompt: dict[str, Any], motion_ids: tuple[str, ...], arms: tuple[str, ...]) -> ReviewItem:
    return ReviewItem(
        prompt_id=prompt["prompt_id"],
        task=prompt["task"] or UNKNOWN_TASK,
        text=prompt["text"],
        events=tuple(_describe_events(prompt["events"])),
        motion_ids=motion_ids,
        arms=arms,
    )


def _describe_events(events: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Each event in the words of the prompt, with those that are to happen at the same time."""
    names = [_describe_event(event) for event in events]
    for place, event in enumerate(events):
        group = event.get("group")
        others = [
            shorten(name, _MAX_OTHER_NAME, placeholder=" …")
            for other, name in enumerate(names)
            if other != place and group is not None and events[other].get("group") == group
        ]
        yield names[place] + (f" (at the same time: {', '.join(others)})" if others else "")


def _describe_event(event: dict[str, Any]) -> str:
    times = f" {event['count']} times" if (event["count"] or 1) > 1 else ""
    return event["phrase"] or describe_action(event["action"]) + times
