"""The pre-training corpus on disk: shards of features with their events."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np

from atom.corpus.composition import make_motion
from atom.errors import AtomError
from atom.events import ACTIONS, Action, Event, Split, assign_split, postures_fit
from atom.motion.features import joints_to_features

SHARD_CLIPS = 250
LENGTH_PROBABILITIES = (0.2, 0.35, 0.3, 0.15)  # of 1, 2, 3 and 4 events a clip
COUNT_PROBABILITIES = (0.45, 0.2, 0.17, 0.1, 0.08)  # that a countable event happens 1 to 5 times

_FAMILIES: dict[str, list[Action]] = {}
for _action in ACTIONS.values():
    _FAMILIES.setdefault(_action.family, []).append(_action)


@dataclass(frozen=True)
class CorpusClip:
    """A clip: its features (T, 263) float32, T a multiple of 4, and the events that happen in it."""

    features: np.ndarray
    events: tuple[Event, ...]


def draw_events(rng: np.random.Generator, split: Split = "train") -> tuple[Event, ...]:
    """Draw a random composition of 1 to 4 events.

    Every family of actions is equally likely where the posture allows it. No action comes twice in a row, and a body
    that sits or kneels gets up next half of the time.

    Args:
        rng: random numbers.
        split: compositions of other splits are drawn again.
    """
    while True:
        events: list[Event] = []
        posture = "stand"
        for _ in range(rng.choice(len(LENGTH_PROBABILITIES), p=LENGTH_PROBABILITIES) + 1):
            if posture == "low" and rng.random() < 0.5:
                action = ACTIONS["get_up"]
            else:
                family = list(_FAMILIES.values())[rng.integers(len(_FAMILIES))]
                action = family[rng.integers(len(family))]
            count = int(rng.choice(len(COUNT_PROBABILITIES), p=COUNT_PROBABILITIES)) + 1 if action.countable else 1
            events.append(Event(action.name, count))
            posture = posture if action.ends == "any" else action.ends
        has_repetition = any(a.action == b.action for a, b in pairwise(events))
        if postures_fit(events) and not has_repetition and assign_split(events) == split:
            return tuple(events)


def make_clip(rng: np.random.Generator) -> CorpusClip:
    """Make a random clip of the training split; a composition that is too long for a clip is drawn again."""
    while True:
        events = draw_events(rng)
        try:
            motion = make_motion(events, rng)
        except AtomError:
            continue
        return CorpusClip(joints_to_features(motion.joints), motion.events)


def build_corpus(
    folder: Path, clips: int, seed: int, workers: int = 1, progress: Callable[[int, int], None] | None = None
) -> list[Path]:
    """Write the shards of the corpus that are missing in a folder.

    Args:
        folder: where the shards are; it is created if needed.
        clips: number of clips, rounded up to whole shards.
        seed: together with its number, it seeds each shard, so that shards do not depend on each other.
        workers: number of processes.
        progress: called with the number of clips done and in total.

    Returns:
        The paths of all shards, in order.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"corpus-{seed}-{number:04d}.npz" for number in range(-(-clips // SHARD_CLIPS))]
    missing = [number for number, path in enumerate(paths) if not path.exists()]
    done = len(paths) - len(missing)
    if missing:
        with ProcessPoolExecutor(max_workers=workers) as pool:
            jobs = [pool.submit(partial(_write_shard, paths[number], seed, number)) for number in missing]
            for job in as_completed(jobs):
                job.result()
                done += 1
                if progress:
                    progress(done * SHARD_CLIPS, len(paths) * SHARD_CLIPS)
    return paths


def read_corpus(paths: list[Path]) -> Iterator[CorpusClip]:
    """Read the clips of the shards, in order."""
    for path in paths:
        with np.load(path, allow_pickle=False) as shard:
            features, lengths = shard["features"], shard["lengths"]
            compositions = json.loads(str(shard["events"]))
        ends = np.cumsum(lengths)
        for start, end, composition in zip(ends - lengths, ends, compositions, strict=True):
            events = tuple(Event(action, count) for action, count in composition)
            yield CorpusClip(features[start:end].astype(np.float32), events)


def _write_shard(path: Path, seed: int, number: int) -> None:
    rng = np.random.default_rng([seed, number])
    clips = [make_clip(rng) for _ in range(SHARD_CLIPS)]
    temporary = path.with_name(path.name + ".tmp.npz")
    np.savez(
        temporary,
        features=np.concatenate([clip.features for clip in clips]).astype(np.float16),
        lengths=np.array([len(clip.features) for clip in clips]),
        events=json.dumps([[(event.action, event.count) for event in clip.events] for clip in clips]),
    )
    temporary.replace(path)
