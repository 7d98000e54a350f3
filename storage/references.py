"""Which artifacts runs need: those that the run records name, and all inputs of these."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from storage.keys import KEY_PATTERN
from storage.manifest import Manifest
from storage.store import Store

ManifestsByKey = Mapping[tuple[str, str], Manifest | None]  # by stage and key; None: damaged


def read_all_manifests(store: Store) -> ManifestsByKey:
    """The manifests of all artifacts in the store, by stage and key; None for a damaged one."""
    return {(stage, key): manifest for stage in store.stages() for key, manifest in store.manifests(stage).items()}


def find_reachable_keys(runs: Iterable[Mapping[str, Any]], manifests: ManifestsByKey) -> set[str]:
    """Find the artifacts that runs use, directly or as an input of another artifact.

    Args:
        runs: run records; a key counts wherever it stands in one.
        manifests: those of the whole store, see `read_all_manifests`.

    Returns:
        The artifacts' keys.
    """
    inputs: dict[str, list[str]] = {}
    for (_, key), manifest in manifests.items():
        if manifest:  # a damaged artifact counts as absent, so it keeps none of its inputs
            inputs.setdefault(key, []).extend(manifest.inputs)
    reached: set[str] = set()
    waiting = [key for run in runs for key in find_keys(run)]
    while waiting:
        key = waiting.pop()
        if key not in reached:
            reached.add(key)
            waiting += inputs.get(key, [])
    return reached


def find_keys(value: Any) -> Iterator[str]:
    """All artifact keys in the strings of a JSON value, at any depth."""
    if isinstance(value, str):
        # Wherever a key stands, also in a path or a message: a run may keep too much, but never lose what it needs.
        yield from re.findall(KEY_PATTERN, value)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from find_keys(item)
    elif isinstance(value, list):
        for item in value:
            yield from find_keys(item)
