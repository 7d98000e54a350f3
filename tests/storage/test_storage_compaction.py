"""The compacted copy of a stage: the same rows in fewer parts, replaced as a whole."""

import os
import time
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from atom.commands.store import store_app
from storage import MOTIONS, PROMPTS, Recipe, Store, StoreError, TableSchema, compact, find_garbage, remove_garbage


def write(store: Store, recipe: Recipe, rows):
    with store.write(recipe) as writer:
        writer.rows(rows)
    return writer.ref


@pytest.fixture
def three(store, recipe, row):
    """Three artifacts of two rows each; a completed run needs the first two, a failed one the third."""
    refs = [write(store, replace(recipe, seed=seed), [row(2 * seed), row(2 * seed + 1)]) for seed in range(3)]
    store.save_run("done", {"state": "completed", "stages": [{"keys": [refs[0].key, refs[1].key]}]})
    store.save_run("failed", {"state": "failed", "stages": [{"keys": [refs[2].key]}]})
    return refs


def compacted(store: Store, stage: str = "prompts") -> pa.Table:
    parts = sorted(Path(store.root, "compact", stage).glob("*.parquet"))
    return pa.concat_tables([pq.read_table(part) for part in parts])


def expected(store: Store, refs) -> list[dict]:
    return [
        {"artifact": ref.key, **row}
        for ref in sorted(refs, key=lambda ref: ref.key)
        for row in store.read(ref).to_pylist()
    ]


def test_rows_of_completed_runs_with_their_artifact(store, three):
    done = compact(store, "prompts")
    assert (done.artifacts, done.rows, done.parts, done.up_to_date) == (2, 4, 1, False)
    assert compacted(store).to_pylist() == expected(store, three[:2])
    assert compact(store, "prompts", all_artifacts=True).artifacts == 3
    assert compacted(store).to_pylist() == expected(store, three)
    assert store.stages() == ["prompts"]
    assert all(store.find(ref.stage, ref.key) for ref in three)


def test_inputs_of_the_artifacts_of_a_run_are_copied_too(store, recipe, row):
    source = write(store, recipe, [row()])
    derived = write(store, replace(recipe, stage="motions", inputs=[source.key]), [row()])
    store.save_run("done", {"state": "completed", "keys": [derived.key]})
    assert compact(store, "prompts").artifacts == 1


def test_a_second_call_writes_nothing_until_something_changes(store, recipe, row, three):
    compact(store, "prompts")
    part = Path(store.root, "compact/prompts/part-00000.parquet")
    before = part.stat()
    assert compact(store, "prompts").up_to_date
    assert part.stat() == before
    part.write_bytes(part.read_bytes()[:-1])
    assert not compact(store, "prompts").up_to_date
    assert compacted(store).to_pylist() == expected(store, three[:2])
    new = write(store, replace(recipe, seed=9), [row(9)])
    store.save_run("again", {"state": "completed", "keys": [new.key]})
    assert compact(store, "prompts").rows == 5
    for run in ("done", "again"):
        store.files.remove(f"runs/{run}")
    assert compact(store, "prompts").artifacts == 0
    assert store.files.file_sizes("compact/prompts") == {}


def test_parts_have_the_requested_size(store, recipe, row):
    refs = [write(store, replace(recipe, seed=seed), [row(seed)]) for seed in range(10)]
    size = store.manifest("prompts", refs[0].key).parts[0].bytes
    assert compact(store, "prompts", all_artifacts=True, part_bytes=round(2.5 * size)).parts == 4
    assert compacted(store).to_pylist() == expected(store, refs)


def test_columns_keep_their_types_descriptions_and_encoding(store):
    joints = [round(number / 7 * 8192) / 8192 for number in range(66)]
    rows = [
        {
            "motion_id": f"m{number}",
            "prompt_id": "p",
            "sample": 0,
            "seed": number,
            "tokens": [1, 2],
            "frames": 1,
            "joints": joints,
            "stop_reason": "end",
        }
        for number in range(50)
    ]
    write(store, Recipe("motions", 1, MOTIONS), rows)
    compact(store, "motions", all_artifacts=True)
    part = pq.ParquetFile(Path(store.root, "compact/motions/part-00000.parquet"))
    assert part.schema_arrow.remove(0) == MOTIONS.schema
    assert part.schema_arrow.field("joints").metadata == MOTIONS.schema.field("joints").metadata
    columns = [part.metadata.row_group(0).column(index) for index in range(part.metadata.num_columns)]
    (encoded,) = [column for column in columns if column.path_in_schema.startswith("joints")]
    assert "BYTE_STREAM_SPLIT" in encoded.encodings


