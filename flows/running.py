"""A stage as retryable Prefect tasks over its shards, and what it did in the record of the run."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import Any

import torch
from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.events import emit_event
from prefect.runtime import flow_run
from prefect.states import Completed
from prefect.tasks import Task

from atom.config import ResourceConfig, RunConfig
from atom.errors import AtomError
from flows.progress import Progress
from flows.runners import gpu, here, portably
from flows.showing import StageTable
from flows.stages import ShardResult
from storage import ArtifactRef, Store, StoreError

Shards = list[ArtifactRef]

_TOLD = ("name", "shards", "reused", "failed", "rows", "quarantined", "seconds", "tokens", "cost")


def _may_pass(task: Task, run: TaskRun, state: State) -> bool:
    """Whether a failed shard is worth another try: not when it says itself what has to be mended first."""
    return not isinstance(state.result(raise_on_failure=False), AtomError | StoreError)


def _reason(error: BaseException) -> str:
    """Why a shard failed, in one line; the whole traceback is in the Prefect UI."""
    kind = "" if isinstance(error, AtomError | StoreError) else f"{type(error).__name__}: "
    return (kind + " ".join(str(error).split()))[:300]


@task(cache_policy=NO_CACHE, task_run_name="{stage} {number}", retry_delay_seconds=2, retry_condition_fn=_may_pass)
def shard(
    stage: str, number: int, threads: int, work: Callable[..., ShardResult], *arguments: Any
) -> State[ShardResult]:
    """One stage x one shard. The store is asked first, so a retry or a new run computes only what is missing; the
    name of its state says which it was."""
    torch.set_num_threads(threads)
    result = portably(work, *arguments)
    told = "reused" if result.reused else "computed"
    get_run_logger().info("%s %d %s in %.1f s, %d rows", stage, number, told, result.seconds, result.artifact.rows)
    return Completed(name="Reused" if result.reused else "Completed", message=told, data=result)


def _placed(resources: ResourceConfig, jobs: Sequence[tuple[Any, ...]]) -> AbstractContextManager[Any]:
    """Shards that need a GPU go where there is one, those that ask a service stay in this process."""
    work = jobs[0][0] if jobs else None
    if getattr(work, "needs", None) == "gpu":
        return gpu(resources)
    return here(resources) if getattr(work, "needs", None) == "service" else nullcontext()


def remedy(run_id: str, root: str, stage: str, failed: Mapping[str, Sequence[int]]) -> str:
    """What failed, by its reason, and the commands that do only that again; Markdown."""
    lines = [f"| shards of {stage} | why |", "|---|---|"]
    lines += [f"| {', '.join(map(str, shards))} | {_escaped(why)} |" for why, shards in failed.items()]
    return "\n".join(
        [
            *lines,
            "",
            "Everything else of this run is kept. To do what is missing, retry this run here, or:",
            "",
            f"    atom run --resume {run_id} --store {root}",
            f"    prefect deployment run resume/resume -p run_id={run_id} -p store={root}",
        ]
    )


def _escaped(text: str) -> str:
    """In one cell of a Markdown table, whatever it holds."""
    return re.sub(r"[\\`*_\[\]<>|]", r"\\\g<0>", text)


class Reached(Exception):
    """The stage until which a run was asked to go is done."""


class StageRunner:
    """Submits the stages of a run in turn and keeps what each of them did in the run's record.

    `until` names the stage after which the next one raises `Reached`.
    """

    def __init__(self, config: RunConfig, root: str, store: Store, until: str | None = None) -> None:
        self.config, self.root, self.store, self.until = config, root, store, until
        self._over = False
        self._table = StageTable()
        self.began = time.monotonic()
        self.run_id = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")[:-3] + "-" + config.name.replace(" ", "-")
        self.record: dict[str, Any] = {
            "config": config.model_dump(mode="json"),
            "until": until,
            "state": "running",
            "stages": [],
            "created_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "process": {"host": socket.gethostname(), "pid": os.getpid()},
        }
        self.save()

    def save(self) -> None:
        self.store.save_run(self.run_id, self.record)
        self.record["run_id"] = self.run_id

    def stage(self, name: str, jobs: Sequence[tuple[Any, ...]]) -> Shards:
        """All shards of a stage; waits for all, then raises one error that names those that failed."""
        if self._over:
            raise Reached
        began = time.monotonic()
        resources = self.config.resources
        retrying = shard.with_options(retries=resources.retries)
        progress = Progress(name, len(jobs))
        results: list[ShardResult] = []
        failed: dict[str, list[int]] = {}  # shards by why they failed
        with _placed(resources, jobs):
            futures = [retrying.submit(name, number, resources.threads, *job) for number, job in enumerate(jobs)]
            for number, future in enumerate(futures):
                try:
                    results.append(future.result())
                except Exception as error:  # whatever the shard raised, or the loss of its worker
                    failed.setdefault(_reason(error), []).append(number)
                progress.update(number + 1)
        refs = [result.artifact for result in results]
        entry = {
            "name": name,
            "stored": refs[0].stage if refs else None,
            "keys": [ref.key for ref in refs],
            "key": refs[0].key if refs else None,
            "shards": len(jobs),
            "reused": sum(result.reused for result in results),
            "failed": len(jobs) - len(results),
            "failures": [{"shards": shards, "why": why} for why, shards in failed.items()],
            "rows": sum(ref.rows for ref in refs),
            "seconds": round(time.monotonic() - began, 2),
            **self._spent(refs),
        }
        self.record["stages"].append(entry)
        self.save()
        self._table.show([{key: row[key] for key in _TOLD} for row in self.record["stages"]])
        self._alert(entry)
        if failed:
            told = "; ".join(f"{name} {', '.join(map(str, shards))}: {why}" for why, shards in failed.items())
            create_markdown_artifact(
                remedy(self.run_id, self.root, name, failed), key="failed", description="What failed, and what to do"
            )
            raise AtomError(
                f"{len(jobs) - len(results)} of {len(jobs)} shards failed; run again to do only these: {told}"
            )
        self.reached(name)
        return refs

    def _alert(self, stage: dict[str, Any]) -> None:
        """Tells it, as an event that automations may act on, when a stage passed a limit of the config's gates."""
        gates, rows = self.config.gates, max(stage["rows"], 1)
        passed = {
            "quarantined": (stage["quarantined"] / rows, gates.alert_quarantined),
            "dollars": (stage["cost"] or 0.0, gates.alert_dollars),
        }
        for what, (value, limit) in passed.items():
            if limit is None or value <= limit:
                continue
            get_run_logger().warning("%s: %s is %.3g, above the limit of %.3g", stage["name"], what, value, limit)
            emit_event(
                "atom.limit-passed",
                resource={"prefect.resource.id": f"prefect.flow-run.{flow_run.id}", "atom.run": self.run_id},
                payload={"stage": stage["name"], "what": what, "value": value, "limit": limit},
            )

    def reached(self, name: str) -> None:
        self._over = self._over or name == self.until

    def _spent(self, refs: Shards) -> dict[str, Any]:
        """What the stage set aside and what its language models took; cost is null where a price is not known."""
        stats = [self.store.manifest(ref.stage, ref.key).stats for ref in refs]
        costs = [each.get("cost", 0.0) for each in stats]
        return {
            "quarantined": sum(each.get("quarantined", 0) for each in stats),
            "tokens": sum(each.get("tokens", 0) for each in stats),
            "cost": None if None in costs else round(sum(costs), 6),
        }
