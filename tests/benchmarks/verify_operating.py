"""What happens to a run when the machine does not behave: on a real server with a real worker, as `make up` has them.

    python tests/benchmarks/verify_operating.py [cancel kill twins worker server database disk store clock]

Each part does one thing to a running deployment, says how the run ended, takes it up again, and compares what was in
the store before and after: finished shards must still be there and must not have been made a second time. Ends with
status 1 if something was lost. Parts that need a tool which is not here (tmpfs, moto, libfaketime) say so.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.states import Cancelling

from flows.operating.provision import connected_to
from flows.operating.server import read_login
from storage import ArtifactRef, Store

CONFIG: dict[str, Any] = {
    "rounds": 1, "prompts_per_shard": 2,
    "prompts": {"train_per_task": 8, "test_per_task": 2},
    "generation": {"candidates": 4, "evaluation_samples": 1},
    "rendering": {"motions": "all", "size": 128},
    "preferences": {"min_gap": 0.1}, "tuning": {"max_steps": 2},
    "on_policy": {"steps": 0}, "validation": {"prompts_per_task": 0},
    "evaluation": {"baselines": [], "metrics": None, "bootstrap": 100, "num_examples": 0},
    "resources": {"workers": 2, "retries": 1},
}  # fmt: skip
lost: list[str] = []


class Team:
    """Server, workers and reports in a folder of their own, and a store beside them."""

    def __init__(self, home: Path) -> None:
        self.home, self.port, self.reports_port = home, free_port(), free_port()
        self.api = f"http://127.0.0.1:{self.port}/api"

    def operate(self, *arguments: str, **environment: str) -> None:
        command = [sys.executable, "-m", "flows.operate", *arguments, "--home", str(self.home)]
        subprocess.run(command, check=True, env=os.environ | environment, stdout=subprocess.DEVNULL)

    def up(self, store: str, **environment: str) -> None:
        ports = ["--port", str(self.port), "--reports-port", str(self.reports_port)]
        self.operate("up", *ports, "--store", store, **environment)

    def down(self) -> None:
        self.operate("down")

    @property
    def login(self) -> str:
        return read_login(self.home / "login") or ""

    @contextmanager
    def client(self) -> Iterator[SyncPrefectClient]:
        with connected_to(self.api, self.login), get_client(sync_client=True) as client:
            yield client

    def start(self, name: str, store: str) -> FlowRun:
        with self.client() as client:
            deployment = client.read_deployment_by_name("atom/align")
            return client.create_flow_run_from_deployment(
                deployment.id, parameters={"config": CONFIG | {"name": name}, "store": store}
            )

    def state(self, run: FlowRun) -> State:
        with self.client() as client:
            state = client.read_flow_run(run.id).state
            assert state is not None
            return state

    def end(self, run: FlowRun, patience: float = 300) -> str:
        """Waits until a run has ended and gives the name of its state."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            try:
                state = self.state(run)
            except Exception:  # the server is just being restarted
                time.sleep(1)
                continue
            if state.is_final():
                return state.name
            time.sleep(0.5)
        return f"still {self.state(run).name} after {patience:.0f} s"

    def pids(self) -> dict[str, int]:
        return {name: entry["pid"] for name, entry in json.loads((self.home / "processes.json").read_text()).items()}

    def flow_processes(self) -> list[int]:
        """Of the flow runs that go on."""
        command = ["pgrep", "-f", "prefect.engine|prefect.flow_engine|flow-run execute"]
        found = subprocess.run(command, capture_output=True, text=True)
        ours = f"ATOM_STARTED_FOR={self.home.resolve()}".encode()
        return [
            pid
            for pid in map(int, found.stdout.split())
            if ours in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        ]


def finished(store: str) -> dict[str, str]:
    """Every committed artifact and when it was made."""
    return {str(path): json.loads(path.read_text())["created_at"] for path in Path(store).glob("*/*/_manifest.json")}


def wait_for(store: str, stage: str, artifacts: int, patience: float = 180) -> None:
    deadline = time.monotonic() + patience
    while len(list(Path(store).glob(f"{stage}/*/_manifest.json"))) < artifacts:
        if time.monotonic() > deadline:
            raise SystemExit(f"{stage} did not come to {artifacts} artifacts in {patience:.0f} s")
        time.sleep(0.1)


