"""What Prefect and the store cost beside the work itself: a first run, and one that finds all of its shards made.

Run `python tests/benchmarks/verify_orchestration.py [default] [shards]`. The work itself is the time in which at least
one artifact was being made, which each says of itself. Ends with status 1 if a claim is missed.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from datetime import datetime
from typing import Any

os.environ.setdefault("PREFECT_LOGGING_LEVEL", "ERROR")
os.environ.setdefault("PREFECT_SERVER_LOGGING_LEVEL", "CRITICAL")
from prefect.testing.utilities import prefect_test_harness

from atom.config import RunConfig, load_config
from flows.pipeline import align
from storage import Store

MOST_OVERHEAD = 1.10
MOST_REUSED_SECONDS, LEAST_SHARDS = 60.0, 1000
MANY_SHARDS = load_config(
    overrides=[
        "prompts_per_shard=1",
        "prompts.train_per_task=80",
        "prompts.test_per_task=30",
        "rounds=1",
        "on_policy.steps=0",
        "validation.prompts_per_task=0",
        "generation.candidates=2",
        "generation.evaluation_samples=1",
        "rendering.preview_prompts=0",
        "preferences.min_gap=0.1",
        "tuning.max_steps=2",
        "tuning.batch_size=4",
        "evaluation.baselines=[]",
        "evaluation.bootstrap=100",
        "evaluation.num_examples=0",
    ]
)
missed: list[str] = []


def claim(holds: bool, text: str) -> None:
    print(f"{'ok  ' if holds else 'MISS'} {text}", flush=True)
    if not holds:
        missed.append(text)


def timed(config: RunConfig, store: str) -> tuple[dict[str, Any], float]:
    began = time.monotonic()
    record = align(config, store)
    return record, time.monotonic() - began


def work_itself(store: Store) -> float:
    """Seconds in which at least one artifact was being made."""
    spans = []
    for stage in store.stages():
        for manifest in store.manifests(stage).values():
            assert manifest is not None
            end = datetime.fromisoformat(manifest.created_at).timestamp()
            spans.append((end - manifest.seconds, end))
    covered, reached = 0.0, 0.0
    for start, end in sorted(spans):
        covered += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return covered


def main(wanted: list[str]) -> int:
    configs = {"default": RunConfig(), "shards": MANY_SHARDS}
    with prefect_test_harness(server_startup_timeout=180):
        for name, config in configs.items():
            if wanted and name not in wanted:
                continue
            with tempfile.TemporaryDirectory(prefix="atom-orchestration-") as store:
                first, seconds = timed(config, store)
                work = work_itself(Store(store))
                shards = sum(stage["shards"] for stage in first["stages"])
                overhead = f"{name}: {shards} shards in {seconds:.1f} s, {seconds / work:.3f} of the work itself"
                claim(name != "default" or seconds <= MOST_OVERHEAD * work, overhead)
                again, seconds = timed(config, store)
                reused = sum(stage["reused"] for stage in again["stages"])
                fast = name != "shards" or (shards >= LEAST_SHARDS and seconds <= MOST_REUSED_SECONDS)
                claim(fast and reused == shards, f"{name}: all {reused} of {shards} found again in {seconds:.1f} s")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
