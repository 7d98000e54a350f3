"""Garbage collection: leftovers of crashed writers, old runs, and artifacts that no run uses."""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.compaction import COMPACT
from storage.errors import StoreError
from storage.filesystem import UNFINISHED, file_lock
from storage.manifest import MANIFEST, MANIFEST_NAMES
from storage.references import find_reachable_keys, read_all_manifests
from storage.store import Store

HOUR = 3600.0
DAY = 24 * HOUR


@dataclass(frozen=True)
class Garbage:
    """A file or folder that can be deleted, by its path below the root; `reason` says why."""

    path: str
    bytes: int
    reason: str


def find_garbage(
    store: Store,
    older_than: float = HOUR,
    keep_runs: int | None = None,
    unreferenced: bool = False,
    keep_names: Collection[str] = (),
    compacted: bool = False,
    abandoned_after: float = DAY,
) -> list[Garbage]:
    """Find files and folders that can be deleted; deletes nothing.

    Leftovers of crashed writers are always among them. Runs in progress (see `find_runs_in_progress`) are never, and
    while there is one, neither is any committed artifact, because a run records the artifacts that it uses only when
    each of its stages ends.

    Args:
        store: the store.
        older_than: seconds; younger files and folders stay, and so do those that a process has locked.
        keep_runs: also drop all but this many of the newest runs; None keeps all.
        unreferenced: also artifacts that no remaining run uses, directly or as an input of another artifact.
        keep_names: names of configs whose runs are kept in addition to `keep_runs`.
        compacted: also the copies that `compact` wrote and can write again.
        abandoned_after: seconds without a change, after which a run in state "running" counts as killed.

    Returns:
        The files and folders, with size and reason.

    Raises:
        StoreError: `keep_runs` is less than 1.
    """
    if keep_runs is not None and keep_runs < 1:
        raise StoreError(f"keep_runs is {keep_runs}; keep at least one run")
    runs = store.runs()
    in_progress = find_runs_in_progress(store, runs, abandoned_after)
    dropped: list[dict[str, Any]] = []
    if keep_runs is not None:
        others = [run for run in runs if run not in in_progress and _config_name(run) not in keep_names]
        dropped = others[keep_runs:]
    found = [*_find_leftovers(store), *((f"runs/{run['run_id']}", "run beyond those kept") for run in dropped)]
    # A run in progress names its artifacts only as each of its stages ends.
    if unreferenced and not in_progress:
        found += _find_unreferenced(store, [run for run in runs if run not in dropped])
    if compacted:
        found += [
            (f"{COMPACT}/{stage}", "compacted copy")
            for stage in store.files.list_folders_with(COMPACT, *MANIFEST_NAMES)
        ]

    def measure(item: tuple[str, str]) -> Garbage | None:
        path, reason = item
        with suppress(FileNotFoundError):  # its writer finished, or another gc deleted it, since it was listed
            size, age = store.files.size_and_age(path)
            # The age protects writers on other machines, whose locks can't be seen from here.
            if age > older_than and not _is_in_use(store, path):
                return Garbage(path, size, reason)
        return None

    return [garbage for garbage in store.files.map(measure, found) if garbage]


def find_runs_in_progress(
    store: Store, runs: Iterable[dict[str, Any]], abandoned_after: float = DAY
) -> list[dict[str, Any]]:
    """Find the runs in state "running" that are still alive.

    Args:
        store: the store.
        runs: records of its runs.
        abandoned_after: seconds without a change in its folder, after which a run counts as killed.

    Returns:
        The records of those whose folder changed in that time and whose process is not known to be gone.
    """
    in_progress = []
    for run in runs:
        if run.get("state") == "running":
            with suppress(FileNotFoundError):  # the run was deleted since it was listed
                _, idle = store.files.size_and_age(f"runs/{run['run_id']}")
                if idle < abandoned_after and not process_is_gone(run):
                    in_progress.append(run)
    return in_progress


def process_is_gone(run: Mapping[str, Any]) -> bool:
    """Whether the run's process, by `host` and `pid` of its record, ran on this machine and has ended."""
    process = run.get("process") or {}
    # Of a process on another machine nothing is known, so its run counts as alive.
    if process.get("host") != socket.gethostname() or not isinstance(process.get("pid"), int):
        return False
    try:
        os.kill(process["pid"], 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # the process exists and belongs to another user
        pass
    return False


def remove_garbage(store: Store, garbage: Iterable[Garbage]) -> None:
    """Delete garbage.

    Args:
        store: the store.
        garbage: what to delete, as `find_garbage` returns it.
    """
    store.files.map(lambda item: store.files.remove(item.path), garbage)


def _find_leftovers(store: Store) -> Iterator[tuple[str, str]]:
    for stage in [*store.stages(), "runs", COMPACT, ""]:
        unfinished = f"{stage}/{UNFINISHED}" if stage else UNFINISHED
        for name in store.files.names(unfinished):
            yield f"{unfinished}/{name}", "left by a writer that died"
    for stage in store.stages():
        committed = set(store.keys(stage))
        for key in store.folders(stage):
            if key not in committed:
                yield f"{stage}/{key}", f"has no {MANIFEST}"


def _find_unreferenced(store: Store, runs: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    manifests = read_all_manifests(store)
    used = find_reachable_keys(runs, manifests)
    for stage, key in manifests:
        if key not in used:
            yield f"{stage}/{key}", "used by no run"


def _config_name(run: Mapping[str, Any]) -> str | None:
    config = run.get("config")
    return config.get("name") if isinstance(config, Mapping) else None


def _is_in_use(store: Store, path: str) -> bool:
    if not store.files.local:
        return False
    with file_lock(Path(store.files.full_path(path)), wait=False) as free:
        return not free
