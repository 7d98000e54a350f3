"""What the training stages hand to the trainers, and the files that they commit; the trainers are replaced."""

from contextlib import nullcontext
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from test_stage_rows import prompt

from atom.config import load_config
from atom.errors import AtomError
from flows import pipeline
from flows.stages import adapter, on_policy, reward_model
from flows.stages.preferences import load_training_pairs
from storage import CURVES, PREFERENCES, PROMPTS, Recipe, Store

PAIR = {
    "prompt": "a person bows",
    "chosen_tokens": [1, 2],
    "rejected_tokens": [3],
    "chosen_score": 4.0,
    "rejected_score": 1.5,
    "degree": "Better",
}


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path))


@pytest.fixture
def save(store):
    """`save(PROMPTS, rows)` gives a reference to an artifact with these rows."""
    number = iter(range(100))

    def write(table, rows):
        with store.write(Recipe(f"given-{table.name}", 1, table, config=next(number))) as writer:
            writer.rows(rows)
        return writer.ref

    return write


@pytest.fixture
def trainer(monkeypatch):
    """`trainer(stage, "train", files)` replaces the trainer of a stage and gives the mock that keeps its call."""

    def replace(stage, name, files):
        def write(*arguments, **options):
            folder = next(a for a in arguments if hasattr(a, "mkdir"))  # the folder of the artifact comes first
            folder.mkdir(parents=True, exist_ok=True)
            for file in files:
                (folder / file).write_text(file)
            return []

        called = Mock(side_effect=write)
        monkeypatch.setattr(stage, name, called)
        monkeypatch.setattr(stage, "load_generator_to_tune", lambda config: "generator")
        monkeypatch.setattr(stage, "generator_key_fields", lambda config: {})
        if hasattr(stage, "load_training_pairs"):
            pairs = lambda store, ref, config: [[PAIR | {"prompt": f"{PAIR['prompt']} {ref.key[0]}"}]]  # noqa: E731
            monkeypatch.setattr(stage, "load_training_pairs", pairs)
        monkeypatch.setattr(stage, "Progress", Mock())
        for tracked in ("log_live", "read_saved_curve"):
            monkeypatch.setattr(stage, tracked, Mock(return_value=[]), raising=False)
        return called

    return replace


def given(letter):
    """Stands for a reference to pairs, of which a stage reads the key alone."""
    return SimpleNamespace(key=letter * 64)


def test_the_reward_model_learns_from_the_pairs_of_all_rounds_with_their_scores(store, tmp_path, trainer):
    called = trainer(reward_model, "train_reward_model", reward_model.REWARD_MODEL_FILES)
    config = load_config(overrides=["training_seed=5", "reward_model.num_train_epochs=4"])
    made = reward_model.make_reward_model(str(tmp_path), config, [given("a"), given("b")])
    generator, pairs, settings, seed = called.call_args.args[:4]
    assert (generator, settings, seed) == ("generator", config.reward_model, 5)
    assert [pair.text for pair in pairs] == ["a person bows a", "a person bows b"]
    assert (pairs[0].chosen, pairs[0].rejected) == ((1, 2), (3,))
    assert (pairs[0].chosen_score, pairs[0].rejected_score, pairs[0].degree) == (4.0, 1.5, "Better")
    manifest = store.manifest(made.artifact.stage, made.artifact.key)
    assert manifest.recipe["inputs"] == ["a" * 64, "b" * 64] and manifest.recipe["seed"] == 5
    assert {*reward_model.REWARD_MODEL_FILES} <= {file.path for file in manifest.files}


@pytest.mark.parametrize("before", [False, True])
def test_an_adapter_is_tuned_on_its_pairs_from_the_adapter_before(store, save, tmp_path, trainer, before):
    called = trainer(adapter, "tune", adapter.ADAPTER_FILES)
    config = load_config(overrides=["training_seed=3", "validation.prompts_per_task=0"])
    initial = save(CURVES, []) if before else None
    made = adapter.make_adapter(str(tmp_path), config, given("c"), initial)
    generator, pairs, settings, seed = called.call_args.args[:4]
    assert (generator, settings, seed) == ("generator", config.tuning, 3)
    (pair,) = pairs
    assert (pair.text, tuple(pair.chosen), tuple(pair.rejected)) == ("a person bows c", (1, 2), (3,))
    assert (called.call_args.kwargs["init_adapter"] is not None) == before
    recipe = store.manifest(made.artifact.stage, made.artifact.key).recipe
    assert recipe["inputs"] == ["c" * 64, *([initial.key] if before else [])]
    assert not {"micro_batch_size", "gradient_checkpointing", "tasks"} & set(recipe["config"])


def test_a_file_that_the_tuning_did_not_write_stops_the_stage(store, tmp_path, trainer):
    trainer(adapter, "tune", adapter.ADAPTER_FILES[:1])
    with pytest.raises(Exception, match=adapter.ADAPTER_FILES[1]):
        adapter.make_adapter(str(tmp_path), load_config(), given("c"), None)


