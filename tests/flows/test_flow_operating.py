"""`make up` and `make down` with a real server and real workers, and what they are given."""

import asyncio
import json
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from flow_runs import SMALL
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.events import Event, Resource
from prefect.events.schemas.automations import AutomationCore
from prefect.states import Running
from prefect.types._datetime import now

from atom.config import RunConfig, load_config
from flows.operating import processes, provision
from flows.operating.processes import Processes, python
from flows.operating.server import read_login, server_settings
from storage import Store

PROJECT = Path(__file__).resolve().parents[2]
DEPLOYMENTS = yaml.safe_load((PROJECT / "prefect.yaml").read_text())["deployments"]
FLOW_NAMES = {"align": "atom", "grow": "grow", "resume": "resume", "across_pools": "across pools"}


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda deployment: deployment["name"])
def test_the_parameters_of_a_deployment_are_what_its_flow_takes(deployment):
    from prefect.flows import load_flow_from_entrypoint

    file, name = deployment["entrypoint"].split(":")
    flow = load_flow_from_entrypoint(f"{PROJECT / file}:{name}")
    assert flow.name == FLOW_NAMES[name]
    flow.validate_parameters(deployment["parameters"])
    assert RunConfig.model_validate(deployment["parameters"].get("config", {}))
    assert deployment["description"] and deployment["tags"]
    assert deployment["work_pool"]["name"] in provision.POOLS


def test_generation_and_tuning_are_on_the_gpu_pool_which_runs_one_at_a_time():
    on_gpu = {each["name"] for each in DEPLOYMENTS if each["work_pool"]["name"] == "gpu"}
    assert on_gpu == {"motions", "tuning"}
    assert provision.POOLS["gpu"] == 1


def test_a_flow_that_lives_is_not_taken_for_crashed():
    """Three heartbeats fit into the time that is waited for one, and a run that ended is not waited for."""
    (zombies,) = [each for each in _described() if each["trigger"]["posture"] == "Proactive"]
    assert zombies["trigger"]["within"] >= 3 * 30
    ended = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "TimedOut", "Cancelled", "Crashed")}
    assert ended < set(zombies["trigger"]["expect"])
    assert zombies["actions"][0]["state"] == "CRASHED"


def test_every_automation_is_one_that_prefect_takes():
    for described in _described():
        actions = [{key: value for key, value in action.items() if key != "block"} for action in described["actions"]]
        for action in actions:
            if action["type"] == "call-webhook":
                action["block_document_id"] = "00000000-0000-0000-0000-000000000000"
        assert AutomationCore.model_validate(described | {"actions": actions})


def test_the_compose_file_is_whole_and_keeps_to_this_machine():
    compose = yaml.safe_load((PROJECT / "compose.yaml").read_text())
    services = compose["services"]
    assert {"postgres", "server", "provision", "worker", "reports"} <= set(services)
    for name, service in services.items():
        assert ("image" in service) != ("build" in service), name
        assert all(other in services for other in service.get("depends_on", {})), name
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), (name, port)
        for volume in service.get("volumes", []):
            assert volume.split(":")[0] in compose["volumes"], (name, volume)
        for key, value in service.get("environment", {}).items():
            if "PASSWORD" in key or "CONNECTION" in key:
                assert "${POSTGRES_PASSWORD:?" in value, f"{name}: {key} must come from the environment"
            if "AUTH_STRING" in key:
                assert value.startswith("${PREFECT_LOGIN:?"), f"{name}: {key} must come from the environment"
    assert "healthcheck" in services["postgres"] and "healthcheck" in services["server"]
    own = set(server_settings("login", "address")) - {"PREFECT_SERVER_ANALYTICS_ENABLED"}
    assert own < set(services["server"]["environment"]), "the server of compose.yaml is as closed as that of `make up`"
    assert "server" in services["server"]["environment"]["ATOM_SERVER_HOSTS"]
    assert "PREFECT_API_AUTH_STRING" in services["worker"]["environment"]
    assert services["server"]["command"][:3] == ["python", "-m", "flows.operating.server"]
    assert services["server"]["environment"]["PREFECT_API_DATABASE_CONNECTION_URL"].startswith("postgresql+asyncpg://")


def test_a_process_is_found_again_by_another_and_stopped(tmp_path):
    Processes(tmp_path).start("sleeper", python("-c", "import time; time.sleep(60)"), {}, port=1)
    (entry,) = Processes(tmp_path).alive().values()
    assert entry["port"] == 1
    Processes(tmp_path).stop("sleeper")
    assert not Processes(tmp_path).alive() and not _runs(entry["pid"])


def test_a_process_of_somebody_else_is_left_alone(tmp_path):
    """The number in the record may long belong to another program."""
    with subprocess.Popen(python("-c", "import time; time.sleep(60)")) as stranger:
        record = {"server": {"pid": stranger.pid, "command": python("-m", "prefect", "server", "start"), "port": 1}}
        (tmp_path / "processes.json").write_text(json.dumps(record))
        Processes(tmp_path).stop("server")
        Processes(tmp_path).stop_left_over()
        assert stranger.poll() is None
        stranger.kill()


