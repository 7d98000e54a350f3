"""Calibration clips from the corpus: motions that perform the expected events, or differ from them in a known way."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise, permutations

import numpy as np

from atom.corpus.composition import make_motion
from atom.errors import AtomError
from atom.evaluation.agreement import round_to_levels
from atom.events import ACTIONS, MAX_COUNT, MAX_EVENTS, TASKS, Composition, Event, Task, postures_fit
from atom.judging import rubric
from atom.judging.calibration.calibration_clip import CalibrationClip
from atom.prompts.grammar import prompt_id, sample_events
from atom.prompts.wording import caption

CLIPS_PER_PROMPT = 4  # of five levels, so that rare levels can catch up
_TRIES_PER_CHANGE = 6  # a change is random, so that each try may give other events
_SEPARATOR = ", "  # between the names of two changes
_MAX_EXTRA_COUNT = 3  # so that clips with other events don't become too long

EventChange = Callable[[Composition, np.random.Generator], Composition]
Candidate = tuple[str, Composition]
"""The name of a change, and the events that are then performed."""


def make_calibration_clips(prompts: int, seed: int) -> list[CalibrationClip]:
    """Make four motions for each of a number of held-out prompts; the tasks take turns.

    A prompt gets motions of four different levels of truth. Of the five levels they are always those that its task has
    fewest of, so that the levels come out within a few clips of each other. Each motion is made by the least used
    change that gives its level: none, one or several events left out, another order, other counts, the other side, an
    extra event, other events altogether or for all but one, or two of these where one is not enough.

    Args:
        prompts: the number of prompts.
        seed: the same seed gives the same clips.

    Raises:
        AtomError: when the number of prompts is below 1.
    """
    if prompts < 1:
        raise AtomError(f"{prompts} calibration prompts are too few: ask for at least 1, better 30 or more")
    clips: list[CalibrationClip] = []
    used_prompts: set[str] = set()
    level_counts = {task: Counter[int]() for task in TASKS}
    change_counts = {task: Counter[str]() for task in TASKS}
    for number in range(prompts):
        task = TASKS[number % len(TASKS)]
        rng = np.random.default_rng([seed, 40, number])
        prompt_clips: list[CalibrationClip] = []
        while len(prompt_clips) < CLIPS_PER_PROMPT:  # a prompt that is too long for its changes is replaced
            text, expected = caption(sample_events(rng, task, "val"), rng, task)
            if (name := prompt_id(text, task, expected)) not in used_prompts:
                prompt_clips = list(
                    _make_prompt_clips(name, text, task, expected, level_counts[task], change_counts[task], rng)
                )
        used_prompts.add(name)
        clips += prompt_clips
        level_counts[task].update(int(round_to_levels(clip.truth)) for clip in prompt_clips)
        change_counts[task].update(clip.change for clip in prompt_clips)
    return clips


def _make_prompt_clips(
    name: str,
    text: str,
    task: Task,
    expected: Composition,
    level_counts: Counter[int],
    change_counts: Counter[str],
    rng: np.random.Generator,
) -> Iterator[CalibrationClip]:
    """Make up to four motions of different levels, with rare levels and rare changes first."""
    by_level: dict[int, list[Candidate]] = defaultdict(list)
    for change, performed in _candidates(expected, rng):
        by_level[int(round_to_levels(rubric.score(task, expected, performed)))].append((change, performed))
    count = 0
    for level in sorted(by_level, key=lambda level: level_counts[level]):
        for change, performed in sorted(
            by_level[level], key=lambda candidate: (_SEPARATOR in candidate[0], change_counts[candidate[0]])
        ):
            if count == CLIPS_PER_PROMPT:
                return
            try:
                joints = make_motion(performed, rng).joints
            except AtomError:
                continue  # longer than the longest clip
            truth = rubric.score(task, expected, performed)
            yield CalibrationClip(f"{name}-{count}", name, text, task, expected, performed, joints, truth, change)
            count += 1
            break


def _candidates(expected: Composition, rng: np.random.Generator) -> list[Candidate]:
    """The events that may be performed instead of the expected ones, each composition once, with the fewest changes."""
    change_of: dict[Composition, str] = {expected: "exactly right"}
    for names in [*permutations(_CHANGES, 1), *permutations(_CHANGES, 2)]:
        for _ in range(_TRIES_PER_CHANGE):
            performed = expected
            for name in names:
                performed = _CHANGES[name](performed, rng) if performed else performed
            if performed and _is_performable(performed):
                change_of.setdefault(performed, _SEPARATOR.join(names))
    candidates = [(change, performed) for performed, change in change_of.items()]
    return [candidates[place] for place in rng.permutation(len(candidates))]


def _is_performable(events: Composition) -> bool:
    return postures_fit(events) and all(one.action != other.action for one, other in pairwise(events))


def _leave_out(events: Composition, rng: np.random.Generator, fewest: int = 1, most: int = 1) -> Composition:
    most = min(most, len(events) - 1)
    if most < fewest:
        return ()
    left_out = rng.choice(len(events), size=rng.integers(fewest, most + 1), replace=False)
    return tuple(event for place, event in enumerate(events) if place not in left_out)


def _reorder(events: Composition, rng: np.random.Generator) -> Composition:
    reordered = tuple(events[place] for place in rng.permutation(len(events)))
    return reordered if reordered != events else ()


def _recount(events: Composition, rng: np.random.Generator) -> Composition:
    countable = [place for place, event in enumerate(events) if ACTIONS[event.action].countable]
    if not countable:
        return ()
    changed = rng.choice(countable, size=rng.integers(1, len(countable) + 1), replace=False)
    return tuple(
        Event(event.action, int(rng.choice([count for count in range(1, MAX_COUNT + 1) if count != event.count])))
        if place in changed
        else event
        for place, event in enumerate(events)
    )


def _mirror(events: Composition, rng: np.random.Generator) -> Composition:
    sided = [place for place, event in enumerate(events) if ACTIONS[event.action].side]
    if not sided:
        return ()
    place = int(rng.choice(sided))
    action = ACTIONS[events[place].action]
    mirrored = Event(f"{action.family}_{'right' if action.side == 'left' else 'left'}", events[place].count)
    return (*events[:place], mirrored, *events[place + 1 :])


def _add(events: Composition, rng: np.random.Generator) -> Composition:
    place = int(rng.integers(len(events) + 1))
    return (*events[:place], _draw_other_event(events, rng), *events[place:])


def _replace(events: Composition, rng: np.random.Generator) -> Composition:
    others: Composition = ()
    while len(others) < len(events):
        others += (_draw_other_event(events + others, rng),)
    return others


def _keep_one(events: Composition, rng: np.random.Generator) -> Composition:
    kept = events[rng.integers(len(events))]
    performed: Composition = (kept,)
    while len(performed) < MAX_EVENTS and (len(performed) < len(events) or rng.random() < 0.5):
        performed += (_draw_other_event(events + performed, rng),)
    return tuple(performed[place] for place in rng.permutation(len(performed)))


def _draw_other_event(events: Composition, rng: np.random.Generator) -> Event:
    """Draw an event of another family than all of these, so that it is not even the same with the other side."""
    known = {ACTIONS[event.action].family for event in events}
    candidates = [action for action in ACTIONS.values() if action.family not in known]
    action = candidates[rng.integers(len(candidates))]
    return Event(action.name, int(rng.integers(1, _MAX_EXTRA_COUNT + 1)) if action.countable else 1)


_CHANGES: dict[str, EventChange] = {
    "one left out": _leave_out,
    "several left out": partial(_leave_out, fewest=2, most=3),
    "another order": _reorder,
    "other counts": _recount,
    "the other side": _mirror,
    "an extra event": _add,
    "something else": _replace,
    "something else but for one": _keep_one,
}
