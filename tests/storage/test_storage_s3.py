"""The store on S3, against a local mock server."""

import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import fsspec
import pytest

from storage import (
    ArtifactRef,
    Store,
    StoreError,
    StoreUnreachable,
    compact,
    find_garbage,
    remove_garbage,
    retry,
)
from storage.manifest import Manifest

pytest.importorskip("s3fs")
pytest.importorskip("moto.server")
serving = pytest.importorskip("werkzeug.serving")

BUCKET = "motions"
STALLED, CUT = (0, "stalled"), (0, "cut")


class S3Server:
    """A local server that can stop, restart with its objects, and fail on request."""

    def __init__(self) -> None:
        from moto.server import DomainDispatcherApplication, create_backend_app

        self.app = DomainDispatcherApplication(create_backend_app)
        self.port = 0
        self.requests: list[str] = []
        self.failures: list[tuple[int, str]] = []  # status and code of the answers to the next requests
        self.denied = ""  # part of the paths that may not be touched
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.server = serving.make_server("127.0.0.1", self.port, self.answer, threaded=True)
        self.port = self.server.port
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def restart_after(self, seconds: float) -> None:
        self.stop()
        threading.Timer(seconds, self.start).start()

    def answer(self, environ, start_response) -> Iterator[bytes]:
        self.requests.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}")
        failure = self.failures.pop(0) if self.failures else None
        if failure == STALLED:
            time.sleep(1)
            return self.app(environ, start_response)
        if failure == CUT:
            start_response("200 OK", [("Content-Length", "1000")])
            return iter([b"the beginning"])
        if self.denied and self.denied in environ["PATH_INFO"]:
            failure = 403, "AccessDenied"
        if failure:
            status, code = failure
            body = f"<Error><Code>{code}</Code><Message>please {code}</Message></Error>".encode()
            start_response(f"{status} Error", [("Content-Type", "application/xml")])
            return iter([b"" if environ["REQUEST_METHOD"] == "HEAD" else body])
        return self.app(environ, start_response)