def test_what_a_stopped_program_left_behind_is_ended(tmp_path):
    """Flow runs have sessions of their own, and so outlive a worker that is killed."""
    sleep = "[sys.executable, '-c', 'import time; time.sleep(60)']"
    child = f"import subprocess, sys; subprocess.Popen({sleep}, start_new_session=True)"
    Processes(tmp_path).start("worker", python("-c", child), {})
    _until(lambda: not Processes(tmp_path).alive() and len(_marked(tmp_path)) == 1)
    (left,) = _marked(tmp_path)
    assert Processes(tmp_path).stop_left_over() == 1
    _until(lambda: not _runs(left))


def test_without_proc_the_command_line_tells_whose_a_process_is(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "_PROC", tmp_path / "no-proc")
    started = Processes(tmp_path)
    started.start("sleeper", python("-c", "import time; time.sleep(60)"), {})
    pid = started.alive()["sleeper"]["pid"]
    started.stop("sleeper", timeout=5)
    assert not started.alive() and not _runs(pid)


@pytest.mark.slow
def test_a_port_in_use_is_told_in_one_line_and_nothing_is_left(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = _operate(tmp_path, "up", "--port", str(taken.getsockname()[1]), "--store", str(tmp_path / "store"))
    assert done.returncode == 2
    assert done.stderr.startswith("atom: can't listen on port") and len(done.stderr.splitlines()) == 1
    assert not _marked(tmp_path)


@pytest.mark.slow
def test_a_server_that_ends_at_once_is_told_in_one_line(tmp_path):
    """Its database can't be opened, for example."""
    environment = {"PREFECT_API_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{tmp_path}/no/such/folder/x.db"}
    done = _operate(
        tmp_path,
        "up",
        "--port",
        str(_free_port()),
        "--reports-port",
        str(_free_port()),
        "--store",
        str(tmp_path / "store"),
        **environment,
    )
    assert done.returncode == 2
    assert "server ended at once" in done.stderr and "server.log" in done.stderr
    assert len(done.stderr.splitlines()) == 1


class Team(NamedTuple):
    """What `up` started."""

    home: Path
    store: Path
    port: int
    reports: int
    said: str
    told: list[dict[str, Any]]  # what the webhook was sent


@pytest.fixture(scope="module")
def team(tmp_path_factory) -> Iterator[Team]:
    home, store = tmp_path_factory.mktemp("team"), tmp_path_factory.mktemp("store")
    told: list[dict[str, Any]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    hook = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=hook.serve_forever, daemon=True).start()
    port, reports = _free_port(), _free_port()
    try:
        done = _operate(
            home,
            "up",
            "--port",
            str(port),
            "--reports-port",
            str(reports),
            "--store",
            str(store),
            ATOM_ALERT_WEBHOOK=f"http://127.0.0.1:{hook.server_port}/hook",
            PREFECT_WORKER_QUERY_SECONDS="2",
        )
        assert done.returncode == 0, done.stderr + done.stdout
        yield Team(home, store, port, reports, done.stdout, told)
    finally:
        _operate(home, "down")
        hook.shutdown()


@pytest.fixture
def client(team):
    """Speaks to the team's server, with its login."""
    api, login = f"http://127.0.0.1:{team.port}/api", read_login(team.home / "login")
    with provision.connected_to(api, login), get_client(sync_client=True) as it:
        yield it


def test_up_brings_pools_deployments_automations_and_reports(team, client):
    assert client.read_work_pool("gpu").concurrency_limit == 1
    assert client.read_work_pool("cpu").type == "process"
    flows = {flow.id: flow.name for flow in client.read_flows()}
    deployed = {f"{flows[each.flow_id]}/{each.name}": each for each in client.read_deployments()}
    expected = {f"{FLOW_NAMES[each['entrypoint'].split(':')[1]]}/{each['name']}" for each in DEPLOYMENTS}
    assert expected <= set(deployed)
    assert all(deployed[name].parameters["store"] == str(team.store) for name in expected)
    assert [str(each.schedule.cron) for each in deployed["grow/nightly"].schedules] == ["0 2 * * *"]
    assert {each["name"] for each in _described()} == {
        each["name"] for each in client.request("POST", "/automations/filter", json={}).json()
    }
    assert f"http://127.0.0.1:{team.reports}" in team.said
    login = team.home / "login"
    assert str(login) in team.said and login.stat().st_mode & 0o777 == 0o600
    written = [file for file in team.home.rglob("*") if file.is_file() and file != login]
    assert not any(read_login(login).encode() in file.read_bytes() for file in written)
    with urllib.request.urlopen(f"http://127.0.0.1:{team.reports}/") as answer:
        assert b"AToM" in answer.read()


def test_a_run_by_the_clock_completes_and_a_failed_one_is_told(team, client, tmp_path):
    """That the server makes the runs of a schedule is not said by any check of the installed packages."""
    (tmp_path / "fails.py").write_text(
        "from prefect import flow\n\n@flow\ndef fails():\n    raise ValueError('on \"purpose\"')\n"
    )
    clock = _deploy(
        client,
        "atom",
        "by the clock",
        PROJECT,
        "flows/pipeline.py:align",
        {
            "config": load_config(overrides=SMALL).model_dump(mode="json"),
            "store": str(team.store),
            "until": "prompts",
        },
        [IntervalSchedule(interval=timedelta(hours=1), anchor_date=now("UTC") + timedelta(seconds=8))],
    )
    failing = client.create_flow_run_from_deployment(
        _deploy(client, "fails", "on purpose", tmp_path, "fails.py:fails", {}, [])
    )

    def first() -> FlowRun | None:
        runs = [run for run in client.read_flow_runs(limit=50) if run.deployment_id == clock and run.start_time]
        return runs[0] if runs else None

    run = _until(lambda: (found := first()) and found.state.is_final() and found, seconds=200)
    assert run.state.is_completed() and run.auto_scheduled
    assert Store(str(team.store)).run("latest")["until"] == "prompts"
    (sent,) = _until(lambda: [each for each in team.told if each["run"] == failing.name])
    assert sent["state"] == "Failed" and 'on "purpose"' in sent["reason"] and str(failing.id) in sent["link"]


def test_a_passed_limit_is_told(team, client):
    (run, *_) = client.read_flow_runs(limit=1)
    event = Event(
        event="atom.limit-passed",
        resource=Resource({"prefect.resource.id": f"prefect.flow-run.{run.id}"}),
        payload={"stage": "scores", "what": "share of unscored motions", "value": 0.4, "limit": 0.2},
    )
    client.request("POST", "/events", json=[event.model_dump(mode="json")])
    sent = _until(lambda: [each for each in team.told if "limit" in each])
    assert (sent[0]["stage"], sent[0]["value"], sent[0]["limit"]) == ("scores", 0.4, 0.2)


def test_done_again_nothing_is_forgotten_and_what_was_switched_off_stays_off(team, client):
    """An automation that is updated no longer waits for the heartbeat of a run that died before."""

    def automations():
        return {each["name"]: each for each in client.request("POST", "/automations/filter", json={}).json()}

    off = next(name for name in automations() if "limits" in name)
    client.request("PATCH", f"/automations/{automations()[off]['id']}", json={"enabled": False})
    before = automations()
    with provision.connected_to(f"http://127.0.0.1:{team.port}/api", read_login(team.home / "login")):
        assert asyncio.run(provision.create_work_pools()) == []
        done, left_out = asyncio.run(provision.create_automations(None))
    assert (set(done), left_out) == (set(before), [])  # the webhook's address was kept
    assert automations() == before and not before[off]["enabled"]


def test_down_stops_everything(team, client):
    """Goes last: the other tests need what it stops."""
    assert len(_marked(team.home)) >= 4
    deployment = client.read_deployment_by_name("atom/align")
    running = client.create_flow_run_from_deployment(deployment.id, state=Running(), name="is cut off")
    done = _operate(team.home, "down")
    assert done.returncode == 0 and "stopped server" in done.stdout
    assert not _marked(team.home)
    assert "nothing" in _operate(team.home, "down").stdout
    with closing(sqlite3.connect(team.home / "prefect" / "prefect.db")) as database:
        states = database.execute("select name, state_type from flow_run where state_type in ('RUNNING', 'CRASHED')")
        assert states.fetchall() == [(running.name, "CRASHED")]


def _described() -> list[dict[str, Any]]:
    return yaml.safe_load(provision.AUTOMATIONS.read_text())["automations"]


def _deploy(client, flow, name, folder, entrypoint, parameters, schedules):
    from prefect.client.schemas.actions import DeploymentScheduleCreate

    pull = [{"prefect.deployments.steps.set_working_directory": {"directory": str(folder)}}]
    return client.create_deployment(
        flow_id=client.create_flow_from_name(flow),
        name=name,
        work_pool_name="cpu",
        path=".",
        entrypoint=entrypoint,
        parameters=parameters,
        pull_steps=pull,
        schedules=[DeploymentScheduleCreate(schedule=each, active=True) for each in schedules],
    )


def _operate(home: Path, command: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`python -m flows.operate`, without what another test server left in the environment."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PREFECT_", "ATOM_"))}
    return subprocess.run(
        [sys.executable, "-m", "flows.operate", command, "--home", str(home), *arguments],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        env=kept | environment,
        timeout=240,
    )


def _marked(home: Path) -> list[int]:
    return [pid for pid in processes._pids() if processes._is_marked(pid, home.resolve())]


def _runs(pid: int) -> bool:
    """A process that has ended stays as a zombie until its parent asks."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _until(true, seconds: float = 60.0):
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.25)
    return found
