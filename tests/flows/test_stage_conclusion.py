"""What a run adds to its record at its end, from the tables that it has."""

import time
from dataclasses import dataclass
from types import SimpleNamespace
from unittest.mock import Mock

import pandas as pd
import pytest

from atom.config import load_config
from flows import pipeline_run
from flows.pipeline_run import PipelineRun


@dataclass
class Coverage:
    judge: str = "kinematic"


@pytest.fixture
def conclude(monkeypatch):
    """`conclude(overrides, preferences=[...])` gives the record of a run that has these tables."""

    def run(overrides=(), **given):
        tables = {
            "preferences": [],
            "training_prompts": {},
            "evaluation": pd.DataFrame(),
            "coverage": [],
            "metrics": [],
        }
        tables = SimpleNamespace(**tables | given, refs=lambda stage: [f"{stage} 0"])
        monkeypatch.setattr(pipeline_run, "RunTables", lambda store, record: tables)
        monkeypatch.setattr(pipeline_run, "summarise_pairs", lambda pairs: {"pairs": len(pairs)})
        monkeypatch.setattr(pipeline_run, "compare", lambda rows, resamples, seed: {"compared": (resamples, seed)})
        monkeypatch.setattr(pipeline_run, "agreement", lambda rows, seed: {"agreed": seed})
        monkeypatch.setattr(pipeline_run, "write_report", lambda tables: {pipeline_run.PAGE: "page"})
        monkeypatch.setattr(pipeline_run, "publish_report", published := Mock())
        run = SimpleNamespace(
            config=load_config(overrides=overrides), store="store", run_id="run", record={}, trackers=Mock(),
            began=time.monotonic() - 2,
        )  # fmt: skip
        PipelineRun.conclude(run)
        assert run.record.pop("state") == "completed" and run.record.pop("seconds") == pytest.approx(2, abs=1)
        assert published.called == ("report" in run.record)
        return run.record

    return run


def test_a_run_without_results_has_no_report(conclude):
    assert conclude(coverage=[Coverage()], metrics=[{"fid": 1}]) == {
        "coverage": [{"judge": "kinematic"}], "metrics": [{"fid": 1}],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("overrides", "share"),
    [
        ([], True),
        (["external.preferences=pairs.jsonl", "rounds=1"], False),
        (["external.runs=[earlier]", "rounds=1"], False),
    ],
)
def test_pairs_are_a_share_of_the_prompts_where_the_run_made_them_itself(conclude, overrides, share):
    record = conclude(overrides, preferences=[{}, {}], training_prompts={"a": {}, "b": {}, "c": {}})
    assert record == {"preferences": {"pairs": 2} | ({"of_prompts": 3} if share else {}), "report": "page"}


def test_an_evaluation_is_compared_with_the_resamples_and_the_seed_of_the_run(conclude):
    record = conclude(["evaluation.bootstrap=300", "seed=4"], evaluation=pd.DataFrame([{"score": 1.0}]))
    assert record == {"evaluation": {"compared": (300, 4)}, "agreement": {"agreed": 4}, "report": "page"}
