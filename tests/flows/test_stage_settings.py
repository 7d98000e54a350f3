"""The small parts around a run: names, models, remarks, runners, pictures, sweeps, schedules and the local server."""

from datetime import date
from types import SimpleNamespace
from unittest.mock import Mock

import pandas as pd
import pytest

from atom.config import ResourceConfig, load_config
from atom.errors import AtomError
from atom.prompts.reading import read_text
from flows import clusters, operate, prefect_artifacts, run_names, scheduled, services, sweep, task_runners
from flows.operating import provision
from storage import CLIPS, PROMPTS, Recipe, Store, StoreError


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path))


# Names.


@pytest.mark.parametrize(
    ("overrides", "work"),
    [
        (["prompts.train_per_task=1000", "prompts.test_per_task=5"], "3,015 prompts"),
        (["prompts.tasks=[temporal]", "prompts.train_per_task=10", "prompts.test_per_task=2"], "temporal · 12 prompts"),
        (["prompts.tasks=[frequency,temporal]", "prompts.train_per_task=1", "prompts.test_per_task=1"],
         "frequency and temporal · 4 prompts"),
        (["external.base=b", "external.tuned=t", "external.candidates=c"], "external candidates and base"),
        (["external.preferences=p", "rounds=1", "on_policy.steps=0"], "external preferences"),
        (["external.runs=[a,b]", "rounds=1", "on_policy.steps=0"], "pairs of a, b"),
    ],
)  # fmt: skip
def test_a_run_is_named_by_what_it_does(monkeypatch, overrides, work):
    config = load_config(overrides=["name=mine", "seed=4", *overrides]).model_dump(mode="json")
    for until, end in ((None, ""), ("scores", " · until scores")):
        parameters = {"config": config, "until": until}
        monkeypatch.setattr(run_names, "flow_run", SimpleNamespace(parameters=parameters))
        assert run_names.run_name() == f"mine · seed 4 · {work}{end}"
    monkeypatch.setattr(run_names, "flow_run", SimpleNamespace(parameters={"config": config, "day": date(2026, 3, 1)}))
    assert run_names.grow_name() == f"mine 2026-03-01 · {work}"


# Services.


@pytest.mark.parametrize(
    ("overrides", "models"),
    [
        ([], []),
        (["prompts.writer=llm", "prompts.llm.model=w"], ["w"]),
        (["external.candidates=c", "prompts.llm.model=w", "prompts.reader=llm"], ["w"]),
        (["external.candidates=c", "prompts.reader=llm", "prompts.reader_model=r"], ["r"]),
        (["evaluation.judges=[vision]", "judging.vision.model=v", "judging.vision.second_model=s"], ["v", "s"]),
        (["evaluation.judges=[auto]"], []),
        (["evaluation.judges=[auto]", "prompts.writer=llm", "prompts.llm.model=w"], ["w", "gpt-4o"]),
    ],
)
def test_a_run_needs_the_models_that_it_asks(overrides, models):
    assert services.language_models(load_config(overrides=overrides)) == models


def save_prompts(store, version):
    table = PROMPTS if version == PROMPTS.version else type(PROMPTS)(PROMPTS.name, version, PROMPTS.schema)
    with store.write(Recipe("prompts", 1, table, config=version)) as writer:
        writer.rows([])


def test_prompts_of_an_earlier_version_are_remarked_until_there_are_newer_ones(store):
    assert services.find_old_prompts(store) == []
    save_prompts(store, PROMPTS.version - 1)
    (remark,) = services.find_old_prompts(store)
    assert f"are of version {PROMPTS.version - 1} of their table" in remark
    save_prompts(store, PROMPTS.version)
    assert services.find_old_prompts(store) == []


def test_the_offline_reader_gets_the_word_classes_of_each_caption(store, monkeypatch):
    read = Mock(side_effect=lambda text, classes: read_text(text))
    monkeypatch.setattr(services, "read_text", read)
    found = services.read_captions(load_config(), store, ["a man bows", "a man jumps"], {"a man jumps": (("a", "X"),)})
    assert [call.args for call in read.call_args_list] == [("a man bows", None), ("a man jumps", (("a", "X"),))]
    assert [each.events[0].action for each in found.texts] == ["bow", "jump_up"]


def test_spending_is_of_the_runs_with_this_name_and_none_without_a_model(store):
    from atom.llm_client.journal import Journal, parse_completion
    from atom.llm_client.runtime import journal_path

    config = load_config(overrides=["evaluation.judges=[vision]", "name=mine"])
    journal = Journal(journal_path(config.service, store))
    usage = {"prompt_tokens": 10, "completion_tokens": 5}
    answer = parse_completion({"choices": [{"message": {}}], "usage": usage}, 0.5, 0.1)
    for name, key in (("mine", "k0"), ("mine", "k1"), ("other", "k2")):
        journal.add(name, key, "text", "m", answer)
    journal.close()
    assert services.total_spent(config, store) == {"tokens": 30, "cost": 1.0}
    assert services.total_spent(load_config(), store) is None


