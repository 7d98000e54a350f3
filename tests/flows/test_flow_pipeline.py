"""The whole loop on a few prompts, under a real Prefect server: it ends with a report, and reuses what is there."""

import json

import pytest
from prefect.testing.utilities import prefect_test_harness

from atom.config import load_config
from flows.pipeline import align
from storage import Store

SMALL = [
    "prompts.train_per_task=4", "prompts.test_per_task=3", "generation.candidates=3", "generation.evaluation_samples=1",
    "prompts_per_shard=6", "preferences.min_gap=0.1", "tuning.max_steps=2", "tuning.batch_size=4",
    "rendering.preview_prompts=0", "evaluation.gallery=0", "evaluation.bootstrap=100",
]  # fmt: skip


def _run(root, *overrides):
    config = load_config(overrides=[*SMALL, *overrides])
    return align(config, str(root))


def _computed(record):
    return {stage["name"]: stage["shards"] - stage["reused"] for stage in record["stages"]}


@pytest.mark.slow
def test_a_run_ends_with_a_report_and_only_what_is_missing_is_computed_again(tmp_path):
    root = tmp_path / "store"
    with prefect_test_harness(server_startup_timeout=180):
        first = _run(root)
        assert first["state"] == "completed"
        assert "<html" in (root / "runs" / first["run_id"] / "report.html").read_text()
        figures = first["evaluation"]["kinematic"]
        assert {"base", "tuned", "gain", "gain_low", "gain_high", "n"} <= figures["overall"].keys()
        json.dumps(Store(str(root)).run("latest"))

        again = _run(root)
        assert sum(_computed(again).values()) == 0

        lost = next(stage for stage in first["stages"] if stage["name"] == "scores")["keys"][1]
        next((root / "scores" / lost).glob("*.parquet")).unlink()
        mended = _run(root)
        assert {name: n for name, n in _computed(mended).items() if n} == {"scores": 1}

        stricter = _run(root, "judging.sensitivity=0.8")
        computed = _computed(stricter)
        assert computed["motions"] == computed["clips"] == 0
        assert computed["scores"] == 2
