"""The Prefect server that `make up` and `atom run` start, attacked by web pages in a real browser."""

import asyncio
import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import httpx
import pytest
from headless_browser import EVIL_HOST, Page
from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import PrefectHTTPStatusError

from atom.local_server import is_answering
from flows.operating import provision, server
from flows.operating.processes import python

_TOKEN = "hooks-own-token"


class Attacked(NamedTuple):
    port: int
    login: str
    client: SyncPrefectClient
    deployment: UUID
    run: UUID
    block: UUID


@pytest.fixture(scope="module")
def attacked(tmp_path_factory, prefect_database) -> Iterator[Attacked]:
    """A server with a webhook's token in a block, a pool, a deployment and a run."""
    home, login = prefect_database.copy_to(tmp_path_factory.mktemp("prefect")), server.new_login()
    with (
        closing(_Process(home, login)) as process,
        provision.connected_to(f"{process.address}/api", login),
        get_client(sync_client=True) as client,
    ):
        asyncio.run(provision.create_work_pools())
        Webhook.register_type_and_schema()
        block = Webhook(url=f"http://127.0.0.1:9/{_TOKEN}").save("alerts")
        deployment = client.create_deployment(
            flow_id=client.create_flow_from_name("harmless"),
            name="harmless",
            work_pool_name="cpu",
            path=".",
            entrypoint="harmless.py:harmless",
        )
        run = client.create_flow_run_from_deployment(deployment)
        yield Attacked(process.port, login, client, deployment, run.id, block)


class _Process:
    """The server as `make up` starts it."""

    def __init__(self, home: Path, login: str) -> None:
        with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as free:
            self.port = free.server_port
        self.address = f"http://127.0.0.1:{self.port}"
        settings = server.server_settings(login, self.address) | {
            "PREFECT_HOME": str(home),
            "PREFECT_SERVER_UI_API_URL": f"{self.address}/api",
            "DO_NOT_TRACK": "1",
        }
        kept = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")}
        command = python("-m", "flows.operating.server", "--port", str(self.port))
        self.process = subprocess.Popen(command, env=kept | settings, stderr=subprocess.DEVNULL)
        while not is_answering(f"{self.address}/api/health"):
            assert self.process.poll() is None

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()


@pytest.fixture(scope="module")
def other_site() -> Iterator[int]:
    """The port of another local server, which shows a page."""

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<title>harmless</title>")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        yield site.server_port
        site.shutdown()


def _requests(attacked: Attacked) -> list[tuple[str, str, object]]:
    """Method, path and body of all that a page would want."""
    run = {"state": {"type": "SCHEDULED"}, "job_variables": {"command": "harmless"}}
    return [
        ("POST", "/block_documents/filter", {"include_secrets": True}),
        ("GET", f"/block_documents/{attacked.block}?include_secrets=true", None),
        ("GET", "/csrf-token?client=page", None),
        ("GET", "/admin/settings", None),
        ("POST", "/flow_runs/filter", {}),
        ("POST", "/logs/filter", {}),
        ("POST", f"/deployments/{attacked.deployment}/create_flow_run", run),
        ("POST", f"/deployments/{attacked.deployment}/create_flow_run", {"state": {"type": "SCHEDULED"}}),
        ("PATCH", f"/deployments/{attacked.deployment}", {"paused": True}),
        ("POST", f"/flow_runs/{attacked.run}/set_state", {"state": {"type": "CANCELLED"}, "force": True}),
        ("POST", "/flows/", {"name": "of a page"}),
        ("POST", "/events", []),
        ("PATCH", "/work_pools/cpu", {"is_paused": True}),
        ("POST", "/variables/", {"name": "of_a_page", "value": 1}),
        ("DELETE", f"/deployments/{attacked.deployment}", None),
        ("DELETE", f"/flow_runs/{attacked.run}", None),
        ("DELETE", f"/block_documents/{attacked.block}", None),
        ("DELETE", "/work_pools/cpu", None),
    ]


