"""Random compositions of events, and the prompts that are written from them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
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
    composition_key,
    assign_split,
)
from atom.motion.skeleton import MAX_FRAMES
from atom.prompts.seeds import read_seeds
from atom.prompts.wording import caption

# Frames at 20 fps that an action takes: once and for all, and for each repetition. Means over the built-in corpus.
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
_START_AND_END = 10  # frames of standing around the sequence
_BETWEEN = 3  # frames between two events

# How many events a prompt has, with weights.
_LENGTHS: dict[Task | None, dict[int, float]] = {
    "integrity": {2: 0.4, 3: 0.4, 4: 0.2},
    "temporal": {2: 0.4, 3: 0.4, 4: 0.2},
    "frequency": {1: 0.35, 2: 0.5, 3: 0.15},
    None: {1: 0.25, 2: 0.25, 3: 0.25, 4: 0.25},
}
# How often a countable event is repeated. At least one is in every frequency prompt.
_REPEATED: dict[Task | None, float] = {"integrity": 0.15, "temporal": 0.0, "frequency": 0.6, None: 0.35}

_POSSIBLE = {
    posture: [action.name for action in ACTIONS.values() if action.starts in ("any", posture)]
    for posture in ("stand", "low")
}
_GET_UP = 0.55  # chance that the next event after sitting down ends the sitting, so that it is no rarer than others
_DRAWS = 20_000
_WANTED_BY: dict[Split, str] = {
    "train": "prompts.train_per_task",
    "test": "prompts.test_per_task",
    "val": "validation.prompts_per_task",
}
_STREAMS: dict[Split, int] = {"train": 0, "test": 1, "val": 2}  # of random numbers
_CANDIDATES = 6  # compositions drawn for each prompt; the one with the least used actions is kept


@dataclass(frozen=True)
class Prompt:
    """A sentence made of events for one task. `prompt_id` is a hash of the content; `source` says who wrote it."""

    prompt_id: str
    text: str
    task: Task
    events: Composition
    split: Split
    seed: int
    source: str = "grammar"

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def expected_frames(event: Event) -> float:
    """Frames that the event is expected to take."""
    once, each = _FRAMES[ACTIONS[event.action].family]
    return once + each * event.count


def expected_length(events: Composition, frames_of: Callable[[Event], float] = expected_frames) -> float:
    """Frames that a motion of these events is expected to have, with the standing before, between and after them."""
    return _START_AND_END + _BETWEEN * (len(events) - 1) + sum(frames_of(event) for event in events)


def sample_events(
    rng: np.random.Generator,
    task: Task | None = None,
    split: Split | None = None,
    max_events: int = MAX_EVENTS,
    max_count: int = MAX_COUNT,
    frames_of: Callable[[Event], float] = expected_frames,
    weights: Mapping[str, float] | None = None,
) -> Composition:
    """A random composition of the kind that the task asks for, in the wanted split (None: any).

    - integrity: 2 to 4 events, mostly once each.
    - temporal: 2 to 4 events of different actions, once each.
    - frequency: 1 to 3 events, at least one of them 2 to `max_count` times.
    - None: 1 to 4 events with any counts, among them single events that happen once.

    The events fit each other's postures, with at most one stay on a chair or knee; neighbours are different actions;
    the expected frames fit into the longest clip. `weights` says how much likelier an action is drawn than others,
    those that are not in it never; None: all alike. Raises AtomError when no such composition is found.
    """
    lengths = {length: weight for length, weight in _LENGTHS[task].items() if length <= max_events}
    bounds = np.cumsum(list(lengths.values())) / sum(lengths.values()) if lengths else []
    for _ in range(_DRAWS if lengths else 0):
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
        + _pool_in_words(weights)
    )


def write_prompts(config: PromptConfig, seed: int) -> list[Prompt]:
    """The train and test prompts of all tasks, in that order; the same config and seed give the same prompts.

    No text occurs twice, no composition occurs twice in a task, and none is in both splits (`assign_split` decides). Each
    task and split draws from its own random stream and evens out how often its actions are used, or follows the seed
    texts if the config names some.
    Raises AtomError when the config leaves too few compositions to choose from.
    """
    prompts = write_split(config, seed, "train", config.train_per_task)
    texts = {prompt.text for prompt in prompts}
    return prompts + write_split(config, seed, "test", config.test_per_task, texts)


def write_split(
    config: PromptConfig, seed: int, split: Split, wanted: int, texts: Collection[str] = ()
) -> list[Prompt]:
    """So many prompts of each task in one split, none of them one of `texts`; see `write_prompts`."""
    weights = None if config.seeds is None else read_seeds(config.seeds).weights
    prompts: list[Prompt] = []
    taken = set(texts)
    for task_number, task in enumerate(TASKS):
        if task not in config.tasks:
            continue
        rng = np.random.default_rng([seed, _STREAMS[split], task_number])
        for events in sample_balanced_compositions(rng, task, split, wanted, config, weights):
            text, worded = _unused_caption(events, rng, task, taken)
            taken.add(text)
            prompts.append(Prompt(prompt_id(text, task, events), text, task, worded, split, seed))
    return prompts


def sample_balanced_compositions(
    rng: np.random.Generator,
    task: Task,
    split: Split,
    wanted: int,
    config: PromptConfig,
    weights: Mapping[str, float] | None = None,
) -> Iterator[Composition]:
    """So many different compositions of a task and split, with how often actions are used evened out.

    With `weights` an action is used in proportion to its weight, as far as the rules of `sample_events` allow.
    Raises AtomError when there are too few compositions to choose from.
    """
    used: Counter[str] = Counter()
    taken: set[Composition] = set()
    for number in range(wanted):
        fresh: list[Composition] = []
        for _ in range(_CANDIDATES * 20):
            events = sample_events(rng, task, split, config.max_events, config.max_count, weights=weights)
            if events not in taken:
                fresh.append(events)
            if len(fresh) == _CANDIDATES:
                break
        if not fresh:
            raise AtomError(
                f"only {number} different {task} prompts found for the {split} split, and {wanted} are wanted: "
                f"lower {_WANTED_BY[split]} or raise prompts.max_events or prompts.max_count" + _pool_in_words(weights)
            )
        events = min(fresh, key=lambda events: np.mean([_use(event.action, used, weights) for event in events]))
        taken.add(events)
        used.update(event.action for event in events)
        yield events


def prompt_id(text: str, task: Task, events: Composition) -> str:
    """16 hexadecimal digits that name the content: what is said, for which task, and what it means."""
    return hashlib.sha256("\n".join((task, composition_key(events), text)).encode()).hexdigest()[:16]


def _sample_actions(rng: np.random.Generator, length: int, weights: Mapping[str, float] | None) -> list[str]:
    """Actions that may follow one another; fewer than `length` where none of those with a weight may follow."""
    actions: list[str] = []
    posture, sat = "stand", False
    while len(actions) < length:
        possible = _POSSIBLE[posture]
        fitting = [
            name
            for name in possible
            if name not in actions[-1:]
            and not (sat and ACTIONS[name].ends == "low")
            and (weights is None or weights.get(name, 0) > 0)
        ]
        if not fitting:
            break
        if posture == "low" and "get_up" in fitting and rng.random() < _GET_UP:
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
        sat = sat or ends == "low"
    return actions


def _sample_count(rng: np.random.Generator, action: str, task: Task | None, max_count: int) -> int:
    if max_count == 1 or not ACTIONS[action].countable or rng.random() >= _REPEATED[task]:
        return 1
    return int(rng.integers(2, max_count + 1))


def _use(action: str, used: Counter[str], weights: Mapping[str, float] | None) -> float:
    return used[action] / (1.0 if weights is None else weights[action])


def _pool_in_words(weights: Mapping[str, float] | None) -> str:
    """The end of a complaint about compositions that are made of some actions only."""
    if weights is None or all(weights.get(action, 0) > 0 for action in ACTIONS):
        return ""
    pool = ", ".join(action for action in ACTIONS if weights.get(action, 0) > 0)
    return f"; or give more actions to choose from than {pool or 'none'}"


def _unused_caption(
    events: Composition, rng: np.random.Generator, task: Task, texts: set[str]
) -> tuple[str, Composition]:
    for _ in range(1000):
        text, worded = caption(events, rng, task)
        if text not in texts:
            return text, worded
    raise AtomError(f"every wording of {composition_key(events)!r} is used already: ask for fewer prompts")
