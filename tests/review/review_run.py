"""A small run in a store, without a generator, for people to judge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from atom.motion.skeleton import PARENTS, TARGET_OFFSETS
from storage import MOTIONS, PREFERENCES, PROMPTS, Recipe, Store, TableSchema

RUN = "20260101-000000-000-run"
TASKS = ("temporal", "integrity", "frequency")
EVENTS = [{"action": "jump_up", "phrase": "jumps twice", "count": 2}, {"action": "bow", "phrase": "", "count": 3}]


def make_run(
    store: Store, texts: Sequence[str], samples: int = 1, frames: int = 12, shard: int = 160
) -> dict[str, Any]:
    """Saves a run and returns its record. Each text is a prompt, of the tasks in turn, with the test motions
    "base-PROMPT-SAMPLE" and "tuned-PROMPT-SAMPLE" and the candidates "better-PROMPT" and "worse-PROMPT"."""
    names = [f"prompt{number}" for number in range(len(texts))]
    places = [(name, sample) for name in names for sample in range(samples)]
    prompts = [
        {
            "prompt_id": name,
            "text": text,
            "task": TASKS[number % 3],
            "events": EVENTS,
            "split": "test",
            "source": "grammar",
            "seed": 0,
            "rejected": None,
            "answer": None,
        }
        for number, (name, text) in enumerate(zip(names, texts))
    ]
    stages = [
        _stage(store, "prompts", PROMPTS, [prompts]),
        _stage(
            store,
            "motions",
            MOTIONS,
            [[_motion(f"{kind}-{name}", name, 0, frames) for name in names for kind in ("better", "worse")]],
        ),
        _stage(store, "preferences", PREFERENCES, [[_preference(prompt) for prompt in prompts]]),
    ]
    for arm in ("base", "tuned"):
        stages.append(
            _stage(
                store,
                f"test motions {arm}",
                MOTIONS,
                [
                    [
                        _motion(f"{arm}-{name}-{sample}", name, sample, frames)
                        for name, sample in places[start : start + shard]
                    ]
                    for start in range(0, len(places), shard)
                ],
            )
        )
    store.save_run(RUN, {"state": "completed", "config": {}, "stages": stages})
    return store.run(RUN)


def _stage(store: Store, name: str, table: TableSchema, shards: list[list[dict[str, Any]]]) -> dict[str, Any]:
    keys = []
    for number, rows in enumerate(shards):
        with store.write(Recipe(table.name, 1, table, config={"name": name, "shard": number})) as writer:
            writer.rows(rows)
        keys.append(writer.ref.key)
    return {"name": name, "stored": table.name, "keys": keys}


def _motion(motion_id: str, prompt_id: str, sample: int, frames: int) -> dict[str, Any]:
    """A standing person who trembles, each motion in its own way."""
    place = np.zeros((22, 3))
    for joint, parent in enumerate(PARENTS[1:], start=1):
        place[joint] = place[parent] + TARGET_OFFSETS[joint]
    place[:, 1] -= place[:, 1].min()
    trembling = np.random.default_rng(list(motion_id.encode())).normal(scale=0.01, size=(frames, 22, 3))
    return {
        "motion_id": motion_id,
        "prompt_id": prompt_id,
        "sample": sample,
        "seed": 1,
        "tokens": [1],
        "frames": frames,
        "joints": (place + trembling).astype(np.float32),
        "stop_reason": "end",
    }


def _preference(prompt: dict[str, Any]) -> dict[str, Any]:
    name = prompt["prompt_id"]
    return {
        "prompt_id": name,
        "prompt": prompt["text"],
        "task": prompt["task"],
        "split": "train",
        "events": prompt["events"],
        "chosen_tokens": [1],
        "rejected_tokens": [2],
        "chosen_score": 5.0,
        "rejected_score": 3.0,
        "margin": 2.0,
        "degree": "Better",
        "decided_by": "score",
        "chosen_motion_id": f"better-{name}",
        "rejected_motion_id": f"worse-{name}",
    }