def test_on_policy_tuning_takes_the_training_prompts_of_the_tuned_tasks_that_the_judge_can_judge(
    store,
    save,
    tmp_path,
    trainer,
    monkeypatch,
):
    called = trainer(on_policy, "tune_on_policy", adapter.ADAPTER_FILES)
    judge = SimpleNamespace(find_obstacle=lambda prompt: "unknown" if "p1" in prompt.text else None)
    monkeypatch.setattr(on_policy, "make_judge", lambda name, config: judge)
    rows = [prompt("p0"), prompt("p1"), prompt("p2", split="test"), prompt("p3", task="temporal")]
    generator = SimpleNamespace(decode=None)
    monkeypatch.setattr(on_policy, "load_generator_to_tune", lambda config: generator)
    config = load_config(overrides=["tuning.tasks=[integrity]", "training_seed=4", "on_policy.exact_weight=0.25"])
    prompts, initial = save(PROMPTS, rows), save(CURVES, [])
    made = on_policy.make_on_policy_adapter(str(tmp_path), config, prompts, initial)
    base, rollouts, reward, settings, tuning, generation, seed = called.call_args.args[:7]
    assert [(each.text, each.task) for each in rollouts] == [("text p0", "integrity")]
    assert (base, settings, tuning, generation, seed) == (
        generator, config.on_policy, config.tuning, config.generation, 4,
    )  # fmt: skip
    assert called.call_args.kwargs["init_adapter"] is not None and called.call_args.kwargs["validation"] is not None
    assert reward.exact_weight == 0.25
    recipe = store.manifest(made.artifact.stage, made.artifact.key).recipe
    assert recipe["inputs"] == [prompts.key, initial.key]
    assert "reward" not in recipe["config"]["on_policy"] and "judging" in recipe["config"]
    with pytest.raises(AtomError, match="can reward none of the 1 training prompts"):
        on_policy.make_on_policy_adapter(str(tmp_path), config, save(PROMPTS, [prompt("p1")]), initial)


def test_a_reward_model_takes_the_place_of_the_judge(store, save, tmp_path, trainer, monkeypatch):
    called = trainer(on_policy, "tune_on_policy", adapter.ADAPTER_FILES)
    monkeypatch.setattr(on_policy, "RewardModel", SimpleNamespace(load=lambda folder, generator: "learned"))
    prompts, initial, model = save(PROMPTS, [prompt("p0")]), save(CURVES, []), save(CURVES, [])
    made = on_policy.make_on_policy_adapter(str(tmp_path), load_config(), prompts, initial, model)
    assert called.call_args.args[2] == "learned"
    recipe = store.manifest(made.artifact.stage, made.artifact.key).recipe
    assert recipe["inputs"] == [prompts.key, initial.key, model.key]
    assert "exact_weight" not in recipe["config"]["on_policy"] and "judging" not in recipe["config"]


@pytest.mark.parametrize(
    ("overrides", "tunes"), [([], True), (["external.base=a.parquet", "external.tuned=b.parquet"], False)]
)
def test_prompts_of_the_validation_that_can_not_be_written_stop_a_run_that_tunes(
    tmp_path, monkeypatch, overrides, tunes
):
    for module in ("external", "metrics", "trackers"):
        monkeypatch.setattr(getattr(pipeline, module), "check_config", Mock(return_value=[]))
    monkeypatch.setattr(pipeline.scores, "check_config", Mock(return_value=["a remark"]))
    monkeypatch.setattr(pipeline, "check_services", Mock(return_value=["another"]))
    monkeypatch.setattr(pipeline, "get_run_logger", logger := Mock())
    monkeypatch.setattr(pipeline, "build_validation", Mock(side_effect=AtomError("no prompts")))
    monkeypatch.setattr(pipeline, "total_spent", Mock(return_value={}))
    started = Mock(record={})
    monkeypatch.setattr(pipeline, "PipelineRun", Mock(return_value=started))
    config = load_config(overrides=overrides)
    assert config.tunes == tunes
    with pytest.raises(AtomError, match="no prompts") if tunes else nullcontext():
        pipeline.align.fn(config, str(tmp_path))
    assert started.run_stages.called != tunes
    remarks = [call.args[0] for call in logger.return_value.warning.call_args_list]
    assert remarks == ([] if tunes else ["a remark", "another"])


def test_pairs_are_read_with_what_a_training_needs_and_of_the_training_split_alone(store, save):
    row = {
        "prompt_id": "p0", "prompt": "he bows", "task": "integrity", "split": "train", "events": [],
        "chosen_motion_id": "a", "rejected_motion_id": "b", "chosen_tokens": [1], "rejected_tokens": [2],
        "chosen_score": 4.0, "rejected_score": 1.5, "margin": 2.5, "degree": "Better", "decided_by": "score",
    }  # fmt: skip
    pairs = save(PREFERENCES, [row, row | {"split": "val"}, row | {"task": "temporal"}])
    ((found,),) = load_training_pairs(store, pairs, load_config(overrides=["tuning.tasks=[integrity]"]))
    assert found == {
        "prompt": "he bows", "chosen_tokens": [1], "rejected_tokens": [2], "degree": "Better", "split": "train",
        "task": "integrity", "chosen_score": 4.0, "rejected_score": 1.5,
    }  # fmt: skip