def part(team: Team, store: str, name: str, disturb: Callable[[FlowRun], str | None], until: tuple[str, int]) -> None:
    """A run that is disturbed once so many artifacts of a stage are there, and what became of it."""
    run = team.start(name, store)
    wait_for(store, *until)
    before = finished(store)
    began = time.monotonic()
    said = disturb(run)
    ended = team.end(run)
    took = time.monotonic() - began
    if ended not in ("Completed", "Reused"):
        again = team.start(name, store)
        ended += f" after {took:.0f} s, taken up again: {team.end(again)}"
    else:
        ended += f" after {took:.0f} s"
    after = finished(store)
    gone = [path for path, made in before.items() if after.get(path) != made]
    done = "Completed" in ended
    if gone or not done:
        lost.append(name)
    told = f"{len(before)} artifacts were there, {len(gone)} lost or made again"
    print(f"{'ok  ' if not gone and done else 'LOST'} {name}: {said + '; ' if said else ''}{ended}; {told}", flush=True)


def main(wanted: list[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="atom-operating-") as folder:
        team = Team(Path(folder) / "home")
        team.up(str(Path(folder) / "store"))
        try:
            for name, work in PARTS.items():
                if not wanted or name in wanted:
                    work(team, str(Path(folder) / f"store-{name}"))
        finally:
            team.down()


def cancel(team: Team, store: str) -> None:
    def disturb(run: FlowRun) -> str:
        began = time.monotonic()
        with team.client() as client:
            client.set_flow_run_state(run.id, Cancelling())
        while team.flow_processes():
            time.sleep(0.1)
        stopped = time.monotonic() - began
        while not team.state(run).is_final():
            time.sleep(0.1)
        said = time.monotonic() - began
        return f"cancelled as the UI does it, its process gone after {stopped:.1f} s, the state told after {said:.1f} s"

    part(team, store, "cancel", disturb, ("clips", 3))


def kill(team: Team, store: str) -> None:
    def disturb(run: FlowRun) -> str:
        for pid in team.flow_processes():
            os.kill(pid, signal.SIGKILL)
        return "kill -9 of the run's process"

    part(team, store, "kill", disturb, ("clips", 3))


def twins(team: Team, store: str) -> None:
    """Two runs of one config at the same moment."""
    runs = [team.start("twins", store) for _ in range(2)]
    ended = [team.end(run) for run in runs]
    command = [sys.executable, "-c", "from atom.cli import main; main()", "store", "verify", "--store", store]
    verified = subprocess.run(command, capture_output=True)
    records = [json.loads(path.read_text()) for path in Path(store).glob("runs/*/run.json")]
    computed = [sum(s["shards"] - s["reused"] for s in record["stages"]) for record in records]
    artifacts = len(finished(store))
    sound = ended == ["Completed"] * 2 and verified.returncode == 0
    if not sound:
        lost.append("twins")
    told = f"{' and '.join(ended)}; {artifacts} artifacts, all whole"
    told += f"; {' and '.join(map(str, computed))} shards counted as computed"
    print(f"{'ok  ' if sound else 'LOST'} twins: {told}", flush=True)


def worker(team: Team, store: str) -> None:
    def disturb(run: FlowRun) -> str:
        os.kill(team.pids()["worker-cpu"], signal.SIGKILL)
        time.sleep(1)
        team.up(str(Path(team.home).parent / "store"))
        return "kill -9 of the worker, started again"

    part(team, store, "worker", disturb, ("clips", 3))


def server(team: Team, store: str) -> None:
    def disturb(run: FlowRun) -> str:
        os.kill(team.pids()["server"], signal.SIGKILL)
        time.sleep(5)
        began = time.monotonic()
        team.up(str(Path(team.home).parent / "store"))
        return f"kill -9 of the server, up again after {time.monotonic() - began + 5:.0f} s"

    part(team, store, "server", disturb, ("clips", 3))


def database(team: Team, store: str) -> None:
    def disturb(run: FlowRun) -> str:
        connection = sqlite3.connect(team.home / "prefect" / "prefect.db", timeout=60, isolation_level=None)
        connection.execute("BEGIN EXCLUSIVE")
        time.sleep(20)
        connection.execute("ROLLBACK")
        connection.close()
        return "Prefect's database locked for 20 s"

    part(team, store, "database", disturb, ("clips", 3))


def disk(team: Team, store: str) -> None:
    """A disk that is full in the middle of the clips, and made larger before the run is taken up again."""
    Path(store).mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", store], capture_output=True).returncode:
        print("     disk: left out, tmpfs can't be mounted here", flush=True)
        return
    try:
        run = team.start("disk", store)
        ended = team.end(run)
        before = finished(store)
        with team.client() as client:
            why = (client.read_flow_run(run.id).state or State(type=StateType.FAILED)).message or ""
        subprocess.run(["mount", "-o", "remount,size=200m", store], check=True)
        again = team.end(team.start("disk", store))
        after = finished(store)
        gone = [path for path, made in before.items() if after.get(path) != made]
        sound = ended == "Failed" and again == "Completed" and not gone and "space" in why.lower()
        if not sound:
            lost.append("disk")
        told = f"full after {len(before)} artifacts: {ended} ({why[-140:]}); larger: {again}"
        print(f"{'ok  ' if sound else 'LOST'} disk: {told}; {len(gone)} lost or made again", flush=True)
    finally:
        subprocess.run(["umount", "-l", store])


def rows_of(store: str) -> dict[tuple[str, str], str]:
    """The content of each table of scores and preferences."""
    found, there = {}, Store(store)
    for stage in ("scores", "preferences"):
        for key, manifest in there.manifests(stage).items():
            assert manifest is not None
            table = there.read(ArtifactRef(stage, key, manifest.rows))
            found[stage, key] = hashlib.sha256(json.dumps(table.to_pylist(), default=str).encode()).hexdigest()
    return found


def store(team: Team, local: str) -> None:
    """A store behind S3's protocol that does not answer for a minute; does it then hold what a local one does?"""
    try:
        import boto3
    except ImportError:
        print("     store: left out, install the extras s3 and dev", flush=True)
        return
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-p", str(port)]
    served = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    keys = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{port}",
    }
    own = Team(team.home.parent / "home-s3")
    try:
        os.environ.update(keys)
        bucket = boto3.client("s3", endpoint_url=keys["AWS_ENDPOINT_URL_S3"])
        while True:
            try:
                bucket.create_bucket(Bucket="atom")
                break
            except Exception:  # it is not up yet
                time.sleep(0.5)

        def made() -> dict[str, str]:
            pages = bucket.get_paginator("list_objects_v2").paginate(Bucket="atom")
            found = (entry for page in pages for entry in page.get("Contents", []))
            return {e["Key"]: e["ETag"] for e in found if e["Key"].endswith("_manifest.json")}

        own.up("s3://atom/store", **keys)
        run = own.start("store", "s3://atom/store")
        while len(made()) < 12:
            time.sleep(0.3)
        before = made()
        served.send_signal(signal.SIGSTOP)
        time.sleep(60)
        served.send_signal(signal.SIGCONT)
        ended = own.end(run)
        after = made()
        gone = [key for key, tag in before.items() if after.get(key) != tag]
        team.end(team.start("store", local))
        equal = (rows := rows_of(local)) == rows_of("s3://atom/store") and len(rows) > 2
        if ended != "Completed" or gone or not equal:
            lost.append("store")
        told = (
            f"S3 did not answer for 60 s: {ended}; {len(before)} artifacts were there, {len(gone)} lost or made again; "
            f"{len(rows)} tables of scores and preferences {'equal' if equal else 'differ from'} those of a local store"
        )
        print(f"{'LOST' if 'store' in lost else 'ok  '} store: {told}", flush=True)
    finally:
        own.down()
        served.kill()


