"""Finished runs in a real store, made in seconds: motions of the corpus, real judges, the flow's own stages."""

import numpy as np

from atom.config import RunConfig
from atom.corpus.composition import make_motion
from atom.evaluation.agreement import agreement
from atom.evaluation.comparison import compare
from atom.events import Event
from atom.preferences.summary import summarise_pairs
from flows import stages
from storage import CURVES, MOTIONS, PREFERENCES, PROMPTS, Recipe, Store

SCRIPT = '<script>alert("x")</script>'
JUMPS, BOW, WAVE = Event("jump_up", 2, "jumps twice"), Event("bow", 1, "bows"), Event("wave_left", 1, "waves")
PROMPTS_ASKED = 8  # held out; a base motion does what the text says in the odd ones, a tuned one in all but the last
EVALUATION = {"num_examples": 2, "bootstrap": 200, "metrics": None, "baselines": ()}


def evaluated_run(root, run_id="evaluated", name=SCRIPT, **tuning):
    """A run of base and tuned by two judges, with its pairs, its curve and an adapter; gives the store."""
    config = RunConfig.model_validate(
        {"name": "run", "evaluation": EVALUATION, "on_policy": {"steps": 0}, "tuning": tuning}
    )
    store, record = _begun(root, config, name)
    prompts = _put(record, store, "prompts", PROMPTS, _prompts())
    arms = {}
    for arm in ("base", "tuned"):
        motions = _put(record, store, f"test motions {arm}", MOTIONS, [_motion(n, arm) for n in range(PROMPTS_ASKED)])
        scores = [
            _stage(record, f"test scores {arm} {judge}", stages.make_scores(str(root), config, prompts, motions, judge))
            for judge in config.evaluation.judges
        ]
        arms[arm] = [(motions, scores)]
    evaluation = _stage(record, "evaluation", stages.make_evaluation(str(root), config, prompts, arms))
    rows = store.read(evaluation).to_pandas()
    _pairs(record, store, str(root), config, prompts)
    curve = [
        {field.name: 1.0 / step if field.name == "loss" else step for field in CURVES.schema}
        | {"validation": 2.5 + step / 10, "validation_gain": step / 10, "kept": step == 2}
        for step in (1, 2)
    ]
    _put(
        record, store, "adapter", CURVES, curve, {"adapter_config.json": b'{"base_model_name_or_path": "atom-motion"}'}
    )
    record |= {"evaluation": compare(rows, resamples=200), "agreement": agreement(rows), "state": "completed"}
    store.save_run(run_id, record)
    return store


def paired_run(root, run_id="paired"):
    """A run that ended with its pairs."""
    config = RunConfig.model_validate({"name": "run", "evaluation": EVALUATION})
    store, record = _begun(root, config, "run")
    prompts = _put(record, store, "prompts", PROMPTS, _prompts())
    _pairs(record, store, str(root), config, prompts)
    store.save_run(run_id, record | {"state": "completed", "until": "preferences"})
    return store


def _begun(root, config, name):
    told = config.model_dump(mode="json") | {"name": name}
    return Store(str(root)), {"config": told, "until": None, "state": "running", "stages": [], "seconds": 12.5}


def _prompts():
    rows = [
        ("test", number, (JUMPS, WAVE), "temporal" if number % 2 else "frequency") for number in range(PROMPTS_ASKED)
    ]
    rows += [("train", number, (BOW, WAVE), "integrity") for number in range(3)]
    return [
        {
            "prompt_id": f"{split}-{number}",
            "text": f"a person acts {number} {SCRIPT}",
            "task": task,
            "split": split,
            "events": [vars(event) for event in events],
            "source": "grammar",
            "seed": 0,
            "rejected": None,
            "answer": None,
        }
        for split, number, events, task in rows
    ]


def _motion(number, arm):
    right = number % 2 == 1 if arm == "base" else number != PROMPTS_ASKED - 1
    events = (JUMPS, WAVE) if right else (WAVE,)
    return _row(f"{arm}-{number}", f"test-{number}", make_motion(events, np.random.default_rng(number)).joints)


def _row(motion_id, prompt_id, joints, sample=0):
    return {
        "motion_id": motion_id,
        "prompt_id": prompt_id,
        "sample": sample,
        "seed": 1,
        "tokens": [1] * 20,
        "frames": len(joints),
        "joints": joints.ravel(),
        "stop_reason": "end",
    }


def _pairs(record, store, root, config, prompts):
    """Two candidates of each training prompt, of which the first does all, and the pairs of them."""
    made = [
        _row(f"{side}-{number}", f"train-{number}", make_motion(events, np.random.default_rng(number)).joints, sample)
        for number in range(3)
        for sample, (side, events) in enumerate((("good", (BOW, WAVE)), ("bad", (WAVE,))))
    ]
    motions = _put(record, store, "motions", MOTIONS, made)
    scores = _stage(record, "scores", stages.make_scores(root, config, prompts, motions, "kinematic"))
    found = {row["motion_id"]: row["score"] for row in store.read(scores).to_pylist()}
    rows = [
        {
            "prompt_id": f"train-{number}",
            "prompt": f"a person acts {SCRIPT}",
            "task": "integrity",
            "split": "train",
            "events": [vars(event) for event in (BOW, WAVE)],
            "chosen_tokens": [1] * 20,
            "rejected_tokens": [2] * 18,
            "chosen_score": found[f"good-{number}"],
            "rejected_score": found[f"bad-{number}"],
            "margin": found[f"good-{number}"] - found[f"bad-{number}"],
            "degree": None,
            "decided_by": "score",
            "chosen_motion_id": f"good-{number}",
            "rejected_motion_id": f"bad-{number}",
        }
        for number in range(3)
    ]
    _put(record, store, "preferences", PREFERENCES, rows)
    record["preferences"] = summarise_pairs(rows) | {"of_prompts": 3}


def _put(record, store, name, table, rows, files=None):
    with store.write(Recipe(table.name, 1, table, config={"name": name, "rows": len(rows)})) as writer:
        writer.rows(rows)
        for file, data in (files or {}).items():
            writer.file(file, data)
    _noted(record, name, writer.ref)
    return writer.ref


def _stage(record, name, result):
    _noted(record, name, result.artifact)
    return result.artifact


def _noted(record, name, ref):
    record["stages"].append(
        {
            "name": name,
            "stored": ref.stage,
            "keys": [ref.key],
            "key": ref.key,
            "shards": 1,
            "reused": 0,
            "failed": 0,
            "failures": [],
            "rows": ref.rows,
            "seconds": 0.5,
            "quarantined": 0,
            "tokens": 7,
            "cost": 0.25,
        }
    )
