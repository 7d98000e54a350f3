"""Finished runs in a real store, computed in seconds: motions of the corpus, real judges, the flow's own stages."""

import numpy as np

from atom.config import RunConfig
from atom.corpus.composition import make_motion
from atom.evaluation.agreement import agreement
from atom.evaluation.comparison import compare
from atom.events import Event
from atom.preferences.summary import summarise_pairs
from flows.stages.evaluation import make_evaluation
from flows.stages.scores import make_scores
from storage import CURVES, MOTIONS, PREFERENCES, PROMPTS, Recipe, Store

SCRIPT = '<script>alert("x")</script>'
JUMPS, BOW, WAVE = Event("jump_up", 2, "jumps twice"), Event("bow", 1, "bows"), Event("wave_left", 1, "waves")
TEST_PROMPTS = 8  # base motions match the odd prompts, tuned motions match all but the last
EVALUATION = {"num_examples": 2, "bootstrap": 200, "metrics": None, "baselines": ()}


def evaluated_run(root, run_id="evaluated", name=SCRIPT, **tuning):
    """A run that compares base and tuned with two judges, and has pairs, a curve and an adapter. Returns the store."""
    config = RunConfig.model_validate(
        {"name": "run", "evaluation": EVALUATION, "on_policy": {"steps": 0}, "tuning": tuning}
    )
    store, record = _start_run(root, config, name)
    prompts = _write_stage(record, store, "prompts", PROMPTS, _prompts())
    arms = {}
    for arm in ("base", "tuned"):
        motions = _write_stage(
            record, store, f"test motions {arm}", MOTIONS, [_motion(n, arm) for n in range(TEST_PROMPTS)]
        )
        scores = [
            _stage(record, f"test scores {arm} {judge}", make_scores(str(root), config, prompts, motions, judge))
            for judge in config.evaluation.judges
        ]
        arms[arm] = [(motions, scores)]
    evaluation = _stage(record, "evaluation", make_evaluation(str(root), config, prompts, arms))
    rows = store.read(evaluation).to_pandas()
    _pairs(record, store, str(root), config, prompts)
    curve = [
        {field.name: 1.0 / step if field.name == "loss" else step for field in CURVES.schema}
        | {"validation": 2.5 + step / 10, "validation_gain": step / 10, "kept": step == 2}
        for step in (1, 2)
    ]
    _write_stage(
        record, store, "adapter", CURVES, curve, {"adapter_config.json": b'{"base_model_name_or_path": "atom-motion"}'}
    )
    record |= {"evaluation": compare(rows, resamples=200), "agreement": agreement(rows), "state": "completed"}
    store.save_run(run_id, record)
    return store


def paired_run(root, run_id="paired"):
    """A run that ended after its pairs."""
    config = RunConfig.model_validate({"name": "run", "evaluation": EVALUATION})
    store, record = _start_run(root, config, "run")
    prompts = _write_stage(record, store, "prompts", PROMPTS, _prompts())
    _pairs(record, store, str(root), config, prompts)
    store.save_run(run_id, record | {"state": "completed", "until": "preferences"})
    return store


def _start_run(root, config, name):
    values = config.model_dump(mode="json") | {"name": name}
    return Store(str(root)), {"config": values, "until": None, "state": "running", "stages": [], "seconds": 12.5}


def _prompts():
    rows = [
        ("test", number, (JUMPS, WAVE), "temporal" if number % 2 else "frequency") for number in range(TEST_PROMPTS)
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
    is_match = number % 2 == 1 if arm == "base" else number != TEST_PROMPTS - 1
    events = (JUMPS, WAVE) if is_match else (WAVE,)
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
    """Two candidates of each training prompt, of which the first matches it, and their pairs."""
    candidates = [
        _row(f"{side}-{number}", f"train-{number}", make_motion(events, np.random.default_rng(number)).joints, sample)
        for number in range(3)
        for sample, (side, events) in enumerate((("good", (BOW, WAVE)), ("bad", (WAVE,))))
    ]
    motions = _write_stage(record, store, "motions", MOTIONS, candidates)
    scores = _stage(record, "scores", make_scores(root, config, prompts, motions, "kinematic"))
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
    _write_stage(record, store, "preferences", PREFERENCES, rows)
    record["preferences"] = summarise_pairs(rows) | {"of_prompts": 3}


def _write_stage(record, store, name, table, rows, files=None):
    with store.write(Recipe(table.name, 1, table, config={"name": name, "rows": len(rows)})) as writer:
        writer.rows(rows)
        for file, data in (files or {}).items():
            writer.file(file, data)
    _record_stage(record, name, writer.ref)
    return writer.ref


def _stage(record, name, result):
    _record_stage(record, name, result.artifact)
    return result.artifact


def _record_stage(record, name, ref):
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
