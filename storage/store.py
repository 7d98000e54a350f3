"""The artifact store: `ROOT/<stage>/<key>/part-00000.parquet`, other files, and a manifest that makes them count."""

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
from storage.filesystem import FileSystem, locked, writing
from storage.keys import KEY, RESERVED_STAGES, STAGE, Recipe, canonical_json, check_key, check_stage
from storage.manifest import MANIFEST, FileRecord, Manifest, provenance
from storage.patience import PATIENCE

log = logging.getLogger(__name__)

_NO_MANIFEST = f"{MANIFEST} is missing"


@dataclass(frozen=True)
class ArtifactRef:
    """The name of a committed artifact, small enough to be passed between tasks."""

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

    An artifact is whole or absent. One whose files are missing, cut or changed counts as absent, is logged, and is
    replaced by the next commit of its key. Several processes may use one store, and may even write the same key at
    once: the first to finish wins. (Of two machines that upload the same key to an object store at the same moment the
    last wins; where their bytes differ the artifact may come out damaged, which is noticed and recomputed.)

    A remote root may be away for `patience` seconds before StoreUnreachable is raised. How S3 is told its endpoint and
    credentials stands at `storage.filesystem.FileSystem`.
    """

    def __init__(self, root: str = "store", patience: float = PATIENCE) -> None:
        self.root = root
        self.files = FileSystem(root, patience)

    def find(self, stage: str, key: str) -> ArtifactRef | None:
        """The artifact if it is committed and every byte is as it was written; else None."""
        manifest, problems = self._checked(stage, key)
        if manifest and not problems:
            return ArtifactRef(stage, key, manifest.rows)
        if problems != [_NO_MANIFEST]:
            log.warning("%s artifact %s is damaged and will be made again: %s", stage, key[:12], "; ".join(problems))
        return None

    def problems(self, stage: str, key: str) -> list[str]:
        """What is wrong with an artifact, file by file, after reading all of it; empty when it is whole."""
        return self._checked(stage, key)[1]

    def manifest(self, stage: str, key: str) -> Manifest:
        """Raises ArtifactError when there is none, or one that can't be trusted."""
        path = f"{_folder(stage, key)}/{MANIFEST}"
        try:
            manifest = Manifest.from_json(self.files.read(path))
        except FileNotFoundError as error:
            raise ArtifactError(
                f"no {stage} artifact {key[:12]} in {self.root}; run the stage that makes it"
            ) from error
        except OSError as error:
            raise ArtifactError(f"{self.files.full(path)} can't be read: {error}") from error
        if (manifest.stage, manifest.key) != (stage, key):
            raise ArtifactError(f"{self.files.full(path)} belongs to {manifest.stage}/{manifest.key[:12]}")
        return manifest

    def manifests(self, stage: str) -> dict[str, Manifest | None]:
        """By key, of all the stage's artifacts that have one; None for one that can't be trusted."""
        keys = self.keys(stage)
        return dict(zip(keys, self.files.each(lambda key: self._manifest_or_none(stage, key), keys)))

    def write(self, recipe: Recipe) -> ArtifactWriter:
        """A context manager to write the recipe's artifact; it is committed when the block ends without an error."""
        return ArtifactWriter(self, recipe)

    def read(self, ref: ArtifactRef, columns: Sequence[str] | None = None) -> pa.Table:
        """All rows of an artifact, checked against the manifest. Raises ArtifactError when it is absent or damaged."""
        folder = _folder(ref.stage, ref.key)

        def read(part: FileRecord) -> pa.Table:
            # A part is small, and Arrow's thread pool now and then aborts a process that ends soon after it started.
            file = pq.ParquetFile(pa.BufferReader(self._read(folder, part)), pre_buffer=False)
            return file.read(columns=None if columns is None else list(columns), use_threads=False)

        return pa.concat_tables(self.files.each(read, self.manifest(ref.stage, ref.key).parts))

    def schema(self, ref: ArtifactRef) -> pa.Schema:
        """The columns of an artifact's rows. Raises ArtifactError when it is absent or damaged."""
        (part, *_) = self.manifest(ref.stage, ref.key).parts
        return pq.read_schema(pa.BufferReader(self._read(_folder(ref.stage, ref.key), part)))

    def path(self, ref: ArtifactRef, name: str) -> str:
        """The path or address of one of the artifact's files, for programs that open it themselves."""
        return self.files.address(f"{_folder(ref.stage, ref.key)}/{self._file(ref, name).path}")

    def read_file(self, ref: ArtifactRef, name: str) -> bytes:
        """The content of one of the artifact's files. Raises ArtifactError when it is absent or damaged."""
        return self._read(_folder(ref.stage, ref.key), self._file(ref, name))

    @contextmanager
    def folder(self, ref: ArtifactRef) -> Iterator[Path]:
        """A local folder with the artifact's files, to read only: its own, or a copy that goes when the block ends."""
        manifest, folder = self.manifest(ref.stage, ref.key), _folder(ref.stage, ref.key)
        if self.files.local:
            yield Path(self.files.full(folder))
            return
        with tempfile.TemporaryDirectory(prefix="atom-store-") as copy:

            def fetch(file: FileRecord) -> None:
                target = Path(copy) / file.path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(self._read(folder, file))

            self.files.each(fetch, manifest.files)
            yield Path(copy)

    @contextmanager
    def scratch(self, stage: str, key: str) -> Iterator[Path]:
        """A local folder for the state of long work on an artifact, the same one on every try. It outlives a crash, so
        that the next try goes on from it, and goes when the block ends well; `gc` takes it if nobody comes back."""
        folder = self.files.scratch(stage, f"scratch-{check_key(key)[:16]}")
        with locked(folder):
            yield folder
            shutil.rmtree(folder)

    @contextmanager
    def claim(self, stage: str, key: str) -> Iterator[None]:
        """Held by one at a time on this machine: who else wants to make the artifact waits, and should look again."""
        while True:
            folder = self.files.scratch(stage, f"claim-{check_key(key)[:16]}")
            with suppress(FileNotFoundError):  # the one before took it away
                lock = locked(folder)
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
        return [name for name in names if STAGE.fullmatch(name) and name not in RESERVED_STAGES]

    def keys(self, stage: str) -> list[str]:
        """Keys of the stage's artifacts that have a manifest, whole or damaged."""
        return [name for name in self.files.folders_with(check_stage(stage), MANIFEST) if KEY.fullmatch(name)]

    def folders(self, stage: str) -> list[str]:
        """Keys that have a folder, also one without a manifest."""
        return [name for name in self.files.names(stage, folders_only=True) if KEY.fullmatch(name)]

    def exists(self) -> bool:
        return self.files.exists()

    def check_writable(self) -> None:
        """Raises StoreError, in one line with cause and remedy, unless a file can be written below the root."""
        probe = f"probe-{uuid.uuid4().hex}"
        files = FileSystem(self.root, patience=0)  # an address may simply be wrong, which nobody should wait for
        files.write(probe, b"probe")
        files.remove(probe)

    def save_run(self, run_id: str, record: Mapping[str, Any]) -> None:
        """Write or replace a run's record (plain JSON values). `run_id` and `created_at` are added.

        Artifacts count as used by a run when their key stands anywhere in its record, or when one of those used was
        made from them: save the keys early, so that `gc` spares them.
        """
        path = _run_path(run_id)
        known = self._read_run(path) or {}
        created_at = record.get("created_at") or known.get("created_at") or _now()
        record = {**record, "run_id": run_id, "created_at": created_at}
        canonical_json(record)  # refuses what would come back changed
        self.files.write(path, json.dumps(record, indent=2).encode())

    def runs(self) -> list[dict[str, Any]]:
        """All run records, the newest first."""
        paths = [f"runs/{name}/run.json" for name in self.files.folders_with("runs", "run.json")]
        records = [record for record in self.files.each(self._read_run, paths) if record]
        return sorted(records, key=lambda record: (record["created_at"], record["run_id"]), reverse=True)

    def run(self, run_id: str = "latest") -> dict[str, Any]:
        """One run's record. Raises StoreError when there is no such run."""
        if run_id == "latest":
            if not (runs := self.runs()):
                raise StoreError(f"no run in the store {self.root} yet; start one with `atom run`")
            return runs[0]
        if not (record := self._read_run(_run_path(run_id))):
            raise StoreError(f"no run {run_id!r} in the store {self.root}; `atom runs list` names them")
        return record

    def run_folder(self, run_id: str) -> str:
        """The folder or address of the run's own files, such as its report; a local one is made if need be."""
        folder = self.files.address(str(PurePosixPath(_run_path(run_id)).parent))
        if self.files.local:
            with writing(folder):
                Path(folder).mkdir(parents=True, exist_ok=True)
        return folder

    def save_run_file(self, run_id: str, name: str, data: bytes) -> str:
        """Write or replace a file beside the run's record, such as its report; gives its path or address."""
        path = f"{PurePosixPath(_run_path(run_id)).parent}/{_checked_name(name)}"
        self.files.write(path, data)
        return self.files.address(path)

    def _read_run(self, path: str) -> dict[str, Any] | None:
        try:
            record = json.loads(self.files.read(path))
            return {**record, "run_id": record["run_id"], "created_at": record["created_at"]}
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(f"{self.files.full(path)} is no run's JSON ({error!r}); delete that folder") from error

    def _file(self, ref: ArtifactRef, name: str) -> FileRecord:
        files = {file.path: file for file in self.manifest(ref.stage, ref.key).files}
        if name not in files:
            raise ArtifactError(f"{ref.stage} artifact {ref.key[:12]} has no file {name!r}; it has {', '.join(files)}")
        return files[name]

    def _manifest_or_none(self, stage: str, key: str) -> Manifest | None:
        try:
            return self.manifest(stage, key)
        except ArtifactError:
            return None

    def _checked(self, stage: str, key: str) -> tuple[Manifest | None, list[str]]:
        """The manifest, if it can be trusted, and what is wrong with the artifact."""
        try:
            manifest = self.manifest(stage, key)
        except ArtifactError as error:
            return None, [_NO_MANIFEST if isinstance(error.__cause__, FileNotFoundError) else str(error)]
        folder = _folder(stage, key)
        sizes = self.files.sizes(folder)
        found = self.files.each(lambda file: self._problem(folder, file, sizes.get(file.path)), manifest.files)
        return manifest, [problem for problem in found if problem]

    def _problem(self, folder: str, file: FileRecord, size: int | None) -> str | None:
        if size is None:
            return f"{file.path} is missing"
        if size != file.bytes:
            return f"{file.path} has {size} bytes instead of {file.bytes}"
        try:
            same = self.files.sha256(f"{folder}/{file.path}", size) == file.sha256
        except OSError as error:
            return f"{file.path} can't be read: {error}"
        return None if same else f"{file.path} has changed bytes"

    def _read(self, folder: str, file: FileRecord) -> bytes:
        try:
            data = self.files.read(f"{folder}/{file.path}")
        except OSError as error:
            raise ArtifactError(f"{folder}/{file.path} can't be read: {error}; run its stage again") from error
        if hashlib.sha256(data).hexdigest() != file.sha256:
            raise ArtifactError(f"{folder}/{file.path} in {self.root} is damaged; run its stage again")
        return data


