"""The report server gives reports, their pictures and clips, and nothing else of the store."""

import http.client
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from report_runs import paired_run
from served_app import serve_app

from atom.errors import AtomError
from atom.rendering.viewer import viewer_script_hash
from atom.report.report_files import write_report
from atom.report.report_server import make_app, report_url, serve
from atom.report.run_tables import RunTables
from storage import CLIPS, Recipe, Store

VIDEO = bytes(range(256)) * 8


def filled(store):
    """A run with a report, one that failed, and a clips artifact; gives its key."""
    store.save_run(
        "20260101-000000-000-old",
        {"config": {"name": "old"}, "state": "failed", "stages": [], "created_at": "2026-01-01T00:00:00"},
    )
    overall = {"gain": 0.241, "gain_low": 0.1, "gain_high": 0.4}
    store.save_run(
        "20260102-000000-000-new",
        {
            "config": {"name": "<b>new"},
            "state": "completed",
            "stages": [],
            "created_at": "2026-01-02T00:00:00",
            "evaluation": {"kinematic": {"overall": overall}},
        },
    )
    for name, data in {
        "report.html": b"<p>gain",
        "people.html": b"<p>votes",
        "gains.png": b"png",
        "example.webp": b"webp",
    }.items():
        store.files.write(f"runs/20260102-000000-000-new/{name}", data)
    recipe = Recipe("clips", 1, CLIPS, config={"size": 64})
    with store.write(recipe) as writer:
        writer.file("m-0.mp4", VIDEO)
        writer.file("m-0.png", b"sheet")
        writer.file("notes.txt", b"private")
    return recipe.key


@pytest.fixture(params=["local", "memory"])
def store(request, tmp_path):
    return Store(str(tmp_path / "store") if request.param == "local" else f"memory://{tmp_path.name}")


@pytest.fixture
def served(store):
    """(a client of the server, the key of the clips)"""
    key = filled(store)
    return TestClient(make_app(store), base_url="http://127.0.0.1:4280"), key


def test_the_index_lists_runs_newest_first_with_gain_and_link(served):
    client, _ = served
    page = client.get("/").text
    assert 0 < page.index("20260102-000000-000-new") < page.index("20260101-000000-000-old")
    assert "+0.24" in page and "+0.10 to +0.40" in page and "failed" in page
    assert "&lt;b&gt;new" in page and "<b>new" not in page
    assert f'href="{report_url("", "20260102-000000-000-new")}"' in page
    assert "old/report.html" not in page  # it has none


def test_a_broken_record_does_not_hide_the_others(served, store):
    client, _ = served
    store.files.write("runs/20260103-000000-000-bad/run.json", b"{")
    page = client.get("/").text
    assert "unreadable" in page and "20260102-000000-000-new" in page


def test_an_empty_store_has_an_index(store):
    assert "No run yet" in TestClient(make_app(store), base_url="http://localhost").get("/").text


def test_reports_pictures_and_clips_are_given_with_careful_headers(served):
    client, key = served
    expected = {
        "/runs/20260102-000000-000-new/report.html": (b"<p>gain", "text/html; charset=utf-8"),
        "/runs/20260102-000000-000-new/people.html": (b"<p>votes", "text/html; charset=utf-8"),
        "/runs/20260102-000000-000-new/gains.png": (b"png", "image/png"),
        "/runs/20260102-000000-000-new/example.webp": (b"webp", "image/webp"),
        f"/clips/{key}/m-0.mp4": (VIDEO, "video/mp4"),
        f"/clips/{key}/m-0.png": (b"sheet", "image/png"),
    }
    for path, (data, kind) in expected.items():
        answer = client.get(path)
        assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, data, kind)
        assert answer.headers["x-content-type-options"] == "nosniff"
        policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
        assert policy["default-src"] == "'none'" and policy["script-src"] == viewer_script_hash()
        head = client.head(path)
        assert (head.status_code, head.content) == (200, b"")


