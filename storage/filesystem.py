"""Files below one root, local or at any fsspec address, with atomic writes and one type of error."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from fsspec.config import conf
from fsspec.core import split_protocol, url_to_fs
from fsspec.implementations.local import LocalFileSystem

from storage.errors import StoreError
from storage.retry import RETRY_TIMEOUT, with_retries

UNFINISHED = ".unfinished"
MAX_CONCURRENCY = 16  # requests to a remote store, or files that are fsynced
CHUNK_BYTES = 64 * 2**20  # of a remote file, read by one request
_OBJECT_STORE_PROTOCOLS = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss"}
_DISK_FULL_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

T, Result = TypeVar("T"), TypeVar("Result")


class FileSystem:
    """Reads and writes files below a root. Paths are relative to it, with `/` between their parts.

    Unfinished files lie in a folder `.unfinished` beside their destination, so on the same disk, and one rename moves
    them there. Object stores do not need this: a file appears when its upload is complete.

    Calls to a remote root are retried for `retry_timeout` seconds if the error is transient; see `storage.retry`. For
    S3 (package s3fs) credentials come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile (AWS_PROFILE) or the
    machine's role. The endpoint of a service other than Amazon's comes from AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL or
    FSSPEC_S3_ENDPOINT_URL, and the bucket's region from AWS_DEFAULT_REGION. Other options of s3fs come from
    FSSPEC_S3_<OPTION>, or as JSON from FSSPEC_S3, such as '{"config_kwargs": {"s3": {"addressing_style": "path"}}}'.
    """

    def __init__(self, root: str, retry_timeout: float = RETRY_TIMEOUT) -> None:
        if not root:
            raise StoreError("the store's root is empty; name a folder or an address such as s3://bucket/folder")
        try:
            self.fs, base = url_to_fs(root, **_fsspec_options(root))
        except ImportError as error:
            raise StoreError(f"can't open the store {root!r}: {error}; for S3 install s3fs, for GCS gcsfs") from error
        except ValueError as error:
            raise StoreError(f"can't open the store {root!r}: {error}") from error
        if hasattr(self.fs, "retries"):  # s3fs: only `with_retries` retries, not s3fs as well
            self.fs.retries = 1
        self.base = base.rstrip("/")
        self.local = isinstance(self.fs, LocalFileSystem)
        self.retry_timeout = retry_timeout

    def full_path(self, path: str) -> str:
        """The path from the file system's own root, without a protocol."""
        return f"{self.base}/{path}" if path else self.base

    def address(self, path: str) -> str:
        """The path as other programs open it: a local path, or an address with its protocol."""
        return self.full_path(path) if self.local else self.fs.unstrip_protocol(self.full_path(path))

    def exists(self, path: str = "") -> bool:
        try:
            self._call_with_retries(path, self.fs.info, self.full_path(path))
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def names(self, path: str = "", folders_only: bool = False) -> list[str]:
        """List a folder.

        Args:
            path: the folder; one that does not exist counts as empty.
            folders_only: leave out files.

        Returns:
            The names of its entries, sorted.
        """
        full = self.full_path(path)
        try:
            entries = self._call_with_retries(path, self.fs.ls, full, detail=True)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(
            name.rsplit("/", 1)[-1]
            for entry in entries
            # Consoles of object stores mark an empty folder with an object that has the folder's own name.
            if (name := entry["name"].rstrip("/")) != full and (entry["type"] == "directory" or not folders_only)
        )

    def list_folders_with(self, path: str, *names: str) -> list[str]:
        """List the subfolders of a folder that contain a certain file.

        Args:
            path: the folder.
            names: the file's possible names.

        Returns:
            The names of the subfolders, sorted.
        """
        if self.local:
            return [
                folder
                for folder in self.names(path, True)
                if any(Path(self.full_path(f"{path}/{folder}/{name}")).is_file() for name in names)
            ]
        # One request lists a thousand files, while a check of each folder costs a request.
        places = (file.split("/") for file in self.file_sizes(path))
        return sorted({folder for folder, *rest in places if len(rest) == 1 and rest[0] in names})

    def file_sizes(self, path: str) -> dict[str, int]:
        """Bytes of each file at any depth of a folder, by its path there; empty if the folder does not exist."""
        if self.local:
            return {
                file.relative_to(self.full_path(path)).as_posix(): file.stat().st_size
                for file in self._list_local_files(path)
            }
        return {name: entry["size"] for name, entry in self._list_remote_files(path).items()}

    def size_and_age(self, path: str) -> tuple[int, float]:
        """Bytes of a file or folder, and seconds since its newest change. Raises FileNotFoundError if it is gone."""
        if self.local:
            own = Path(self.full_path(path)).stat()
            stats = (
                [file.stat() for file in self._list_local_files(path)] if Path(self.full_path(path)).is_dir() else [own]
            )
            newest = max(stat.st_mtime for stat in [*stats, own])
            return sum(stat.st_size for stat in stats), datetime.now(UTC).timestamp() - newest
        entries = self._list_remote_files(path).values()
        if not entries:
            raise FileNotFoundError(self.full_path(path))
        newest = max(_as_utc(entry.get("LastModified") or self.fs.modified(entry["name"])) for entry in entries)
        return sum(entry["size"] for entry in entries), (datetime.now(UTC) - newest).total_seconds()

    def sha256(self, path: str, size: int) -> str:
        """Hash a file in chunks.

        Args:
            path: the file.
            size: its bytes, which the caller knows from a listing.

        Returns:
            The sha256 as hexadecimal digits.
        """
        if self.local:
            with Path(self.full_path(path)).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        digest = hashlib.sha256()
        for start in range(0, size, CHUNK_BYTES):
            end = min(start + CHUNK_BYTES, size)
            digest.update(self._call_with_retries(path, self.fs.cat_file, self.full_path(path), start=start, end=end))
        return digest.hexdigest()

    def read(self, path: str) -> bytes:
        if self.local:
            return Path(self.full_path(path)).read_bytes()
        return self._call_with_retries(path, self.fs.cat_file, self.full_path(path))

    def map(self, work: Callable[[T], Result], items: Iterable[T]) -> list[Result]:
        """Apply a function to each item, concurrently on a remote store.

        Args:
            work: the function.
            items: its arguments.

        Returns:
            The results in the order of the items.
        """
        if self.local:
            return [work(item) for item in items]
        with ThreadPoolExecutor(MAX_CONCURRENCY) as pool:
            return list(pool.map(work, items))

    def write(self, path: str, data: bytes) -> None:
        """Replace a file atomically: a reader sees the old content or the new one, also after a crash.

        Args:
            path: the file; a missing folder is created.
            data: its new content.

        Raises:
            StoreError: the file can't be written.
        """
        with explain_write_errors(self.full_path(path)):
            if not self.local:
                self._call_with_retries(path, self.fs.pipe_file, self.full_path(path), data)
                return
            target = Path(self.full_path(path))
            target.parent.mkdir(parents=True, exist_ok=True)
            # On the same disk as its target, where a rename is atomic.
            temporary = target.parent / UNFINISHED / uuid.uuid4().hex
            temporary.parent.mkdir(exist_ok=True)
            try:
                temporary.write_bytes(data)
                # The content before the name: after a power cut a renamed file could be empty.
                _fsync(temporary)
                temporary.replace(target)
            finally:
                temporary.unlink(missing_ok=True)
            _fsync(target.parent)

    def remove(self, path: str) -> None:
        """Delete a file or folder. A local folder is renamed first, so that no reader sees it half deleted."""
        with explain_write_errors(self.full_path(path)):
            if self.local:
                _remove_local(self._move_aside(path))
            else:
                self._remove_remote(self._list_remote_files(path))

    def create_staging_folder(self, parent: str, name: str) -> Path:
        """Create a local folder in which a writer prepares the folder `parent/name`, for `publish`.

        Args:
            parent: the folder in which the new folder will lie.
            name: the beginning of the staging folder's name.

        Returns:
            The staging folder, empty.

        Raises:
            StoreError: the folder can't be created.
        """
        with explain_write_errors(self.full_path(parent)):
            if not self.local:
                return Path(tempfile.mkdtemp(prefix="atom-store-"))
            folder = Path(self.full_path(parent)) / UNFINISHED / f"{name}-{uuid.uuid4().hex[:12]}"
            folder.mkdir(parents=True)
            return folder

    def discard(self, staging: Path) -> None:
        """Delete a folder of `create_staging_folder`, unless it was published."""
        shutil.rmtree(staging, ignore_errors=True)

    def create_scratch_folder(self, parent: str, name: str) -> Path:
        """Create a local folder for unfinished work, or take the one that exists.

        Args:
            parent: the folder that the work belongs to.
            name: name of the scratch folder; the same name gives the same folder.

        Returns:
            The scratch folder.

        Raises:
            StoreError: the folder can't be created.
        """
        if self.local:
            folder = Path(self.full_path(parent)) / UNFINISHED / name
        else:
            address = hashlib.sha256(self.full_path(parent).encode()).hexdigest()[:12]
            folder = Path(tempfile.gettempdir()) / f"atom-store-{address}" / name
        with explain_write_errors(str(folder)):
            while True:
                try:
                    folder.mkdir(parents=True, exist_ok=True)
                    return folder
                except FileExistsError:  # a file has that name, or another process has just deleted the folder
                    if folder.is_file() or folder.is_symlink():
                        raise

    def publish(self, staging: Path, path: str, last: str) -> None:
        """Move a staging folder to `path` and replace what is there.

        Where folders can't be renamed, files of the same name are replaced one by one, so two writers that publish the
        same bytes never damage them.

        Args:
            staging: a folder of `create_staging_folder`.
            path: the destination.
            last: name of the file that commits the folder; it is uploaded last.

        Raises:
            StoreError: the files can't be written.
        """
        files = sorted(file for file in staging.rglob("*") if file.is_file())
        with explain_write_errors(self.full_path(path)):
            if not self.local:
                self._upload(staging, files, path, last)
                shutil.rmtree(staging)
                return
            with ThreadPoolExecutor(MAX_CONCURRENCY) as pool:  # the disk flushes concurrent fsyncs together
                list(pool.map(_fsync, files))
            for folder in [*(entry for entry in staging.rglob("*") if entry.is_dir()), staging]:
                _fsync(folder)
            # A folder can only be renamed onto an empty one, so a damaged artifact is moved away first.
            _remove_local(self._move_aside(path))
            target = Path(self.full_path(path))
            # The one step that makes the artifact visible.
            staging.rename(target)
            _fsync(target.parent)

    @contextmanager
    def lock_folder(self, parent: str) -> Iterator[None]:
        """A lock on `parent` among the processes of this machine, for a block that replaces files in it."""
        if not self.local:
            yield
            return
        folder = Path(self.full_path(parent)) / UNFINISHED
        with explain_write_errors(str(folder)):
            folder.mkdir(parents=True, exist_ok=True)
        with file_lock(folder):
            yield

    def _call_with_retries(self, path: str, call: Callable[..., Result], *arguments: Any, **options: Any) -> Result:
        if self.local:
            return call(*arguments, **options)
        self.fs.invalidate_cache()  # some file systems can't turn it off
        return with_retries(lambda: call(*arguments, **options), self.address(path), self.retry_timeout)

    def _list_local_files(self, path: str) -> Iterator[Path]:
        return (file for file in Path(self.full_path(path)).rglob("*") if file.is_file())

    def _list_remote_files(self, path: str) -> dict[str, dict[str, Any]]:
        """fsspec's entries of all files in a remote folder, by their path in it; a single file has the path ""."""
        full = self.full_path(path)
        try:
            found = self._call_with_retries(path, self.fs.find, full, detail=True)
        except FileNotFoundError:
            return {}
        return {name[len(full) :].lstrip("/"): entry | {"name": name} for name, entry in found.items()}

    def _upload(self, staging: Path, files: list[Path], path: str, last: str) -> None:
        names = [file.relative_to(staging).as_posix() for file in files]

        def put(name: str) -> None:
            self._call_with_retries(path, self.fs.put_file, str(staging / name), self.full_path(f"{path}/{name}"))

        # An object store has no rename: the manifest, uploaded last, makes the rest count.
        self.map(put, [name for name in names if name != last])
        put(last)
        self._remove_remote({name: entry for name, entry in self._list_remote_files(path).items() if name not in names})

    def _remove_remote(self, entries: dict[str, dict[str, Any]]) -> None:
        def remove(entry: dict[str, Any]) -> None:
            with suppress(FileNotFoundError):  # another process deleted it first
                self._call_with_retries("", self.fs.rm_file, entry["name"])

        self.map(remove, entries.values())

    def _move_aside(self, path: str) -> Path:
        source = Path(self.full_path(path))
        if source.parent.name == UNFINISHED:
            return source
        aside = source.parent / UNFINISHED / f"removed-{uuid.uuid4().hex[:12]}"
        aside.parent.mkdir(parents=True, exist_ok=True)
        try:
            return source.rename(aside)
        except FileNotFoundError:  # another process deleted it first
            return source


