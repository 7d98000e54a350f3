"""The pipeline where its config says: on threads, or on a Dask or Ray cluster."""

from __future__ import annotations

import os
from typing import Any, Literal

from prefect import flow

from atom.config import RunConfig
from flows.naming import run_name
from flows.pipeline import Until, align
from flows.runners import one_server, task_runner_of
from storage import Store


def align_where(config: RunConfig, store: str = "store", until: Until | None = None) -> dict[str, Any]:
    """`align` with the task runner that `config.resources` names. Returns the run's record."""
    files = Store(store).files
    if config.resources.runner != "threads" and files.is_local:
        store = files.base  # workers may have another working directory
    with one_server(config.resources):
        return align.with_options(task_runner=task_runner_of(config.resources))(config, store, until)


@flow(name="atom on dask", flow_run_name=run_name)
def align_on_dask(config: RunConfig, store: str = "store", until: Until | None = None) -> dict[str, Any]:
    """The pipeline on the Dask cluster at ATOM_DASK_ADDRESS; without that or `resources.address`, on one of its own."""
    return _on_cluster("dask", config, store, until)


@flow(name="atom on ray", flow_run_name=run_name)
def align_on_ray(config: RunConfig, store: str = "store", until: Until | None = None) -> dict[str, Any]:
    """The pipeline on the Ray cluster at ATOM_RAY_ADDRESS; without that or `resources.address`, on one of its own."""
    return _on_cluster("ray", config, store, until)


def _on_cluster(runner: Literal["dask", "ray"], config: RunConfig, store: str, until: Until | None) -> dict[str, Any]:
    address = config.resources.address or os.environ.get(f"ATOM_{runner.upper()}_ADDRESS") or None
    resources = config.resources.model_copy(update={"runner": runner, "address": address})
    return align_where(config.model_copy(update={"resources": resources}), store, until)
