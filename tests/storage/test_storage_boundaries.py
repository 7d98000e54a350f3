"""Limits, orders and defaults of the store at their boundaries."""

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest

from storage import Store, StoreError, compute_statistics, find_garbage
from storage.compaction import _batch_by_size
from storage.garbage import find_runs_in_progress
from storage.keys import canonical_json
from storage.references import find_keys, find_reachable_keys


def write(store, recipe, rows=()):
    with store.write(recipe) as writer:
        writer.rows(list(rows))
    return writer.ref


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_a_number_that_is_not_finite_has_no_exact_form(value):
    with pytest.raises(StoreError, match="no exact JSON form"):
        canonical_json({"a": [1.0, value]})


def test_a_run_keeps_the_time_of_its_start_and_the_newest_comes_first(store):
    store.save_run("a", {"state": "running", "created_at": "2026-01-01T00:00:00.000+00:00"})
    store.save_run("a", {"state": "completed"})
    assert store.run("a")["created_at"] == "2026-01-01T00:00:00.000+00:00"
    store.save_run("b", {"created_at": "2026-01-03T00:00:00.000+00:00"})
    store.save_run("d", {"created_at": "2026-01-02T00:00:00.000+00:00"})
    store.save_run("c", {"created_at": "2026-01-02T00:00:00.000+00:00"})
    assert [run["run_id"] for run in store.runs()] == ["b", "d", "c", "a"] and store.run()["run_id"] == "b"


def test_as_many_of_the_newest_runs_stay_as_are_asked_for(store):
    for number in range(4):
        store.save_run(f"r{number}", {"created_at": f"2026-01-0{number + 1}T00:00:00.000+00:00"})
    for keep, dropped in ((1, ["r2", "r1", "r0"]), (3, ["r0"]), (4, []), (9, [])):
        found = find_garbage(store, older_than=-1, keep_runs=keep)
        assert sorted(item.path for item in found) == sorted(f"runs/{name}" for name in dropped)
    with pytest.raises(StoreError, match="keep at least one run"):
        find_garbage(store, keep_runs=0)


def measured(monkeypatch, store, age, size=7):
    monkeypatch.setattr(store.files, "size_and_age", lambda path: (size, age))


def test_only_what_is_older_than_asked_is_garbage(store, recipe, monkeypatch):
    write(store, recipe)
    for age, is_garbage in ((3600.0, False), (3600.1, True)):
        measured(monkeypatch, store, age)
        found = find_garbage(store, unreferenced=True)
        assert [(item.bytes, item.reason) for item in found] == [(7, "used by no run")] * is_garbage


def test_a_run_that_has_not_changed_for_a_day_counts_as_killed(store, monkeypatch):
    store.save_run("r", {"state": "running"})
    for idle, is_alive in ((86399.0, True), (86400.0, False)):
        measured(monkeypatch, store, idle)
        assert bool(find_runs_in_progress(store, store.runs())) is is_alive


def test_a_batch_ends_with_the_artifact_that_fills_it():
    artifacts = {
        f"k{n}": SimpleNamespace(parts=[SimpleNamespace(bytes=40), SimpleNamespace(bytes=10)]) for n in range(5)
    }

    def sizes(part_bytes):
        return [len(batch) for batch in _batch_by_size(artifacts, part_bytes)]

    assert sizes(100) == [2, 2, 1] and sizes(101) == [3, 2] and sizes(1) == [1] * 5 and sizes(9999) == [5]


def test_inputs_are_reached_through_inputs_and_damaged_artifacts_keep_none(store, recipe):
    keys = [letter * 64 for letter in "abcdef"]
    manifests = {
        ("s", keys[0]): SimpleNamespace(inputs=[keys[1], keys[5]]),
        ("s", keys[1]): SimpleNamespace(inputs=[keys[2], keys[0]]),
        ("s", keys[2]): None,
        ("s", keys[3]): SimpleNamespace(inputs=[keys[4]]),
    }
    runs = [{"stages": [{"keys": [keys[0]]}], "note": f"see {keys[4]}."}]
    assert find_reachable_keys(runs, manifests) == {keys[0], keys[1], keys[2], keys[4], keys[5]}
    assert list(find_keys({"a": [1, {"b": f"x{keys[0]}/y"}], "c": None})) == [keys[0]]


def test_statistics_count_what_runs_computed_and_reused_largest_stage_first(store, recipe, row):
    small = write(store, recipe, [row(0)])
    large = write(store, replace(recipe, stage="motions"), [row(number) for number in range(2000)])
    stages = [
        {"name": "prompts", "keys": [small.key], "reused": 1},
        {"name": "motions round 2", "keys": [large.key, "f" * 64, "e" * 64], "reused": 1},
    ]
    store.save_run("r", {"state": "failed", "stages": stages})
    first, second = compute_statistics(store).stages
    assert (first.stage, first.computed, first.reused) == ("motions", 2, 1)
    assert (second.stage, second.computed, second.reused, second.rows) == ("prompts", 0, 1, 1)


def test_the_first_of_two_writers_of_a_key_wins(store, recipe, row):
    with store.write(recipe) as late:
        late.rows([row(1), row(2)])
        early = write(Store(store.root), recipe, [row(0)])
    assert late.ref == early and store.read(late.ref).num_rows == 1
