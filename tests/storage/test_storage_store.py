"""Round trips, damage, crashes, full disks and concurrent writers."""

import errno
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from storage import ArtifactRef, Recipe, Store, StoreError, find_garbage


def write(store: Store, recipe: Recipe, rows) -> ArtifactRef:
    with store.write(recipe) as writer:
        writer.rows(rows)
        writer.file("clips/a.mp4", b"video")
    return writer.ref


def artifact_folder(store: Store, ref: ArtifactRef) -> Path:
    return Path(store.path(ref, "part-00000.parquet")).parent


@pytest.fixture(params=["folder", "memory"])
def any_store(request, tmp_path) -> Store:
    return Store(str(tmp_path / "store") if request.param == "folder" else f"memory://{tmp_path.name}")


def test_what_is_written_is_read(any_store, recipe, row):
    store = any_store
    assert store.find(recipe.stage, recipe.key) is None
    with store.write(recipe) as writer:
        writer.rows([row(0), row(1)])
        writer.table(recipe.table.from_rows([row(2)]))
        cell = writer.file("clips/a.mp4", b"video")
        (writer.folder / "adapter").mkdir()
        (writer.folder / "adapter/config.json").write_text("{}")
        writer.stats["quarantined"] = 1
    ref = writer.ref
    assert ref == ArtifactRef("prompts", recipe.key, 3) == store.find(recipe.stage, recipe.key)
    assert ArtifactRef.from_dict(json.loads(json.dumps(ref.to_dict()))) == ref
    assert store.read(ref).to_pylist() == [row(0), row(1), row(2)]
    assert store.read(ref, ["seed"]).to_pydict() == {"seed": [0, 1, 2]}
    assert cell["bytes"] == 5
    with store.folder(ref) as folder:
        assert (folder / cell["path"]).read_bytes() == b"video"
        assert (folder / "adapter/config.json").read_text() == "{}"
    assert store.path(ref, "clips/a.mp4").endswith(f"{recipe.key}/clips/a.mp4")
    assert store.read_file(ref, "clips/a.mp4") == b"video"
    for read in (store.path, store.read_file):
        with pytest.raises(StoreError, match="has no file"):
            read(ref, "b.mp4")


def test_the_manifest_has_recipe_files_and_provenance(any_store, recipe, row):
    recipe = replace(recipe, inputs=["a" * 64], weights={"generator": "b"})
    manifest = any_store.manifest("prompts", write(any_store, recipe, [row()]).key)
    assert manifest.recipe == recipe.record()
    assert manifest.inputs == ["a" * 64]
    assert [part.rows for part in manifest.parts] == [1]
    assert {file.path for file in manifest.files} == {"part-00000.parquet", "clips/a.mp4"}
    assert "pyarrow" in manifest.provenance["packages"]


def test_an_artifact_without_rows_still_has_columns(any_store, recipe):
    with any_store.write(recipe):
        pass
    assert any_store.read(any_store.find("prompts", recipe.key)).column_names == recipe.table.schema.names


def test_a_block_that_raises_leaves_nothing(any_store, recipe, row):
    with pytest.raises(KeyboardInterrupt), any_store.write(recipe) as writer:
        writer.rows([row()])
        raise KeyboardInterrupt
    assert any_store.find("prompts", recipe.key) is None
    assert any_store.folders("prompts") == []
    assert not writer.folder.exists()


@pytest.mark.parametrize("name", ["../a", "/a", "part-00001.parquet", "_manifest.json", ""])
def test_file_names_stay_inside_and_apart(store, recipe, name):
    with pytest.raises(StoreError, match="can't name a file"), store.write(recipe) as writer:
        writer.file(name, b"")


