"""What a run sends to TensorBoard, MLflow and Trackio: once each, in order, and never a reason to fail."""

import importlib
import json
import sqlite3
import threading
from functools import partial

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from atom.config import RunConfig, load_config
from atom.errors import AtomError
from atom.tuning import adapter_trainer
from flows import tracker_threads, trackers
from flows.stages import adapter as adapter_stage
from flows.stages.tables import read_rows
from storage import Store

LEAN = ["evaluation.metrics=null", "evaluation.judges=[kinematic]"]


@pytest.fixture
def logging_dir(tmp_path, monkeypatch):
    """The folder of the trackers' files, without the settings of the user's own environment."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "logs"
    # Trackio reads its folder when it is imported; an earlier test may have imported it.
    monkeypatch.setenv("TRACKIO_DIR", str(folder / "trackio"))
    storage = importlib.import_module("trackio.sqlite_storage")
    for module in (storage, importlib.import_module("trackio.utils"), importlib.import_module("trackio")):
        if hasattr(module, "TRACKIO_DIR"):
            monkeypatch.setattr(module, "TRACKIO_DIR", folder / "trackio")
    return folder


def in_tensorboard(folder, run_id):
    """The points (step, value) of each figure."""
    accumulator = EventAccumulator(str(folder / run_id), size_guidance={"scalars": 0}).Reload()
    scalars = accumulator.Tags()["scalars"]
    return {tag: [(event.step, event.value) for event in accumulator.Scalars(tag)] for tag in scalars}


def in_mlflow(folder, run_id):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    (experiment,) = client.search_experiments(filter_string="name = 'atom'")
    (run,) = client.search_runs([experiment.experiment_id], f"attributes.run_name = '{run_id}'")
    assert run.info.status == "FINISHED"
    history = {key: client.get_metric_history(run.info.run_id, key) for key in run.data.metrics}
    return {key: [(each.step, each.value) for each in points] for key, points in history.items()}, run.data.params


def in_trackio(folder, run_id):
    points = {}
    with sqlite3.connect(folder / "trackio" / "atom.db") as database:
        rows = database.execute("select step, metrics from metrics where run_name = ? order by step", [run_id])
        for step, figures in rows.fetchall():
            for name, value in json.loads(figures).items():
                points.setdefault(name, []).append((step, value))
        ((config,),) = database.execute("select config from configs where run_name = ?", [run_id]).fetchall()
    return points, json.loads(config)


def curve(record, root, stage):
    store = Store(str(root))
    (entry,) = [each for each in record["stages"] if each["name"] == stage]
    return read_rows(store, store.find(entry["stored"], entry["keys"][0]))


def check_points(points, record, root):
    """The curves of an adapter and of the judge in the loop, end to end, and then the gain."""
    pairs, rewards = curve(record, root, "adapter"), curve(record, root, "on-policy adapter")
    assert [row["step"] for row in pairs] == [1, 2] and [row["step"] for row in rewards] == [1, 2]
    expected = {
        "adapter/loss": [(row["step"], row["loss"]) for row in pairs],
        "adapter/validation": [(row["step"], row["validation"]) for row in pairs if row["validation"] is not None],
        "on-policy_adapter/reward": [(2 + row["step"], row["reward"]) for row in rewards],
        "evaluation/kinematic/overall/gain": [(5, record["evaluation"]["kinematic"]["overall"]["gain"])],
    }
    for name, wanted in expected.items():
        assert [step for step, _ in points[name]] == [step for step, _ in wanted] != [], name
        assert [value for _, value in points[name]] == pytest.approx([value for _, value in wanted], rel=1e-5), name
    assert not any(name.endswith(("/step", "/kept")) for name in points)


@pytest.mark.slow
def test_three_trackers_hold_the_whole_run_by_two_processes_and_one_that_computed_nothing(tmp_path, run, logging_dir):
    root = tmp_path / "store"
    settings = [*LEAN, "on_policy.steps=2", "on_policy.prompts=2", "on_policy.num_generations=2"]
    settings += ["resources.trackers=[tensorboard,mlflow,trackio]", f"resources.logging_dir={logging_dir}"]
    for record in (run(root, *settings, "resources.processes=2"), run(root, *settings)):
        assert "trackers_failed" not in record
        check_points(in_tensorboard(logging_dir, record["run_id"]), record, root)
        points, hyperparameters = in_mlflow(logging_dir, record["run_id"])
        check_points(points, record, root)
        assert hyperparameters["tuning.max_steps"] == "2" and hyperparameters["evaluation.judges"] == '["kinematic"]'
        points, hyperparameters = in_trackio(logging_dir, record["run_id"])
        check_points(points, record, root)
        assert hyperparameters["tuning.max_steps"] == 2
        assert not any(name.startswith(("service", "resources", "gates")) for name in hyperparameters)
    assert all(stage["reused"] == stage["shards"] for stage in record["stages"])


@pytest.mark.slow
def test_a_tuning_that_fails_and_resumes_in_another_run_logs_every_step_once(tmp_path, run, logging_dir, monkeypatch):
    root, real, steps = tmp_path / "store", adapter_trainer.AdapterTrainer.step, []
    settings = [*LEAN, "resources.trackers=[tensorboard]", f"resources.logging_dir={logging_dir}"]
    settings += ["tuning.num_train_epochs=6", "tuning.max_steps=6", "resources.retries=1"]

    def step(trainer):
        steps.append(len(trainer.rows) + 1)
        if steps[-1] == 5 and steps.count(5) < 3:
            raise OSError("the GPU fell off the bus")
        return real(trainer)

    monkeypatch.setattr(adapter_trainer.AdapterTrainer, "step", step)
    monkeypatch.setattr(adapter_stage, "tune", partial(adapter_stage.tune, save_every=2))
    with pytest.raises(AtomError, match="fell off the bus"):
        run(root, *settings, until="tuning")
    assert steps == [1, 2, 3, 4, 5, 5]
    failed = Store(str(root)).run("latest")
    assert [at for at, _ in in_tensorboard(logging_dir, failed["run_id"])["adapter/loss"]] == [1, 2, 3, 4]
    record = run(root, *settings, until="tuning")
    assert steps[6:] == [5, 6]  # it resumed
    points = in_tensorboard(logging_dir, record["run_id"])["adapter/loss"]
    rows = curve(record, root, "adapter")
    assert [at for at, _ in points] == [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [value for _, value in points] == pytest.approx([row["loss"] for row in rows])


def test_rows_are_logged_live_once_and_in_order():
    sent = []
    curve = trackers.Curve("adapter", 10, lambda figures, step: sent.append((step, figures)))
    rows = [{"step": step, "loss": 1.0 / step, "validation": None, "kept": False} for step in range(1, 5)]
    curve.log(rows[:2])
    curve.log(rows[1:3])  # resumed from step 1
    curve.log(rows)
    assert sent == [(10 + step, {"adapter/loss": 1.0 / step}) for step in range(1, 5)]


class Broken:
    """A tracker that starts, and fails at the second call."""

    def __init__(self):
        self.logged = 0

    def store_init_configuration(self, values):
        pass

    def log(self, values, step):
        self.logged += 1
        if self.logged == 2:
            raise ConnectionError("no route to https://me:hunter2@tracking.example, key 0123456789abcdef")

    def finish(self):
        raise AssertionError("a tracker that failed gets no further calls")


def test_a_tracker_that_fails_is_named_once_without_its_secrets(tmp_path, monkeypatch):
    broken, errors = Broken(), []
    monkeypatch.setenv("WANDB_API_KEY", "0123456789abcdef")
    monkeypatch.setattr(tracker_threads, "open_tracker", lambda *arguments: broken)
    config = load_config(overrides=["resources.trackers=[mlflow]", f"resources.logging_dir={tmp_path}"])
    followed = trackers.RunTrackers(config, "run", errors.append)
    with followed.curve("adapter") as curve:
        curve.log({"step": step, "loss": 1.0} for step in range(1, 6))
    followed.close()
    (line,) = errors
    assert line.startswith("mlflow: ConnectionError: no route to https://***@tracking.example")
    assert "hunter2" not in line and "0123456789abcdef" not in line and broken.logged == 2


def test_a_run_goes_on_without_a_tracker_that_can_not_start(tmp_path, run):
    (tmp_path / "logs").write_text("a file where a folder should be")
    settings = ["resources.trackers=[tensorboard]", f"resources.logging_dir={tmp_path / 'logs'}"]
    record = run(tmp_path / "store", *settings, until="prompts")
    (line,) = record["trackers_failed"]
    assert record["state"] == "completed" and line.startswith("tensorboard: FileExistsError")


def test_a_tracker_that_hangs_does_not_hold_a_run_up(tmp_path, monkeypatch):
    hanging, errors = threading.Event(), []
    monkeypatch.setattr(tracker_threads, "open_tracker", lambda *arguments: hanging.wait())
    thread = tracker_threads.TrackerThread("wandb", "run", str(tmp_path), {}, errors.append)
    thread.close(0.1)
    assert "incomplete" in errors[0]
    hanging.set()


def test_a_tracker_that_is_not_installed_or_unknown_is_refused_before_work_starts(tmp_path, run, monkeypatch):
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    with pytest.raises(AtomError, match=r"swanlab is not installed: pip install 'atom-motion\[swanlab\]'"):
        run(tmp_path, "resources.trackers=[swanlab]")
    assert not (tmp_path / "runs").exists()
    with pytest.raises(AtomError, match="'tensorboard', 'mlflow', 'trackio', 'wandb' or 'swanlab'"):
        load_config(overrides=["resources.trackers=[excel]"])
    with pytest.raises(AtomError, match=r"is now 'resources.trackers=\[tensorboard\]"):
        load_config(overrides=["resources.tensorboard=logs"])


@pytest.mark.parametrize(
    ("environment", "mode"), [({}, "offline"), ({"WANDB_API_KEY": "k"}, None), ({"WANDB_MODE": "online"}, None)]
)
def test_a_hosted_tracker_stays_offline_without_a_key(environment, mode, monkeypatch):
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert tracker_threads._mode("WANDB") == mode


def test_hyperparameters_are_flat_and_simple():
    flat = trackers.flatten(RunConfig().model_dump(mode="json"))
    assert flat["tuning.loss_type"] == "ipo" and flat["min_round_gain"] == "null"
    assert all(isinstance(value, bool | int | float | str) for value in flat.values())
