"""Which artifacts runs need: those that their records name, and all that these were made from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from storage.keys import KEY
from storage.manifest import Manifest
from storage.store import Store

Manifests = Mapping[tuple[str, str], Manifest | None]  # by stage and key; None: damaged


def all_manifests(store: Store) -> Manifests:
    return {(stage, key): manifest for stage in store.stages() for key, manifest in store.manifests(stage).items()}


def reachable(runs: Iterable[Mapping[str, Any]], manifests: Manifests) -> set[str]:
    """Keys that the runs' records name anywhere, those of what these were made from, and so on."""
    made_from: dict[str, list[str]] = {}
    for (_, key), manifest in manifests.items():
        if manifest:  # one that is damaged counts as absent, so it keeps nothing alive
            made_from.setdefault(key, []).extend(manifest.inputs)
    reached: set[str] = set()
    waiting = [key for run in runs for key in keys_in(run)]
    while waiting:
        key = waiting.pop()
        if key not in reached:
            reached.add(key)
            waiting += made_from.get(key, [])
    return reached


def keys_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from re.findall(KEY, value)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from keys_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from keys_in(item)