_ATTACK = """(async ([base, requests, options]) => {
    const read = [];
    for (const [method, path, body] of requests) {
        const request = {method, body: body === null ? undefined : JSON.stringify(body), ...options};
        try {
            const answer = await fetch(base + path, request);
            read.push([method, path, answer.status, await answer.text()]);
        } catch { read.push([method, path, 0, '']); }
    }
    return read;
})"""
_JSON = {"headers": {"Content-Type": "application/json"}}
# How a page may ask: with a preflight, without one (a simple request, whose answer it can't read), and by guessing.
_WAYS = [
    _JSON,
    {"mode": "no-cors", "headers": {"Content-Type": "text/plain"}},
    {"credentials": "include", **_JSON},
    {"headers": {"Content-Type": "application/json", "Authorization": "Basic YWRtaW46cGFzcw=="}},
    {"headers": {"Content-Type": "application/json", "Prefect-Csrf-Token": "x", "Prefect-Csrf-Client": "x"}},
]


def _attack(page: Page, base: str, requests: object, options: object) -> list[tuple[str, str, int, str]]:
    return page.evaluate(f"{_ATTACK}({json.dumps([base, requests, options])})")


def _state(attacked: Attacked) -> list[object]:
    """All that the requests would have changed."""
    client = attacked.client
    runs, deployment = client.read_flow_runs(), client.read_deployment(attacked.deployment)
    rest = [client.request("POST", path, json={}).json() for path in ("/flows/filter", "/variables/filter")]
    return [
        [(run.id, run.state_type) for run in runs],
        (deployment.paused, deployment.job_variables),
        client.read_work_pool("cpu").is_paused,
        [len(found) for found in rest],
        client.request("GET", f"/block_documents/{attacked.block}").status_code,
    ]


@pytest.mark.parametrize("place", ["another local port", "a name that points here", "a file"])
def test_a_hostile_page_reads_and_starts_nothing(attacked, browser, other_site, tmp_path, place):
    before = _state(attacked)
    base = f"http://127.0.0.1:{attacked.port}/api"
    if place == "a file":
        (tmp_path / "page.html").write_text("<title>harmless</title>")
        page = Page(browser, tmp_path / "page.html")
    elif place == "another local port":
        page = Page(browser, f"http://127.0.0.1:{other_site}/")
    else:  # the browser takes the server for the page's own
        page, base = Page(browser, f"http://{EVIL_HOST}:{attacked.port}/"), "/api"
    for options in _WAYS:
        found = _attack(page, base, _requests(attacked), options)
        assert [each for each in found if each[2] not in (0, 400, 401, 403)] == []
        assert not any(_TOKEN in each[3] or '"token"' in each[3] for each in found)
    socket = base.replace("http", "ws") if base.startswith("http") else f"ws://{EVIL_HOST}:{attacked.port}/api"
    for protocols in ([], ["prefect"]):
        heard = page.evaluate(f"""new Promise(done => {{
            const socket = new WebSocket({json.dumps(socket + "/events/in")}, {json.dumps(protocols)});
            socket.onopen = () => done('open');
            socket.onerror = socket.onclose = () => done('closed');
        }})""")
        assert heard == "closed"
    page.close()
    assert _state(attacked) == before


