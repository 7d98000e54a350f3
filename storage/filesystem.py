"""Files below one root, on this machine or behind any fsspec address, with one error type and no torn writes."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from storage.errors import StoreError

UNFINISHED = ".unfinished"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class FileSystem:
    """Paths are relative to the root, with `/` between their parts.

    What isn't whole yet lies in a `.unfinished` folder beside what it will become (so on the same disk) and appears
    under its name by one rename. Object stores need none of this: there a file appears when its upload is done.
    """

    def __init__(self, root: str) -> None:
        if not root:
            raise StoreError("the store's root is empty; name a folder or an address such as s3://bucket/folder")
        try:
            self.fs, base = url_to_fs(root)
        except (ImportError, ValueError) as error:
            raise StoreError(f"can't open the store {root!r}: {error}") from error
        self.base = base.rstrip("/")
        self.local = isinstance(self.fs, LocalFileSystem)

    def full(self, path: str) -> str:
        return f"{self.base}/{path}" if path else self.base

    def exists(self, path: str = "") -> bool:
        self.fs.invalidate_cache()
        return self.fs.exists(self.full(path))

    def names(self, path: str = "", folders_only: bool = False) -> list[str]:
        """Sorted names of what lies directly in this folder; none when it isn't there."""
        self.fs.invalidate_cache()
        try:
            entries = self.fs.ls(self.full(path), detail=True)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(
            entry["name"].rstrip("/").rsplit("/", 1)[-1]
            for entry in entries
            if entry["type"] == "directory" or not folders_only
        )

    def size(self, path: str) -> int:
        """Bytes of a file, or of all files in a folder."""
        return self.fs.du(self.full(path))

    def sha256(self, path: str) -> str:
        with self.fs.open(self.full(path), "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def read(self, path: str) -> bytes:
        return self.fs.cat_file(self.full(path))

    def write(self, path: str, data: bytes) -> None:
        """Replace a file in one step: a reader sees the old content or the new, also after a crash."""
        with writing(self.full(path)):
            if not self.local:
                self.fs.pipe_file(self.full(path), data)
                return
            target = Path(self.full(path))
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = target.parent / UNFINISHED / uuid.uuid4().hex
            temporary.parent.mkdir(exist_ok=True)
            try:
                temporary.write_bytes(data)
                _sync(temporary)
                temporary.replace(target)
            finally:
                temporary.unlink(missing_ok=True)
            _sync(target.parent)

    def age(self, path: str) -> float:
        """Seconds since the newest change of a file or of anything in a folder."""
        full = self.full(path)
        paths = self.fs.find(full) + ([full] if self.local else [])
        newest = max((_utc(self.fs.modified(each)) for each in paths), default=datetime.now(UTC))
        return (datetime.now(UTC) - newest).total_seconds()

    def remove(self, path: str) -> None:
        """Delete a file or folder; a local folder leaves its name first, so it is never seen half deleted."""
        with writing(self.full(path)):
            if self.local:
                _remove_local(self._set_aside(path))
            elif self.fs.exists(self.full(path)):
                self.fs.rm(self.full(path), recursive=True)

    def new_folder(self, parent: str, name: str) -> Path:
        """A private local folder in which a writer prepares what becomes the folder `parent/name`."""
        with writing(self.full(parent)):
            if not self.local:
                return Path(tempfile.mkdtemp(prefix="atom-store-"))
            folder = Path(self.full(parent)) / UNFINISHED / f"{name}-{uuid.uuid4().hex[:12]}"
            folder.mkdir(parents=True)
            return folder

    def scratch(self, parent: str, name: str) -> Path:
        """A local folder of that name, made if need be, for what is not finished in `parent`."""
        if self.local:
            folder = Path(self.full(parent)) / UNFINISHED / name
        else:
            address = hashlib.sha256(self.full(parent).encode()).hexdigest()[:12]
            folder = Path(tempfile.gettempdir()) / f"atom-store-{address}" / name
        with writing(str(folder)):
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    def publish(self, prepared: Path, path: str, last: str) -> None:
        """Make a prepared folder the folder `path`, which must not exist yet.

        `last` is the file whose presence makes the folder count: where folders can't be renamed it is uploaded last.
        """
        files = sorted(file for file in prepared.rglob("*") if file.is_file())
        with writing(self.full(path)):
            if not self.local:
                for file in sorted(files, key=lambda file: file == prepared / last):
                    self.fs.put_file(str(file), self.full(f"{path}/{file.relative_to(prepared).as_posix()}"))
                shutil.rmtree(prepared)
                return
            for entry in [*files, *(entry for entry in prepared.rglob("*") if entry.is_dir()), prepared]:
                _sync(entry)
            target = Path(self.full(path))
            prepared.rename(target)
            _sync(target.parent)

    @contextmanager
    def one_at_a_time(self, parent: str) -> Iterator[None]:
        """Keep the other processes of this machine out of `parent` while the block replaces something in it."""
        if not self.local:
            yield
            return
        folder = Path(self.full(parent)) / UNFINISHED
        with writing(str(folder)):
            folder.mkdir(parents=True, exist_ok=True)
        with locked(folder):
            yield

    def _set_aside(self, path: str) -> Path:
        source = Path(self.full(path))
        if source.parent.name == UNFINISHED:
            return source
        aside = source.parent / UNFINISHED / f"removed-{uuid.uuid4().hex[:12]}"
        aside.parent.mkdir(parents=True, exist_ok=True)
        try:
            return source.rename(aside)
        except FileNotFoundError:  # someone else was faster, which is as good
            return source


@contextmanager
def locked(path: Path, wait: bool = True) -> Iterator[bool]:
    """Lock a file or folder while the block runs; gives whether it could. It ends with the process at the latest."""
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        got = True
    except BlockingIOError:
        got = False
    try:
        yield got
    finally:
        os.close(handle)


@contextmanager
def writing(where: str) -> Iterator[None]:
    """Turn what the system says of a failed write into one line with its remedy."""
    try:
        yield
    except OSError as error:
        cause = error.strerror or str(error) or type(error).__name__
        if error.errno in _FULL:
            remedy = "free some space (`atom store gc` helps) or choose another place with --store ROOT"
        else:
            remedy = "make it writable or choose another place with --store ROOT"
        raise StoreError(f"can't write {where}: {cause}; {remedy}") from error


def _sync(path: Path) -> None:
    """Wait until the disk has a file's content, or the names in a folder."""
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


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