# Where shards run.


def test_gpus_are_those_that_the_environment_leaves_or_all(monkeypatch):
    monkeypatch.setattr(task_runners.torch.cuda, "device_count", lambda: 3)
    monkeypatch.setattr(task_runners.torch.cuda, "is_available", lambda: True)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    cuda = ResourceConfig(runner="dask", device="cuda")
    assert task_runners._local_gpus(cuda) == ["0", "1", "2"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    assert task_runners._local_gpus(cuda) == ["4", "7"]
    assert task_runners._local_gpus(ResourceConfig(runner="dask", device="cpu")) == []
    monkeypatch.setattr(task_runners.torch.cuda, "is_available", lambda: False)
    with pytest.raises(AtomError, match="there is no GPU here"):
        task_runners._local_gpus(cuda)


def test_errors_that_travel_keep_their_text_and_those_that_can_not_say_what_they_were():
    class Odd(StoreError):
        def __reduce__(self):
            raise TypeError("no")

    with pytest.raises(StoreError, match=r"^full$") as caught:
        task_runners.call_in_worker(Mock(side_effect=Odd("full")))
    assert type(caught.value) is StoreError
    assert task_runners.call_in_worker(lambda a, b: a - b, 5, 3) == 2


def test_a_cluster_takes_its_address_from_the_config_before_the_environment(monkeypatch):
    ran = Mock()
    monkeypatch.setattr(clusters, "align_with_task_runner", ran)
    monkeypatch.setenv("ATOM_DASK_ADDRESS", "tcp://dask")
    monkeypatch.setenv("ATOM_RAY_ADDRESS", "")
    for overrides, runner, address in (
        ([], "dask", "tcp://dask"),
        (["resources.address=tcp://own"], "dask", "tcp://own"),
        ([], "ray", None),
    ):
        clusters._on_cluster(runner, load_config(overrides=overrides), "s3://b", "scores")
        config, place, until = ran.call_args.args
        assert (config.resources.runner, config.resources.address) == (runner, address)
        assert (place, until) == ("s3://b", "scores")


def test_a_store_in_a_folder_is_absolute_for_workers_elsewhere_only(tmp_path, monkeypatch):
    ran = Mock()
    monkeypatch.setattr(clusters, "align", SimpleNamespace(with_options=lambda **options: ran))
    monkeypatch.setattr(clusters, "make_task_runner", Mock())
    monkeypatch.setattr(clusters, "prefect_server", lambda resources: __import__("contextlib").nullcontext())
    monkeypatch.chdir(tmp_path)
    for runner, place in (("threads", "here"), ("dask", str(tmp_path / "here"))):
        clusters.align_with_task_runner(load_config(overrides=[f"resources.runner={runner}"]), "here", "motions")
        assert ran.call_args.args[1:] == (place, "motions")


def test_each_day_has_a_seed_of_its_own_and_grows_up_to_the_preferences(monkeypatch):
    ran = Mock()
    monkeypatch.setattr(scheduled, "align_with_task_runner", ran)
    for day in (date(1, 1, 2), date(1, 1, 3)):
        scheduled.grow.fn(load_config(overrides=["seed=10"]), "place", day)
    assert [call.args[0].seed for call in ran.call_args_list] == [12, 13]
    assert ran.call_args.args[1:] == ("place", "preferences")


def test_a_resumed_run_keeps_its_config_and_its_last_stage(store, monkeypatch):
    ran = Mock()
    monkeypatch.setattr(scheduled, "align_with_task_runner", ran)
    config = load_config(overrides=["name=mine", "seed=3"])
    store.save_run("r1", {"config": config.model_dump(mode="json"), "state": "failed", "until": "scores", "stages": []})
    scheduled.resume.fn("r1", store.root)
    assert ran.call_args.args == (config, store.root, "scores")


def test_the_stages_across_pools_go_in_order_and_stop_at_the_first_that_fails(monkeypatch, store):
    started = []

    def start(name, parameters, flow_run_name):
        started.append((name, parameters["until"]))
        state = SimpleNamespace(is_completed=lambda: len(started) < 3, name="Crashed")
        return SimpleNamespace(state=state, name="bold-cat")

    monkeypatch.setattr(scheduled, "run_deployment", start)
    with pytest.raises(AtomError, match="the stage clips ended as Crashed: see its run 'bold-cat'"):
        scheduled.across_pools.fn(load_config(), store.root)
    assert started == [(f"atom/{stage}", stage) for stage in ("prompts", "motions", "clips")]


# Pictures and links.


def test_pictures_are_linked_where_a_server_has_them_and_kept_in_any_case(store, monkeypatch):
    image = Mock()
    monkeypatch.setattr(prefect_artifacts, "create_image_artifact", image)
    monkeypatch.delenv("ATOM_REPORTS_URL", raising=False)
    prefect_artifacts.publish_picture(store, "r1", "tuning_round_2", b"png", "Tuning")
    assert not image.called
    monkeypatch.setenv("ATOM_REPORTS_URL", "http://reports")
    prefect_artifacts.publish_picture(store, "r1", "tuning_round_2", b"png", "Tuning")
    image.assert_called_once_with(
        "http://reports/runs/r1/tuning_round_2.png", key="tuning-round-2", description="Tuning"
    )
    assert store.files.read("runs/r1/tuning_round_2.png") == b"png"


def test_the_report_and_at_most_twelve_clips_are_linked(store, monkeypatch):
    markdown = Mock()
    monkeypatch.setattr(prefect_artifacts, "create_markdown_artifact", markdown)
    refs = []
    for part in range(2):
        with store.write(Recipe("clips", 1, CLIPS, config=part)) as writer:
            names = [f"{part}-{number}" for number in range(7)]
            files = {name: writer.file(f"{name}.mp4", b"video") for name in names}
            writer.rows([
                {"motion_id": name, "prompt_id": "p", "video": file, "sheet": None, "frame_indices": [], "size": 64,
                 "fps": 20.0}
                for name, file in files.items()
            ])  # fmt: skip
        refs.append(writer.ref)
    monkeypatch.delenv("ATOM_REPORTS_URL", raising=False)
    prefect_artifacts.publish_report(store, "r1", "/runs/report.html", refs)
    assert markdown.call_args.args[0] == "Run `r1`: report at `/runs/report.html`"
    monkeypatch.setenv("ATOM_REPORTS_URL", "http://reports")
    prefect_artifacts.publish_report(store, "r1", "/runs/report.html", refs)
    first, *links = markdown.call_args.args[0].splitlines()
    assert "http://reports" in first and first.endswith("of run `r1`") and len(links) == 12
    assert links[0] == f"- [clip 1](http://reports/clips/{refs[0].key}/0-0.mp4)"
    assert links[7] == f"- [clip 8](http://reports/clips/{refs[1].key}/1-0.mp4)"


# Sweeps.


def test_the_seconds_of_a_tuning_are_those_at_the_end_of_each_of_its_rounds():
    def curve(*seconds):
        return [{"seconds": each} for each in seconds]

    run = SimpleNamespace(tuning_curve=lambda: curve(1, 5, 5, 2, 7), on_policy_curve=lambda: curve(3))
    assert sweep._tuning_seconds(run) == 5 + 7 + 3
    assert sweep._tuning_seconds(SimpleNamespace(tuning_curve=curve, on_policy_curve=curve)) == 0


def test_a_trial_that_fails_is_told_and_only_a_sweep_of_none_but_such_is_an_error(monkeypatch, store):
    monkeypatch.setattr(sweep, "RunTables", Mock())
    monkeypatch.setattr(sweep, "summarise", lambda trial, runs: [{"setting": trial.name, "runs": len(runs)}])
    trials = [sweep.Trial((f"tuning.beta={number}",), (number, number)) for number in range(3)]

    def align(config, place):
        assert place == store.root
        if config in failing:
            raise AtomError(f"diverged {config}")

    monkeypatch.setattr(sweep, "align_with_task_runner", align)
    failed, sizes, failing = [], [], {0, 2}
    table = sweep.run_trials(
        trials,
        store.root,
        lambda rows: sizes.append(len(rows)),
        lambda trial, error: failed.append((trial.name, str(error))),
    )
    assert table.to_dict("records") == [{"setting": "beta=1", "runs": 2}] and sizes == [1]
    assert failed == [("beta=0", "diverged 0"), ("beta=2", "diverged 2")]
    failing = {0, 1, 2}
    with pytest.raises(AtomError, match="diverged 2"):
        sweep.run_trials(trials, store.root)


def test_the_budget_of_a_sweep_counts_its_points_first():
    grid, points = ["tuning.beta=0.1,0.2,0.3"], ["tuning.r=4", "tuning.r=8"]
    for budget, number in ((5, 5), (4, 4), (2, 2), (1, 1)):
        trials = sweep.plan_trials([], grid, points, 1, budget)
        assert len(trials) == number
        assert [trial.name for trial in trials[:2]] == ["r=4", "r=8"][: min(number, 2)]
    assert len(sweep.plan_trials([], grid, ["tuning.beta=0.2"], 1, None)) == 3, "equal settings are tried once"


def test_the_settings_are_ranked_by_the_gain_of_the_figure_that_is_named():
    rows = pd.DataFrame(
        [
            {"figure": figure, "judge": "kinematic", "setting": setting, "gain": gain}
            for figure, gains in (("overall", (0.1, 0.3, 0.3)), ("exact_match", (0.5, 0.2, 0.6)))
            for setting, gain in zip("abc", gains)
        ]
    )
    assert list(sweep.rank_settings(rows)["setting"]) == ["b", "c", "a"]
    assert list(sweep.rank_settings(rows, "exact_match")["setting"]) == ["c", "a", "b"]


# The local server.


def test_programs_that_run_with_other_options_are_named():
    alive = {"server": {"port": 4200}, "reports": {"port": 4280}, "worker-cpu": {"store": "/s"}}
    operate._check_same(alive, 4200, 4280, "/s")
    operate._check_same({}, 1, 2, "/other")
    for arguments, words in (
        ((4201, 4280, "/s"), "server runs with port 4200, not 4201"),
        ((4200, 4281, "/s"), "reports runs with port 4280, not 4281"),
        ((4200, 4280, "/t"), "worker-cpu runs with store /s, not /t"),
    ):
        with pytest.raises(AtomError, match=words):
            operate._check_same(alive, *arguments)


def test_a_store_in_a_folder_is_absolute_and_an_address_stays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert operate._absolute("store") == str(tmp_path / "store") and operate._absolute("s3://b/s") == "s3://b/s"


def test_all_programs_share_the_addresses_and_one_thread_each(tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    found = operate._environment(tmp_path, 4200, "http://127.0.0.1:4280", "/store")
    assert found["PREFECT_UI_URL"] == "http://127.0.0.1:4200" and found["OMP_NUM_THREADS"] == "1"
    assert found["PREFECT_SERVER_UI_API_URL"] == "http://127.0.0.1:4200/api"
    assert (found["ATOM_STORE"], found["ATOM_REPORTS_URL"]) == ("/store", "http://127.0.0.1:4280")
    assert found["PREFECT_HOME"] == str(tmp_path / "prefect")


def test_automations_that_need_a_webhook_wait_for_its_address():
    import uuid

    import yaml

    described = yaml.safe_load(provision.AUTOMATIONS.read_text())["automations"]
    needy = [each for each in described if any("block" in action for action in each["actions"])]
    assert 0 < len(needy) < len(described)
    block = uuid.uuid4()
    for each in described:
        without, with_block = provision._automation(each, None), provision._automation(each, block)
        assert (without is None) == (each in needy)
        assert with_block.name == each["name"] and len(with_block.actions) == len(each["actions"])
        used = [getattr(action, "block_document_id", None) for action in with_block.actions]
        assert (block in used) == (each in needy)


@pytest.mark.parametrize(("workers", "fits"), [([0, 1], True), ([1, 1], True), ([0, 0], False), ([], False)])
def test_one_worker_with_a_gpu_is_enough_for_a_run_on_gpus(monkeypatch, workers, fits):
    class Client:
        def __init__(self, address, **options):
            self.scheduler_info = lambda n_workers: {
                "workers": {number: {"resources": {"GPU": 1} if gpu else {}} for number, gpu in enumerate(workers)}
            }

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    monkeypatch.setattr("distributed.Client", Client)
    monkeypatch.setattr("prefect_dask.DaskTaskRunner", lambda **options: options)
    cluster = {"runner": "dask", "address": "tcp://127.0.0.1:8786"}
    assert task_runners._dask(ResourceConfig(**cluster)) == {"address": cluster["address"]}
    if fits:
        assert task_runners._dask(ResourceConfig(device="cuda", **cluster)) == {"address": cluster["address"]}
    else:
        with pytest.raises(AtomError, match=r"no worker of the Dask cluster at tcp:.* has a GPU"):
            task_runners._dask(ResourceConfig(device="cuda", **cluster))


@pytest.mark.parametrize(("answers_after", "comes_up"), [(0, True), (3, True), (10, False)])
def test_a_server_that_does_not_answer_in_time_is_an_error(monkeypatch, answers_after, comes_up):
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(operate.time, "monotonic", lambda: clock.now)
    monkeypatch.setattr(operate.time, "sleep", lambda seconds: setattr(clock, "now", clock.now + seconds))
    monkeypatch.setattr(operate, "STARTUP_TIMEOUT", 5.0)
    monkeypatch.setattr(operate, "is_answering", lambda address: clock.now - 100 >= answers_after)
    if comes_up:
        operate._wait_for("http://127.0.0.1:4200/api/health")
        assert clock.now == 100 + answers_after
    else:
        with pytest.raises(AtomError, match=r"no Prefect server answers at http://127.0.0.1:4200/api/health"):
            operate._wait_for("http://127.0.0.1:4200/api/health")
        assert clock.now == 106
