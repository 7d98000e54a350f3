"""`atom store stats`: the figures are those of the manifests and of the records of runs."""

import json
import os
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from atom.commands.store import store_app
from storage import compact, compute_statistics


def write(store, recipe, rows, quarantined=0):
    with store.write(recipe) as writer:
        for part in rows:
            writer.rows(part)
        writer.stats["quarantined"] = quarantined
    return writer.ref


@pytest.fixture
def filled(store, recipe, row):
    """Two artifacts of prompts, one of motions in two parts, one damaged, one of no run; two runs."""
    first = write(store, recipe, [[row(0), row(1)]], quarantined=3)
    second = write(store, replace(recipe, seed=1), [[row(2)]], quarantined=1)
    third = write(store, replace(recipe, stage="motions"), [[row(number) for number in range(500)], []])
    orphan = write(store, replace(recipe, stage="motions", seed=5), [[row()]])
    broken = write(store, replace(recipe, stage="scores"), [[row()]])
    Path(store.root, "scores", broken.key, "_manifest.json").write_text("{}")
    stage = {"name": "prompts", "keys": [first.key, second.key], "reused": 0}
    store.save_run("a", {"state": "failed", "stages": [stage]})
    again = [stage | {"reused": 2}, {"name": "motions round 2", "keys": [third.key], "reused": 0}]
    lost = {"name": "clips", "keys": ["f" * 64], "reused": 0}
    store.save_run("b", {"state": "completed", "stages": [*again, lost]})
    return first, second, third, orphan


def test_figures_of_stages_and_runs(store, filled):
    first, second, *_ = filled
    figures = compute_statistics(store)
    stages = {stage.stage: stage for stage in figures.stages}
    assert [stage.stage for stage in figures.stages] == sorted(stages, key=lambda name: -stages[name].bytes)
    prompts, motions, scores = stages["prompts"], stages["motions"], stages["scores"]
    assert (prompts.artifacts, prompts.rows, prompts.quarantined, prompts.damaged) == (2, 3, 4, 0)
    assert (prompts.computed, prompts.reused) == (2, 2)
    assert (motions.computed, motions.reused, motions.rows) == (1, 0, 501)
    assert (scores.artifacts, scores.damaged, scores.rows, scores.oldest) == (1, 1, 0, None)
    files = [Path(store.path(ref, "part-00000.parquet")) for ref in (first, second)]
    assert prompts.bytes == sum(file.stat().st_size for file in files)
    assert prompts.part_bytes == round(prompts.bytes / 2)
    assert motions.part_bytes == round(motions.bytes / 3)
    assert prompts.oldest == store.manifest("prompts", first.key).created_at
    assert prompts.newest == store.manifest("prompts", second.key).created_at
    assert datetime.now(UTC) > datetime.fromisoformat(prompts.newest) >= datetime.fromisoformat(prompts.oldest)
    assert figures.runs == {"failed": 1, "completed": 1}


def test_what_gc_could_free_and_what_lies_besides(store, filled):
    assert compute_statistics(store).freeable == {}  # all of it is young
    long_ago = time.time() - 7200
    for path in Path(store.root).rglob("*"):
        os.utime(path, (long_ago, long_ago))
    figures = compute_statistics(store)
    orphan = sum(store.files.file_sizes(f"motions/{filled[3].key}").values())
    broken = sum(store.files.file_sizes("scores").values())
    assert figures.freeable == {"used by no run": orphan + broken}
    records = sum(file.stat().st_size for file in Path(store.root).glob("runs/*/run.json"))
    assert figures.besides == {"runs": records}
    copy = compact(store, "prompts").bytes
    besides = compute_statistics(store).besides
    assert besides["compact"] >= copy
    assert compute_statistics(store).bytes == figures.bytes + besides["compact"]


def test_the_table_fits_80_columns(store, filled):
    result = CliRunner().invoke(store_app, ["stats", "--store", store.root], env={"COLUMNS": "80"})
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert max(map(len, lines)) <= 80
    assert "…" not in result.output
    cells = {line.split()[0]: line.split()[1:] for line in lines[2:5]}
    assert cells["prompts"][:2] == ["2", "3"]
    assert cells["prompts"][4:7] == ["2", "2", "4"]
    assert "runs: 1 completed, 1 failed" in result.output or "runs: 1 failed, 1 completed" in result.output


def test_json_holds_all_figures(store, filled):
    result = CliRunner().invoke(store_app, ["stats", "--json", "--store", store.root])
    figures = json.loads(result.output)
    assert {stage["stage"] for stage in figures["stages"]} == {"prompts", "motions", "scores"}
    assert figures["bytes"] == compute_statistics(store).bytes
