"""How a run tunes: rounds that end, several processes, logs for TensorBoard."""

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from atom.config import load_config
from atom.errors import AtomError
from flows import tensorboard
from flows.stages.tables import read_rows
from storage import Store

LEAN = ["evaluation.metrics=null", "evaluation.judges=[kinematic]"]


def adapters(record):
    return [stage["name"] for stage in record["stages"] if stage["name"].startswith("adapter")]


@pytest.mark.slow
def test_rounds_end_with_the_one_that_gains_too_little(tmp_path, run):
    settings = ["rounds=3", "round_prompts=all", "validation.prompts_per_task=2"]
    record = run(
        tmp_path, *LEAN, *settings, "min_round_gain=4"
    )  # as much as there is between the worst and the best score
    assert adapters(record) == ["adapter"]
    again = run(tmp_path, *LEAN, *settings, "min_round_gain=-4")
    assert adapters(again) == ["adapter", "adapter round 2", "adapter round 3"]
    motions = {stage["name"]: stage["rows"] for stage in again["stages"] if stage["name"].startswith("motions")}
    assert motions == dict.fromkeys(["motions", "motions round 2", "motions round 3"], 3 * 4 * 3)
    first = next(stage for stage in again["stages"] if stage["name"] == "motions")
    assert first["reused"] == first["shards"]
    with pytest.raises(AtomError, match=r"min_round_gain is measured in validation"):
        load_config(None, ["min_round_gain=0.1", "validation.prompts_per_task=0"])


@pytest.mark.slow
def test_two_processes_tune_in_a_run_and_tensorboard_can_read_their_curve(tmp_path, run):
    logs = tmp_path / "logs"
    record = run(tmp_path / "store", *LEAN, "resources.processes=2", f"resources.tensorboard={logs}")
    store = Store(str(tmp_path / "store"))
    (stage,) = [stage for stage in record["stages"] if stage["name"] == "adapter"]
    rows = read_rows(store, store.find("adapter", stage["keys"][0]))
    (folder,) = logs.iterdir()
    told = EventAccumulator(str(folder)).Reload()
    assert [event.step for event in told.Scalars("loss")] == [row["step"] for row in rows] == [1, 2]
    assert [event.value for event in told.Scalars("loss")] == pytest.approx([row["loss"] for row in rows])
    assert "validation" in told.Tags()["scalars"] and "kept" not in told.Tags()["scalars"]
    alone = run(tmp_path / "store", *LEAN)
    assert next(stage for stage in alone["stages"] if stage["name"] == "adapter")["reused"] == 1


def test_logs_without_tensorboard_are_refused_before_work_starts(tmp_path, run, monkeypatch):
    monkeypatch.setattr(tensorboard, "find_spec", lambda name: None)
    with pytest.raises(AtomError, match=r"pip install 'atom-motion\[tensorboard\]'"):
        run(tmp_path, "resources.tensorboard=logs")
