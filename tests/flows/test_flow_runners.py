"""The same run on threads, on Dask and on Ray: the same bytes, the same words for what failed."""

import importlib.util
import os
import pickle
import threading
from pathlib import Path

import pytest
from flow_runs import SMALL, computed
from prefect import flow, task
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.task_runners import ThreadPoolTaskRunner

from atom.config import ResourceConfig, load_config
from atom.errors import AtomError
from flows import task_runners
from flows.clusters import align_on_dask, align_with_task_runner
from flows.stages import scores as scores_stage
from flows.task_runners import call_in_worker, gpu_tasks, local_runner, make_task_runner, prefect_server
from storage import Store, StoreError

SEVERAL_SHARDS = [*SMALL, "prompts_per_shard=2", "resources.workers=2", "evaluation.metrics=null"]


def needs(runner):
    missing = runner != "threads" and importlib.util.find_spec(f"prefect_{runner}") is None
    return pytest.mark.skipif(missing, reason=f"prefect-{runner} is not installed: pip install 'atom-motion[{runner}]'")


on_clusters = pytest.mark.parametrize("runner", [pytest.param(name, marks=needs(name)) for name in ("dask", "ray")])


@pytest.fixture(scope="session")
def forked_workers(fork_server):
    """Workers of Dask are forked from a process that has imported torch already."""
    if importlib.util.find_spec("dask") is None:
        yield
        return
    import dask

    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        yield


@pytest.fixture
def run_on(server, forked_workers):
    """`run_on("dask", root, "section.field=value", ..., until="scores")` gives the record."""

    def call(runner, root, *overrides, until=None):
        settings = load_config(overrides=[*SEVERAL_SHARDS, f"resources.runner={runner}", *overrides])
        return align_with_task_runner(settings, str(root), until)

    return call


@pytest.fixture(scope="module")
def on_threads(server, tmp_path_factory):
    """The root of a whole run on threads, and its record."""
    root = tmp_path_factory.mktemp("threads")
    return root, align_with_task_runner(load_config(overrides=SEVERAL_SHARDS), str(root))


def found(root, record):
    """What each shard of a run came to: the sha256 of its files."""
    store, made = Store(str(root)), {}
    for stage in record["stages"]:
        for key in stage["keys"]:
            for table in ("prompts", "motions", "scores", "preferences", "evaluation"):
                if key in store.keys(table):
                    made[stage["name"], key] = [part.sha256 for part in store.manifest(table, key).parts]
            if key in store.keys("adapter"):
                files = store.manifest("adapter", key).files
                made[stage["name"], key] = [file.sha256 for file in files if file.path.endswith("safetensors")]
    return made


def test_threads_are_as_many_as_the_config_says():
    runner = make_task_runner(ResourceConfig(workers=3))
    assert isinstance(runner, ThreadPoolTaskRunner)
    assert runner._max_workers == 3


@on_clusters
def test_a_missing_package_is_one_line_that_says_what_to_install(runner, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, f"prefect_{runner}", None)
    with pytest.raises(AtomError, match=rf"prefect_{runner}.*pip install 'atom-motion\[{runner}\]'") as caught:
        make_task_runner(ResourceConfig(runner=runner))
    assert "\n" not in str(caught.value)


@on_clusters
def test_a_cluster_gives_gpus_out_itself(runner):
    with pytest.raises(AtomError, match=r"resources.device=cuda:1 names one GPU.*set resources.device=cuda$"):
        make_task_runner(ResourceConfig(runner=runner, device="cuda:1"))


@on_clusters
def test_a_cluster_that_does_not_answer_is_one_line(runner, monkeypatch):
    monkeypatch.setattr(task_runners, "_CONNECT_TIMEOUT", 1)
    with pytest.raises(
        AtomError, match=r"can't use the .* cluster at 127.0.0.1:1: .*check resources.address"
    ) as caught:
        make_task_runner(ResourceConfig(runner=runner, address="127.0.0.1:1"))
    assert "\n" not in str(caught.value)


def test_workers_elsewhere_need_a_server_that_they_reach():
    elsewhere = ResourceConfig(runner="dask", address="10.0.0.1:8786")
    alone = temporary_settings(restore_defaults={PREFECT_API_URL})
    with alone, pytest.raises(AtomError, match=r"need a Prefect server.*PREFECT_API_URL"), prefect_server(elsewhere):
        pass


