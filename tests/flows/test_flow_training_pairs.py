"""Which pairs of the store are tuned on: those of training prompts, of the tasks that the config names."""

import pytest

from atom.config import RunConfig
from atom.errors import AtomError
from flows.stages.preferences import load_training_pairs
from storage import PREFERENCES, Recipe, Store


def row(number, split="train", task="temporal", **change):
    return {
        "prompt_id": f"p{number}",
        "prompt": f"text {number}",
        "task": task,
        "split": split,
        "events": [],
        "chosen_tokens": [1],
        "rejected_tokens": [2],
        "chosen_score": 5.0,
        "rejected_score": 1.0,
        "margin": 4.0,
        "degree": "Much better",
        "decided_by": "score",
        "chosen_motion_id": f"{number}-a",
        "rejected_motion_id": f"{number}-b",
    } | change


def load(tmp_path, rows, tasks=None):
    store = Store(str(tmp_path))
    with store.write(Recipe("preferences", 1, PREFERENCES, config=str(rows))) as writer:
        writer.rows(rows)
    config = RunConfig.model_validate({"name": "run", "tuning": {"tasks": tasks}})
    return [row["prompt"] for batch in load_training_pairs(store, writer.ref, config) for row in batch]


ROWS = [row(0, "test"), row(1), row(2, "val"), row(3, task="integrity"), row(4, "test", "integrity")]


def test_only_pairs_of_training_prompts_are_tuned_on(tmp_path):
    assert load(tmp_path, ROWS) == ["text 1", "text 3"]
    assert load(tmp_path, ROWS, ["integrity"]) == ["text 3"]


def test_a_task_that_only_prompts_of_other_splits_have_is_refused(tmp_path):
    with pytest.raises(AtomError, match=r"no pair belongs to tuning\.tasks \(integrity\)"):
        load(tmp_path, [row(0), row(1, "test", "integrity")], ["integrity"])


def test_only_pairs_that_are_tuned_on_need_tokens(tmp_path):
    assert load(tmp_path, [row(0), row(1, "test", rejected_tokens=[])]) == ["text 0"]
    for side in ("chosen", "rejected"):
        with pytest.raises(AtomError, match="no codebook tokens"):
            load(tmp_path, [row(0), row(1, **{f"{side}_tokens": []})])
