"""Random compositions of events, and the prompts that the grammar writes from them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from atom.config import PromptConfig
from atom.errors import AtomError
from atom.events import (
    ACTIONS,
    MAX_COUNT,
    MAX_EVENTS,
    TASKS,
    Composition,
    Event,
    Split,
    Task,
    assign_split,
    composition_key,
    is_countable,
    is_known,
)
from atom.motion.skeleton import MAX_FRAMES
from atom.prompts.action_pool import ActionPool
from atom.prompts.seeds import known_weights, read_seeds
from atom.prompts.wording import caption

# Frames at 20 fps of an action: a fixed part, and the part of each repetition. Means over the built-in corpus.
_FRAMES: dict[str, tuple[float, float]] = {
    "walk_forward": (0, 45),
    "walk_backward": (0, 48),
    "sidestep": (0, 15.5),
    "run_forward": (0, 54),
    "turn": (0, 21),
    "turn_around": (0, 34),
    "spin": (6, 29),
    "jump_up": (0, 25),
    "jump_forward": (0, 25),
    "hop": (17, 11),
    "squat": (0, 23),
    "sit_down": (0, 20),
    "kneel_down": (0, 22),
    "get_up": (0, 19),
    "bow": (0, 25),
    "wave": (0, 42),
    "raise_arm": (0, 24),
    "raise_arms": (0, 24),
    "clap": (15, 8),
    "punch": (14, 11),
    "kick": (9, 15),
    "throw": (0, 30),
    "lunge": (2, 28),
    "jumping_jack": (6, 18),
    "pick_up": (0, 36),
}
_OPEN_FRAMES = 35  # of one repetition of an open action, whose length nothing tells
_REST_FRAMES = 10  # of standing before and after the sequence
_TRANSITION_FRAMES = 3  # between two events

# Distribution of the number of events in a prompt.
_NUM_EVENTS_WEIGHTS: dict[Task | None, dict[int, float]] = {
    "integrity": {2: 0.4, 3: 0.4, 4: 0.2},
    "temporal": {2: 0.4, 3: 0.4, 4: 0.2},
    "frequency": {1: 0.35, 2: 0.5, 3: 0.15},
    None: {1: 0.25, 2: 0.25, 3: 0.25, 4: 0.25},
}
# Probability that a countable event is repeated. Every frequency prompt has at least one repeated event.
_REPEAT_PROBABILITY: dict[Task | None, float] = {"integrity": 0.15, "temporal": 0.0, "frequency": 0.6, None: 0.35}

_ACTIONS_BY_POSTURE = {
    posture: [action.name for action in ACTIONS.values() if action.starts in ("any", posture)]
    for posture in ("stand", "low")
}
_GET_UP_PROBABILITY = 0.55  # after sitting or kneeling down; makes getting up as frequent as other actions
_MAX_DRAWS = 20_000
_COUNT_SETTING: dict[Split, str] = {
    "train": "prompts.train_per_task",
    "test": "prompts.test_per_task",
    "val": "validation.prompts_per_task",
}
_SPLIT_SEEDS: dict[Split, int] = {"train": 0, "test": 1, "val": 2}  # each split has a random stream of its own
_MAX_NAMES = len(ACTIONS)  # of actions in an error message
_NUM_CANDIDATES = 6  # compositions drawn for each prompt; the one with the least used actions is kept


@dataclass(frozen=True)
class Prompt:
    """A sentence that describes events, for one task.

    Attributes:
        prompt_id: hash of the content.
        text: the sentence.
        task: the property of a motion that it tests.
        events: what the sentence describes, in order.
        split: "train", "val" or "test".
        seed: seed with which the prompts were drawn.
        source: "grammar", "captions", "text", or the name of the language model that wrote the text.
    """

    prompt_id: str
    text: str
    task: Task
    events: Composition
    split: Split
    seed: int
    source: str = "grammar"

    def to_dict(self) -> dict[str, Any]:
        """Makes a row of the prompts table.

        Returns:
            The fields, with the events as dicts.
        """
        return asdict(self)


def expected_frames(event: Event) -> float:
    """Expected length of an event in frames at 20 fps; a rough guess where its action is open."""
    if not is_known(event.action):
        return _OPEN_FRAMES * event.count
    fixed, per_repetition = _FRAMES[ACTIONS[event.action].family]
    return fixed + per_repetition * event.count


def expected_length(events: Composition, frames_of: Callable[[Event], float] = expected_frames) -> float:
    """Expected length of a motion, with the standing before, between and after the events.

    Args:
        events: events of the motion.
        frames_of: expected frames of one event.

    Returns:
        Frames at 20 fps.
    """
    return _REST_FRAMES + _TRANSITION_FRAMES * (len(events) - 1) + sum(frames_of(event) for event in events)


def known_length(events: Composition) -> float | None:
    """Expected length of a motion in frames at 20 fps; None where an action is open, since its length is not known."""
    if not all(is_known(event.action) for event in events):
        return None
    return expected_length([replace(event, count=event.count or 1) for event in events])


def sample_events(
    rng: np.random.Generator,
    task: Task | None = None,
    split: Split | None = None,
    max_events: int = MAX_EVENTS,
    max_count: int = MAX_COUNT,
    frames_of: Callable[[Event], float] = expected_frames,
    weights: Mapping[str, float] | None = None,
) -> Composition:
    """Draws a random composition for a task.

    - integrity: 2 to 4 events, mostly once each.
    - temporal: 2 to 4 events of different actions, once each.
    - frequency: 1 to 3 events, at least one of them 2 to `max_count` times.
    - None: 1 to 4 events with any counts, among them single events that happen once.

    Each event fits the posture in which the one before it ends, with at most one stay on a chair or knee. Neighbours
    are different actions, and the expected length is at most that of the longest motion.

    Args:
        rng: source of the random draws.
        task: kind of composition; None for any.
        split: split that the composition must belong to; None for any.
        max_events: largest number of events.
        max_count: largest count of an event.
        frames_of: expected frames of one event.
        weights: relative frequency of each action, 0 for actions that are left out; None for a uniform distribution of
            the known ones. Open actions need an `ActionPool`.

    Returns:
        The events.

    Raises:
        AtomError: no such composition is found.
    """
    lengths = {length: weight for length, weight in _NUM_EVENTS_WEIGHTS[task].items() if length <= max_events}
    bounds = np.cumsum(list(lengths.values())) / sum(lengths.values()) if lengths else []
    for _ in range(_MAX_DRAWS if lengths else 0):
        length = list(lengths)[np.searchsorted(bounds, rng.random(), side="right")]
        actions = _sample_actions(rng, length, weights)
        if len(actions) < length or (task == "temporal" and len(set(actions)) < length):
            continue
        events = tuple(Event(action, _sample_count(rng, action, task, max_count)) for action in actions)
        if task == "frequency" and all(event.count == 1 for event in events):
            continue
        if expected_length(events, frames_of) <= MAX_FRAMES and split in (None, assign_split(events)):
            return events
    raise AtomError(
        f"no composition for task {task}, split {split} with max_events {max_events} and max_count {max_count}: "
        "integrity, temporal and every held-out prompt need 2 events or more, frequency counts of 2 or more"
        + _describe_pool(weights)
    )


def write_prompts(config: PromptConfig, seed: int) -> list[Prompt]:
    """Writes the train and test prompts of all tasks, in that order.

    No text occurs twice, no composition occurs twice in a task, and no composition is in both splits (see
    `assign_split`). Each task and split has its own random stream. Actions are used evenly, or as often as in the seed
    texts if the config names some.

    Args:
        config: settings of the prompts.
        seed: seed of the random draws.

    Returns:
        The prompts; the same config and seed give the same ones.

    Raises:
        AtomError: there are too few different compositions for this config.
    """
    prompts = write_split(config, seed, "train", config.train_per_task)
    texts = {prompt.text for prompt in prompts}
    return prompts + write_split(config, seed, "test", config.test_per_task, texts)


def write_split(
    config: PromptConfig, seed: int, split: Split, num_prompts: int, texts: Collection[str] = ()
) -> list[Prompt]:
    """Writes the prompts of one split; see `write_prompts`.

    Args:
        config: settings of the prompts.
        seed: seed of the random draws.
        split: the split.
        num_prompts: number of prompts of each task.
        texts: texts that no prompt may have.

    Returns:
        The prompts, task by task.

    Raises:
        AtomError: there are too few different compositions for this config.
    """
    if config.seeds is None:
        return _write_split(config, seed, split, num_prompts, texts, None)
    if config.writer != "llm":
        return _write_split(config, seed, split, num_prompts, texts, known_weights(config.seeds))
    # A language model words open actions, too, so that its seed texts may hold few known ones or none; this writes only
    # the validation prompts of its run.
    weights = read_seeds(config.seeds).weights
    try:
        return _write_split(config, seed, split, num_prompts, texts, weights)
    except AtomError:
        return _write_split(config, seed, split, num_prompts, texts, None)


def _write_split(
    config: PromptConfig,
    seed: int,
    split: Split,
    num_prompts: int,
    texts: Collection[str],
    weights: Mapping[str, float] | None,
) -> list[Prompt]:
    prompts: list[Prompt] = []
    used_texts = set(texts)
    for task_number, task in enumerate(TASKS):
        if task not in config.tasks:
            continue
        rng = np.random.default_rng([seed, _SPLIT_SEEDS[split], task_number])
        for events in sample_balanced_compositions(rng, task, split, num_prompts, config, weights):
            text, worded = _unused_caption(events, rng, task, used_texts)
            used_texts.add(text)
            prompts.append(Prompt(prompt_id(text, task, events), text, task, worded, split, seed))
    return prompts


def sample_balanced_compositions(
    rng: np.random.Generator,
    task: Task,
    split: Split,
    num_prompts: int,
    config: PromptConfig,
    weights: Mapping[str, float] | None = None,
) -> Iterator[Composition]:
    """Draws different compositions of a task and split that use the actions evenly.

    Args:
        rng: source of the random draws.
        task: the task.
        split: the split.
        num_prompts: number of compositions.
        config: settings of the prompts.
        weights: frequency that each action should have, as far as the rules of `sample_events` allow; None for equal.

    Yields:
        The compositions.

    Raises:
        AtomError: there are too few different compositions.
    """
    action_counts: Counter[str] = Counter()
    drawn: set[Composition] = set()
    for number in range(num_prompts):
        candidates: list[Composition] = []
        for _ in range(_NUM_CANDIDATES * 20):
            events = sample_events(rng, task, split, config.max_events, config.max_count, weights=weights)
            if events not in drawn:
                candidates.append(events)
            if len(candidates) == _NUM_CANDIDATES:
                break
        if not candidates:
            raise AtomError(
                f"only {number} different {task} prompts found for the {split} split instead of {num_prompts}: "
                f"lower {_COUNT_SETTING[split]} or raise prompts.max_events or prompts.max_count"
                + _describe_pool(weights)
            )
        events = min(candidates, key=lambda events: _mean_usage(events, action_counts, weights))
        drawn.add(events)
        action_counts.update(event.action for event in events)
        yield events


def prompt_id(text: str, task: Task, events: Composition) -> str:
    """Hashes the content of a prompt.

    Args:
        text: the sentence.
        task: the task.
        events: what the sentence means.

    Returns:
        16 hexadecimal digits.
    """
    return hashlib.sha256("\n".join((task, composition_key(events), text)).encode()).hexdigest()[:16]


def _sample_actions(rng: np.random.Generator, length: int, weights: Mapping[str, float] | None) -> list[str]:
    """Draws actions that fit one after another; fewer than `length` if no action with a weight fits any more."""
    if isinstance(weights, ActionPool):
        return weights.sample_actions(rng, length)
    actions: list[str] = []
    posture, has_sat = "stand", False
    while len(actions) < length:
        possible = _ACTIONS_BY_POSTURE[posture]
        fitting = [
            name
            for name in possible
            if name not in actions[-1:]
            and not (has_sat and ACTIONS[name].ends == "low")
            and (weights is None or weights.get(name, 0) > 0)
        ]
        if not fitting:
            break
        if posture == "low" and "get_up" in fitting and rng.random() < _GET_UP_PROBABILITY:
            action = "get_up"
        elif weights is None:
            action = possible[rng.integers(len(possible))]
        else:
            bounds = np.cumsum([weights[name] for name in fitting])
            action = fitting[np.searchsorted(bounds, rng.random() * bounds[-1], side="right")]
        if action not in fitting:
            continue
        actions.append(action)
        ends = ACTIONS[action].ends
        posture = posture if ends == "any" else ends
        has_sat = has_sat or ends == "low"
    return actions


def _sample_count(rng: np.random.Generator, action: str, task: Task | None, max_count: int) -> int:
    if max_count == 1 or not is_countable(action) or rng.random() >= _REPEAT_PROBABILITY[task]:
        return 1
    return int(rng.integers(2, max_count + 1))


def _mean_usage(events: Composition, action_counts: Counter[str], weights: Mapping[str, float] | None) -> np.floating:
    """How often the actions were used so far relative to their weights, as a mean over the events."""
    return np.mean(
        [action_counts[event.action] / (1.0 if weights is None else weights[event.action]) for event in events]
    )


def _describe_pool(weights: Mapping[str, float] | None) -> str:
    """The end of an error message where the compositions may use only some of the actions."""
    if weights is None or all(weights.get(action, 0) > 0 for action in ACTIONS):
        return ""
    names = [action for action in weights if weights[action] > 0 and not is_known(action)]
    names = [action for action in ACTIONS if weights.get(action, 0) > 0] + names
    pool = ", ".join(names[:_MAX_NAMES]) + (f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else "")
    return f"; or give more actions to choose from than {pool or 'none'}"


def _unused_caption(
    events: Composition, rng: np.random.Generator, task: Task, texts: set[str]
) -> tuple[str, Composition]:
    for _ in range(1000):
        text, worded = caption(events, rng, task)
        if text not in texts:
            return text, worded
    raise AtomError(f"every wording of {composition_key(events)!r} is used already: lower the number of prompts")
