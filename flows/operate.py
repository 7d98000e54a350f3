"""`make up` and `make down`: Prefect as a team uses it, on one machine or as a part of it elsewhere."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from atom.errors import AtomError
from atom.local_server import is_answering
from flows.operating.processes import Processes, python
from flows.operating.server import STARTUP_TIMEOUT, make_login, read_login, server_settings
from storage import Store, StoreError

_HOST = "127.0.0.1"
_LOGIN = "login"  # file in the home folder
_WEBHOOK = "ATOM_ALERT_WEBHOOK"

operate = typer.Typer(
    help="Prefect for a team: server, workers, deployments, automations and a report server.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Home = Annotated[Path, typer.Option(help="folder of the server's database, login, logs and record of processes")]
StoreOption = Annotated[str, typer.Option("--store", help="folder or fsspec address of the artifacts")]
HOME = Path(".prefect-local")


@operate.command()
def up(
    home: Home = HOME,
    port: Annotated[int, typer.Option(min=1, max=65535, help="port of the server and its UI")] = 4200,
    reports_port: Annotated[int, typer.Option(min=1, max=65535, help="port of the report server")] = 4280,
    store: StoreOption = "store",
) -> None:
    """Start everything that does not run yet. The server asks for the login in HOME/login."""
    out, processes, root = Console(), Processes(home), _absolute(store)
    webhook = os.environ.pop(_WEBHOOK, None)  # the programs that keep running must not inherit it
    Store(root).check_writable()
    processes.make_home()
    api, reports = f"http://{_HOST}:{port}/api", f"http://{_HOST}:{reports_port}"
    alive, was_all_gone = processes.alive(), not processes.left_over()
    _check_same(alive, port, reports_port, root)
    if "server" not in alive:
        _check_free(port, "--port")
    elif not alive["server"].get("login") or read_login(processes.home / _LOGIN) is None:
        raise AtomError(f"server runs without the login of {processes.home / _LOGIN}: `make down` first")
    if "reports" not in alive:
        _check_free(reports_port, "--reports-port")
    login = make_login(processes.home / _LOGIN)
    environment = _environment(processes.home, port, reports, root)

    if "server" not in alive:
        command = python("-m", "flows.operating.server", "--host", _HOST, "--port", str(port))
        secured = environment | server_settings(login, f"http://{_HOST}:{port}")
        processes.start("server", command, secured, port=port, login=True)
    with out.status("waiting for the server"):
        _wait_until_healthy(processes, "server", f"{api}/health")
    if "reports" not in alive:
        command = python("-m", "atom.commands.serve_reports", "--store", root, "--port", str(reports_port))
        processes.start("reports", command, environment, port=reports_port, store=root)
    _provision(out, api, login, root, webhook)
    if was_all_gone:  # only now, since the automations that send the alert exist now
        _mark_crashed(out, api, login, "its worker was gone when the server came up again")
    for pool in ("cpu", "gpu"):
        if f"worker-{pool}" not in alive:
            command = python(
                "-m",
                "prefect",
                "worker",
                "start",
                "--pool",
                pool,
                "--name",
                f"{pool} of {_host_name()}",
                "--type",
                "process",
                "--install-policy",
                "never",
            )
            client = {"PREFECT_API_URL": api, "PREFECT_API_AUTH_STRING": login}
            processes.start(f"worker-{pool}", command, environment | client, store=root)
    _wait_until_healthy(processes, "reports", f"{reports}/")

    file = processes.home / _LOGIN
    out.print(f"Prefect   http://{_HOST}:{port}, with the login in {file}", soft_wrap=True)
    out.print(f"reports   {reports}", soft_wrap=True)
    out.print(f"logs      {processes.home}", soft_wrap=True)
    out.print(
        f'\nfor commands of Prefect:\n  export PREFECT_API_URL={api} PREFECT_API_AUTH_STRING="$(cat {file})"\n'
        "run one:  prefect deployment run atom/align\nstop all: make down",
        soft_wrap=True,
        highlight=False,
    )


@operate.command()
def down(home: Home = HOME) -> None:
    """Stop everything that `up` started, flow runs too. The data stay."""
    out, processes = Console(), Processes(home)
    alive = processes.alive()
    if not alive:
        out.print(f"nothing of {processes.home} runs", soft_wrap=True)
    # Workers first: they end their flow runs, which must be marked as crashed while the server still runs.
    for name in sorted(alive, key=lambda name: not name.startswith("worker")):
        with out.status(f"stopping {name}"):
            if name == "server":
                api, login = f"http://{_HOST}:{alive[name]['port']}/api", read_login(processes.home / _LOGIN)
                _mark_crashed(out, api, login, "stopped by `make down`")
            processes.stop(name)
        out.print(f"stopped {name}")
    if left := processes.stop_left_over():
        out.print(f"ended {left} processes that were left behind")


@operate.command()
def provision(
    api: Annotated[
        str, typer.Option(envvar="PREFECT_API_URL", help="address of the server's API")
    ] = f"http://{_HOST}:4200/api",
    store: StoreOption = "store",
) -> None:
    """Give a running server its work pools, deployments and automations. Its login, USER:PASSWORD, comes from
    PREFECT_API_AUTH_STRING."""
    _wait_for(f"{api}/health")
    _provision(Console(), api, None, _absolute(store), os.environ.pop(_WEBHOOK, None))


def _provision(out: Console, api: str, login: str | None, root: str, webhook: str | None) -> None:
    from flows.operating import provision

    with out.status("work pools, deployments, automations"), provision.connected_to(api, login):
        asyncio.run(provision.create_work_pools())
        deployments = provision.deploy(root)
        automations, left_out = asyncio.run(provision.create_automations(webhook))
    out.print(f"{deployments} deployments, {len(automations)} automations, work pools {' and '.join(provision.POOLS)}")
    if left_out:
        out.print(f"no alerts: put the address of a webhook into {_WEBHOOK} and run this again", soft_wrap=True)


def _mark_crashed(out: Console, api: str, login: str | None, reason: str) -> None:
    from flows.operating import provision

    if not is_answering(f"{api}/health"):
        return
    with provision.connected_to(api, login):
        runs = asyncio.run(provision.mark_crashed(f"{reason}; the deployment resume/resume takes its run up again"))
    for run in runs:
        out.print(f"crashed: {run}, {reason}", soft_wrap=True)


def _environment(home: Path, port: int, reports: str, root: str) -> dict[str, str]:
    """Environment of all programs. One torch thread each, since more threads than cores are far slower."""
    address = f"http://{_HOST}:{port}"
    return {
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_UI_URL": address,
        "PREFECT_SERVER_UI_API_URL": f"{address}/api",
        "DO_NOT_TRACK": "1",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",  # the shortest that Prefect allows
        "PREFECT_RUNNER_POLL_FREQUENCY": "2",  # seconds until a run notices that it is cancelled
        "PREFECT_WORKER_QUERY_SECONDS": "3",
        "ATOM_STORE": root,
        "ATOM_REPORTS_URL": reports,
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        "PYTHONUNBUFFERED": "1",
    }


def _check_same(alive: dict[str, dict[str, int | str]], port: int, reports_port: int, root: str) -> None:
    """Raises AtomError when a running program was started with other options."""
    options = {"server": ("port", port), "reports": ("port", reports_port), "worker-cpu": ("store", root)}
    for name, (fact, value) in options.items():
        if name in alive and alive[name][fact] != value:
            raise AtomError(f"{name} runs with {fact} {alive[name][fact]}, not {value}: `make down` first")


def _check_free(port: int, option: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise AtomError(f"can't listen on port {port}: {error.strerror}; choose another with {option}") from None


def _wait_until_healthy(processes: Processes, name: str, address: str) -> None:
    """Waits until a program answers at its address. Raises AtomError when it ends before or takes too long."""
    deadline = time.monotonic() + STARTUP_TIMEOUT
    while not is_answering(address):
        log = processes.log(name)
        if name not in processes.alive():
            lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
            raise AtomError(f"{name} ended at once: {lines[-1].strip() if lines else 'its log is empty'}; see {log}")
        if time.monotonic() > deadline:
            raise AtomError(f"{name} did not come up within {STARTUP_TIMEOUT:.0f} s; see {log}, then `make down`")
        time.sleep(0.25)


def _wait_for(address: str) -> None:
    deadline = time.monotonic() + STARTUP_TIMEOUT
    while not is_answering(address):
        if time.monotonic() > deadline:
            raise AtomError(f"no Prefect server answers at {address}; check --api, or PREFECT_API_URL")
        time.sleep(1)


def _absolute(store: str) -> str:
    """The store as an absolute path, since workers run in another folder."""
    return store if "://" in store else str(Path(store).resolve())


def _host_name() -> str:
    return socket.gethostname().split(".")[0]


def main() -> None:
    """Runs a command. An error that the user can fix is one line on standard error and exit status 2."""
    try:
        operate()
    except (AtomError, StoreError) as error:
        print(f"atom: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