def test_versions_of_a_schema_are_unified(store, recipe, row):
    wider = TableSchema(
        "prompts", PROMPTS.version + 1, PROMPTS.schema.append(pa.field("mood", pa.string(), nullable=False))
    )
    old = write(store, recipe, [row(0)])
    new = write(store, replace(recipe, table=wider), [row(1) | {"mood": "calm"}])
    compact(store, "prompts", all_artifacts=True)
    moods = {each["artifact"]: each["mood"] for each in compacted(store).to_pylist()}
    assert moods == {old.key: None, new.key: "calm"}
    other = TableSchema("prompts", PROMPTS.version + 2, pa.schema([pa.field("text", pa.list_(pa.int8()))]))
    write(store, replace(recipe, table=other), [{"text": [1]}])
    before = compacted(store)
    with pytest.raises(StoreError, match="can't be put into one table") as caught:
        compact(store, "prompts", all_artifacts=True)
    assert "\n" not in str(caught.value)
    assert compacted(store) == before


def test_damaged_artifacts_are_left_out_and_tried_again(store, recipe, row, three, caplog):
    part = Path(store.path(three[0], "part-00000.parquet"))
    part.write_bytes(part.read_bytes()[:-1])
    done = compact(store, "prompts")
    assert done.damaged == (three[0].key,) and done.artifacts == 1
    assert three[0].key in caplog.text
    assert compacted(store).to_pylist() == expected(store, three[1:2])
    assert write(store, replace(recipe, seed=0), [row(0), row(1)]) == three[0]
    assert compact(store, "prompts").damaged == ()
    assert compacted(store).to_pylist() == expected(store, three[:2])


def test_a_failure_leaves_the_old_copy(store, three, monkeypatch):
    compact(store, "prompts")
    before = compacted(store)

    def fail(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StoreError, match="No space left"):
        compact(store, "prompts", all_artifacts=True)
    monkeypatch.undo()
    assert compacted(store) == before
    assert find_garbage(store, older_than=0) == []


def test_gc_deletes_the_copy_only_on_request(store, three):
    compact(store, "prompts")
    long_ago = time.time() - 7200
    for path in Path(store.root).rglob("*"):
        os.utime(path, (long_ago, long_ago))
    assert find_garbage(store) == []
    (copy,) = find_garbage(store, compacted=True)
    assert (copy.path, copy.reason) == ("compact/prompts", "compacted copy")
    remove_garbage(store, [copy])
    assert not Path(store.root, "compact/prompts").exists()
    assert not compact(store, "prompts").up_to_date


def test_duckdb_and_datasets_read_the_copy_and_the_stage_alike(store, three, tmp_path, monkeypatch):
    duckdb = pytest.importorskip("duckdb")
    compact(store, "prompts", all_artifacts=True)
    counts = duckdb.sql(f"select artifact, count(*) from '{store.root}/compact/prompts/*.parquet' group by artifact")
    assert dict(counts.fetchall()) == {ref.key: 2 for ref in three}
    assert duckdb.sql(f"select count(*) from '{store.root}/prompts/*/*.parquet'").fetchall() == [(6,)]
    datasets = pytest.importorskip("datasets")
    monkeypatch.setenv("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    parts = [str(part) for part in Path(store.root, "compact/prompts").glob("*.parquet")]
    assert datasets.Dataset.from_parquet(parts, cache_dir=str(tmp_path / "cache")).num_rows == 6


def test_the_command_compacts_all_stages_or_the_given_ones(store, recipe, row, three):
    def run(*arguments):
        return CliRunner().invoke(store_app, ["compact", *arguments, "--store", store.root], env={"COLUMNS": "100"})

    write(store, replace(recipe, stage="motions"), [row()])
    output = run("--all").output
    assert [line.split("│")[2].strip() for line in output.splitlines() if "│ " in line] == ["1", "3"]
    assert "up to date" not in output
    assert run("prompts", "--all").output.count("up to date") == 1
    assert "no stage unknown" in str(run("unknown").exception)
    part = Path(store.path(store.find("motions", store.keys("motions")[0]), "part-00000.parquet"))
    part.write_bytes(b"")
    store.files.remove("compact")
    result = run("--all")
    assert "all artifacts of motions" in str(result.exception)
    assert "prompts" in result.output and compact(store, "prompts", all_artifacts=True).up_to_date
    with pytest.raises(StoreError, match="can't name a stage"):
        Recipe("compact", 1, PROMPTS)
