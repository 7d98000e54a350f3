"""The artifact store: `ROOT/<stage>/<key>/` holds Parquet parts, other files and the manifest that commits them."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from storage.errors import ArtifactError, StoreError
from storage.filesystem import FileSystem, explain_write_errors, file_lock
from storage.keys import KEY_PATTERN, RESERVED_STAGES, STAGE_PATTERN, Recipe, canonical_json, check_key, check_stage
from storage.manifest import (
    MANIFEST,
    MANIFEST_NAMES,
    OLD_MANIFEST,
    FileRecord,
    Manifest,
    collect_provenance,
)
from storage.retry import RETRY_TIMEOUT

log = logging.getLogger(__name__)

# The one problem that is normal: an artifact that was never computed is no damage to warn of.
_NO_MANIFEST = f"{MANIFEST} is missing"


@dataclass(frozen=True)
class ArtifactRef:
    """A reference to a committed artifact, small enough to pass between tasks."""

    stage: str
    key: str
    rows: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ArtifactRef:
        return cls(**values)


class Store:
    """Artifacts below `root`: a folder, or any address that fsspec opens (s3://, gs://, memory://).

    An artifact is whole or absent. If its files are missing, truncated or changed, it counts as absent, a warning is
    logged, and the next commit of its key replaces it. Several processes may use one store, and may even write the same
    key at once: the first to finish wins. (When two machines upload the same key to an object store at the same moment,
    the last wins. If their bytes differ the artifact may be damaged, which the next `find` detects.)

    Calls to a remote root are retried for `retry_timeout` seconds before StoreUnreachable is raised.
    `storage.filesystem.FileSystem` describes the endpoint and the credentials of S3.
    """

    def __init__(self, root: str = "store", retry_timeout: float = RETRY_TIMEOUT) -> None:
        self.root = root
        self.files = FileSystem(root, retry_timeout)

    def find(self, stage: str, key: str) -> ArtifactRef | None:
        """Look up an artifact and verify all of its files.

        Args:
            stage: the stage's name.
            key: the artifact's key.

        Returns:
            The artifact if it is committed and every byte is as it was written; None otherwise.
        """
        manifest, problems = self._verify(stage, key)
        if manifest and not problems:
            # All bytes were read: a damaged artifact must not go into the next stage.
            return ArtifactRef(stage, key, manifest.rows)
        if problems != [_NO_MANIFEST]:
            log.warning("%s artifact %s is damaged and will be recomputed: %s", stage, key[:12], "; ".join(problems))
        return None

    def find_problems(self, stage: str, key: str) -> list[str]:
        """Read all files of an artifact and describe what is wrong with them, one line a file; empty if it is whole."""
        return self._verify(stage, key)[1]

    def manifest(self, stage: str, key: str) -> Manifest:
        """Read an artifact's manifest. Raises ArtifactError when it is missing or damaged."""
        path = f"{_artifact_folder(stage, key)}/{MANIFEST}"
        try:
            manifest = Manifest.from_json(self._read_manifest_bytes(stage, key))
        except FileNotFoundError as error:
            raise ArtifactError(
                f"no {stage} artifact {key[:12]} in {self.root}; run the stage that computes it"
            ) from error
        except OSError as error:
            raise ArtifactError(f"{self.files.full_path(path)} can't be read: {error}") from error
        if (manifest.stage, manifest.key) != (stage, key):
            raise ArtifactError(f"{self.files.full_path(path)} belongs to {manifest.stage}/{manifest.key[:12]}")
        return manifest

    def manifests(self, stage: str) -> dict[str, Manifest | None]:
        """The manifests of all artifacts of a stage, by key; None for a damaged one."""
        keys = self.keys(stage)
        return dict(zip(keys, self.files.map(lambda key: self._read_manifest_or_none(stage, key), keys)))

    def write(self, recipe: Recipe) -> ArtifactWriter:
        """A context manager that writes the recipe's artifact and commits it if the block raises no error."""
        return ArtifactWriter(self, recipe)

    def read(self, ref: ArtifactRef, columns: Sequence[str] | None = None) -> pa.Table:
        """Read an artifact's rows and verify them against the manifest.

        Args:
            ref: the artifact.
            columns: names of the columns to read, all by default.

        Returns:
            The rows of all parts, in order.

        Raises:
            ArtifactError: the artifact is absent or damaged.
        """
        folder = _artifact_folder(ref.stage, ref.key)

        def read(part: FileRecord) -> pa.Table:
            # No threads: a part is small, and Arrow's thread pool sometimes aborts a process that ends soon after the
            # pool started.
            file = pq.ParquetFile(pa.BufferReader(self._read_verified(folder, part)), pre_buffer=False)
            return file.read(columns=None if columns is None else list(columns), use_threads=False)

        return pa.concat_tables(self.files.map(read, self.manifest(ref.stage, ref.key).parts))

    def schema(self, ref: ArtifactRef) -> pa.Schema:
        """The Arrow schema of an artifact's rows. Raises ArtifactError when the artifact is absent or damaged."""
        (part, *_) = self.manifest(ref.stage, ref.key).parts
        return pq.read_schema(pa.BufferReader(self._read_verified(_artifact_folder(ref.stage, ref.key), part)))

    def path(self, ref: ArtifactRef, name: str) -> str:
        """The path or address of one of the artifact's files, for programs that open it themselves.

        Args:
            ref: the artifact.
            name: the file's path in the artifact's folder.

        Returns:
            A local path, or an address such as s3://...

        Raises:
            ArtifactError: the artifact is absent or has no such file.
        """
        return self.files.address(f"{_artifact_folder(ref.stage, ref.key)}/{self._file_record(ref, name).path}")

    def read_file(self, ref: ArtifactRef, name: str) -> bytes:
        """Read one of the artifact's files and verify its hash.

        Args:
            ref: the artifact.
            name: the file's path in the artifact's folder.

        Returns:
            The file's content.

        Raises:
            ArtifactError: the file is absent or damaged.
        """
        return self._read_verified(_artifact_folder(ref.stage, ref.key), self._file_record(ref, name))

    @contextmanager
    def folder(self, ref: ArtifactRef) -> Iterator[Path]:
        """A local, read-only folder with the artifact's files: its own, or a copy that is deleted after the block."""
        manifest, folder = self.manifest(ref.stage, ref.key), _artifact_folder(ref.stage, ref.key)
        if self.files.local:
            yield Path(self.files.full_path(folder))
            return
        with tempfile.TemporaryDirectory(prefix="atom-store-") as copy:

            def fetch(file: FileRecord) -> None:
                target = Path(copy) / file.path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(self._read_verified(folder, file))

            self.files.map(fetch, manifest.files)
            yield Path(copy)

    @contextmanager
    def scratch(self, stage: str, key: str) -> Iterator[Path]:
        """A local folder for the checkpoints of long work on an artifact.

        It survives a crash, so that the next attempt gets the same folder and resumes from it. It is deleted when the
        block ends without an error; `gc` deletes it if no attempt comes back.

        Args:
            stage: the stage's name.
            key: the artifact's key.
        """
        folder = self.files.create_scratch_folder(stage, f"scratch-{check_key(key)[:16]}")
        with file_lock(folder):
            yield folder
            shutil.rmtree(folder)

    @contextmanager
    def claim(self, stage: str, key: str) -> Iterator[None]:
        """A lock on an artifact among the processes of this machine, so that only one computes it.

        Others wait for the lock and should then call `find` again.

        Args:
            stage: the stage's name.
            key: the artifact's key.
        """
        while True:
            folder = self.files.create_scratch_folder(stage, f"claim-{check_key(key)[:16]}")
            with suppress(FileNotFoundError):  # the previous holder has just deleted it
                lock = file_lock(folder)
                lock.__enter__()
                break
        try:
            yield
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            lock.__exit__(None, None, None)

    def stages(self) -> list[str]:
        """Names of the stages that have a folder."""
        names = self.files.names(folders_only=True)
        return [name for name in names if STAGE_PATTERN.fullmatch(name) and name not in RESERVED_STAGES]

    def keys(self, stage: str) -> list[str]:
        """Keys of the stage's artifacts that have a manifest, whole or damaged."""
        return [
            name
            for name in self.files.list_folders_with(check_stage(stage), *MANIFEST_NAMES)
            if KEY_PATTERN.fullmatch(name)
        ]

    def folders(self, stage: str) -> list[str]:
        """Keys that have a folder, with or without a manifest."""
        return [name for name in self.files.names(stage, folders_only=True) if KEY_PATTERN.fullmatch(name)]

    def exists(self) -> bool:
        return self.files.exists()

    def check_writable(self) -> None:
        """Write and delete a test file below the root; raises StoreError with cause and remedy if that fails."""
        probe = f"probe-{uuid.uuid4().hex}"
        files = FileSystem(self.root, retry_timeout=0)  # no retries: the address may simply be wrong
        files.write(probe, b"probe")
        files.remove(probe)

    def save_run(self, run_id: str, record: Mapping[str, Any]) -> None:
        """Write or replace a run's record; `run_id` and `created_at` are added to it.

        A run uses an artifact if its record contains the key anywhere, or if an artifact that it uses has the artifact
        as an input. Save the keys early, so that `gc` keeps the artifacts.

        Args:
            run_id: the run's id, the name of its folder.
            record: plain JSON values.

        Raises:
            StoreError: the id can't name a run, or the record can't be written as JSON.
        """
        path = _run_path(run_id)
        previous = self._read_run(path) or {}
        created_at = record.get("created_at") or previous.get("created_at") or _utc_now()
        record = {**record, "run_id": run_id, "created_at": created_at}
        # Before the write: a record that comes back changed would resume another run.
        canonical_json(record)  # raises on values that would come back changed
        self.files.write(path, json.dumps(record, indent=2).encode())

    def runs(self) -> list[dict[str, Any]]:
        """All run records, the newest first."""
        paths = [f"runs/{name}/run.json" for name in self.files.list_folders_with("runs", "run.json")]
        records = [record for record in self.files.map(self._read_run, paths) if record]
        return sorted(records, key=lambda record: (record["created_at"], record["run_id"]), reverse=True)

    def run(self, run_id: str = "latest") -> dict[str, Any]:
        """The record of a run, or of the newest one ("latest"). Raises StoreError when there is no such run."""
        if run_id == "latest":
            if not (runs := self.runs()):
                raise StoreError(f"no run in the store {self.root} yet; start one with `atom run`")
            return runs[0]
        if not (record := self._read_run(_run_path(run_id))):
            raise StoreError(f"no run {run_id!r} in the store {self.root}; `atom runs list` names them")
        return record

    def run_folder(self, run_id: str) -> str:
        """The folder or address of the run's own files, such as its report; a local one is created if missing."""
        folder = self.files.address(str(PurePosixPath(_run_path(run_id)).parent))
        if self.files.local:
            with explain_write_errors(folder):
                Path(folder).mkdir(parents=True, exist_ok=True)
        return folder

    def save_run_file(self, run_id: str, name: str, data: bytes) -> str:
        """Write or replace a file beside the run's record, such as its report.

        Args:
            run_id: the run's id.
            name: the file's path in the run's folder.
            data: the file's content.

        Returns:
            The file's path or address.

        Raises:
            StoreError: the name is not allowed, or the file can't be written.
        """
        path = f"{PurePosixPath(_run_path(run_id)).parent}/{_check_file_name(name)}"
        self.files.write(path, data)
        return self.files.address(path)

    def _read_run(self, path: str) -> dict[str, Any] | None:
        try:
            record = json.loads(self.files.read(path))
            return {**record, "run_id": record["run_id"], "created_at": record["created_at"]}
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"{self.files.full_path(path)} is not a run record ({error!r}); delete that folder"
            ) from error

    def _file_record(self, ref: ArtifactRef, name: str) -> FileRecord:
        files = {file.path: file for file in self.manifest(ref.stage, ref.key).files}
        if name not in files:
            raise ArtifactError(f"{ref.stage} artifact {ref.key[:12]} has no file {name!r}; it has {', '.join(files)}")
        return files[name]

    def _read_manifest_bytes(self, stage: str, key: str) -> bytes:
        folder = _artifact_folder(stage, key)
        try:
            return self.files.read(f"{folder}/{MANIFEST}")
        except FileNotFoundError:
            return self.files.read(f"{folder}/{OLD_MANIFEST}")

    def _read_manifest_or_none(self, stage: str, key: str) -> Manifest | None:
        try:
            return self.manifest(stage, key)
        except ArtifactError:
            return None

    def _verify(self, stage: str, key: str) -> tuple[Manifest | None, list[str]]:
        """The manifest, None if it is missing or damaged, and what is wrong with the artifact."""
        try:
            manifest = self.manifest(stage, key)
        except ArtifactError as error:
            return None, [_NO_MANIFEST if isinstance(error.__cause__, FileNotFoundError) else str(error)]
        folder = _artifact_folder(stage, key)
        sizes = self.files.file_sizes(folder)
        found = self.files.map(lambda file: self._find_problem(folder, file, sizes.get(file.path)), manifest.files)
        return manifest, [problem for problem in found if problem]

    def _find_problem(self, folder: str, file: FileRecord, size: int | None) -> str | None:
        if size is None:
            return f"{file.path} is missing"
        if size != file.bytes:
            return f"{file.path} has {size} bytes instead of {file.bytes}"
        try:
            same = self.files.sha256(f"{folder}/{file.path}", size) == file.sha256
        except OSError as error:
            return f"{file.path} can't be read: {error}"
        return None if same else f"{file.path} has changed bytes"

    def _read_verified(self, folder: str, file: FileRecord) -> bytes:
        try:
            data = self.files.read(f"{folder}/{file.path}")
        except OSError as error:
            raise ArtifactError(f"{folder}/{file.path} can't be read: {error}; run its stage again") from error
        if hashlib.sha256(data).hexdigest() != file.sha256:
            raise ArtifactError(f"{folder}/{file.path} in {self.root} is damaged; run its stage again")
        return data


