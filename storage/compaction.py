"""One Parquet data set of a stage beside its many small artifacts, for programs that read the store as tables.

`ROOT/compact/<stage>/part-00000.parquet` and so on hold the rows of many artifacts, with the artifact's key in front:

    duckdb -c "select artifact, count(*), avg(score) from 'store/compact/scores/*.parquet' group by artifact"
    datasets.load_dataset("parquet", data_files="store/compact/scores/*.parquet")

It is a copy: artifacts keep their keys and bytes, no stage reads it, and it can be deleted and made again at any time.
A file that a row names lies below `ROOT/<stage>/<artifact>/`.
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
from storage.filesystem import locked, writing
from storage.keys import check_stage
from storage.manifest import MANIFEST, Manifest
from storage.references import Manifests, all_manifests, reachable
from storage.schemas import Table
from storage.store import ArtifactRef, Store

log = logging.getLogger(__name__)

COMPACT = "compact"
FORMAT = 1
PART_BYTES = 128 * 2**20  # about what a part has on disk
GROUP_BYTES = 64 * 2**20  # in memory, of the rows that are written at once


@dataclass(frozen=True)
class Compacted:
    """What `compact` found or wrote for a stage. `fresh`: it was up to date. `damaged`: keys that could not be read."""

    stage: str
    artifacts: int
    rows: int
    parts: int
    bytes: int
    fresh: bool = False
    damaged: tuple[str, ...] = ()


def compact(
    store: Store, stage: str, everything: bool = False, manifests: Manifests | None = None, part_bytes: int = PART_BYTES
) -> Compacted:
    """Bring the stage's compacted copy up to date: artifacts that completed runs need, or all with `everything`.

    The new copy takes the place of the old one as a whole by one rename. On an object store its manifest goes first and
    comes last, and a query in between may see old and new parts. Where artifacts of one stage were written by different
    versions of its schema, a column that one lacks is null there. `manifests` saves reading those of the store again.
    Raises StoreError when their columns can't be brought together.
    """
    check_stage(stage)
    manifests = all_manifests(store) if manifests is None else manifests
    runs = [run for run in store.runs() if run.get("state") == "completed"]
    needed = None if everything else reachable(runs, manifests)
    wanted = {
        key: manifest
        for (of, key), manifest in sorted(manifests.items())
        if of == stage and manifest and (needed is None or key in needed)
    }
    folder = f"{COMPACT}/{stage}"
    known = _manifest(store, folder)
    if known and set(known["artifacts"]) == set(wanted) and store.files.sizes(folder).items() >= known["files"].items():
        return Compacted(stage, len(wanted), known["rows"], len(known["files"]), sum(known["files"].values()), True)
    if not wanted:
        store.files.remove(folder)
        return Compacted(stage, 0, 0, 0, 0, fresh=known is None)
    prepared = store.files.new_folder(COMPACT, stage)
    with locked(prepared), store.files.one_at_a_time(COMPACT):
        try:
            done = _write(store, stage, wanted, prepared, part_bytes)
            if not store.files.local:
                store.files.remove(f"{folder}/{MANIFEST}")
            store.files.publish(prepared, folder, last=MANIFEST)
        finally:
            store.files.discard(prepared)
    return done


def _write(store: Store, stage: str, wanted: dict[str, Manifest], folder: Path, part_bytes: int) -> Compacted:
    table = _common_table(store, stage, wanted)
    read: list[str] = []
    rows = 0
    for number, batch in enumerate(_batches(wanted, part_bytes)):
        part = folder / f"part-{number:05d}.parquet"
        with writing(str(part)), pq.ParquetWriter(part, table.schema, **table.encoding) as writer:
            for group in _groups(_tables(store, stage, batch, table.schema, read)):
                writer.write_table(group)
                rows += group.num_rows
    files = {part.name: part.stat().st_size for part in sorted(folder.glob("part-*"))}
    manifest = {
        "format": FORMAT,
        "stage": stage,
        "table": table.name,
        "artifacts": read,
        "rows": rows,
        "files": files,
        "created_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }
    with writing(str(folder)):
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=2))
    damaged = tuple(key for key in wanted if key not in set(read))
    return Compacted(stage, len(read), rows, len(files), sum(files.values()), damaged=damaged)


def _batches(wanted: dict[str, Manifest], part_bytes: int) -> Iterator[list[tuple[str, Manifest]]]:
    """Artifacts whose parts together have about `part_bytes`."""
    batch: list[tuple[str, Manifest]] = []
    size = 0
    for key, manifest in wanted.items():
        batch.append((key, manifest))
        size += sum(part.bytes for part in manifest.parts)
        if size >= part_bytes:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _tables(
    store: Store, stage: str, batch: list[tuple[str, Manifest]], schema: pa.Schema, read: list[str]
) -> Iterator[pa.Table]:
    """The rows of each artifact in the common schema. Damaged ones are left out, the other keys go to `read`."""
    for key, manifest in batch:
        try:
            rows = store.read(ArtifactRef(stage, key, manifest.rows))
        except ArtifactError as error:
            log.warning("left out of the compacted %s: %s", stage, error)
            continue
        read.append(key)
        keys = pa.repeat(key, rows.num_rows)
        yield pa.Table.from_arrays([keys, *(_column(rows, field) for field in list(schema)[1:])], schema=schema)


def _column(rows: pa.Table, field: pa.Field) -> pa.ChunkedArray | pa.Array:
    if field.name in rows.column_names:
        return rows[field.name].cast(field.type)
    return pa.nulls(rows.num_rows, field.type)


def _groups(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Tables joined until they are worth a row group."""
    waiting: list[pa.Table] = []
    size = 0
    for table in tables:
        waiting.append(table)
        size += table.nbytes
        if size >= GROUP_BYTES:
            yield pa.concat_tables(waiting)
            waiting, size = [], 0
    if waiting:
        yield pa.concat_tables(waiting)


def _common_table(store: Store, stage: str, wanted: dict[str, Manifest]) -> Table:
    """All columns of the artifacts, the key in front; where their descriptions differ the newest counts."""
    schemas: dict[tuple[int, str], pa.Schema] = {}
    for key, manifest in wanted.items():
        version = (manifest.recipe["schema_version"], manifest.table)
        if version not in schemas:
            with suppress(ArtifactError):  # another artifact of the version may be whole
                schemas[version] = store.schema(ArtifactRef(stage, key, manifest.rows))
    if not schemas:
        raise StoreError(f"all artifacts of {stage} in {store.root} are damaged; `atom store verify` says how")
    newest_first = sorted(schemas, reverse=True)
    version, name = newest_first[0]
    try:
        common = pa.unify_schemas([schemas[each] for each in newest_first], promote_options="permissive")
    except pa.ArrowException as error:
        raise StoreError(
            f"the artifacts of {stage} can't stand in one table: {' '.join(str(error).split())}; "
            "`atom store gc --unreferenced` removes those that no run needs"
        ) from error
    everywhere = set.intersection(*(set(schema.names) for schema in schemas.values()))
    fields = [field if field.name in everywhere else field.with_nullable(True) for field in common]
    key = pa.field("artifact", pa.string(), nullable=False, metadata={"description": "key of the row's artifact"})
    return Table(name, version, pa.schema([key, *fields], metadata=schemas[newest_first[0]].metadata))


def _manifest(store: Store, folder: str) -> dict[str, Any] | None:
    try:
        content = json.loads(store.files.read(f"{folder}/{MANIFEST}"))
        return content if content["format"] == FORMAT else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
