"""What runs by the clock or is taken up again: flows around the pipeline, for deployments."""

from __future__ import annotations

from datetime import date
from typing import Any, get_args

from prefect import flow
from prefect.deployments import run_deployment

from atom.config import RunConfig
from atom.errors import AtomError
from flows.clusters import align_where
from flows.naming import growth_name, today
from flows.pipeline import Until
from storage import Store


@flow(name="grow", flow_run_name=growth_name)
def grow(config: RunConfig, store: str = "store", day: date | None = None) -> dict[str, Any]:
    """New pairs for MotionPrefer: the prompts of the day's own seed, up to the preferences. The same day again computes
    only what is missing. `day` is today, in UTC, unless given."""
    seed = config.seed + (day or today()).toordinal()
    return align_where(config.model_copy(update={"seed": seed}), store, "preferences")


@flow(name="resume", flow_run_name="resume {run_id}")
def resume(run_id: str = "latest", store: str = "store") -> dict[str, Any]:
    """A run that failed, crashed or was cancelled, taken up again with its own config: only what is missing is done."""
    record = Store(store).run(run_id)
    return align_where(RunConfig.model_validate(record["config"]), store, record.get("until"))


@flow(name="across pools", flow_run_name="{config.name} across pools")
def across_pools(config: RunConfig, store: str = "store") -> dict[str, Any]:
    """The pipeline stage by stage, each a run of its own deployment and so on the work pool of that: generation and
    tuning where the GPUs are. The store must be one that all of them reach."""
    for stage in get_args(Until):
        done = run_deployment(
            f"atom/{stage}",
            parameters={"config": config.model_dump(mode="json"), "store": store, "until": stage},
            flow_run_name=f"{config.name} · {stage}",
        )
        if not done.state.is_completed():
            raise AtomError(f"the stage {stage} ended as {done.state.name}: see its run {done.name!r}, then run again")
    return Store(store).run("latest")