def clock(team: Team, store: str) -> None:
    """The clock of the run's process jumps an hour ahead, and two back."""
    libraries = [*Path("/usr/lib").glob("*/faketime/libfaketime.so.1")]
    if not libraries:
        print("     clock: left out, libfaketime is not here", flush=True)
        return
    jump, config = team.home / "clock", team.home / "clock.yaml"
    jump.write_text("+0")
    config.write_text(json.dumps(CONFIG | {"name": "clock"}))
    command = [sys.executable, "-c", "from atom.cli import main; main()", "run"]
    command += ["--config", str(config), "--store", store]
    environment = os.environ | {
        "PREFECT_API_URL": team.api,
        "PREFECT_API_AUTH_STRING": team.login,
        "LD_PRELOAD": str(libraries[0]),
        "FAKETIME_TIMESTAMP_FILE": str(jump),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(store, "clips", 2)
    before = finished(store)
    jump.write_text("+3600")
    wait_for(store, "clips", 4)
    jump.write_text("-3600")
    status = process.wait(300)
    after = finished(store)
    gone = [path for path, made in before.items() if after.get(path) != made]
    if status or gone:
        lost.append("clock")
    told = f"an hour ahead, then two back: exit status {status}; {len(before)} artifacts were there, {len(gone)} lost"
    print(f"{'LOST' if 'clock' in lost else 'ok  '} clock: {told} or made again", flush=True)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


PARTS: dict[str, Callable[[Team, str], None]] = {
    "cancel": cancel,
    "kill": kill,
    "twins": twins,
    "worker": worker,
    "server": server,
    "database": database,
    "disk": disk,
    "store": store,
    "clock": clock,
}

if __name__ == "__main__":
    main(sys.argv[1:])
    sys.exit(f"lost: {', '.join(lost)}" if lost else 0)
