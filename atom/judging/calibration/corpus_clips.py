"""Calibration clips that are made: motions of the corpus that do what is asked, or something else in a known way."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise, permutations

import numpy as np

from atom.corpus.composition import make_motion
from atom.errors import AtomError
from atom.evaluation.agreement import rounded
from atom.events import ACTIONS, MAX_COUNT, MAX_EVENTS, TASKS, Composition, Event, Task, postures_fit
from atom.judging import rubric
from atom.judging.calibration.calibration_clip import CalibrationClip
from atom.prompts.grammar import prompt_id, sample_events
from atom.prompts.wording import caption

CLIPS_A_PROMPT = 4  # of five levels, so that what is rare can be caught up with
_DRAWS = 6  # of each change, for what is random in it
_AND = ", "  # between two changes
_COMMON_COUNTS = 3  # what is done besides happens up to so often, so that clips don't grow too long

Change = Callable[[Composition, np.random.Generator], Composition]
Candidate = tuple[str, Composition]
"""What was changed, and what is then done."""


def make_calibration_clips(prompts: int, seed: int) -> list[CalibrationClip]:
    """Four motions for each of `prompts` held-out prompts, the tasks by turns; the same seed gives the same clips.

    A prompt gets motions of four different levels of truth, of the five always those that its task has fewest of, so
    that the levels come out within a few clips of each other. Each is made by the least used change that gives its
    level: nothing, one or several events left out, another order, other counts, the other side, an extra event,
    something else at all or but for one event, or two of these where one isn't enough.
    Raises AtomError when no prompt is wanted.
    """
    if prompts < 1:
        raise AtomError(f"{prompts} calibration prompts are asked for: ask for at least 1, better 30 or more")
    clips: list[CalibrationClip] = []
    taken: set[str] = set()
    levels = {task: Counter[int]() for task in TASKS}
    changes = {task: Counter[str]() for task in TASKS}
    for number in range(prompts):
        task = TASKS[number % len(TASKS)]
        rng = np.random.default_rng([seed, 40, number])
        made: list[CalibrationClip] = []
        while len(made) < CLIPS_A_PROMPT:  # else the prompt is too long for its changes: another one
            text, asked = caption(sample_events(rng, task, "val"), rng, task)
            if (name := prompt_id(text, task, asked)) not in taken:
                made = list(_perform(name, text, task, asked, levels[task], changes[task], rng))
        taken.add(name)
        clips += made
        levels[task].update(int(rounded(clip.truth)) for clip in made)
        changes[task].update(clip.change for clip in made)
    return clips


def _perform(
    name: str,
    text: str,
    task: Task,
    asked: Composition,
    levels: Counter[int],
    changes: Counter[str],
    rng: np.random.Generator,
) -> Iterator[CalibrationClip]:
    """Up to four motions of different levels, rare levels and rare changes first."""
    by_level: dict[int, list[Candidate]] = defaultdict(list)
    for change, done in _candidates(asked, rng):
        by_level[int(rounded(rubric.score(task, asked, done)))].append((change, done))
    made = 0
    for level in sorted(by_level, key=lambda level: levels[level]):
        for change, done in sorted(by_level[level], key=lambda found: (_AND in found[0], changes[found[0]])):
            if made == CLIPS_A_PROMPT:
                return
            try:
                joints = make_motion(done, rng).joints
            except AtomError:
                continue  # longer than the longest clip
            truth = rubric.score(task, asked, done)
            yield CalibrationClip(f"{name}-{made}", name, text, task, asked, done, joints, truth, change)
            made += 1
            break


def _candidates(asked: Composition, rng: np.random.Generator) -> list[Candidate]:
    """What may be done for what is asked, each composition once, by the fewest changes that lead to it."""
    found: dict[Composition, str] = {asked: "exactly right"}
    for names in [*permutations(_CHANGES, 1), *permutations(_CHANGES, 2)]:
        for _ in range(_DRAWS):
            done = asked
            for name in names:
                done = _CHANGES[name](done, rng) if done else done
            if done and _can_be_done(done):
                found.setdefault(done, _AND.join(names))
    candidates = [(change, done) for done, change in found.items()]
    return [candidates[place] for place in rng.permutation(len(candidates))]


def _can_be_done(events: Composition) -> bool:
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
    return (*events[:place], _stranger(events, rng), *events[place:])


def _replace(events: Composition, rng: np.random.Generator) -> Composition:
    strangers: Composition = ()
    while len(strangers) < len(events):
        strangers += (_stranger(events + strangers, rng),)
    return strangers


def _keep_one(events: Composition, rng: np.random.Generator) -> Composition:
    kept = events[rng.integers(len(events))]
    done: Composition = (kept,)
    while len(done) < MAX_EVENTS and (len(done) < len(events) or rng.random() < 0.5):
        done += (_stranger(events + done, rng),)
    return tuple(done[place] for place in rng.permutation(len(done)))


def _stranger(events: Composition, rng: np.random.Generator) -> Event:
    """An event that is nothing like these, not even with the other side."""
    known = {ACTIONS[event.action].family for event in events}
    strange = [action for action in ACTIONS.values() if action.family not in known]
    action = strange[rng.integers(len(strange))]
    return Event(action.name, int(rng.integers(1, _COMMON_COUNTS + 1)) if action.countable else 1)


_CHANGES: dict[str, Change] = {
    "one left out": _leave_out,
    "several left out": partial(_leave_out, fewest=2, most=3),
    "another order": _reorder,
    "other counts": _recount,
    "the other side": _mirror,
    "an extra event": _add,
    "something else": _replace,
    "something else but for one": _keep_one,
}
