"""What a store holds that nothing needs: leftovers of crashed writers, and artifacts and runs no longer wanted."""

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
from storage.filesystem import UNFINISHED, locked
from storage.manifest import MANIFEST
from storage.references import all_manifests, reachable
from storage.store import Store

HOUR = 3600.0
DAY = 24 * HOUR


@dataclass(frozen=True)
class Garbage:
    """A file or folder, by its path below the root, that can go; `reason` says why."""

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
    """What could be deleted; deletes nothing.

    Always: what crashed writers left. keep_runs: also all runs but the newest so many and, besides these, those whose
    config's name is in `keep_names`. unreferenced: also committed artifacts that no remaining run used, itself or as an
    input of another. compacted: also what `compact` wrote, which it can write again. Only what is older than
    `older_than` seconds and in nobody's hands is named. Runs in progress (see there) stay, and while there is one no
    committed artifact goes: which of them a run uses is on record only when each of its stages ends.
    """
    if keep_runs is not None and keep_runs < 1:
        raise StoreError(f"keep_runs is {keep_runs}; keep at least one run")
    runs = store.runs()
    working = runs_in_progress(store, runs, abandoned_after)
    dropped: list[dict[str, Any]] = []
    if keep_runs is not None:
        others = [run for run in runs if run not in working and _name(run) not in keep_names]
        dropped = others[keep_runs:]
    found = [*_leftovers(store), *((f"runs/{run['run_id']}", "run beyond those kept") for run in dropped)]
    if unreferenced and not working:
        found += _unreferenced(store, [run for run in runs if run not in dropped])
    if compacted:
        found += [(f"{COMPACT}/{stage}", "compacted copy") for stage in store.files.folders_with(COMPACT, MANIFEST)]

    def measured(item: tuple[str, str]) -> Garbage | None:
        path, reason = item
        with suppress(FileNotFoundError):  # its writer finished, or another gc took it, since it was listed
            size, age = store.files.usage(path)
            if age > older_than and not _in_use(store, path):
                return Garbage(path, size, reason)
        return None

    return [garbage for garbage in store.files.each(measured, found) if garbage]


def runs_in_progress(
    store: Store, runs: Iterable[dict[str, Any]], abandoned_after: float = DAY
) -> list[dict[str, Any]]:
    """Those that call themselves running, unless their process is known to be gone or their folder has not changed for
    `abandoned_after` seconds."""
    working = []
    for run in runs:
        with suppress(FileNotFoundError):  # removed since it was listed
            silent = store.files.usage(f"runs/{run['run_id']}")[1] if run.get("state") == "running" else abandoned_after
            if silent < abandoned_after and not killed(run):
                working.append(run)
    return working


def killed(run: Mapping[str, Any]) -> bool:
    """Whether the run's record names a process of this machine, by `host` and `pid`, that is no more."""
    process = run.get("process") or {}
    if process.get("host") != socket.gethostname() or not isinstance(process.get("pid"), int):
        return False
    try:
        os.kill(process["pid"], 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # somebody else's, so it lives
        pass
    return False


def remove_garbage(store: Store, garbage: Iterable[Garbage]) -> None:
    store.files.each(lambda item: store.files.remove(item.path), garbage)


def _leftovers(store: Store) -> Iterator[tuple[str, str]]:
    for stage in [*store.stages(), "runs", COMPACT, ""]:
        unfinished = f"{stage}/{UNFINISHED}" if stage else UNFINISHED
        for name in store.files.names(unfinished):
            yield f"{unfinished}/{name}", "left by a writer that died"
    for stage in store.stages():
        committed = set(store.keys(stage))
        for key in store.folders(stage):
            if key not in committed:
                yield f"{stage}/{key}", f"has no {MANIFEST}"


def _unreferenced(store: Store, runs: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    manifests = all_manifests(store)
    used = reachable(runs, manifests)
    for stage, key in manifests:
        if key not in used:
            yield f"{stage}/{key}", "used by no run"


def _name(run: Mapping[str, Any]) -> str | None:
    config = run.get("config")
    return config.get("name") if isinstance(config, Mapping) else None


def _in_use(store: Store, path: str) -> bool:
    if not store.files.local:
        return False
    with locked(Path(store.files.full(path)), wait=False) as free:
        return not free