class ArtifactWriter:
    """Writes one artifact: `with store.write(recipe) as writer:`. The manifest records the time that the block takes.

    Each call of `rows` or `table` adds a part. An artifact without rows gets an empty part, so that it has columns.
    If the block raises an error, nothing is stored.

    Attributes:
        ref: the committed artifact, after the block.
        folder: a local folder for programs that write files themselves; all files in it and below are committed.
        stats: counts to keep in the manifest.
    """

    ref: ArtifactRef
    folder: Path

    def __init__(self, store: Store, recipe: Recipe) -> None:
        self.recipe = recipe
        self.key = recipe.key
        self.stats: dict[str, Any] = {}
        self._store = store
        self._parts: dict[str, FileRecord] = {}

    def __enter__(self) -> ArtifactWriter:
        self._started = time.monotonic()
        self.folder = self._store.files.create_staging_folder(self.recipe.stage, self.key[:16])
        self._lock = file_lock(self.folder)  # tells gc that the folder is in use
        self._lock.__enter__()
        return self

    def rows(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add a part with these rows; see `TableSchema.from_rows`."""
        self._add_part(self.recipe.table.from_rows(rows))

    def table(self, table: pa.Table) -> None:
        """Add a part with the rows of this table; see `TableSchema.conform`."""
        self._add_part(self.recipe.table.conform(table))

    def file(self, name: str, data: bytes) -> dict[str, Any]:
        """Add a file beside the parts.

        Args:
            name: the file's path in the artifact's folder.
            data: its content.

        Returns:
            Its path, sha256 and bytes, the value of a file column in the clips table.

        Raises:
            StoreError: the name is not allowed, or the file can't be written.
        """
        path = self.folder / _check_file_name(name)
        with explain_write_errors(str(path)):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return self.record(name)

    def record(self, name: str) -> dict[str, Any]:
        """The path, sha256 and bytes of a file that a program wrote into `folder`."""
        record = asdict(self._record(self.folder / _check_file_name(name)))
        del record["rows"]
        return record

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._commit()
        finally:
            self._store.files.discard(self.folder)
            self._lock.__exit__(None, None, None)

    def _commit(self) -> None:
        if not self._parts:
            self._add_part(self.recipe.table.schema.empty_table())
        # Sorted: the order of a folder's listing differs between file systems, and the manifest must not.
        files = [self._record(path) for path in sorted(self.folder.rglob("*")) if path.is_file()]
        manifest = Manifest(
            key=self.key,
            table=self.recipe.table.name,
            recipe=self.recipe.record(),
            files=files,
            created_at=_utc_now(),
            seconds=round(time.monotonic() - self._started, 3),
            stats=self.stats,
            provenance=collect_provenance(),
        )
        path = self.folder / MANIFEST
        with explain_write_errors(str(path)):
            path.write_bytes(manifest.to_json())
        filesystem, stage = self._store.files, self.recipe.stage
        # From the look-up to the rename, so that two writers of one key can't both find it absent.
        with filesystem.lock_folder(stage):
            # Another process may have committed the key meanwhile; its artifact stays.
            ref = self._store.find(stage, self.key)
            if ref is None:
                filesystem.publish(self.folder, _artifact_folder(stage, self.key), last=MANIFEST)
        self.ref = ref or ArtifactRef(stage, self.key, manifest.rows)

    def _add_part(self, table: pa.Table) -> None:
        name = f"part-{len(self._parts):05d}.parquet"
        data = self.recipe.table.to_parquet(table)
        path = self.folder / name
        with explain_write_errors(str(path)):
            path.write_bytes(data)
        self._parts[name] = FileRecord(name, hashlib.sha256(data).hexdigest(), data.size, table.num_rows)

    def _record(self, path: Path) -> FileRecord:
        name = path.relative_to(self.folder).as_posix()
        if name in self._parts:
            return self._parts[name]
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return FileRecord(name, digest, path.stat().st_size)


def _artifact_folder(stage: str, key: str) -> str:
    return f"{check_stage(stage)}/{check_key(key)}"


def _run_path(run_id: str) -> str:
    if not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9._-]*", run_id):
        raise StoreError(f"{run_id!r} can't name a run; use letters, digits, dot, - and _")
    return f"runs/{run_id}/run.json"


def _check_file_name(name: str) -> str:
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or name in MANIFEST_NAMES or name.startswith("part-"):
        raise StoreError(f"{name!r} can't name a file of an artifact; use a relative path, not part-* or {MANIFEST}")
    return name


def _utc_now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
