"""Each table accepts its own rows only, and pandas, DuckDB and datasets open it."""

import json
from pathlib import Path

import numpy as np
import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storage import CLIPS, MOTIONS, PROMPTS, SCORES, TABLES, Recipe, Store, StoreError

FILE = {"path": "clips/m0.mp4", "sha256": "0" * 64, "bytes": 123}
PICTURE_CELLS = [{"label": "Frame 8:", "media_type": "image/jpeg", "frames": [8], "data": b"\xff\xd8"}]
EVENTS = [{"action": "jump_up", "phrase": "jumps", "count": 2}]
DETECTED_EVENTS = [{"action": "jump_up", "count": 2, "start": 3, "end": 40, "confidence": 0.9}]
VERDICTS = [{"action": "jump_up", "count": 2, "found": True, "seen_count": 2, "start": 3, "end": 40}]


def example(field: pa.Field):
    special = {
        ("events", True): DETECTED_EVENTS,
        ("events", False): EVENTS,
        ("verdicts", True): VERDICTS,
        ("video", False): FILE,
        ("sheet", False): FILE,
        ("shown", False): PICTURE_CELLS,
        ("answers", False): ['{"choices": []}'],
    }
    is_detected = "confidence" in str(field.type) or field.name == "verdicts"
    if (field.name, is_detected) in special:
        return special[field.name, is_detected]
    if pa.types.is_list(field.type):
        return [1, 2, 3]
    if pa.types.is_string(field.type):
        return f"some {field.name}"
    return True if pa.types.is_boolean(field.type) else 2


