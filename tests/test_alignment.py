"""`atom.align` and what it gives, on a finished run; tests/test_examples.py runs it."""

import pytest
from small_run import RUN, small_run

import atom
from atom import alignment
from atom.config import RunConfig
from atom.generation.adapter_loading import CONFIG_FILE
from storage import CURVES, Recipe, Store, StoreError


@pytest.fixture
def pipeline(monkeypatch):
    """A pipeline that records how it is called and gives a finished run."""
    calls = []

    def run(config, store, until):
        calls.append((config, store, until))
        return {"run_id": RUN, "stages": [], "report": "report.html"}

    monkeypatch.setattr(alignment, "_load_pipeline", lambda: run)
    return calls


def test_overrides_and_configs_reach_the_pipeline(pipeline, tmp_path):
    atom.align(["rounds=1", "tuning.beta=0.2"], store=tmp_path)
    atom.align(RunConfig(rounds=3), store="s3://bucket/store", until="scores")
    atom.align()
    (first, store, _), (second, *rest), (third, _, until) = pipeline
    assert (first.rounds, first.tuning.beta, store) == (1, 0.2, str(tmp_path))
    assert second.rounds == 3 and rest == ["s3://bucket/store", "scores"]
    assert third == RunConfig() and until is None


def test_wrong_overrides_stop_before_the_pipeline_starts(pipeline):
    with pytest.raises(atom.AtomError, match=r"unknown config key 'tuning\.speed'"):
        atom.align(["tuning.speed=1"])
    with pytest.raises(atom.AtomError, match=r"overrides are a list of texts: write \['rounds=1'\]"):
        atom.align("rounds=1")
    assert pipeline == []


def test_flows_registers_the_pipeline():
    from flows.local_run import align_with_progress

    assert alignment._load_pipeline() is align_with_progress


def test_without_a_pipeline_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(alignment, "_ENTRY_POINTS", "atom.no-such-group")
    with pytest.raises(atom.AtomError, match="no package registers a pipeline"):
        atom.align()


def test_a_run_without_tuning_or_evaluation_has_neither(tmp_path):
    store = small_run(tmp_path / "store")
    run = alignment.Alignment(store.run(RUN), str(tmp_path / "store"))
    assert run.adapter is None and run.report is None
    assert run.gains.empty and "gain" in run.gains.columns


def store_adapter(address):
    store = Store(address)
    with store.write(Recipe("adapter", 1, CURVES, config={})) as writer:
        writer.file(CONFIG_FILE, b"{}")
    stage = {"name": "adapter", "stored": "adapter", "keys": [writer.ref.key]}
    figure = {"base": 4.0, "tuned": 4.5, "gain": 0.5, "gain_low": 0.4, "gain_high": 0.6, "n": 9, "verdict": "better"}
    record = {"run_id": RUN, "stages": [stage], "evaluation": {"kinematic": {"overall": figure, "left_out": {}}}}
    return alignment.Alignment(record, address)


def test_adapter_and_gains_of_a_run(tmp_path):
    run = store_adapter(str(tmp_path / "store"))
    assert (run.adapter / CONFIG_FILE).read_bytes() == b"{}" and run.adapter.is_relative_to(tmp_path)
    (row,) = run.gains.to_dict("records")
    assert (row["judge"], row["figure"], row["gain"], row["verdict"]) == ("kinematic", "overall", 0.5, "better")


def test_the_adapter_of_a_remote_store_is_a_local_copy():
    run = store_adapter("memory://align/store")
    assert (run.adapter / CONFIG_FILE).read_bytes() == b"{}"
    assert run.adapter == run.adapter  # copied once
    with pytest.raises(StoreError):
        Store("memory://align/other").run("latest")
