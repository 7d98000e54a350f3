"""Compaction: the rows of a stage's many small artifacts in one Parquet data set, for programs that query the store.

`ROOT/compact/<stage>/part-00000.parquet` and so on hold the rows of many artifacts; the first column is the artifact's
key:

    duckdb -c "select artifact, count(*), avg(score) from 'store/compact/scores/*.parquet' group by artifact"
    datasets.load_dataset("parquet", data_files="store/compact/scores/*.parquet")

It is a copy: artifacts keep their keys and bytes, no stage reads it, and it can be deleted and written again at any
time. A path in a row is relative to `ROOT/<stage>/<artifact>/`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from storage.errors import ArtifactError, StoreError
from storage.filesystem import explain_write_errors, file_lock
from storage.keys import check_stage
from storage.manifest import MANIFEST, Manifest
from storage.references import ManifestsByKey, find_reachable_keys, read_all_manifests
from storage.schemas import TableSchema
from storage.store import ArtifactRef, Store

log = logging.getLogger(__name__)

COMPACT = "compact"
FORMAT_VERSION = 1
PART_BYTES = 128 * 2**20  # target size of a part on disk
ROW_GROUP_BYTES = 64 * 2**20  # target size of a row group in memory


@dataclass(frozen=True)
class CompactionResult:
    """The compacted copy of a stage.

    Attributes:
        stage: the stage's name.
        artifacts, rows, parts, bytes: size of the copy.
        up_to_date: whether nothing had to be written.
        damaged: keys of artifacts that could not be read and are left out.
    """

    stage: str
    artifacts: int
    rows: int
    parts: int
    bytes: int
    up_to_date: bool = False
    damaged: tuple[str, ...] = ()


def compact(
    store: Store,
    stage: str,
    all_artifacts: bool = False,
    manifests: ManifestsByKey | None = None,
    part_bytes: int = PART_BYTES,
) -> CompactionResult:
    """Bring the compacted copy of a stage up to date.

    One rename replaces the old copy as a whole. On an object store its manifest is deleted first and written last, and
    a query in between may see both old and new parts.

    Args:
        store: the store.
        stage: the stage's name.
        all_artifacts: also copy artifacts that no completed run uses.
        manifests: those of the whole store, if they are already read.
        part_bytes: target size of a part.

    Returns:
        The size of the copy, and the artifacts that it lacks.

    Raises:
        StoreError: no artifact can be read, or their schemas can't be unified. (A column that only some versions of the
            schema have is null in the rows of the others.)
    """
    check_stage(stage)
    manifests = read_all_manifests(store) if manifests is None else manifests
    runs = [run for run in store.runs() if run.get("state") == "completed"]
    needed = None if all_artifacts else find_reachable_keys(runs, manifests)
    selected = {
        key: manifest
        for (artifact_stage, key), manifest in sorted(manifests.items())
        if artifact_stage == stage and manifest and (needed is None or key in needed)
    }
    folder = f"{COMPACT}/{stage}"
    current = _read_manifest(store, folder)
    if current and set(current["artifacts"]) == set(selected):
        files = current["files"]
        # Sizes alone: it is a copy, and reading all of it would take as long as writing it.
        if store.files.file_sizes(folder).items() >= files.items():
            return CompactionResult(stage, len(selected), current["rows"], len(files), sum(files.values()), True)
    if not selected:
        store.files.remove(folder)
        return CompactionResult(stage, 0, 0, 0, 0, up_to_date=current is None)
    staging = store.files.create_staging_folder(COMPACT, stage)
    with file_lock(staging), store.files.lock_folder(COMPACT):
        try:
            result = _write_parts(store, stage, selected, staging, part_bytes)
            # Without a manifest the copy counts as absent while its parts are uploaded one by one.
            if not store.files.local:
                store.files.remove(f"{folder}/{MANIFEST}")
            store.files.publish(staging, folder, last=MANIFEST)
        finally:
            store.files.discard(staging)
    return result


def _write_parts(
    store: Store, stage: str, selected: dict[str, Manifest], folder: Path, part_bytes: int
) -> CompactionResult:
    table = _unify_schemas(store, stage, selected)
    read: list[str] = []
    rows = 0
    for number, batch in enumerate(_batch_by_size(selected, part_bytes)):
        part = folder / f"part-{number:05d}.parquet"
        with explain_write_errors(str(part)), pq.ParquetWriter(part, table.schema, **table.encoding) as writer:
            for group in _group_into_row_groups(_read_tables(store, stage, batch, table.schema, read)):
                writer.write_table(group)
                rows += group.num_rows
    files = {part.name: part.stat().st_size for part in sorted(folder.glob("part-*"))}
    manifest = {
        "format": FORMAT_VERSION,
        "stage": stage,
        "table": table.name,
        "artifacts": read,
        "rows": rows,
        "files": files,
        "created_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }
    with explain_write_errors(str(folder)):
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=2))
    damaged = tuple(key for key in selected if key not in set(read))
    return CompactionResult(stage, len(read), rows, len(files), sum(files.values()), damaged=damaged)


def _batch_by_size(selected: dict[str, Manifest], part_bytes: int) -> Iterator[list[tuple[str, Manifest]]]:
    """Batches of artifacts whose parts have about `part_bytes` together."""
    batch: list[tuple[str, Manifest]] = []
    size = 0
    for key, manifest in selected.items():
        batch.append((key, manifest))
        size += sum(part.bytes for part in manifest.parts)
        if size >= part_bytes:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _read_tables(
    store: Store, stage: str, batch: list[tuple[str, Manifest]], schema: pa.Schema, read: list[str]
) -> Iterator[pa.Table]:
    """The rows of each artifact in the unified schema, without damaged artifacts; keys of the others go to `read`."""
    for key, manifest in batch:
        try:
            rows = store.read(ArtifactRef(stage, key, manifest.rows))
        except ArtifactError as error:
            log.warning("left out of the compacted %s: %s", stage, error)
            continue
        read.append(key)
        keys = pa.repeat(key, rows.num_rows)
        yield pa.Table.from_arrays([keys, *(_cast_column(rows, field) for field in list(schema)[1:])], schema=schema)


def _cast_column(rows: pa.Table, field: pa.Field) -> pa.ChunkedArray | pa.Array:
    if field.name in rows.column_names:
        return rows[field.name].cast(field.type)
    return pa.nulls(rows.num_rows, field.type)


def _group_into_row_groups(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Concatenate tables until they fill a row group."""
    waiting: list[pa.Table] = []
    size = 0
    for table in tables:
        waiting.append(table)
        size += table.nbytes
        if size >= ROW_GROUP_BYTES:
            yield pa.concat_tables(waiting)
            waiting, size = [], 0
    if waiting:
        yield pa.concat_tables(waiting)