def test_nothing_else_of_the_store_is_given(served, store):
    client, key = served
    run = "20260102-000000-000-new"
    for path in [
        f"/runs/{run}/run.json",
        f"/runs/{run}/",
        f"/runs/{run}",
        "/runs/",
        f"/runs/{run}/missing.png",
        f"/runs/{run}/..%2f..%2fclips%2f{key}%2fm-0.png",
        "/runs/..%2f..%2f/report.html",
        "/runs/%2e%2e/report.html",
        f"/clips/{key}/notes.txt",
        f"/clips/{key}/_manifest.json",
        f"/clips/{key}/part-00000.parquet",
        f"/clips/{key}/",
        f"/clips/{key}/..%2f..%2fruns%2f{run}%2fgains.png",
        f"/clips/{key}/%2fetc%2fhosts.png",
        f"/clips/{'0' * 64}/m-0.png",
        f"/clips/..%2fruns/{run}.png",
        "/prompts/x/part-00000.parquet",
        "/docs",
        "/openapi.json",
        "/journal/answers.sqlite",
    ]:
        assert client.get(path).status_code == 404, path
    # A file that lies in the artifact's folder without being committed is none of it.
    store.files.write(f"clips/{key}/late.png", b"late")
    assert client.get(f"/clips/{key}/late.png").status_code == 404


def test_a_link_that_leads_out_of_the_store_is_refused(tmp_path):
    store = Store(str(tmp_path / "store"))
    filled(store)
    (tmp_path / "secret.png").write_bytes(b"secret")
    Path(store.files.full_path("runs/20260102-000000-000-new/away.png")).symlink_to(tmp_path / "secret.png")
    client = TestClient(make_app(store), base_url="http://127.0.0.1")
    assert client.get("/runs/20260102-000000-000-new/away.png").status_code == 404


def test_only_reading_and_only_under_this_machines_name(served):
    client, _ = served
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        assert client.request(method, "/").status_code == 405
    for host in ("evil.example", "127.0.0.1.evil.example", ""):
        assert client.get("/", headers={"Host": host}).status_code == 400
    assert client.get("/", headers={"Host": "localhost:9"}).status_code == 200


def test_a_video_can_be_read_in_pieces(tmp_path):
    store = Store(str(tmp_path / "store"))
    key = filled(store)
    client = TestClient(make_app(store), base_url="http://127.0.0.1")
    answer = client.get(f"/clips/{key}/m-0.mp4", headers={"Range": "bytes=100-199"})
    assert (answer.status_code, answer.content) == (206, VIDEO[100:200])


@pytest.mark.slow
def test_the_command_listens_on_this_machine_only(tmp_path):
    filled(Store(str(tmp_path / "store")))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "atom.commands.serve_reports",
        "--store",
        str(tmp_path / "store"),
        "--port",
        str(port),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert f"127.0.0.1:{port}" in process.stdout.readline()
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.putrequest("GET", "/runs/20260102-000000-000-new/../../../../etc/hosts", skip_host=False)
            connection.endheaders()
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 404
            listening = Path("/proc/net/tcp").read_text().splitlines()
            ours = [line.split()[1] for line in listening if line.split()[1].endswith(f":{port:04X}")]
            assert ours and all(address.startswith("0100007F:") for address in ours)
        finally:
            process.terminate()


@pytest.fixture
def listening(tmp_path):
    """(a store with a run that has a report, the address of its server)"""
    store = paired_run(tmp_path / "store")
    write_report(RunTables(store, store.run("paired")))
    with serve_app(make_app(store)) as address:
        yield store, address


def test_over_http_the_3d_view_runs_and_no_other_script_does(listening, browser):
    store, address = listening
    foreign = b"<script>window.foreign = 1</script><img src='data:,' onerror='window.foreign = 2'></main>"
    report = store.files.read("runs/paired/report.html")
    store.files.write("runs/paired/report.html", report.replace(b"</main>", foreign))
    page = browser.page(report_url(address, "paired"))
    page.evaluate("document.querySelector('.motion-viewer').scrollIntoView()")
    page.wait("Number(document.querySelector('.motion-viewer').dataset.frame) > 2")
    assert page.evaluate("window.foreign === undefined && document.images.length === 1")
    blocked = [e["entry"]["text"] for e in page.events("Log.entryAdded") if e["entry"]["source"] == "security"]
    assert len(blocked) == 2 and all("script" in text for text in blocked)
    page.close()


def test_a_port_in_use_is_told_in_one_line(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        found = []

        def attempt():
            try:
                serve(Store(str(tmp_path)), taken.getsockname()[1])
            except AtomError as error:
                found.append(str(error))

        thread = threading.Thread(target=attempt, daemon=True)
        thread.start()
        thread.join(5)
    assert len(found) == 1 and "in use" in found[0] and "--port" in found[0] and "\n" not in found[0]
