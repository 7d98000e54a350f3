"""Runs a stage as retryable Prefect tasks over its shards, and keeps the record of the run."""

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
from flows.prefect_artifacts import StageTable
from flows.progress import Progress
from flows.stages.shard import ShardResult
from flows.task_runners import call_in_worker, gpu_tasks, local_runner
from storage import ArtifactRef, Store, StoreError

Shards = list[ArtifactRef]

_SHOWN_FIELDS = ("name", "shards", "reused", "failed", "rows", "quarantined", "seconds", "tokens", "cost")


def _is_worth_retrying(task: Task, run: TaskRun, state: State) -> bool:
    """Whether a failed shard may succeed on another try. One that says what has to be fixed first will not."""
    # What the user has to fix fails again in the same way. Anything else may be a hiccup.
    return not isinstance(state.result(raise_on_failure=False), AtomError | StoreError)


def _reason(error: BaseException) -> str:
    """Why a shard failed, in one line; the whole traceback is in the Prefect UI."""
    kind = "" if isinstance(error, AtomError | StoreError) else f"{type(error).__name__}: "
    # On one line and short: it stands in tables, and in the error of the whole run.
    return (kind + " ".join(str(error).split()))[:300]


@task(
    cache_policy=NO_CACHE,
    task_run_name="{stage} {number}",
    retry_delay_seconds=2,
    retry_condition_fn=_is_worth_retrying,
)
def shard(
    stage: str, number: int, threads: int, work: Callable[..., ShardResult], *arguments: Any
) -> State[ShardResult]:
    """Runs one shard of a stage. The store is looked up first, so that a retry or a new run computes only what is
    missing; the name of the state says which of the two happened."""
    # In each worker: torch would use all cores in every one of them.
    torch.set_num_threads(threads)
    result = call_in_worker(work, *arguments)
    outcome = "reused" if result.reused else "computed"
    get_run_logger().info("%s %d %s in %.1f s, %d rows", stage, number, outcome, result.seconds, result.artifact.rows)
    return Completed(name="Reused" if result.reused else "Completed", message=outcome, data=result)


def _task_runner_for(resources: ResourceConfig, jobs: Sequence[tuple[Any, ...]]) -> AbstractContextManager[Any]:
    """Context that sends GPU work to a GPU, and keeps work that sends requests to a service in this process."""
    resource = getattr(jobs[0][0], "required_resource", None) if jobs else None
    if resource == "gpu":
        return gpu_tasks(resources)
    return local_runner(resources) if resource == "service" else nullcontext()


def resume_instructions(run_id: str, root: str, stage: str, failed: Mapping[str, Sequence[int]]) -> str:
    """Why shards failed, and the commands that compute only these.

    Args:
        run_id: the run.
        root: folder or address of its store.
        stage: name of the stage.
        failed: shard numbers by the reason of their failure.

    Returns:
        Markdown.
    """
    lines = [f"| shards of {stage} | why |", "|---|---|"]
    lines += [f"| {', '.join(map(str, shards))} | {_escape_markdown(why)} |" for why, shards in failed.items()]
    return "\n".join(
        [
            *lines,
            "",
            "Everything else of this run is kept. To compute what is missing, retry this run here, or:",
            "",
            f"    atom run --resume {run_id} --store {root}",
            f"    prefect deployment run resume/resume -p run_id={run_id} -p store={root}",
        ]
    )


def _escape_markdown(text: str) -> str:
    """Text that stands in one cell of a Markdown table as it is."""
    return re.sub(r"[\\`*_\[\]<>|]", r"\\\g<0>", text)


class StageLimitReached(Exception):
    """The last stage that the run should compute is done."""


class StageRunner:
    """Runs the stages of a run one after the other and records what each of them did.

    Args:
        config: the run's config.
        root: folder or address of the store.
        store: the same, opened.
        until: the last stage; the next one raises `StageLimitReached`.
    """

    def __init__(self, config: RunConfig, root: str, store: Store, until: str | None = None) -> None:
        self.config, self.root, self.store, self.until = config, root, store, until
        self._is_over = False
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
        """Computes all shards of a stage.

        Args:
            name: of the stage, in the record and the UI.
            jobs: the function of the stage with its arguments, a tuple a shard.

        Returns:
            The artifacts of the shards, in order.

        Raises:
            AtomError: names the shards that failed, once all others are done.
            StageLimitReached: an earlier stage was the last.
        """
        if self._is_over:
            raise StageLimitReached
        began = time.monotonic()
        resources = self.config.resources
        retrying = shard.with_options(retries=resources.retries)
        progress = Progress(name, len(jobs))
        results: list[ShardResult] = []
        failed: dict[str, list[int]] = {}  # shards by why they failed
        with _task_runner_for(resources, jobs):
            futures = [retrying.submit(name, number, resources.threads, *job) for number, job in enumerate(jobs)]
            # All are waited for, also after a failure: what the others compute is stored and need not be computed
            # again.
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
            **self._usage(refs),
        }
        # Before the error below, so that gc keeps what a failed stage has computed.
        self.record["stages"].append(entry)
        self.save()
        self._table.show([{key: row[key] for key in _SHOWN_FIELDS} for row in self.record["stages"]])
        self._alert(entry)
        if failed:
            reasons = "; ".join(f"{name} {', '.join(map(str, shards))}: {why}" for why, shards in failed.items())
            create_markdown_artifact(
                resume_instructions(self.run_id, self.root, name, failed),
                key="failed",
                description="What failed, and what to do",
            )
            raise AtomError(
                f"{len(jobs) - len(results)} of {len(jobs)} shards failed; run again to compute only these: {reasons}"
            )
        self.end_stage(name)
        return refs

    def _alert(self, stage: dict[str, Any]) -> None:
        """Emits an event, which automations may act on, when a stage passes a limit of the config's gates."""
        gates, rows = self.config.gates, max(stage["rows"], 1)
        values = {
            "quarantined": (stage["quarantined"] / rows, gates.alert_quarantined),
            "dollars": (stage["cost"] or 0.0, gates.alert_dollars),
        }
        for quantity, (value, limit) in values.items():
            if limit is None or value <= limit:
                continue
            get_run_logger().warning("%s: %s is %.3g, above the limit of %.3g", stage["name"], quantity, value, limit)
            emit_event(
                "atom.limit-passed",
                resource={"prefect.resource.id": f"prefect.flow-run.{flow_run.id}", "atom.run": self.run_id},
                payload={"stage": stage["name"], "what": quantity, "value": value, "limit": limit},
            )

    def end_stage(self, name: str) -> None:
        """Notes that a stage is done; after the last one no other runs."""
        # Not raised here: what follows a stage without another stage, such as a gate or a picture, still belongs to it.
        self._is_over = self._is_over or name == self.until

    def _usage(self, refs: Shards) -> dict[str, Any]:
        """Rows set aside, and tokens and cost of language models; the cost is None where a price is unknown."""
        stats = [self.store.manifest(ref.stage, ref.key).stats for ref in refs]
        costs = [each.get("cost", 0.0) for each in stats]
        return {
            "quarantined": sum(each.get("quarantined", 0) for each in stats),
            "tokens": sum(each.get("tokens", 0) for each in stats),
            # A sum with an unknown part is unknown.
            "cost": None if None in costs else round(sum(costs), 6),
        }