class ArtifactWriter:
    """Writes one artifact. Use as `with store.write(recipe) as writer:`, opened before the work so that it is timed.

    Each call of `rows` or `table` makes a part; an artifact without rows gets an empty one, so that it has columns.
    `folder` is a local folder for programs that write files themselves (into subfolders too): all in it is committed.
    `stats` goes into the manifest. After the block `ref` names the artifact. If the block raises, nothing is left.
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
        self.folder = self._store.files.new_folder(self.recipe.stage, self.key[:16])
        self._lock = locked(self.folder)  # tells gc that someone still works on it
        self._lock.__enter__()
        return self

    def rows(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add a part of these rows; see `Table.from_rows`."""
        self._add_part(self.recipe.table.from_rows(rows))

    def table(self, table: pa.Table) -> None:
        """Add a part of this table; see `Table.conform`."""
        self._add_part(self.recipe.table.conform(table))

    def file(self, name: str, data: bytes) -> dict[str, Any]:
        """Add a file beside the parts; gives its path, sha256 and bytes, which is a cell of the clips table."""
        path = self.folder / _checked_name(name)
        with writing(str(path)):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return self.record(name)

    def record(self, name: str) -> dict[str, Any]:
        """path, sha256 and bytes of a file that some program wrote into `folder`."""
        record = asdict(self._record(self.folder / _checked_name(name)))
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
        files = [self._record(path) for path in sorted(self.folder.rglob("*")) if path.is_file()]
        manifest = Manifest(
            key=self.key,
            table=self.recipe.table.name,
            recipe=self.recipe.record(),
            files=files,
            created_at=_now(),
            seconds=round(time.monotonic() - self._started, 3),
            stats=self.stats,
            provenance=provenance(),
        )
        path = self.folder / MANIFEST
        with writing(str(path)):
            path.write_bytes(manifest.to_json())
        filesystem, stage = self._store.files, self.recipe.stage
        with filesystem.one_at_a_time(stage):
            ref = self._store.find(stage, self.key)
            if ref is None:
                filesystem.publish(self.folder, _folder(stage, self.key), last=MANIFEST)
        self.ref = ref or ArtifactRef(stage, self.key, manifest.rows)

    def _add_part(self, table: pa.Table) -> None:
        name = f"part-{len(self._parts):05d}.parquet"
        data = self.recipe.table.to_parquet(table)
        path = self.folder / name
        with writing(str(path)):
            path.write_bytes(data)
        self._parts[name] = FileRecord(name, hashlib.sha256(data).hexdigest(), data.size, table.num_rows)

    def _record(self, path: Path) -> FileRecord:
        name = path.relative_to(self.folder).as_posix()
        if name in self._parts:
            return self._parts[name]
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return FileRecord(name, digest, path.stat().st_size)


def _folder(stage: str, key: str) -> str:
    return f"{check_stage(stage)}/{check_key(key)}"


def _run_path(run_id: str) -> str:
    if not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9._-]*", run_id):
        raise StoreError(f"{run_id!r} can't name a run; use letters, digits, dot, - and _")
    return f"runs/{run_id}/run.json"


def _checked_name(name: str) -> str:
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or name == MANIFEST or name.startswith("part-"):
        raise StoreError(f"{name!r} can't name a file of an artifact; use a relative path, not part-* or {MANIFEST}")
    return name


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