def truncate(path: Path):
    os.truncate(path, path.stat().st_size // 2)


def flip(path: Path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["part-00000.parquet", "clips/a.mp4", "_manifest.json"])
@pytest.mark.parametrize("damage", [Path.unlink, truncate, flip])
def test_damage_counts_as_absent_and_is_replaced(store, recipe, row, name, damage, caplog):
    ref = write(store, recipe, [row()])
    damage(artifact_folder(store, ref) / name)
    assert store.find("prompts", recipe.key) is None
    unlinked_manifest = damage is Path.unlink and name == "_manifest.json"
    assert store.find_problems("prompts", recipe.key)
    if not unlinked_manifest:
        assert name.split(".")[0].lstrip("_") in caplog.text
    if name != "clips/a.mp4":
        with pytest.raises(StoreError):
            store.read(ref)
    assert write(store, recipe, [row()]) == ref == store.find("prompts", recipe.key)
    assert store.read(ref).to_pylist() == [row()]
    assert len(list(artifact_folder(store, ref).glob("*.parquet"))) == 1


def test_every_byte_of_the_manifest_counts(store, recipe, row):
    manifest = artifact_folder(store, write(store, recipe, [row()])) / "_manifest.json"
    text = manifest.read_text()
    for old, new in [('"rows": 1', '"rows": 2'), ('"per_task": 2', '"per_task": 3'), ('"format": 1', '"format": 9')]:
        assert old in text
        manifest.write_text(text.replace(old, new))
        assert store.find("prompts", recipe.key) is None
    manifest.write_text(text)
    assert store.find("prompts", recipe.key)


def test_a_manifest_in_the_wrong_folder_is_refused(store, recipe, row):
    folder = artifact_folder(store, write(store, recipe, [row()]))
    folder.rename(folder.with_name("f" * 64))
    assert store.find("prompts", "f" * 64) is None


def test_the_first_of_two_writers_wins_and_both_get_the_artifact(any_store, recipe, row):
    with any_store.write(recipe) as slow:
        slow.rows([row(1)])
        with any_store.write(recipe) as fast:
            fast.rows([row(2)])
    assert slow.ref == fast.ref
    assert any_store.read(slow.ref).to_pylist() == [row(2)]


SETUP = """
import os, sys, time
sys.path.insert(0, sys.argv[2])
from conftest import prompt_row as row
from storage import PROMPTS, Recipe, Store
store = Store(sys.argv[1])
recipe = Recipe("prompts", version=1, table=PROMPTS, config={"per_task": 2}, seed=0)
"""


def start(program: str, store: Store, **options) -> subprocess.Popen:
    folder = str(Path(__file__).parent)
    command = [sys.executable, "-c", SETUP + program, store.root, folder]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


@pytest.mark.parametrize("moment", ["part", "manifest"])
def test_kill_9_in_the_middle_of_a_write_commits_nothing(store, recipe, row, moment):
    pause = "print('now', flush=True); time.sleep(60)"
    at_publish = f"""
def stop(*arguments, **options):
    {pause}
store.files.publish = stop
"""
    program = f"""
{at_publish if moment == "manifest" else ""}
with store.write(recipe) as writer:
    writer.rows([row()])
    {pause if moment == "part" else "pass"}
"""
    process = start(program, store)
    assert process.stdout.readline() == "now\n"
    assert [item for item in find_garbage(store, older_than=0) if "writer" in item.reason] == []  # it is still alive
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert store.find("prompts", recipe.key) is None
    assert store.keys("prompts") == []
    ref = write(store, recipe, [row()])
    assert store.read(store.find("prompts", recipe.key)).to_pylist() == [row()]
    (left,) = find_garbage(store, older_than=0)
    assert left.bytes > 0
    assert ref.key[:16] in left.path


def test_processes_that_write_the_same_key_all_end_well(store, recipe):
    program = """
while time.time() < float(os.environ["START"]):
    pass
for _ in range(8):
    with store.write(recipe) as writer:
        writer.rows([row(os.getpid())])
    assert store.read(writer.ref).num_rows == 1
"""
    processes = [start(program, store, env=os.environ | {"START": str(time.time() + 3)}) for _ in range(2)]
    for process in processes:
        assert process.communicate(timeout=60)[1] == ""
        assert process.returncode == 0
    assert store.find("prompts", recipe.key)
    assert find_garbage(store, older_than=0) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_full_or_failing_disk_is_one_line_and_leaves_nothing(store, recipe, row, monkeypatch, code):
    def fail(handle):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StoreError, match=os.strerror(code)) as caught, store.write(recipe) as writer:
        writer.rows([row()])
    assert "\n" not in str(caught.value)
    assert ("free some space" in str(caught.value)) == (code == errno.ENOSPC)
    monkeypatch.undo()
    assert store.find("prompts", recipe.key) is None
    assert store.keys("prompts") == []
    assert find_garbage(store, older_than=0) == []
    write(store, recipe, [row()])


