"""Flows around the pipeline, for deployments: nightly growth, resuming a run, and stages across work pools."""

from __future__ import annotations

from datetime import date
from typing import Any, get_args

from prefect import flow
from prefect.deployments import run_deployment

from atom.config import RunConfig, parse_config
from atom.errors import AtomError
from flows.clusters import align_with_task_runner
from flows.pipeline import Until
from flows.run_names import grow_name, today
from storage import Store


@flow(name="grow", flow_run_name=grow_name)
def grow(config: RunConfig, store: str = "store", day: date | None = None) -> dict[str, Any]:
    """Adds pairs to MotionPrefer: runs the pipeline up to the preferences, with the seed of the day.

    Args:
        config: what the run does; the day is added to its seed.
        store: folder or fsspec address of the artifacts.
        day: today in UTC by default; the same day again computes only what is missing.

    Returns:
        The record of the run.
    """
    seed = config.seed + (day or today()).toordinal()
    return align_with_task_runner(config.model_copy(update={"seed": seed}), store, "preferences")


@flow(name="resume", flow_run_name="resume {run_id}")
def resume(run_id: str = "latest", store: str = "store") -> dict[str, Any]:
    """Resumes a run that failed, crashed or was cancelled, with its own config: only what is missing is computed."""
    record = Store(store).run(run_id)
    return align_with_task_runner(parse_config(record["config"]), store, record.get("until"))


@flow(name="across pools", flow_run_name="{config.name} across pools")
def across_pools(config: RunConfig, store: str = "store") -> dict[str, Any]:
    """Runs the pipeline stage by stage, each on the work pool of its own deployment: generation and tuning on the GPUs.
    All workers must reach the store."""
    for stage in get_args(Until):
        done = run_deployment(
            f"atom/{stage}",
            parameters={"config": config.model_dump(mode="json"), "store": store, "until": stage},
            flow_run_name=f"{config.name} · {stage}",
        )
        if not done.state.is_completed():
            raise AtomError(f"the stage {stage} ended as {done.state.name}: see its run {done.name!r}, then run again")
    return Store(store).run("latest")
