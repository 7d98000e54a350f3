"""One adapter a task: `tuning.tasks` keeps the pairs of these tasks alone, and keys of runs without it stay."""

import json
from unittest.mock import Mock

import pytest
from small_run import small_run

from atom.config import load_config
from atom.errors import AtomError
from flows.stages import adapter as adapter_stage
from flows.stages import on_policy as on_policy_stage
from flows.stages.adapter import make_adapter
from flows.stages.on_policy import make_on_policy_adapter
from flows.stages.tables import read_rows
from storage import PREFERENCES, PROMPTS, Recipe, Store

QUICK = ["tuning.r=2", "tuning.lora_alpha=4", "tuning.target_modules=q,v", "tuning.batch_size=2"]


@pytest.fixture
def tuned(tmp_path, monkeypatch):
    """Tunes on two pairs that ask how often and one that asks in which order: `tuned("tuning.tasks=[temporal]")` gives
    the manifest's recipe and what the adapter says of its origin."""
    for stage in (adapter_stage, on_policy_stage):
        monkeypatch.setattr(stage, "Progress", Mock())  # which would need a server
    store = small_run(tmp_path)
    (made,) = [stage for stage in store.run("latest")["stages"] if stage["name"] == "preferences"]
    rows = read_rows(store, store.find("preferences", made["keys"][0]))
    rows[2]["task"] = "temporal"
    with store.write(Recipe("preferences", 1, PREFERENCES, config="two tasks")) as writer:
        writer.rows(rows)

    def tune(*overrides):
        ref = make_adapter(str(tmp_path), load_config(overrides=[*QUICK, *overrides]), writer.ref).artifact
        with store.folder(ref) as folder:
            origin = json.loads((folder / "atom.json").read_text())
        return store.manifest("adapter", ref.key).recipe, origin

    return tune


def test_only_the_pairs_of_the_named_tasks_are_tuned_on(tuned):
    recipe, origin = tuned()
    assert origin["pairs"] == 3 and "tasks" not in recipe["config"]
    frequency, origin = tuned("tuning.tasks=[frequency]")
    assert origin["pairs"] == 2 and frequency["config"] == recipe["config"] | {"tasks": ["frequency"]}
    both, origin = tuned("tuning.tasks=[temporal,frequency]")
    assert origin["pairs"] == 3 and both == tuned("tuning.tasks=[frequency,temporal]")[0]


def test_the_judge_in_the_loop_is_asked_about_prompts_of_these_tasks_alone(tuned, tmp_path, monkeypatch):
    tuned()
    store = Store(str(tmp_path))
    ((adapter, _),) = store.manifests("adapter").items()
    (made,) = store.manifests("prompts")
    rows = read_rows(store, store.find("prompts", made))
    assert [row["prompt_id"] for row in rows if row["split"] == "train"] == ["t0", "t1"]
    rows[-1]["task"] = "temporal"
    with store.write(Recipe("prompts", 1, PROMPTS, config="two tasks")) as writer:
        writer.rows(rows)
    asked = Mock(side_effect=AtomError("enough"))
    monkeypatch.setattr(on_policy_stage, "tune_on_policy", asked)
    for overrides, texts in (([], 2), (["tuning.tasks=[temporal]"], 1)):
        config = load_config(overrides=[*QUICK, *overrides])
        with pytest.raises(AtomError, match="enough"):
            make_on_policy_adapter(str(tmp_path), config, writer.ref, store.find("adapter", adapter))
        assert len(asked.call_args.args[1]) == texts


def test_tasks_without_pairs_are_refused(tuned):
    with pytest.raises(AtomError, match=r"no pair belongs to tuning\.tasks \(integrity\)"):
        tuned("tuning.tasks=[integrity]")


@pytest.mark.parametrize("overrides", [[], ["external.preferences=pairs.jsonl", "rounds=1"]])
def test_tasks_that_no_prompt_has_are_refused_before_anything_is_made(overrides):
    tasks = ["prompts.tasks=[integrity,temporal]", "tuning.tasks=[frequency]"]
    with pytest.raises(AtomError, match=r"names frequency, but prompts\.tasks has only integrity, temporal"):
        load_config(overrides=[*tasks, *overrides])


def test_imported_pairs_alone_may_be_of_any_task():
    imported = ["external.preferences=pairs.jsonl", "rounds=1", "on_policy.steps=0"]
    config = load_config(overrides=["prompts.tasks=[integrity]", "tuning.tasks=[frequency]", *imported])
    assert config.tuning.tasks == ("frequency",)
