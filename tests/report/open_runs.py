"""A finished run whose prompts have open actions, missing counts, events at the same time and very long phrases."""

import numpy as np
from report_runs import EVALUATION, SCRIPT, _stage, _start_run, _write_stage

from atom.config import RunConfig
from atom.corpus.composition import make_motion
from atom.evaluation.agreement import agreement
from atom.evaluation.comparison import compare
from atom.events import Event, infer_task
from atom.judging.coverage import count_coverage
from atom.judging.detected_events import DetectedEvent
from atom.judging.judgement import judge_events
from flows.stages.evaluation import make_evaluation
from flows.stages.scores import judgement_columns, make_scores, score_row_without_motion
from storage import MOTIONS, PROMPTS, SCORES

LONG = "slowly scoops up the remaining breadcrumbs from the low wooden table in front of him with both cupped hands"
EVENTS = [
    (Event("jump_up", 2, "jumps twice"),),
    (Event("wave_left", None, "waves", 0), Event("hum tune", None, "hums a tune", 0)),
    (Event(f"juggle {SCRIPT}", 3, f"juggles {SCRIPT} three times"), Event("bow", 1, "")),
    (
        Event("kneel beside table", None, "kneels beside the table"),
        Event("scoop up breadcrumb with both hand", None, LONG, 0),
        Event("nod head", 2, "nods twice", 0),
        Event("sneeze", None, "", 1),
        Event("wave_left", None, "waves at nobody in particular", 1),
    ),
]
REPEATS = 4  # prompts of each kind, and of the first kind two more
KINDS = [0, 0, *range(len(EVENTS))] + [kind for _ in range(REPEATS - 1) for kind in range(len(EVENTS))]


def open_run(root, run_id="open"):
    """Base and tuned, judged by "auto" and by the kinematic judge, which can't see three of the four kinds of prompts.
    Returns the store."""
    config = RunConfig.model_validate(
        {
            "name": "run",
            "judging": {"judge": "auto"},
            "evaluation": EVALUATION | {"judges": ("auto", "kinematic"), "num_examples": 4},
            "on_policy": {"steps": 0},
        }
    )
    store, record = _start_run(root, config, "open")
    rows = [_prompt(number, kind) for number, kind in enumerate(KINDS)]
    prompts = _write_stage(record, store, "prompts", PROMPTS, rows)
    arms = {}
    for arm in ("base", "tuned"):
        motions = [_motion(number, arm) for number in range(len(KINDS))]
        ref = _write_stage(record, store, f"test motions {arm}", MOTIONS, motions)
        auto = [_score(motion, prompt, kind, arm) for motion, prompt, kind in zip(motions, rows, KINDS)]
        name = f"test scores {arm} kinematic"
        kinematic = _stage(record, name, make_scores(str(root), config, prompts, ref, "kinematic"))
        arms[arm] = [(ref, [_write_stage(record, store, f"test scores {arm} auto", SCORES, auto), kinematic])]
    evaluation = _stage(record, "evaluation", make_evaluation(str(root), config, prompts, arms))
    numbers = {row["prompt_id"]: len(row["events"]) for row in rows}
    table = store.read(evaluation).to_pandas()
    table["events"] = table["prompt_id"].map(numbers)
    scores = [store.read(score).to_pylist() for shards in arms.values() for _, refs in shards for score in refs]
    record |= {
        "evaluation": compare(table, resamples=200),
        "agreement": agreement(table, resamples=50),
        "coverage": [vars(judge) for judge in count_coverage(scores)],
        "state": "completed",
    }
    store.save_run(run_id, record)
    return store


def _prompt(number, kind):
    events = EVENTS[kind]
    return {
        "prompt_id": f"test-{number}",
        "text": f"text {number}: someone " + " and ".join(event.phrase or event.action for event in events),
        "task": infer_task(events),
        "split": "test",
        "events": [event.to_dict() for event in events],
        "source": "captions",
        "seed": 0,
        "rejected": None,
        "answer": None,
    }


def _motion(number, arm):
    joints = make_motion((Event("jump_up", 1 if arm == "base" else 2),), np.random.default_rng(number)).joints
    return {
        "motion_id": f"{arm}-{number}",
        "prompt_id": f"test-{number}",
        "sample": 0,
        "seed": 1,
        "tokens": [1] * 20,
        "frames": len(joints),
        "joints": joints.ravel(),
        "stop_reason": "end",
    }


def _score(motion, prompt, kind, arm):
    """The base does the first event only and something unasked; the tuned model does all but the last."""
    events = EVENTS[kind]
    done = events[:1] if arm == "base" else events[: max(len(events) - 1, 1)]
    seen = [DetectedEvent(event.action, event.count or 3, 4 * n, 4 * n + 9) for n, event in enumerate(done)]
    seen += [DetectedEvent("scratch the back of own head", 1, 20, 26)] * (arm == "base")
    row = score_row_without_motion(motion, prompt, "auto") | {"model": "some-model" if kind else None}
    if kind == 2 and arm == "tuned":
        return row | {"score": None, "exact": None, "error": "no answer: the service is gone", "rationale": ""}
    return row | judgement_columns(judge_events(seen, events, prompt["task"]))
