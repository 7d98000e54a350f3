"""Files below one root, on this machine or behind any fsspec address, with one error type and no torn writes."""

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
from storage.patience import PATIENCE, patiently

UNFINISHED = ".unfinished"
AT_ONCE = 16  # requests to a remote store, or files that wait for the disk
STRETCH = 64 * 2**20  # bytes of a remote file that are read by one request
_OBJECT_STORES = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss"}
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

T, Result = TypeVar("T"), TypeVar("Result")


class FileSystem:
    """Paths are relative to the root, with `/` between their parts.

    What isn't whole yet lies in a `.unfinished` folder beside what it will become (so on the same disk) and appears
    under its name by one rename. Object stores need none of this: there a file appears when its upload is done.

    Calls to a remote root are tried again for `patience` seconds where that may help; see `storage.patience`. For S3
    (which needs the package s3fs) credentials come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile
    (AWS_PROFILE) or the machine's role. Another service than Amazon's is named by AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL
    or FSSPEC_S3_ENDPOINT_URL; a bucket's region by AWS_DEFAULT_REGION; other options of s3fs by FSSPEC_S3_<OPTION> or
    as JSON in FSSPEC_S3, such as '{"config_kwargs": {"s3": {"addressing_style": "path"}}}'.
    """

    def __init__(self, root: str, patience: float = PATIENCE) -> None:
        if not root:
            raise StoreError("the store's root is empty; name a folder or an address such as s3://bucket/folder")
        try:
            self.fs, base = url_to_fs(root, **_options(root))
        except ImportError as error:
            raise StoreError(f"can't open the store {root!r}: {error}; for S3 install s3fs, for GCS gcsfs") from error
        except ValueError as error:
            raise StoreError(f"can't open the store {root!r}: {error}") from error
        if hasattr(self.fs, "retries"):  # s3fs: one layer waits, and that is `patiently`
            self.fs.retries = 1
        self.base = base.rstrip("/")
        self.local = isinstance(self.fs, LocalFileSystem)
        self.patience = patience

    def full(self, path: str) -> str:
        return f"{self.base}/{path}" if path else self.base

    def address(self, path: str) -> str:
        """The path as other programs open it: a local one, or with its protocol."""
        return self.full(path) if self.local else self.fs.unstrip_protocol(self.full(path))

    def exists(self, path: str = "") -> bool:
        try:
            self._call(path, self.fs.info, self.full(path))
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def names(self, path: str = "", folders_only: bool = False) -> list[str]:
        """Sorted names of what lies directly in this folder; none when it isn't there."""
        full = self.full(path)
        try:
            entries = self._call(path, self.fs.ls, full, detail=True)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(
            name.rsplit("/", 1)[-1]
            for entry in entries
            # Consoles of object stores mark an empty folder by an object of the folder's own name.
            if (name := entry["name"].rstrip("/")) != full and (entry["type"] == "directory" or not folders_only)
        )

    def folders_with(self, path: str, name: str) -> list[str]:
        """Sorted names of the folders directly in `path` that hold a file of that name."""
        if self.local:
            return [folder for folder in self.names(path, True) if Path(self.full(f"{path}/{folder}/{name}")).is_file()]
        # One listing gives a thousand files, while asking for each costs a request.
        places = (file.split("/") for file in self.sizes(path))
        return sorted(place[0] for place in places if place[1:] == [name])

    def sizes(self, path: str) -> dict[str, int]:
        """Bytes of each file at any depth of a folder, by its path below that folder; none when it isn't there."""
        if self.local:
            return {file.relative_to(self.full(path)).as_posix(): file.stat().st_size for file in self._files(path)}
        return {name: entry["size"] for name, entry in self._entries(path).items()}

    def usage(self, path: str) -> tuple[int, float]:
        """Bytes of a file or folder, and seconds since the newest change in it. FileNotFoundError when it is gone."""
        if self.local:
            own = Path(self.full(path)).stat()
            stats = [file.stat() for file in self._files(path)] if Path(self.full(path)).is_dir() else [own]
            newest = max(stat.st_mtime for stat in [*stats, own])
            return sum(stat.st_size for stat in stats), datetime.now(UTC).timestamp() - newest
        entries = self._entries(path).values()
        if not entries:
            raise FileNotFoundError(self.full(path))
        newest = max(_utc(entry.get("LastModified") or self.fs.modified(entry["name"])) for entry in entries)
        return sum(entry["size"] for entry in entries), (datetime.now(UTC) - newest).total_seconds()

    def sha256(self, path: str, size: int) -> str:
        """Of a file that has `size` bytes, without keeping all of it in memory."""
        if self.local:
            with Path(self.full(path)).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        digest = hashlib.sha256()
        for start in range(0, size, STRETCH):
            end = min(start + STRETCH, size)
            digest.update(self._call(path, self.fs.cat_file, self.full(path), start=start, end=end))
        return digest.hexdigest()

    def read(self, path: str) -> bytes:
        if self.local:
            return Path(self.full(path)).read_bytes()
        return self._call(path, self.fs.cat_file, self.full(path))

    def each(self, work: Callable[[T], Result], items: Iterable[T]) -> list[Result]:
        """The work's result for each item, in order; on a remote store many are in flight at once."""
        if self.local:
            return [work(item) for item in items]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(work, items))

    def write(self, path: str, data: bytes) -> None:
        """Replace a file in one step: a reader sees the old content or the new, also after a crash."""
        with writing(self.full(path)):
            if not self.local:
                self._call(path, self.fs.pipe_file, self.full(path), data)
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

    def remove(self, path: str) -> None:
        """Delete a file or folder; a local folder leaves its name first, so it is never seen half deleted."""
        with writing(self.full(path)):
            if self.local:
                _remove_local(self._set_aside(path))
            else:
                self._remove_remote(self._entries(path))

    def new_folder(self, parent: str, name: str) -> Path:
        """A private local folder in which a writer prepares what becomes the folder `parent/name`."""
        with writing(self.full(parent)):
            if not self.local:
                return Path(tempfile.mkdtemp(prefix="atom-store-"))
            folder = Path(self.full(parent)) / UNFINISHED / f"{name}-{uuid.uuid4().hex[:12]}"
            folder.mkdir(parents=True)
            return folder

    def discard(self, prepared: Path) -> None:
        """Delete a folder that `new_folder` gave, if it was not published."""
        shutil.rmtree(prepared, ignore_errors=True)

    def scratch(self, parent: str, name: str) -> Path:
        """A local folder of that name, made if need be, for what is not finished in `parent`."""
        if self.local:
            folder = Path(self.full(parent)) / UNFINISHED / name
        else:
            address = hashlib.sha256(self.full(parent).encode()).hexdigest()[:12]
            folder = Path(tempfile.gettempdir()) / f"atom-store-{address}" / name
        with writing(str(folder)):
            while True:
                try:
                    folder.mkdir(parents=True, exist_ok=True)
                    return folder
                except FileExistsError:  # something else has that name, or another just took the folder away
                    if folder.is_file() or folder.is_symlink():
                        raise

    def publish(self, prepared: Path, path: str, last: str) -> None:
        """Make a prepared folder the folder `path`, in place of what is there.

        `last` is the file whose presence makes the folder count: where folders can't be renamed it is uploaded last,
        and files of the same names are replaced one by one, so that two who publish the same bytes never harm them.
        """
        files = sorted(file for file in prepared.rglob("*") if file.is_file())
        with writing(self.full(path)):
            if not self.local:
                self._upload(prepared, files, path, last)
                shutil.rmtree(prepared)
                return
            with ThreadPoolExecutor(AT_ONCE) as pool:  # the disk takes in at once what waits for it together
                list(pool.map(_sync, files))
            for folder in [*(entry for entry in prepared.rglob("*") if entry.is_dir()), prepared]:
                _sync(folder)
            _remove_local(self._set_aside(path))
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

    def _call(self, path: str, call: Callable[..., Result], *arguments: Any, **options: Any) -> Result:
        if self.local:
            return call(*arguments, **options)
        self.fs.invalidate_cache()  # of file systems that can't be told to keep none
        return patiently(lambda: call(*arguments, **options), self.address(path), self.patience)

    def _files(self, path: str) -> Iterator[Path]:
        return (file for file in Path(self.full(path)).rglob("*") if file.is_file())

    def _entries(self, path: str) -> dict[str, dict[str, Any]]:
        """What a remote store tells of each file of a folder by its path below it, or of the one file under ""."""
        full = self.full(path)
        try:
            found = self._call(path, self.fs.find, full, detail=True)
        except FileNotFoundError:
            return {}
        return {name[len(full) :].lstrip("/"): entry | {"name": name} for name, entry in found.items()}

    def _upload(self, prepared: Path, files: list[Path], path: str, last: str) -> None:
        names = [file.relative_to(prepared).as_posix() for file in files]

        def put(name: str) -> None:
            self._call(path, self.fs.put_file, str(prepared / name), self.full(f"{path}/{name}"))

        self.each(put, [name for name in names if name != last])
        put(last)
        self._remove_remote({name: entry for name, entry in self._entries(path).items() if name not in names})

    def _remove_remote(self, entries: dict[str, dict[str, Any]]) -> None:
        def remove(entry: dict[str, Any]) -> None:
            with suppress(FileNotFoundError):  # someone else was faster, which is as good
                self._call("", self.fs.rm_file, entry["name"])

        self.each(remove, entries.values())

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


def _options(root: str) -> dict[str, Any]:
    """Listings are never cached, since other machines write too; only we try again, not also the client of S3; and a
    file is read by one request, where s3fs would first ask how large it is, to read large ones in pieces."""
    protocol = split_protocol(root)[0]
    options: dict[str, Any] = {"use_listings_cache": False} if protocol in _OBJECT_STORES else {}
    if protocol in ("s3", "s3a"):
        asked = conf.get(protocol, {}).get("config_kwargs", {})
        options |= {"config_kwargs": {**asked, "retries": {"total_max_attempts": 1}}, "max_concurrency": 1}
    return options


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
