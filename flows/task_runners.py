"""The Prefect task runner of a run: threads of this process, or a Dask or Ray cluster."""

from __future__ import annotations

import logging
import os
import pickle
import socket
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar
from urllib.parse import urlsplit

import torch
from prefect.context import FlowRunContext
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from atom.config import ResourceConfig
from atom.errors import AtomError
from flows.operating.server import server_of_process
from storage import StoreError

T = TypeVar("T")
_CONNECT_TIMEOUT = 10  # seconds to wait for a cluster
_OBJECT_STORE_SIZE = 128 * 2**20  # bytes; what passes along are references to artifacts


def make_task_runner(resources: ResourceConfig) -> TaskRunner[Any]:
    """The task runner for the shards of a flow. Without an address, a cluster of `workers` processes on this machine
    starts and stops with the flow run. Raises AtomError when a package, a GPU or the cluster is missing."""
    if resources.runner == "threads":
        return ThreadPoolTaskRunner(max_workers=resources.workers)
    if resources.device.startswith("cuda:"):
        raise AtomError(
            f"resources.device={resources.device} names one GPU, but {resources.runner} gives each shard its own: set "
            "resources.device=cuda"
        )
    try:
        return _dask(resources) if resources.runner == "dask" else _ray(resources)
    except ImportError as error:
        raise AtomError(
            f"resources.runner={resources.runner} needs packages that are not installed ({error.name}): pip install "
            f"'atom-motion[{resources.runner}]'"
        ) from None


def gpu_tasks(resources: ResourceConfig) -> AbstractContextManager[Any]:
    """Context in which submitted tasks go to workers with a GPU, one at a time for each GPU. It changes nothing for
    threads, or for a device other than cuda."""
    if not resources.device.startswith("cuda") or resources.runner == "threads":
        return nullcontext()
    if resources.runner == "dask":
        import dask

        return dask.annotate(resources={"GPU": 1})
    from prefect_ray.context import remote_options

    return remote_options(num_gpus=1)


@contextmanager
def local_runner(resources: ResourceConfig) -> Iterator[None]:
    """Context in which submitted tasks run on threads of this process, even when a cluster runs the others. It is for
    shards that send requests to a service: its key, rate limit, budget and journal belong to one process."""
    run = FlowRunContext.get()
    if resources.runner == "threads" or run is None:
        yield
        return
    threads = ThreadPoolTaskRunner(max_workers=resources.workers)
    with threads, run.model_copy(update={"task_runner": threads}):
        yield


def call_in_worker(work: Callable[..., T], *arguments: Any) -> T:
    """Calls `work`. An error that can't be unpickled in another process is replaced by one with the same text."""
    try:
        return work(*arguments)
    except Exception as error:
        if _can_be_pickled(error):
            raise
        portable = _portable_error(error)
    raise portable  # out here, so that it does not carry the other one as its context


def _can_be_pickled(error: Exception) -> bool:
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return False
    return True


def _portable_error(error: Exception) -> Exception:
    for kind in (AtomError, StoreError):
        if isinstance(error, kind):
            return kind(str(error))
    portable = RuntimeError(f"{type(error).__name__}: {error}")
    portable.add_note("".join(traceback.format_exception(error)))
    return portable


@contextmanager
def prefect_server(resources: ResourceConfig) -> Iterator[None]:
    """Context with one Prefect server for this process and its workers: the one at PREFECT_API_URL, else one that ends
    with this process. (Prefect would start its own, open to every web page.) Raises AtomError when the workers may be
    on other machines and no server is set that they can reach."""
    if PREFECT_API_URL.value():
        yield
        return
    if resources.address:
        raise AtomError(
            f"the workers at {resources.address} need a Prefect server to report to: start one that they reach "
            "(`python -m flows.operating.server --host ...`) and set PREFECT_API_URL and PREFECT_API_AUTH_STRING"
        )
    url, login = server_of_process()
    with temporary_settings({PREFECT_API_URL: url, PREFECT_API_AUTH_STRING: login}):
        yield


