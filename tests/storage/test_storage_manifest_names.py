"""An artifact's folder opens in other programs as it is, and artifacts whose manifest has its old name stay in use."""

from pathlib import Path

import duckdb
import pandas as pd
import pyarrow.dataset
import pytest
from datasets import load_dataset

from storage import Store, StoreError, compact, find_garbage

OLD_NAME, NEW_NAME = "manifest.json", "_manifest.json"


def write(store, recipe, row):
    with store.write(recipe) as writer:
        writer.rows([row(0), row(1)])
        writer.rows([row(2)])
    return writer.ref


def rename_manifest(store, folder):
    """Give a manifest the name that earlier versions wrote."""
    store.files.fs.mv(store.files.full_path(f"{folder}/{NEW_NAME}"), store.files.full_path(f"{folder}/{OLD_NAME}"))


@pytest.fixture(params=["folder", "memory"])
def any_store(request, tmp_path):
    return Store(str(tmp_path / "store") if request.param == "folder" else f"memory://{tmp_path.name}")


def test_pandas_arrow_duckdb_and_datasets_open_the_folder_of_an_artifact(store, recipe, row, tmp_path):
    folder = Path(store.path(write(store, recipe, row), "part-00000.parquet")).parent
    assert (folder / NEW_NAME).is_file()
    seeds = [0, 1, 2]
    assert pd.read_parquet(folder)["seed"].tolist() == seeds
    assert pd.read_parquet(folder.parent)["seed"].tolist() == seeds  # of the whole stage
    assert pyarrow.dataset.dataset(folder).to_table()["seed"].to_pylist() == seeds
    assert duckdb.sql(f"select seed from read_parquet('{folder}') order by seed").fetchall() == [(0,), (1,), (2,)]
    assert load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))["train"]["seed"][:] == seeds


def test_an_artifact_of_an_earlier_version_is_found_and_read(any_store, recipe, row):
    ref = write(any_store, recipe, row)
    rename_manifest(any_store, f"{ref.stage}/{ref.key}")
    assert any_store.find(ref.stage, ref.key) == ref
    assert any_store.read(ref).num_rows == 3
    assert any_store.keys(ref.stage) == [ref.key] and any_store.manifests(ref.stage)[ref.key].rows == 3
    assert find_garbage(any_store, older_than=-1) == []
    with any_store.write(recipe) as writer:  # it stays: the key is committed
        writer.rows([row(0)])
    assert writer.ref == ref and any_store.files.exists(f"{ref.stage}/{ref.key}/{OLD_NAME}")


def test_a_damaged_artifact_of_an_earlier_version_is_replaced_as_a_whole(any_store, recipe, row):
    ref = write(any_store, recipe, row)
    rename_manifest(any_store, f"{ref.stage}/{ref.key}")
    any_store.files.write(f"{ref.stage}/{ref.key}/part-00001.parquet", b"damage")
    assert any_store.find(ref.stage, ref.key) is None
    write(any_store, recipe, row)
    assert any_store.find(ref.stage, ref.key) == ref
    names = any_store.files.names(f"{ref.stage}/{ref.key}")
    assert NEW_NAME in names and OLD_NAME not in names


def test_a_compacted_copy_of_an_earlier_version_is_written_again_or_deleted(any_store, recipe, row):
    ref = write(any_store, recipe, row)
    compact(any_store, ref.stage, all_artifacts=True)
    rename_manifest(any_store, f"compact/{ref.stage}")
    assert [item.path for item in find_garbage(any_store, older_than=-1, compacted=True)] == [f"compact/{ref.stage}"]
    assert not compact(any_store, ref.stage, all_artifacts=True).up_to_date
    assert OLD_NAME not in any_store.files.names(f"compact/{ref.stage}")
    assert compact(any_store, ref.stage, all_artifacts=True).up_to_date


@pytest.mark.parametrize("name", [OLD_NAME, NEW_NAME])
def test_no_file_takes_a_manifests_name(store, recipe, name):
    with pytest.raises(StoreError, match="can't name a file"), store.write(recipe) as writer:
        writer.file(name, b"{}")