@contextmanager
def file_lock(path: Path, wait: bool = True) -> Iterator[bool]:
    """Lock a file or folder while the block runs. The lock ends with the process at the latest.

    Args:
        path: the file or folder.
        wait: wait for another holder of the lock to release it.

    Yields:
        Whether the lock was acquired; always true with `wait`.
    """
    # flock, because the kernel drops it when a process dies: no stale lock stays behind.
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        acquired = True
    except BlockingIOError:
        acquired = False
    try:
        yield acquired
    finally:
        os.close(handle)


@contextmanager
def explain_write_errors(where: str) -> Iterator[None]:
    """Turn an OSError of a failed write into a StoreError, one line with cause and remedy."""
    try:
        yield
    except OSError as error:
        cause = error.strerror or str(error) or type(error).__name__
        if error.errno in _DISK_FULL_ERRNOS:
            remedy = "free some space (`atom store gc` helps) or choose another place with --store ROOT"
        else:
            remedy = "make it writable or choose another place with --store ROOT"
        raise StoreError(f"can't write {where}: {cause}; {remedy}") from error


def _fsync(path: Path) -> None:
    """Wait until a file's content, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove_local(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _fsspec_options(root: str) -> dict[str, Any]:
    """Options of the fsspec file system.

    Listings are not cached, because other machines write too. S3's client does not retry, because `with_retries` does.
    A file is read by one request (`max_concurrency=1`): otherwise s3fs first asks for its size, to read it in pieces.
    """
    protocol = split_protocol(root)[0]
    options: dict[str, Any] = {"use_listings_cache": False} if protocol in _OBJECT_STORE_PROTOCOLS else {}
    if protocol in ("s3", "s3a"):
        configured = conf.get(protocol, {}).get("config_kwargs", {})
        options |= {"config_kwargs": {**configured, "retries": {"total_max_attempts": 1}}, "max_concurrency": 1}
    return options


def _as_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
