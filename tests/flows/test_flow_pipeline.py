"""The whole loop on a few prompts, under a real Prefect server: it ends with a report, and reuses what is there."""

import json

import numpy as np
import pytest
from flow_runs import computed, drawn_plots
from PIL import Image

from atom.evaluation.comparison import EVENT_GROUPS
from storage import Store


@pytest.mark.slow
def test_a_run_ends_with_a_report_and_only_what_is_missing_is_computed_again(tmp_path, run):
    root = tmp_path / "store"
    with drawn_plots():
        first = run(root)
    assert first["state"] == "completed"
    folder = root / "runs" / first["run_id"]
    page = (folder / "report.html").read_text()
    assert "<html" in page and page.count("<svg") > 4 and "currentColor" in page
    assert np.asarray(Image.open(folder / "gains.png").convert("L")).std() > 10
    assert np.asarray(Image.open(folder / "tuning.png").convert("L")).std() > 10
    figures = first["evaluation"]["kinematic"]
    assert sum(figures[name]["n"] for name in EVENT_GROUPS if name in figures) == figures["overall"]["n"]
    assert [(row["judge"], row["not_judged"]) for row in first["coverage"]] == [("kinematic", 0), ("learned", 0)]
    for name in ("overall", "integrity", "temporal", "frequency", "exact_match", "length_ratio", "diversity"):
        assert {"base", "tuned", "gain", "gain_low", "gain_high", "n"} <= figures[name].keys()
    assert json.loads(json.dumps(Store(str(root)).run("latest")))["run_id"] == first["run_id"]

    assert computed(run(root)) == {}

    lost = next(stage for stage in first["stages"] if stage["name"] == "scores")["keys"][1]
    next((root / "scores" / lost).glob("*.parquet")).unlink()
    assert computed(run(root)) == {"scores": 1}

    cut = next(stage for stage in first["stages"] if stage["name"] == "motions")["keys"][0]
    part = next((root / "motions" / cut).glob("*.parquet"))
    part.write_bytes(part.read_bytes()[:-100])
    assert computed(run(root)) == {"motions": 1}

    again = computed(run(root, "judging.sensitivity=0.8"))
    assert again["scores"] == 2
    assert not {"prompts", "motions", "clips"} & again.keys()


@pytest.mark.slow
def test_each_round_goes_on_from_the_adapter_of_the_one_before(tmp_path, run):
    record = run(tmp_path, "rounds=2", "prompts.train_per_task=6", "prompts_per_shard=4")
    stages = {stage["name"]: stage for stage in record["stages"]}
    store = Store(str(tmp_path))
    first, second = stages["adapter"]["key"], stages["adapter round 2"]["key"]
    assert first in store.manifest("adapter", second).inputs
    assert first in json.dumps(store.manifest("motions", stages["motions round 2"]["key"]).recipe)
    assert second in json.dumps(store.manifest("motions", stages["test motions tuned"]["key"]).recipe)
    asked = [
        {row["prompt_id"] for key in stages[name]["keys"] for row in _rows(store, "motions", key)}
        for name in ("motions", "motions round 2")
    ]
    assert len(asked[0]) == len(asked[1]) == 9 and not asked[0] & asked[1]


@pytest.mark.slow
def test_a_reward_model_of_all_rounds_takes_the_judges_place_and_changes_no_other_key(tmp_path, run):
    settings = [
        "rounds=2",
        "prompts.train_per_task=6",
        "on_policy.steps=2",
        "on_policy.prompts=4",
        "on_policy.num_generations=2",
        "reward_model.num_train_epochs=2",
        "evaluation.metrics=null",
    ]
    by_model = run(tmp_path, *settings, "on_policy.reward=model")
    stages = {stage["name"]: stage for stage in by_model["stages"]}
    store = Store(str(tmp_path))
    model = stages["reward model"]["key"]
    pairs = [stages[name]["key"] for name in ("preferences", "preferences round 2")]
    assert list(store.manifest("reward-model", model).inputs) == pairs
    assert model in store.manifest("on-policy", stages["on-policy adapter"]["key"]).inputs
    curve = _rows(store, "reward-model", model)
    assert [row["epoch"] for row in curve] == [1, 2] and all(0 <= row["accuracy"] <= 1 for row in curve)
    assert all(0 < row["reward"] < 1 for row in _rows(store, "on-policy", stages["on-policy adapter"]["key"]))
    assert "steps with a reward model in the loop" in (tmp_path / by_model["report"]).read_text()
    assert computed(run(tmp_path, *settings, "on_policy.reward=model")) == {}

    by_judge = computed(run(tmp_path, *settings, until="tuning"))
    assert "reward model" not in by_judge and "on-policy adapter" in by_judge
    assert not {"prompts", "motions", "preferences", "adapter", "adapter round 2"} & by_judge.keys()


def _rows(store, stage, key):
    return store.read(store.find(stage, key)).to_pylist()