def test_the_requests_of_the_page_would_work_for_the_ui(attacked, browser):
    """The same requests from the server's own page with its login: so the list asks for what there is to be had."""
    address = f"http://127.0.0.1:{attacked.port}"
    page = Page(browser, address)
    page.wait("document.querySelector('input') !== null")  # the login
    assert page.evaluate("location.pathname").endswith("/login")
    basic = page.evaluate(f"btoa({json.dumps(attacked.login)})")
    (token,) = _attack(
        page, "/api", [("GET", "/csrf-token?client=ui", None)], {"headers": {"Authorization": f"Basic {basic}"}}
    )
    headers = {
        "Content-Type": "application/json",
        "Authorization": f"Basic {basic}",
        "Prefect-Csrf-Client": "ui",
        "Prefect-Csrf-Token": json.loads(token[3])["token"],
    }
    asked = [each for each in _requests(attacked) if each[0] in ("GET", "POST") and "set_state" not in each[1]]
    found = _attack(page, "/api", asked, {"headers": headers})
    refused = {(path, status) for _, path, status, _ in found if status >= 300}
    assert refused == {(f"/deployments/{attacked.deployment}/create_flow_run", 422)}  # with a command of its own
    assert sum(_TOKEN in text for *_, text in found) == 2
    without = {key: value for key, value in headers.items() if "Csrf" not in key}
    (found,) = _attack(page, "/api", [("POST", "/flows/", {"name": "x"})], {"headers": without})
    assert found[2] == 403 and "CSRF" in found[3]
    page.evaluate(f"localStorage.setItem('prefect-password', {json.dumps(basic)})")
    page.call("Page.navigate", url=f"{address}/deployments")
    page.wait("document.body?.innerText.includes('harmless')")
    page.close()


def test_a_run_can_not_bring_a_command_of_its_own(attacked):
    for variables in ({"command": "harmless"}, {"env": {"A": "b"}}, {"working_dir": "/"}):
        with pytest.raises(PrefectHTTPStatusError, match="422"):
            attacked.client.create_flow_run_from_deployment(attacked.deployment, job_variables=variables)
    pool = attacked.client.read_work_pool("cpu")
    assert "{{" not in json.dumps(pool.base_job_template["job_configuration"])


def test_a_pool_of_an_earlier_version_gets_the_fixed_job(attacked):
    from prefect.client.schemas.actions import WorkPoolUpdate
    from prefect.workers.process import ProcessWorker

    fixed = attacked.client.read_work_pool("gpu").base_job_template
    open_template = WorkPoolUpdate(base_job_template=ProcessWorker.get_default_base_job_template())
    attacked.client.update_work_pool("gpu", open_template)
    with provision.connected_to(f"http://127.0.0.1:{attacked.port}/api", attacked.login):
        asyncio.run(provision.create_work_pools())
    pool = attacked.client.read_work_pool("gpu")
    assert pool.base_job_template == fixed and pool.concurrency_limit == 1


def test_the_login_is_kept_for_its_user_alone_and_found_again(tmp_path):
    file = tmp_path / "login"
    login = server.make_login(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert server.make_login(file) == server.read_login(file) == login
    assert server.make_login(tmp_path / "other") != login


@pytest.mark.slow
def test_the_server_of_a_run_is_closed_too_and_ends_with_its_process(tmp_path, prefect_database):
    home = prefect_database.copy_to(tmp_path / "prefect")
    code = (
        "import time\nfrom flows.operating.server import server_of_process\n"
        "print(server_of_process()[0], flush=True)\ntime.sleep(600)"
    )
    environment = os.environ | {"PREFECT_HOME": str(home), "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL"}
    process = subprocess.Popen(python("-c", code), env=environment, stdout=subprocess.PIPE, text=True)
    try:
        api = process.stdout.readline().strip()
        with httpx.Client(trust_env=False) as client:
            assert client.get(f"{api}/admin/settings").status_code == 401
            assert client.post(f"{api}/flows/filter", json={}).status_code == 403
            assert client.get(f"{api}/health", headers={"Host": EVIL_HOST}).status_code == 400
            assert client.get(f"{api}/health", headers={"Origin": "http://127.0.0.1:9"}).status_code == 403
            assert client.get(f"{api}/health").status_code == 200
    finally:
        process.kill()  # as a crash: nothing of it can clean up
        process.wait()
    deadline = time.monotonic() + 30
    while is_answering(f"{api}/health"):
        assert time.monotonic() < deadline, "the server outlived its run"
        time.sleep(0.1)