def _dask(resources: ResourceConfig) -> TaskRunner[Any]:
    from distributed import Client
    from prefect_dask import DaskTaskRunner

    logging.getLogger("distributed").setLevel(logging.ERROR)  # it logs every worker that comes and goes
    if not resources.address:
        gpus = _local_gpus(resources)
        return DaskTaskRunner(
            cluster_class=_local_dask_cluster, cluster_kwargs={"workers": resources.workers, "gpus": gpus}
        )
    try:
        with Client(resources.address, timeout=_CONNECT_TIMEOUT, set_as_default=False) as client:
            workers = client.scheduler_info(n_workers=-1)["workers"].values()
    except (OSError, ValueError) as error:
        raise _unreachable_error(resources, error) from None
    if resources.device == "cuda" and not any(worker["resources"].get("GPU") for worker in workers):
        raise AtomError(
            f"no worker of the Dask cluster at {resources.address} has a GPU: start those that have one with "
            "`dask worker --resources GPU=1`, or set resources.device=cpu"
        )
    return DaskTaskRunner(address=resources.address)


def _local_dask_cluster(workers: int, gpus: list[str]) -> Any:
    """A Dask cluster on this machine: spawned processes with one thread each, the first ones with a GPU each. Memory is
    not limited, so that no shard is killed for it and run again."""
    from distributed import Nanny, Scheduler, SpecCluster

    local = {"host": "127.0.0.1", "dashboard": False, "dashboard_address": "127.0.0.1:0"}
    specs = {}
    for number in range(workers):
        options = local | {"nthreads": 1, "memory_limit": 0, "silence_logs": logging.ERROR}
        if gpus:
            own_gpu = gpus[number] if number < len(gpus) else ""
            options |= {"env": {"CUDA_VISIBLE_DEVICES": own_gpu}, "resources": {"GPU": 1} if own_gpu else {}}
        specs[number] = {"cls": Nanny, "options": options}
    return SpecCluster(
        workers=specs, scheduler={"cls": Scheduler, "options": local | {"port": 0}}, silence_logs=logging.ERROR
    )


def _ray(resources: ResourceConfig) -> TaskRunner[Any]:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray
    from prefect_ray import RayTaskRunner

    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    if not resources.address:
        own_cluster = {
            "num_cpus": resources.workers,
            "num_gpus": len(_local_gpus(resources)),
            "include_dashboard": False,
            "object_store_memory": _OBJECT_STORE_SIZE,
            "_node_ip_address": "127.0.0.1",
        }
        return RayTaskRunner("local", quiet | own_cluster)
    try:
        _check_reachable(resources.address)
        with ray.init(resources.address, **quiet):
            available = ray.cluster_resources()
    except (OSError, ValueError, RuntimeError) as error:
        raise _unreachable_error(resources, error) from None
    if resources.device == "cuda" and not available.get("GPU"):
        raise AtomError(f"the Ray cluster at {resources.address} has no GPU: set resources.device=cpu")
    return RayTaskRunner(resources.address, quiet)


def _local_gpus(resources: ResourceConfig) -> list[str]:
    """The GPUs of this machine as CUDA_VISIBLE_DEVICES names them; none for another device than cuda."""
    if resources.device != "cuda":
        return []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = visible.split(",") if visible else [str(number) for number in range(torch.cuda.device_count())]
    if not torch.cuda.is_available():
        raise AtomError("resources.device=cuda, but there is no GPU here: set resources.device=cpu")
    return names


def _check_reachable(address: str) -> None:
    """Raises OSError when nothing listens there. Ray itself would wait for minutes."""
    parts = urlsplit(address if "://" in address else f"//{address}")
    if parts.hostname and parts.port:
        socket.create_connection((parts.hostname, parts.port), timeout=_CONNECT_TIMEOUT).close()


def _unreachable_error(resources: ResourceConfig, error: Exception) -> AtomError:
    token = " and its token (RAY_AUTH_MODE=token, RAY_AUTH_TOKEN)" if resources.runner == "ray" else ""
    return AtomError(
        f"can't use the {resources.runner} cluster at {resources.address}: {' '.join(str(error).split())[:150]}; check "
        f"resources.address{token}, or leave it out for a cluster on this machine"
    )
