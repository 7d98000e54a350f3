"""What a store holds, in figures: by stage, from manifests and from the records of runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from storage.compaction import COMPACT
from storage.garbage import find_garbage
from storage.manifest import Manifest
from storage.references import Manifests, all_manifests
from storage.store import Store

BESIDES = ("runs", "journal", COMPACT)


@dataclass(frozen=True)
class StageStatistics:
    """bytes: of all files. part_bytes: mean of a Parquet part. computed, reused: how often runs made one of these
    artifacts or found it. quarantined: rows set aside, by the manifests. damaged: manifests that can't be trusted.
    oldest, newest: when artifacts were made, ISO 8601 in UTC; None without any."""

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
    """stages: the biggest first. besides: bytes of what is no artifact. freeable: bytes that a gc of all unreferenced
    artifacts would free, by reason. runs: how many there are by state."""

    stages: list[StageStatistics]
    besides: dict[str, int]
    freeable: dict[str, int]
    runs: dict[str, int]

    @property
    def bytes(self) -> int:
        return sum(stage.bytes for stage in self.stages) + sum(self.besides.values())


def statistics_of(store: Store) -> StoreStatistics:
    """Reads every manifest and run record, and no part."""
    manifests = all_manifests(store)
    runs = store.runs()
    computed, reused = _made(runs, manifests)
    found: dict[str, list[Manifest | None]] = {}
    for (stage, _), manifest in manifests.items():
        found.setdefault(stage, []).append(manifest)
    stages = [_stage(stage, each, computed[stage], reused[stage]) for stage, each in found.items()]
    freeable: Counter[str] = Counter()
    for item in find_garbage(store, unreferenced=True):
        freeable[item.reason] += item.bytes
    return StoreStatistics(
        stages=sorted(stages, key=lambda stage: (-stage.bytes, stage.stage)),
        besides={name: size for name in BESIDES if (size := sum(store.files.sizes(name).values()))},
        freeable=dict(freeable.most_common()),
        runs=dict(Counter(str(run.get("state")) for run in runs).most_common()),
    )


def _stage(stage: str, found: list[Manifest | None], computed: int, reused: int) -> StageStatistics:
    whole = [manifest for manifest in found if manifest]
    parts = [part.bytes for manifest in whole for part in manifest.parts]
    made = [manifest.created_at for manifest in whole]
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
        oldest=min(made, default=None),
        newest=max(made, default=None),
    )


def _made(runs: Iterable[Mapping[str, Any]], manifests: Manifests) -> tuple[Counter[str], Counter[str]]:
    """How many artifacts runs computed and how many they found, by the stage's folder.

    A run gives its stages names of its own ("motions round 2"), so the folder is that of the keys; of a stage whose
    artifacts are all gone nothing can be told.
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