def _unify_schemas(store: Store, stage: str, selected: dict[str, Manifest]) -> TableSchema:
    """The columns of all artifacts, after the key. Where descriptions differ, the newest version's counts."""
    schemas: dict[tuple[int, str], pa.Schema] = {}
    for key, manifest in selected.items():
        version = (manifest.recipe["schema_version"], manifest.table)
        if version not in schemas:
            with suppress(ArtifactError):  # another artifact of this version may be readable
                schemas[version] = store.schema(ArtifactRef(stage, key, manifest.rows))
    if not schemas:
        raise StoreError(
            f"all artifacts of {stage} in {store.root} are damaged; `atom store verify` says what is wrong"
        )
    newest_first = sorted(schemas, reverse=True)
    version, name = newest_first[0]
    try:
        # The newest first: of a column's descriptions the first one counts.
        common = pa.unify_schemas([schemas[each] for each in newest_first], promote_options="permissive")
    except pa.ArrowException as error:
        raise StoreError(
            f"the artifacts of {stage} can't be put into one table: {' '.join(str(error).split())}; "
            "`atom store gc --unreferenced` deletes those that no run uses"
        ) from error
    in_all_versions = set.intersection(*(set(schema.names) for schema in schemas.values()))
    fields = [field if field.name in in_all_versions else field.with_nullable(True) for field in common]
    key = pa.field("artifact", pa.string(), nullable=False, metadata={"description": "key of the row's artifact"})
    return TableSchema(name, version, pa.schema([key, *fields], metadata=schemas[newest_first[0]].metadata))


def _read_manifest(store: Store, folder: str) -> dict[str, Any] | None:
    try:
        content = json.loads(store.files.read(f"{folder}/{MANIFEST}"))
        return content if content["format"] == FORMAT_VERSION else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