def test_errors_are_told_the_same_by_another_process():
    class Odd(Exception):
        def __init__(self, message, *, response):
            super().__init__(message)

    class Mine(AtomError):
        def __init__(self, message, handle):
            super().__init__(message)
            self.handle = handle

    def fails(error):
        raise error

    for error, kind, words in (
        (AtomError("row 3 is no number"), AtomError, "row 3 is no number"),
        (StoreError("the disk is full"), StoreError, "the disk is full"),
        (ZeroDivisionError("by zero"), ZeroDivisionError, "by zero"),
        (Odd("no answer", response=1), RuntimeError, "Odd: no answer"),
        (Mine("there is no key", threading.Lock()), AtomError, "there is no key"),
    ):
        with pytest.raises(kind) as caught:
            call_in_worker(fails, error)
        told = pickle.loads(pickle.dumps(caught.value))
        assert (type(told), str(told)) == (kind, words)


@pytest.mark.slow
@on_clusters
def test_a_cluster_gives_the_same_bytes_and_another_runner_reuses_them(runner, tmp_path, run_on, on_threads):
    record = run_on(runner, tmp_path)
    expected = found(*on_threads)
    assert len(expected) > 40
    assert found(tmp_path, record) == expected
    assert computed(run_on("threads", tmp_path)) == {}


@pytest.mark.slow
@on_clusters
def test_a_failing_shard_is_told_as_on_threads(runner, tmp_path, run_on, on_threads, monkeypatch):
    bad = next(stage["keys"] for stage in on_threads[1]["stages"] if stage["name"] == "motions")[1:4:2]
    score = scores_stage.make_scores

    class Odd(Exception):
        def __init__(self, message, *, response):
            super().__init__(message)

    def failing(root, config, prompts, motions, judge):
        if motions.key in bad:
            raise AtomError("the judge is out")
        return score(root, config, prompts, motions, judge)

    monkeypatch.setattr(scores_stage, "make_scores", failing)
    words = []
    for name in ("threads", runner):
        with pytest.raises(AtomError, match=r"2 of 6 shards failed.*scores 1, 3: the judge is out") as caught:
            run_on(name, tmp_path / name, until="scores")
        words.append(str(caught.value).partition("failed")[2])
    assert words[0] == words[1]
    monkeypatch.undo()
    assert computed(run_on("threads", tmp_path / runner, until="scores")) == {"scores": 2}


@pytest.mark.slow
@on_clusters
def test_a_shard_whose_process_dies_is_done_again(runner, tmp_path, run_on, monkeypatch):
    score, died = scores_stage.make_scores, tmp_path / "died"

    def dying(root, config, prompts, motions, judge):
        if not died.exists():
            died.touch()
            os._exit(1)
        return score(root, config, prompts, motions, judge)

    monkeypatch.setattr(scores_stage, "make_scores", dying)
    record = run_on(runner, tmp_path, until="scores")
    assert died.exists()
    assert (record["state"], record["stages"][-1]["name"], record["stages"][-1]["failed"]) == ("completed", "scores", 0)


@task
def whereabouts():
    return os.getpid(), os.environ.get("CUDA_VISIBLE_DEVICES"), str(Path.cwd())


@pytest.mark.slow
@on_clusters
def test_what_needs_a_gpu_gets_one_and_what_asks_a_service_stays_here(runner, server, forked_workers, monkeypatch):
    monkeypatch.setattr(task_runners, "_local_gpus", lambda resources: ["0"])
    resources = ResourceConfig(runner=runner, device="cuda")

    @flow(task_runner=make_task_runner(resources))
    def all_places():
        anywhere = [future.result() for future in [whereabouts.submit() for _ in range(4)]]
        with gpu_tasks(resources):
            with_gpu = [future.result() for future in [whereabouts.submit() for _ in range(4)]]
        with local_runner(resources):
            asking = [future.result() for future in [whereabouts.submit() for _ in range(2)]]
        return anywhere, with_gpu, asking

    anywhere, with_gpu, asking = all_places()
    assert os.getpid() not in {pid for pid, _, _ in anywhere + with_gpu}
    assert {gpus for _, gpus, _ in with_gpu} == {"0"}
    assert {pid for pid, _, _ in asking} == {os.getpid()}


@pytest.mark.slow
@needs("dask")
def test_a_deployment_finds_its_cluster_in_the_environment(tmp_path, server, forked_workers, monkeypatch):
    import distributed

    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster:
        monkeypatch.setenv("ATOM_DASK_ADDRESS", cluster.scheduler_address)
        monkeypatch.chdir(tmp_path)
        record = align_on_dask(load_config(overrides=SEVERAL_SHARDS), "relative", until="motions")
    assert record["config"]["resources"]["address"] == cluster.scheduler_address
    assert record["stages"][-1]["shards"] == 6
    assert len(Store(str(tmp_path / "relative")).keys("motions")) == 6