def rows_of(table, count=3):
    return [{field.name: example(field) for field in table.schema} for _ in range(count)]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The part of an artifact with three rows, by table; nullable columns are null in the last row."""
    store = Store(str(tmp_path_factory.mktemp("tables")))
    parts = {}
    for name, table in TABLES.items():
        rows = rows_of(table)
        rows[2] |= {field.name: None for field in table.schema if field.nullable}
        with store.write(Recipe(name, 1, table)) as writer:
            writer.rows(rows)
        parts[name] = store.path(writer.ref, "part-00000.parquet")
    return parts


@pytest.mark.parametrize("name", TABLES)
def test_every_column_has_a_description_and_the_file_names_its_version(written, name):
    schema = pq.read_schema(written[name])
    assert schema.metadata[b"version"] == str(TABLES[name].version).encode()
    assert all(field.metadata[b"description"] for field in schema)


@pytest.mark.parametrize("name", TABLES)
def test_pandas_opens_it(written, name):
    frame = pandas.read_parquet(written[name])
    assert list(frame.columns) == TABLES[name].schema.names
    assert len(frame) == 3


@pytest.mark.parametrize("name", TABLES)
def test_duckdb_opens_it(written, name):
    duckdb = pytest.importorskip("duckdb")
    answer = duckdb.sql(f"select * from '{written[name]}'")
    assert answer.columns == TABLES[name].schema.names
    assert len(answer.fetchall()) == 3


def test_hugging_face_datasets_opens_all(written, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    datasets = pytest.importorskip("datasets")
    for name, part in written.items():
        dataset = datasets.Dataset.from_parquet(part, cache_dir=str(tmp_path))
        assert dataset.column_names == TABLES[name].schema.names
        expected = TABLES[name].from_rows(rows_of(TABLES[name], 1)).to_pylist()[0]
        assert json.dumps(dataset[0], sort_keys=True, default=repr) == json.dumps(
            expected, sort_keys=True, default=repr
        )


def test_every_shard_of_a_stage_opens_at_once(tmp_path, row):
    duckdb = pytest.importorskip("duckdb")
    store = Store(str(tmp_path))
    for seed in range(3):
        with store.write(Recipe("prompts", 1, PROMPTS, seed=seed)) as writer:
            writer.rows([row(seed)])
            writer.rows([])
    assert duckdb.sql(f"select count(*) from '{tmp_path}/prompts/*/*.parquet'").fetchall() == [(3,)]
    frames = [pandas.read_parquet(part) for part in sorted(tmp_path.glob("prompts/*/*.parquet"))]
    assert len(pandas.concat(frames)) == 3


def motion(joints):
    return {
        "motion_id": "m0",
        "prompt_id": "p0",
        "sample": 0,
        "seed": 7,
        "tokens": np.arange(len(joints) // 4, dtype=np.int64),
        "frames": len(joints),
        "joints": joints,
        "stop_reason": "end",
    }


def test_joints_come_back_within_a_tenth_of_a_millimetre_in_at_most_40_kb(tmp_path):
    generator = np.random.default_rng(0)
    # A worst case: a walk of many metres with noise in every joint.
    walk = np.cumsum(generator.normal(0, 0.02, (8, 196, 1, 3)), axis=1) + generator.normal(0, 0.5, (8, 196, 22, 3))
    motions = walk.astype(np.float32)
    store = Store(str(tmp_path))
    with store.write(Recipe("motions", 1, MOTIONS)) as writer:
        writer.rows([motion(joints) for joints in motions])
    table = store.read(writer.ref)
    back = np.array(table["joints"].to_pylist()).reshape(8, 196, 22, 3)
    assert np.abs(back - motions).max() < 1e-4
    assert table["tokens"][0].as_py() == list(range(49))
    assert Path(store.path(writer.ref, "part-00000.parquet")).stat().st_size / 8 <= 40_000


def test_rounding_is_the_same_from_rows_and_from_a_table_and_settles_at_once():
    joints = np.random.default_rng(1).normal(0, 2, (4, 22, 3)).astype(np.float32)
    raw = pa.Table.from_pylist([motion(joints) | {"tokens": [0], "joints": joints.ravel().tolist()}])
    conformed = MOTIONS.conform(raw.select(raw.column_names[::-1]))
    assert conformed.equals(MOTIONS.from_rows([motion(joints)]))
    assert MOTIONS.conform(conformed).equals(conformed)
    assert MOTIONS.to_parquet(conformed) == MOTIONS.to_parquet(MOTIONS.conform(conformed))
    assert MOTIONS.conform(pa.concat_tables([conformed, conformed]).slice(1)).equals(conformed)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"colour": "red"}, "row 1 .*unknown column 'colour'"),
        ({"text": None}, "row 1 .*lacks 'text'"),
        ({"seed": "zero"}, "'seed'.*int64"),
        ({"seed": 0.5}, "'seed' in row 1.*int64"),
        ({"seed": np.float32(2)}, "'seed' in row 1.*int64"),
        ({"events": [{"action": "jump_up", "count": 2}]}, r"\[0\] of 'events'.*lacks"),
        ({"events": [{"action": "jump_up", "phrase": "", "count": 2, "side": "left"}]}, r"unknown column 'side'"),
        ({"events": [{"action": "jump_up", "phrase": "", "count": 100_000}]}, "'events'"),
        ({"events": ["jump_up"]}, r"\[0\] of 'events'.*must be a dict"),
    ],
)
def test_a_row_that_does_not_fit_is_named(row, change, complaint):
    with pytest.raises(StoreError, match=complaint) as caught:
        PROMPTS.from_rows([row(), row() | change])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("tokens", [[1, 0.5], np.array([0.5]), np.array([70_000])])
def test_tokens_that_are_no_int16_are_refused(tokens):
    with pytest.raises(StoreError, match=r"'tokens'.*int16"):
        MOTIONS.from_rows([motion(np.zeros((4, 22, 3))) | {"tokens": tokens}])


def test_tables_that_do_not_fit_are_refused(row):
    good = PROMPTS.from_rows([row()])
    with pytest.raises(StoreError, match="exactly the columns"):
        PROMPTS.conform(good.drop_columns("text"))
    with pytest.raises(StoreError, match="don't fit"):
        PROMPTS.conform(good.set_column(0, "prompt_id", pa.array([[1]])).set_column(6, "seed", pa.array([0.5])))
    nulls = good.set_column(1, "text", pa.array([None], pa.string()))
    with pytest.raises(StoreError, match="text"):
        PROMPTS.conform(nulls)


def test_a_null_is_allowed_only_where_declared():
    failed = rows_of(SCORES, 1)[0] | {"score": None, "exact": None, "error": "no answer"}
    assert SCORES.from_rows([failed])["score"].to_pylist() == [None]
    only_sheet = {name: value for name, value in rows_of(CLIPS, 1)[0].items() if name != "video"}
    assert CLIPS.from_rows([only_sheet])["video"].to_pylist() == [None]
