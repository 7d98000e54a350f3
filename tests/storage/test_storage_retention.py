"""What garbage collection keeps: runs by number and by name, runs in progress, and all artifacts that these use."""

import os
import socket
import subprocess
import sys
import time
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from atom.commands.store import store_app
from storage import PROMPTS, Recipe, Store, find_garbage, remove_garbage

STAGES = ("prompts", "motions", "scores")


def write(store: Store, recipe: Recipe, rows):
    with store.write(recipe) as writer:
        writer.rows(rows)
    return writer.ref


def save(store: Store, run_id: str, day: int, keys=(), name="default", state="completed", **more):
    record = {"state": state, "config": {"name": name}, "stages": [{"name": "any", "keys": list(keys)}]}
    store.save_run(run_id, record | {"created_at": f"2026-01-{day:02d}T00:00:00.000+00:00"} | more)


def garbage_paths(store: Store, **options) -> set[str]:
    return {item.path for item in find_garbage(store, older_than=0, **options)}


RUNS = st.lists(
    st.tuples(
        st.lists(st.integers(0, 11), max_size=3),
        st.sampled_from(["nightly", "trial"]),
        st.sampled_from(["completed", "failed", "running"]),
    ),
    max_size=5,
)
INPUTS = st.lists(st.lists(st.integers(0, 11), max_size=2, unique=True), min_size=12, max_size=12)


@settings(max_examples=30, deadline=None)
@given(
    made_from=INPUTS,
    runs=RUNS,
    keep_runs=st.none() | st.integers(1, 3),
    keep_names=st.sampled_from([(), ("nightly",)]),
    unreferenced=st.booleans(),
    abandoned_after=st.sampled_from([0.0, 60.0]),
)
def test_gc_never_deletes_what_kept_runs_use(made_from, runs, keep_runs, keep_names, unreferenced, abandoned_after):
    store = Store(f"memory://retention-{uuid.uuid4().hex}")
    row = {"prompt_id": "p", "text": "a", "task": "frequency", "events": [], "split": "train", "source": "s", "seed": 0}
    refs = []
    for number, inputs in enumerate(made_from):  # inputs are earlier artifacts, as in a real run
        keys = [refs[index].key for index in inputs if index < number]
        recipe = Recipe(STAGES[number % 3], 1, PROMPTS, seed=number, inputs=keys)
        refs.append(write(store, recipe, [row]))
    for day, (used, name, state) in enumerate(runs, start=1):
        save(store, f"run{day}", day, [refs[index].key for index in used], name, state)
    before = {ref.key: set(store.manifest(ref.stage, ref.key).inputs) for ref in refs}

    remove_garbage(store, find_garbage(store, -60, keep_runs, unreferenced, keep_names, False, abandoned_after))

    left = {run["run_id"] for run in store.runs()}
    others = []
    for day, (_, name, state) in enumerate(runs, start=1):
        if name in keep_names or (state == "running" and abandoned_after):
            assert f"run{day}" in left
        else:
            others.append(f"run{day}")
    assert set(others[-keep_runs:] if keep_runs else others) == left & set(others)
    needed, waiting = set(), [key for run in store.runs() for key in run["stages"][0]["keys"]]
    while waiting:
        key = waiting.pop()
        needed.add(key)
        waiting += before[key] - needed
    whole = {ref.key for ref in refs if store.find(ref.stage, ref.key) == ref}
    assert needed <= whole
    working = bool(abandoned_after) and any(state == "running" for *_, state in runs)
    assert whole == (needed if unreferenced and not working else {ref.key for ref in refs})


def test_runs_kept_by_name_do_not_count_among_those_kept_by_number(store):
    for day, name in enumerate(["nightly", "trial", "nightly", "trial", "trial"], start=1):
        save(store, f"run{day}", day, name=name)
    assert garbage_paths(store, keep_runs=1) == {"runs/run1", "runs/run2", "runs/run3", "runs/run4"}
    assert garbage_paths(store, keep_runs=1, keep_names=["nightly"]) == {"runs/run2", "runs/run4"}
    assert garbage_paths(store, keep_names=["nightly"]) == set()


def test_while_a_run_is_in_progress_it_and_all_artifacts_stay(store, recipe, row):
    orphan = write(store, recipe, [row()])
    save(store, "working", 1, state="running")
    save(store, "done", 2)
    assert garbage_paths(store, keep_runs=1, unreferenced=True) == set()
    long_ago = time.time() - 2 * 24 * 3600
    for path in Path(store.root).rglob("*"):
        os.utime(path, (long_ago, long_ago))
    abandoned = {"runs/working", f"prompts/{orphan.key}"}
    assert garbage_paths(store, keep_runs=1, unreferenced=True) == abandoned
    assert garbage_paths(store, keep_runs=1, unreferenced=True, abandoned_after=1e6) == set()


def test_a_run_whose_process_was_killed_is_not_in_progress(store, recipe, row):
    orphan = f"prompts/{write(store, recipe, [row()]).key}"
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    save(store, "a", 1, state="running", process={"host": socket.gethostname(), "pid": child.pid})
    assert garbage_paths(store, unreferenced=True) == set()
    child.kill()
    child.communicate()
    assert garbage_paths(store, unreferenced=True) == {orphan}
    save(store, "a", 1, state="running", process={"host": "another", "pid": child.pid})
    assert garbage_paths(store, unreferenced=True) == set()


@pytest.mark.parametrize("by_yes", [False, True])
def test_the_command_keeps_by_name_and_reports_runs_in_progress(store, recipe, row, by_yes):
    used, orphan = (write(store, replace(recipe, seed=seed), [row()]) for seed in (0, 1))
    save(store, "old", 1, [used.key], name="nightly")
    save(store, "older", 2)
    save(store, "new", 3)
    arguments = ["gc", "--keep-runs", "1", "--keep", "nightly", "--unreferenced", "--older-than", "0"]
    arguments += ["--store", store.root, *(["--yes"] if by_yes else [])]
    output = CliRunner().invoke(store_app, arguments, env={"COLUMNS": "200"}).output
    assert "runs/older" in output and orphan.key in output
    assert "runs/old " not in output and used.key not in output
    assert {run["run_id"] for run in store.runs()} == ({"old", "new"} if by_yes else {"old", "older", "new"})
    assert store.find("prompts", used.key) == used
    save(store, "now", 4, state="running")
    output = CliRunner().invoke(store_app, arguments, env={"COLUMNS": "200"}).output
    assert "in progress: now" in output