@pytest.fixture(scope="module")
def server():
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    fsspec.get_filesystem_class("s3").clear_instance_cache()  # the port is a new one
    server = S3Server()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def account(server, monkeypatch):
    """Credentials and endpoint in the environment, as a user sets them, and a bucket."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
    monkeypatch.setattr(retry, "INITIAL_WAIT", 0.05)
    filesystem = fsspec.filesystem("s3", use_listings_cache=False)
    if not filesystem.exists(BUCKET):
        filesystem.mkdir(BUCKET)
    yield
    server.failures.clear()
    server.denied = ""


@pytest.fixture
def reconnect():
    """Makes the next store open a new connection, as a new process does, and drops it after the test."""
    forget = fsspec.get_filesystem_class("s3").clear_instance_cache
    forget()
    yield forget
    forget()


@pytest.fixture
def s3(tmp_path) -> Store:
    return Store(f"s3://{BUCKET}/{tmp_path.name}/store", retry_timeout=10)


def write(store: Store, recipe, rows) -> ArtifactRef:
    with store.write(recipe) as writer:
        writer.rows(rows)
        writer.file("clips/a.mp4", b"video")
        writer.file("clips/empty", b"")
    return writer.ref


def object_path(store: Store, ref: ArtifactRef, name: str) -> str:
    return f"{store.files.full_path(ref.stage)}/{ref.key}/{name}"


def test_parts_and_manifest_are_those_of_a_local_store(s3, store, recipe, row):
    ref, local = (write(each, recipe, [row(0), row(1)]) for each in (s3, store))
    assert ref == local == s3.find("prompts", recipe.key)
    assert s3.read(ref) == store.read(ref)
    with s3.folder(ref) as remote_folder, store.folder(ref) as local_folder:
        names = {path.relative_to(local_folder).as_posix() for path in local_folder.rglob("*") if path.is_file()} - {
            "_manifest.json"
        }
        assert {
            path.relative_to(remote_folder).as_posix() for path in remote_folder.rglob("*") if path.is_file()
        } == names
        assert len(names) == 3
        assert all((local_folder / name).read_bytes() == (remote_folder / name).read_bytes() for name in names)
    assert not remote_folder.exists()
    remote_manifest, local_manifest = (each.manifest("prompts", ref.key) for each in (s3, store))
    same_moment = {"created_at": local_manifest.created_at, "seconds": local_manifest.seconds}
    assert replace(remote_manifest, **same_moment).to_json() == store.files.read(f"prompts/{ref.key}/_manifest.json")
    raw = s3.files.read(f"prompts/{ref.key}/_manifest.json")
    assert Manifest.from_json(raw).to_json() == raw


def test_the_manifest_is_uploaded_last(s3, server, recipe, row):
    server.requests.clear()
    ref = write(s3, recipe, [row()])
    puts = [request.rsplit("/", 1)[1] for request in server.requests if request.startswith("PUT")]
    assert len(puts) == 4
    assert puts[-1] == "_manifest.json"
    with fsspec.open(s3.path(ref, "clips/a.mp4"), "rb") as file:
        assert file.read() == b"video"


@pytest.mark.parametrize("name", ["part-00000.parquet", "clips/a.mp4", "_manifest.json"])
@pytest.mark.parametrize("damage", ["gone", "cut", "changed"])
def test_damage_is_detected_and_repaired(s3, recipe, row, name, damage):
    ref = write(s3, recipe, [row()])
    path, data = object_path(s3, ref, name), s3.files.read(f"prompts/{ref.key}/{name}")
    if damage == "gone":
        s3.files.fs.rm_file(path)
    else:
        middle = len(data) // 2
        changed = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
        s3.files.fs.pipe_file(path, data[:middle] if damage == "cut" else changed)
    s3.files.fs.pipe_file(object_path(s3, ref, "part-00001.parquet"), b"of an older try")
    assert s3.find("prompts", recipe.key) is None
    assert s3.find_problems("prompts", recipe.key)
    assert write(s3, recipe, [row()]) == ref == s3.find("prompts", recipe.key)
    assert "part-00001.parquet" not in s3.files.file_sizes(f"prompts/{ref.key}")


def test_artifacts_of_another_machine_are_found_at_once(s3, recipe, row, reconnect):
    first = write(s3, recipe, [row()])
    s3.files.write(f"prompts/{'f' * 64}/part-00000.parquet", b"begun")
    reconnect()
    other = Store(s3.root)
    assert other.stages() == ["prompts"] and other.keys("prompts") == [first.key]
    assert other.find("prompts", "f" * 64) is None
    second = write(s3, replace(recipe, seed=1), [row()])
    derived = write(s3, replace(recipe, stage="motions"), [row()])
    assert other.stages() == ["motions", "prompts"]
    assert other.keys("prompts") == sorted([first.key, second.key])
    assert other.read(other.find("motions", derived.key)) == s3.read(derived)
    s3.files.remove(f"prompts/{first.key}")
    assert other.find("prompts", first.key) is None
    assert other.folders("prompts") == sorted([second.key, "f" * 64])


def test_two_writers_of_one_key_at_once_both_get_a_whole_artifact(s3, recipe, row):
    together = threading.Barrier(2)
    refs = []

    def work():
        with s3.write(recipe) as writer:
            writer.rows([row()])
            together.wait()
        refs.append(writer.ref)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refs == [s3.find("prompts", recipe.key)] * 2
    assert find_garbage(s3, older_than=0) == []


def test_runs_and_their_files(s3):
    s3.save_run("a", {"state": "running"})
    s3.save_run("b", {"state": "completed", "created_at": "2000-01-01T00:00:00+00:00"})
    s3.save_run("a", {"state": "completed"})
    report = f"{s3.run_folder('a')}/report.html"
    assert report.startswith(f"s3://{BUCKET}/")
    with fsspec.open(report, "wb") as file:
        file.write(b"<html>")
    assert s3.files.read("runs/a/report.html") == b"<html>"
    assert s3.save_run_file("a", "report.html", b"<html></html>") == report
    with fsspec.open(report, "rb") as file:
        assert file.read() == b"<html></html>"
    with pytest.raises(StoreError, match="can't name a file"):
        s3.save_run_file("a", "../b/run.json", b"")
    assert [run["run_id"] for run in s3.runs()] == ["a", "b"]
    assert s3.run()["state"] == "completed"
    with pytest.raises(StoreError, match="no run 'c'"):
        s3.run("c")


def test_scratch_is_local_and_outlives_a_failure(s3, recipe):
    with pytest.raises(RuntimeError), s3.scratch("prompts", recipe.key) as folder:
        (folder / "state").write_text("half")
        raise RuntimeError
    with s3.scratch("prompts", recipe.key) as again:
        assert (again / "state").read_text() == "half"
    assert not folder.exists()
    assert s3.stages() == []


def test_gc_and_compaction(s3, recipe, row):
    kept = write(s3, recipe, [row(0)])
    dropped = write(s3, replace(recipe, seed=1), [row(1)])
    s3.files.write(f"prompts/{'f' * 64}/part-00000.parquet", b"its writer died")
    s3.save_run("a", {"state": "completed", "stages": [{"keys": [kept.key]}]})
    assert compact(s3, "prompts", all_artifacts=True).artifacts == 2
    assert compact(s3, "prompts").artifacts == 1
    assert compact(s3, "prompts").up_to_date
    garbage = find_garbage(s3, older_than=-60, unreferenced=True)  # the server's clock has whole seconds
    assert {item.path for item in garbage} == {f"prompts/{dropped.key}", f"prompts/{'f' * 64}"}
    remove_garbage(s3, garbage)
    assert s3.folders("prompts") == [kept.key] == s3.keys("prompts")
    assert s3.find("prompts", kept.key) == kept
    (copy,) = find_garbage(s3, older_than=-60, compacted=True)
    remove_garbage(s3, [copy])
    assert s3.files.file_sizes("compact") == {}


def test_a_find_costs_one_request_for_the_manifest_one_listing_and_one_for_each_file(s3, server, recipe, row):
    write(s3, recipe, [row()])
    server.requests.clear()
    s3.find("prompts", recipe.key)
    assert [request.split()[0] for request in server.requests] == ["GET"] * 4  # the empty file needs none
    server.requests.clear()
    s3.keys("prompts")
    assert len(server.requests) == 1


def one_line(caught) -> str:
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_store_that_can_not_be_written_fails_at_once_with_the_cause(s3, server, monkeypatch):
    s3.check_writable()
    assert s3.files.file_sizes("") == {}
    with pytest.raises(StoreError, match=r"bucket does not exist; make the bucket") as caught:
        Store("s3://no-such-bucket/store").check_writable()
    assert "s3://no-such-bucket/store" in one_line(caught)
    server.failures = [(403, "AccessDenied")]
    with pytest.raises(StoreError, match=r"please AccessDenied; check the address, your credentials") as caught:
        s3.check_writable()
    one_line(caught)
    assert server.failures == []


def test_missing_credentials_fail_at_once(s3, monkeypatch, reconnect):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "/nonexistent")
    reconnect()
    began = time.monotonic()
    with pytest.raises(StoreError, match="Unable to locate credentials") as caught:
        Store(s3.root).check_writable()
    one_line(caught)
    assert time.monotonic() - began < 3


def test_a_wrong_endpoint_fails_at_once(s3, monkeypatch, reconnect):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    reconnect()
    began = time.monotonic()
    with pytest.raises(StoreUnreachable, match=r"Could not connect .*127\.0\.0\.1:9.*check the address") as caught:
        Store(s3.root).check_writable()
    one_line(caught)
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "FSSPEC_S3_ENDPOINT_URL"])
def test_the_endpoint_may_be_named_by(s3, server, monkeypatch, variable, reconnect):
    from fsspec.config import conf, set_conf_env

    monkeypatch.delenv("AWS_ENDPOINT_URL_S3")
    monkeypatch.setenv(variable, server.url)
    set_conf_env(conf)
    reconnect()
    try:
        Store(s3.root).check_writable()
    finally:
        conf.pop("s3", None)


@pytest.mark.parametrize(
    ("status", "code"), [(503, "SlowDown"), (500, "InternalError"), (503, "ServiceUnavailable"), (502, "BadGateway")]
)
def test_a_transient_answer_is_retried(s3, server, recipe, row, status, code):
    server.failures = [(status, code)] * 3
    ref = write(s3, recipe, [row()])
    server.failures = [(status, code)] * 2
    assert s3.find("prompts", recipe.key) == ref
    assert server.failures == []


@pytest.mark.parametrize("failure", [STALLED, CUT])
def test_a_stalled_or_truncated_answer_is_retried(s3, server, recipe, row, failure, monkeypatch, reconnect):
    ref = write(s3, recipe, [row()])
    reconnect()
    monkeypatch.setattr(fsspec.get_filesystem_class("s3"), "read_timeout", 0.3)
    reconnected = Store(s3.root, retry_timeout=10)
    reconnected.files.read(f"prompts/{ref.key}/_manifest.json")
    server.failures = [failure] * 2
    assert reconnected.read_file(ref, "clips/a.mp4") == b"video"
    assert server.failures == []


def test_a_large_file_is_hashed_in_chunks(s3, server, recipe, row, monkeypatch):
    with s3.write(recipe) as writer:
        writer.file("large.bin", bytes(range(100)))
    ref = writer.ref
    monkeypatch.setattr("storage.filesystem.CHUNK_BYTES", 30)
    server.requests.clear()
    assert s3.find("prompts", ref.key) == ref
    assert sum("large.bin" in request for request in server.requests) == 4
    s3.files.write(f"prompts/{ref.key}/large.bin", bytes(range(99)) + b"!")
    assert s3.find_problems("prompts", ref.key) == ["large.bin has changed bytes"]


def test_a_server_that_restarts_is_retried(s3, server, recipe, row, caplog):
    with s3.write(recipe) as writer:
        writer.rows([row()])
        server.restart_after(0.6)
    assert "trying again" in caplog.text
    server.restart_after(0.6)
    assert s3.find("prompts", recipe.key) == writer.ref
    server.restart_after(0.6)
    assert s3.read(writer.ref).to_pylist() == [row()]
    server.restart_after(0.6)
    s3.save_run("a", {"state": "running"})
    assert len(s3.runs()) == 1


def test_an_unreachable_server_is_one_line_and_no_artifact_counts_as_absent(s3, server, recipe, row):
    ref = write(s3, recipe, [row()])
    s3.save_run("a", {"stages": [{"keys": [ref.key]}]})
    short = Store(s3.root, retry_timeout=0.3)
    server.stop()
    try:
        for call in (
            lambda: short.find("prompts", ref.key),
            lambda: short.find_problems("prompts", ref.key),
            lambda: short.read(ref),
            lambda: short.keys("prompts"),
            lambda: short.exists(),
            lambda: short.runs(),
            lambda: short.save_run("b", {}),
            lambda: write(short, replace(recipe, seed=1), [row()]),
            lambda: find_garbage(short, unreferenced=True),
        ):
            with pytest.raises(StoreUnreachable, match=r"Could not connect.*run again") as caught:
                call()
            one_line(caught)
    finally:
        server.start()
    assert s3.find("prompts", ref.key) == ref


def test_access_denied_on_a_manifest_keeps_gc_from_deleting(s3, server, recipe, row):
    source = write(s3, recipe, [row()])
    derived = write(s3, replace(recipe, seed=1, inputs=[source.key]), [row()])
    s3.save_run("a", {"stages": [{"keys": [derived.key]}]})
    server.denied = derived.key
    with pytest.raises(StoreUnreachable, match="credentials and what they allow"):
        find_garbage(s3, older_than=0, unreferenced=True)


def test_a_manifest_that_names_files_outside_is_refused(s3, recipe, row, tmp_path):
    ref = write(s3, recipe, [row()])
    path = f"prompts/{ref.key}/_manifest.json"
    manifest = Manifest.from_json(s3.files.read(path))
    stray = replace(manifest.files[0], path="../../../stray")
    s3.files.write(path, replace(manifest, files=[*manifest.files, stray]).to_json())
    with pytest.raises(StoreError, match="outside"), s3.folder(ref):
        pass
    assert s3.find("prompts", ref.key) is None
    assert not (Path(tmp_path).parent / "stray").exists()
