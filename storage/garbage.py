"""What a store holds that nothing needs: leftovers of crashed writers, and artifacts and runs no longer wanted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.errors import StoreError
from storage.filesystem import UNFINISHED, locked
from storage.keys import KEY
from storage.manifest import MANIFEST
from storage.store import Store

HOUR = 3600.0


@dataclass(frozen=True)
class Garbage:
    """A file or folder, by its path below the root, that can go; `reason` says why."""

    path: str
    bytes: int
    reason: str


def find_garbage(
    store: Store, older_than: float = HOUR, keep_runs: int | None = None, unreferenced: bool = False
) -> list[Garbage]:
    """What could be deleted; deletes nothing.

    Always: what crashed writers left. keep_runs: also all runs but the newest so many. unreferenced: also committed
    artifacts that no remaining run used, itself or as an input of another. Only what is older than `older_than`
    seconds and in nobody's hands is named, so that running pipelines are safe.
    """
    if keep_runs is not None and keep_runs < 1:
        raise StoreError(f"keep_runs is {keep_runs}; keep at least one run")
    runs = store.runs()
    dropped = runs[keep_runs:] if keep_runs is not None else []
    found = [*_leftovers(store), *((f"runs/{run['run_id']}", "run beyond those kept") for run in dropped)]
    if unreferenced:
        kept = [run for run in runs if run not in dropped]
        found += _unreferenced(store, kept)
    garbage = []
    for path, reason in found:
        with suppress(FileNotFoundError):  # its writer finished, or another gc took it, since it was listed
            if store.files.age(path) > older_than and not _in_use(store, path):
                garbage.append(Garbage(path, store.files.size(path), reason))
    return garbage


def remove_garbage(store: Store, garbage: Iterable[Garbage]) -> None:
    for item in garbage:
        store.files.remove(item.path)


def _leftovers(store: Store) -> Iterator[tuple[str, str]]:
    for stage in [*store.stages(), "runs", ""]:
        unfinished = f"{stage}/{UNFINISHED}" if stage else UNFINISHED
        for name in store.files.names(unfinished):
            yield f"{unfinished}/{name}", "left by a writer that died"
    for stage in store.stages():
        committed = set(store.keys(stage))
        for key in store.folders(stage):
            if key not in committed:
                yield f"{stage}/{key}", f"has no {MANIFEST}"


def _unreferenced(store: Store, runs: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    inputs = {(stage, key): _inputs(store, stage, key) for stage in store.stages() for key in store.keys(stage)}
    by_key: dict[str, list[str]] = {}
    for (_, key), made_from in inputs.items():
        by_key.setdefault(key, []).extend(made_from)
    used: set[str] = set()
    waiting = [key for run in runs for key in _keys_in(run)]
    while waiting:
        key = waiting.pop()
        if key not in used:
            used.add(key)
            waiting += by_key.get(key, [])
    for stage, key in inputs:
        if key not in used:
            yield f"{stage}/{key}", "used by no run"


def _inputs(store: Store, stage: str, key: str) -> list[str]:
    try:
        return store.manifest(stage, key).inputs
    except StoreError:  # damaged: counts as absent, so it keeps nothing alive
        return []


def _keys_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from re.findall(KEY, value)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _keys_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from _keys_in(item)


def _in_use(store: Store, path: str) -> bool:
    if not store.files.local:
        return False
    with locked(Path(store.files.full(path)), wait=False) as free:
        return not free
