"""The tables of a run are found through its record alone."""

from types import SimpleNamespace

import numpy as np
import pytest

from atom.errors import AtomError
from atom.report.run_tables import RunTables
from storage import MOTIONS, PROMPTS, SCORES, Recipe, Store

JOINTS = np.arange(2 * 66, dtype=np.float32) / 64


def saved(store, table, rows, number=0):
    with store.write(Recipe(table.name, 1, table, config={"number": number})) as writer:
        writer.rows(rows)
    return {"stored": table.name, "keys": [writer.ref.key]}


def motion(motion_id):
    return {
        "motion_id": motion_id,
        "prompt_id": "p",
        "sample": 0,
        "seed": 1,
        "tokens": [1],
        "frames": 2,
        "joints": JOINTS + ord(motion_id),
        "stop_reason": "end",
    }


def score(motion_id, value, vote=0):
    return {
        "motion_id": motion_id,
        "prompt_id": "p",
        "task": "temporal",
        "judge": "kinematic",
        "vote": vote,
        "score": value,
        "exact": True,
        "events": [],
        "verdicts": [],
        "rationale": "",
        "model": None,
        "answers": [],
        "tokens": 0,
        "cost": 0.0,
        "latency": 0.0,
        "error": None,
    }


def prompt(prompt_id, rejected=None):
    return {
        "prompt_id": prompt_id,
        "text": "a person jumps",
        "task": "temporal",
        "events": [],
        "split": "test",
        "source": "grammar",
        "seed": 0,
        "rejected": rejected,
        "answer": None,
    }


@pytest.fixture
def tables(tmp_path):
    store = Store(str(tmp_path))
    stages = [
        {"name": "prompts"} | saved(store, PROMPTS, [prompt("p"), prompt("q", "too long")]),
        {"name": "motions"} | saved(store, MOTIONS, [motion("a")]),
        {"name": "motions round 2"} | saved(store, MOTIONS, [motion("b")], 1),
        {"name": "motions sft"} | saved(store, MOTIONS, [motion("c")], 2),
        {"name": "scores"} | saved(store, SCORES, [score("a", 2.0), score("a", 4.0, 1)]),
        {"name": "clips", "stored": None, "keys": []},
        {"name": "test motions base"} | saved(store, MOTIONS, [motion("d")], 3),
        {"name": "test scores base kinematic"} | saved(store, SCORES, [score("d", 5.0)], 1),
    ]
    return RunTables(store, {"run_id": "r", "stages": stages, "config": {}})


def test_motions_scores_and_prompts_are_those_of_the_run_without_the_baselines_of_tuning(tables):
    assert list(tables.prompts) == ["p"]
    assert list(tables.motions.index) == ["a", "b", "d"]
    assert tables.motions.loc["b", "stage"] == "motions round 2"
    assert {place: row["score"] for place, row in tables.scores.items()} == {
        ("a", "kinematic"): 3.0,
        ("d", "kinematic"): 5.0,
    }


def test_joints_of_a_motion(tables):
    assert np.array_equal(tables.joints("b"), (JOINTS + ord("b")).reshape(2, 22, 3))
    with pytest.raises(AtomError, match="run r has no motion 'z'"):
        tables.joints("z")


def test_tables_that_the_run_did_not_compute_are_empty(tables):
    assert (
        tables.preferences
        == tables.tuning_curve()
        == tables.on_policy_curve()
        == tables.metrics
        == tables.training_prompts
        == []
    )
    assert tables.adapter is None
    assert tables.evaluation.empty


def test_a_missing_artifact_is_named_with_a_command(tables):
    tables.record["stages"].append({"name": "preferences", "stored": "preferences", "keys": ["0" * 64]})
    with pytest.raises(AtomError, match=r"1 artifacts of preferences of run r are missing.*--resume r"):
        _ = tables.preferences
    tables.record["state"] = "completed"
    with pytest.raises(AtomError, match="`atom run` with the same config computes them again"):
        tables.refs("preferences")
    del tables.record["stages"][0]["stored"]
    with pytest.raises(AtomError, match="an older version wrote it"):
        _ = tables.prompts


def stages_of(rows):
    """Stands for tables whose stages have these rows, or references to artifacts."""
    return SimpleNamespace(
        round_names=lambda name: [stage for stage in rows if stage.split(" round ")[0] == name],
        stage_names=lambda prefix: [stage for stage in rows if stage.startswith(prefix)],
        refs=rows.__getitem__,
        _rows=rows.__getitem__,
    )


def test_the_steps_of_all_rounds_are_counted_through():
    """The last step of a round counts, not the number of its rows."""
    curves = {
        "adapter": [{"step": 5, "loss": 3.0}, {"step": 10, "loss": 2.0}],
        "adapter round 2": [{"step": 5, "loss": 1.0}, {"step": 7, "loss": 0.5}],
        "adapter round 3": [{"step": 1, "loss": 0.1}],
    }
    rows = RunTables.tuning_curve(stages_of(curves))
    assert [(row["step"], row["loss"]) for row in rows] == [(5, 3.0), (10, 2.0), (15, 1.0), (17, 0.5), (18, 0.1)]


@pytest.mark.parametrize(
    ("refs", "last"),
    [
        ({"adapter": ["a"], "adapter round 2": ["b"], "on-policy adapter": ["c"], "adapter sft": ["d"]}, "c"),
        ({"adapter": ["a"], "adapter round 2": ["b"], "adapter sft": ["d"]}, "b"),
        ({"adapter sft": ["d"]}, None),
    ],
)
def test_the_adapter_of_a_run_is_the_last_of_its_tuning(refs, last):
    assert RunTables.adapter.fget(stages_of(refs)) == last
