"""`atom store`, and what garbage collection may delete."""

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from atom.commands.store import store_app
from storage import Recipe, Store, StoreError, find_garbage, remove_garbage


def run(*arguments, store):
    return CliRunner().invoke(store_app, [*arguments, "--store", store.root], env={"COLUMNS": "200"})


def write(store: Store, recipe: Recipe, row):
    with store.write(recipe) as writer:
        writer.rows([row()])
    return writer.ref


def make_old(store: Store):
    long_ago = time.time() - 7200
    for path in [*Path(store.root).rglob("*"), Path(store.root)]:
        os.utime(path, (long_ago, long_ago))


def test_ls_shows_the_size_of_each_stage(store, recipe, row):
    write(store, recipe, row)
    write(store, replace(recipe, seed=1), row)
    store.save_run("first", {})
    result = run("ls", store=store)
    assert result.exit_code == 0
    (line,) = [line for line in result.output.splitlines() if "prompts" in line]
    assert [cell.strip() for cell in line.split("│")][1:4] == ["prompts", "2", "2"]
    assert "1 runs" in result.output


def test_verify_finds_damage_and_exits_with_status_1(store, recipe, row):
    ref = write(store, recipe, row)
    assert run("verify", store=store).exit_code == 0
    part = Path(store.path(ref, "part-00000.parquet"))
    part.write_bytes(part.read_bytes()[:-1])
    result = run("verify", store=store)
    assert result.exit_code == 1
    assert ref.key[:12] in result.output
    assert "part-00000.parquet has" in result.output
    (part.parent / "_manifest.json").unlink()
    result = run("verify", store=store)
    assert result.exit_code == 1
    assert "_manifest.json is missing" in result.output


def test_commands_without_a_store_fail_and_create_none(store):
    for command in ("ls", "verify", "gc"):
        result = run(command, store=store)
        assert isinstance(result.exception, StoreError)
        assert "no store at" in str(result.exception)
    assert not Path(store.root).exists()


def test_gc_lists_first_and_deletes_with_yes(store, recipe, row):
    ref = write(store, recipe, row)
    leftover = Path(store.root) / "prompts/.unfinished/dead-1"
    leftover.mkdir()
    (leftover / "part-00000.parquet").write_bytes(b"half")
    unfinished = Path(store.root) / "prompts" / ("f" * 64)
    unfinished.mkdir()
    assert "nothing to free" in run("gc", store=store).output  # both are young
    make_old(store)
    result = run("gc", store=store)
    assert "dead-1" in result.output
    assert "f" * 64 in result.output
    assert "--yes" in result.output
    assert leftover.exists()
    assert "freed" in run("gc", "--yes", store=store).output
    assert not leftover.exists()
    assert not unfinished.exists()
    assert store.find("prompts", ref.key) == ref
    assert "nothing to free" in run("gc", "--yes", store=store).output


def test_gc_keeps_what_a_writer_is_still_writing(store, recipe, row):
    with store.write(recipe) as writer:
        writer.rows([row()])
        make_old(store)
        assert find_garbage(store, older_than=0) == []
    make_old(store)
    assert find_garbage(store) == []


@pytest.fixture(params=["folder", "memory"])
def two_runs(request, tmp_path, recipe, row):
    """A store with an old run of an artifact derived from another, a newer run, and an artifact of no run."""
    store = Store(str(tmp_path / "store") if request.param == "folder" else f"memory://gc-{tmp_path.name}")
    source = write(store, recipe, row)
    derived = write(store, replace(recipe, stage="motions", inputs=[source.key]), row)
    new = write(store, replace(recipe, seed=1), row)
    orphan = write(store, replace(recipe, seed=2), row)
    store.save_run("old", {"stages": [{"keys": [derived.key]}], "created_at": "2000-01-01T00:00:00+00:00"})
    store.save_run("new", {"stages": [{"keys": [new.key]}]})
    return store, source, derived, new, orphan


def test_unreferenced_artifacts_are_deleted_and_inputs_of_used_ones_stay(two_runs):
    store, source, derived, new, orphan = two_runs
    assert find_garbage(store, older_than=0) == []
    assert find_garbage(store, unreferenced=True) == []  # too young
    garbage = find_garbage(store, older_than=0, unreferenced=True)
    assert [item.path for item in garbage] == [f"prompts/{orphan.key}"]
    remove_garbage(store, garbage)
    assert store.find("prompts", orphan.key) is None
    assert all(store.find(ref.stage, ref.key) for ref in (source, derived, new))


def test_old_runs_are_deleted_with_the_artifacts_that_only_they_used(two_runs):
    store, source, derived, new, orphan = two_runs
    garbage = find_garbage(store, older_than=0, keep_runs=1, unreferenced=True)
    gone = {f"prompts/{source.key}", f"motions/{derived.key}", f"prompts/{orphan.key}", "runs/old"}
    assert {item.path for item in garbage} == gone
    remove_garbage(store, garbage)
    assert [run["run_id"] for run in store.runs()] == ["new"]
    assert store.find("prompts", new.key)


def test_gc_deletes_old_scratch_folders_that_are_not_in_use(store, recipe):
    with pytest.raises(RuntimeError), store.scratch("prompts", recipe.key):
        raise RuntimeError
    make_old(store)
    (left,) = find_garbage(store)
    assert "scratch" in left.path
    with store.scratch("prompts", recipe.key):
        make_old(store)
        assert find_garbage(store) == []
