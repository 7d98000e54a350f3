"""Statistics of a store by stage, from manifests and run records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from storage.compaction import COMPACT
from storage.garbage import find_garbage
from storage.manifest import Manifest
from storage.references import ManifestsByKey, read_all_manifests
from storage.store import Store

NON_ARTIFACT_FOLDERS = ("runs", "journal", COMPACT)


@dataclass(frozen=True)
class StageStatistics:
    """The artifacts of one stage.

    Attributes:
        stage: the stage's name.
        artifacts: how many have a manifest, damaged ones included.
        rows: rows in all parts.
        bytes: size of all files.
        part_bytes: mean size of a Parquet part.
        computed: how often runs computed one of these artifacts.
        reused: how often runs found one in the store.
        quarantined: quarantined rows, by the manifests.
        damaged: manifests that are damaged.
        oldest, newest: times of the first and the last commit, ISO 8601 in UTC; None without artifacts.
    """

    stage: str
    artifacts: int
    rows: int
    bytes: int
    part_bytes: int
    computed: int
    reused: int
    quarantined: int
    damaged: int
    oldest: str | None
    newest: str | None


@dataclass(frozen=True)
class StoreStatistics:
    """A whole store.

    Attributes:
        stages: largest first.
        besides: bytes of files that belong to no artifact, by folder.
        freeable: bytes that `gc --unreferenced` would free, by reason.
        runs: number of runs by state.
    """

    stages: list[StageStatistics]
    besides: dict[str, int]
    freeable: dict[str, int]
    runs: dict[str, int]

    @property
    def bytes(self) -> int:
        """Size of all files in the store."""
        return sum(stage.bytes for stage in self.stages) + sum(self.besides.values())


def compute_statistics(store: Store) -> StoreStatistics:
    """Compute the statistics of a store; reads all manifests and run records, but no part."""
    manifests = read_all_manifests(store)
    runs = store.runs()
    computed, reused = _count_computed_and_reused(runs, manifests)
    found: dict[str, list[Manifest | None]] = {}
    for (stage, _), manifest in manifests.items():
        found.setdefault(stage, []).append(manifest)
    stages = [_stage_statistics(stage, each, computed[stage], reused[stage]) for stage, each in found.items()]
    freeable: Counter[str] = Counter()
    for item in find_garbage(store, unreferenced=True):
        freeable[item.reason] += item.bytes
    return StoreStatistics(
        stages=sorted(stages, key=lambda stage: (-stage.bytes, stage.stage)),
        besides={name: size for name in NON_ARTIFACT_FOLDERS if (size := sum(store.files.file_sizes(name).values()))},
        freeable=dict(freeable.most_common()),
        runs=dict(Counter(str(run.get("state")) for run in runs).most_common()),
    )


def _stage_statistics(stage: str, found: list[Manifest | None], computed: int, reused: int) -> StageStatistics:
    whole = [manifest for manifest in found if manifest]
    parts = [part.bytes for manifest in whole for part in manifest.parts]
    created_at = [manifest.created_at for manifest in whole]
    return StageStatistics(
        stage=stage,
        artifacts=len(found),
        rows=sum(manifest.rows for manifest in whole),
        bytes=sum(manifest.bytes for manifest in whole),
        part_bytes=round(sum(parts) / len(parts)) if parts else 0,
        computed=computed,
        reused=reused,
        quarantined=sum(manifest.stats.get("quarantined", 0) for manifest in whole),
        damaged=len(found) - len(whole),
        oldest=min(created_at, default=None),
        newest=max(created_at, default=None),
    )


def _count_computed_and_reused(
    runs: Iterable[Mapping[str, Any]], manifests: ManifestsByKey
) -> tuple[Counter[str], Counter[str]]:
    """How many artifacts runs computed and how many they reused, by the stage's folder.

    A run's stage names ("motions round 2") are not folder names, so the folder is looked up by the keys. A stage whose
    artifacts are all deleted is left out.
    """
    folders = {key: stage for stage, key in manifests}
    computed: Counter[str] = Counter()
    reused: Counter[str] = Counter()
    for stage in (stage for run in runs for stage in run.get("stages", [])):
        keys = stage.get("keys", [])
        if folder := next((folders[key] for key in keys if key in folders), None):
            reused[folder] += stage.get("reused", 0)
            computed[folder] += len(keys) - stage.get("reused", 0)
    return computed, reused