def test_a_write_that_the_system_cuts_short_leaves_no_torn_part(store, recipe):
    program = """
import signal
from storage import StoreError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    with store.write(recipe) as writer:
        writer.rows([row()])
        writer.file("big.bin", bytes(100_000))
except StoreError as error:
    print(error)
"""
    limit = 50_000
    process = start(program, store, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    output, errors = process.communicate(timeout=60)
    assert "File too large; free some space" in output, errors
    assert store.find("prompts", recipe.key) is None
    assert find_garbage(store, older_than=0) == []


def test_a_root_that_can_not_be_written_is_named_with_a_remedy(tmp_path):
    (tmp_path / "file").write_text("")
    for root in (tmp_path / "file", tmp_path / "file/store", Path("/proc/no-store")):
        with pytest.raises(StoreError, match="--store ROOT") as caught:
            Store(str(root)).check_writable()
        assert str(root) in str(caught.value)
        assert "\n" not in str(caught.value)
    for root in ("", "nosuch://place"):
        with pytest.raises(StoreError):
            Store(root)


def test_a_root_that_can_be_written_stays_clean(any_store):
    any_store.check_writable()
    assert any_store.stages() == []
    assert any_store.files.names() in ([], [".unfinished"])


def test_runs_are_kept_and_found(any_store):
    store = any_store
    with pytest.raises(StoreError, match="no run"):
        store.run("latest")
    store.save_run("a", {"status": "running"})
    store.save_run("b", {"status": "done", "created_at": "2000-01-01T00:00:00+00:00"})
    started = store.run("a")["created_at"]
    store.save_run("a", {"status": "done"})
    assert store.run("latest") == {"run_id": "a", "status": "done", "created_at": started}
    assert [run["run_id"] for run in store.runs()] == ["a", "b"]
    assert store.stages() == []
    with pytest.raises(StoreError, match="no run 'c'"):
        store.run("c")
    for name in ("../a", "", "latest/x"):
        with pytest.raises(StoreError, match="can't name a run"):
            store.save_run(name, {})
    assert store.run_folder("a").endswith("runs/a")
    assert store.save_run_file("a", "report.html", b"<html>").endswith("runs/a/report.html")
    assert store.files.read("runs/a/report.html") == b"<html>"


def test_a_run_is_never_seen_half_written(store, monkeypatch):
    store.save_run("a", {"n": 1})
    monkeypatch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    with pytest.raises(StoreError, match="full"):
        store.save_run("a", {"n": 2})
    monkeypatch.undo()
    assert store.run("a")["n"] == 1


def test_scratch_survives_a_failure_and_is_deleted_on_success(any_store, recipe):
    with pytest.raises(RuntimeError), any_store.scratch("prompts", recipe.key) as folder:
        (folder / "state").write_text("half")
        raise RuntimeError
    with any_store.scratch("prompts", recipe.key) as again:
        assert again == folder and (again / "state").read_text() == "half"
        again.joinpath("state").write_text("whole")
    assert not folder.exists()
    assert any_store.keys("prompts") == []


def test_a_claimed_artifact_is_computed_only_once(store, recipe, row):
    """Eight threads want the same artifact: it is computed once."""
    computed = []

    def compute_once(number):
        with store.claim(recipe.stage, recipe.key):
            if store.find(recipe.stage, recipe.key) is None:
                computed.append(number)
                time.sleep(0.01)
                with store.write(recipe) as writer:
                    writer.rows([row()])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(compute_once, range(20)))
    assert len(computed) == 1 and store.find(recipe.stage, recipe.key)
    assert not list(Path(store.root).glob(f"{recipe.stage}/.unfinished/claim-*"))


def test_a_scratch_folder_is_created_although_others_delete_it(store):
    """As claims do, in many threads at once."""

    def create_and_delete(_):
        shutil.rmtree(store.files.create_scratch_folder("prompts", "claim-0"), ignore_errors=True)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(create_and_delete, range(3000)))


def test_a_file_with_the_name_of_a_scratch_folder_is_an_error(store):
    folder = store.files.create_scratch_folder("prompts", "claim-0")
    shutil.rmtree(folder)
    folder.write_text("")
    with pytest.raises(StoreError, match=r"can't write .*claim-0: File exists"):
        store.files.create_scratch_folder("prompts", "claim-0")
