"""A small finished run in a real store: seven test prompts with a base and a tuned motion each, two training
prompts with three candidates each, two judges, and three pairs."""

import numpy as np

from atom.config import RunConfig
from atom.corpus.composition import make_motion
from atom.events import Event
from storage import MOTIONS, PREFERENCES, PROMPTS, SCORES, Recipe, Store

TEST = range(7)  # prompt p3 has the motions base3 and tuned3
SCRIPT = "<script>alert(1)</script>"
EVENTS = [{"action": "jump_up", "phrase": "jumps", "count": 2, "group": None}]
RUN = "20260101-000000-000-small"


def small_run(folder):
    """The store. The kinematic judge's scores: base3 has 2.5 + 0.25 * 3, tuned3 3.5, and candidate t0-1 2.0."""
    store = Store(str(folder))
    joints = make_motion([Event("jump_up")], np.random.default_rng(0)).joints[:24]

    def save_stage(name, table, rows):
        with store.write(Recipe(table.name, 1, table, config=name)) as writer:
            writer.rows(rows)
        return {"name": name, "stored": table.name, "keys": [writer.ref.key]}

    def motions(ids):
        return [
            {
                "motion_id": motion_id,
                "prompt_id": prompt_id,
                "sample": 0,
                "seed": number,
                "tokens": [number, 7],
                "frames": len(joints),
                "joints": joints + np.float32(number) / 64,
                "stop_reason": "end",
            }
            for number, (motion_id, prompt_id) in enumerate(ids)
        ]

    test = {arm: [(f"{arm}{n}", f"p{n}") for n in TEST] for arm in ("base", "tuned")}
    candidates = [(f"t{n}-{sample}", f"t{n}") for n in range(2) for sample in range(3)]
    prompts = [_prompt(f"p{n}", "test", f"a person jumps twice, way {n}") for n in TEST]
    prompts += [_prompt(f"t{n}", "train", SCRIPT if n else "a person waves") for n in range(2)]
    stages = [
        save_stage("prompts", PROMPTS, prompts),
        save_stage("motions", MOTIONS, motions(candidates)),
        save_stage("scores", SCORES, [_score(*ids, "kinematic", 1.0 + int(ids[0][-1])) for ids in candidates]),
        save_stage("preferences", PREFERENCES, [_pair(0, 2, 1), _pair(0, 1, 0), _pair(1, 2, 0)]),
    ]
    for arm, ids in test.items():
        stages.append(save_stage(f"test motions {arm}", MOTIONS, motions(ids)))
        for judge in ("kinematic", "learned"):
            scores = [2.5 + 0.25 * n if arm == "base" else 3.5 for n in TEST]
            rows = [_score(*each, judge, score) for each, score in zip(ids, scores)]
            stages.append(save_stage(f"test scores {arm} {judge}", SCORES, rows))
    record = {"config": RunConfig(name="small").model_dump(mode="json"), "state": "completed", "stages": stages}
    store.save_run(RUN, record)
    return store


def _prompt(prompt_id, split, text):
    return {
        "prompt_id": prompt_id,
        "text": text,
        "task": "frequency",
        "events": EVENTS,
        "split": split,
        "source": "grammar",
        "seed": 0,
        "rejected": None,
        "answer": None,
    }


def _score(motion_id, prompt_id, judge, score):
    detected = [{"action": "jump_up", "count": 2, "start": 0, "end": 20, "confidence": 1.0}]
    return {
        "motion_id": motion_id,
        "prompt_id": prompt_id,
        "task": "frequency",
        "judge": judge,
        "vote": 0,
        "score": score,
        "exact": score > 3,
        "events": detected,
        "verdicts": [],
        "rationale": "All of it happens.",
        "model": None,
        "answers": [],
        "tokens": 0,
        "cost": 0.0,
        "latency": 0.0,
        "error": None,
    }


def _pair(prompt, chosen, rejected):
    """Two candidates of a training prompt, whose scores are 1 + their number."""
    return {
        "prompt_id": f"t{prompt}",
        "prompt": SCRIPT if prompt else "a person waves",
        "task": "frequency",
        "split": "train",
        "events": EVENTS,
        "chosen_tokens": [3 * prompt + chosen, 7],
        "rejected_tokens": [3 * prompt + rejected, 7],
        "chosen_score": 1.0 + chosen,
        "rejected_score": 1.0 + rejected,
        "margin": float(chosen - rejected),
        "degree": "Better",
        "decided_by": "score",
        "chosen_motion_id": f"t{prompt}-{chosen}",
        "rejected_motion_id": f"t{prompt}-{rejected}",
    }
