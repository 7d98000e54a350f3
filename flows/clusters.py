"""The pipeline on the task runner that its config names: threads, or a Dask or Ray cluster."""

from __future__ import annotations

import os
from typing import Any, Literal

from prefect import flow

from atom.config import RunConfig
from flows.pipeline import Until, align
from flows.run_names import run_name
from flows.task_runners import make_task_runner, prefect_server
from storage import Store


def align_with_task_runner(config: RunConfig, store: str = "store", until: Until | None = None) -> dict[str, Any]:
    """Runs `align` with the task runner that `config.resources` names.

    Args:
        config: what the run does.
        store: folder or fsspec address of the artifacts.
        until: the last stage.

    Returns:
        The record of the run.

    Raises:
        AtomError: names the failed shards of a stage, or what the task runner lacks.
    """
    files = Store(store).files
    if config.resources.runner != "threads" and files.local:
        store = files.base  # workers may have another working directory
    with prefect_server(config.resources):
        return align.with_options(task_runner=make_task_runner(config.resources))(config, store, until)


@flow(name="atom on dask", flow_run_name=run_name)
def align_on_dask(config: RunConfig, store: str = "store", until: Until | None = None) -> dict[str, Any]:
    """The pipeline on the Dask cluster at `resources.address` or ATOM_DASK_ADDRESS; without these, on a new one."""
    return _on_cluster("dask", config, store, until)


@flow(name="atom on ray", flow_run_name=run_name)
def align_on_ray(config: RunConfig, store: str = "store", until: Until | None = None) -> dict[str, Any]:
    """The pipeline on the Ray cluster at `resources.address` or ATOM_RAY_ADDRESS; without these, on a new one."""
    return _on_cluster("ray", config, store, until)


def _on_cluster(runner: Literal["dask", "ray"], config: RunConfig, store: str, until: Until | None) -> dict[str, Any]:
    address = config.resources.address or os.environ.get(f"ATOM_{runner.upper()}_ADDRESS") or None
    resources = config.resources.model_copy(update={"runner": runner, "address": address})
    return align_with_task_runner(config.model_copy(update={"resources": resources}), store, until)
