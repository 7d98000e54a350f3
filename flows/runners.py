"""Where shards are computed: by threads of this process, or by the processes of a Dask or Ray cluster."""

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
_CONNECT = 10  # seconds to wait for a cluster
_OBJECT_STORE = 128 * 2**20  # bytes; what passes along are references to artifacts


def task_runner_of(resources: ResourceConfig) -> TaskRunner[Any]:
    """What runs the shards of a flow. Without an address it starts a cluster with the flow run, of `workers` processes
    on this machine, and stops it with the run. AtomError when a package, a GPU or the cluster is not there.
    """
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


def gpu(resources: ResourceConfig) -> AbstractContextManager[Any]:
    """What is submitted in this context goes to workers that have a GPU, one shard a GPU at a time. Nothing changes for
    threads, or for another device than cuda."""
    if not resources.device.startswith("cuda") or resources.runner == "threads":
        return nullcontext()
    if resources.runner == "dask":
        import dask

        return dask.annotate(resources={"GPU": 1})
    from prefect_ray.context import remote_options

    return remote_options(num_gpus=1)


@contextmanager
def here(resources: ResourceConfig) -> Iterator[None]:
    """What is submitted and awaited in this context is computed by threads of this process, also where a cluster does
    the rest. It is for shards that ask a service: its key, rates, budget and journal are those of one process.
    """
    run = FlowRunContext.get()
    if resources.runner == "threads" or run is None:
        yield
        return
    threads = ThreadPoolTaskRunner(max_workers=resources.workers)
    with threads, run.model_copy(update={"task_runner": threads}):
        yield


def portably(work: Callable[..., T], *arguments: Any) -> T:
    """Calls `work`. What it raises can be read by another process, or comes as an error that says the same."""
    try:
        return work(*arguments)
    except Exception as error:
        if _survives(error):
            raise
        told = _told_plainly(error)
    raise told  # out here, so that it does not carry the other along


def _survives(error: Exception) -> bool:
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return False
    return True


def _told_plainly(error: Exception) -> Exception:
    for kind in (AtomError, StoreError):
        if isinstance(error, kind):
            return kind(str(error))
    told = RuntimeError(f"{type(error).__name__}: {error}")
    told.add_note("".join(traceback.format_exception(error)))
    return told


@contextmanager
def one_server(resources: ResourceConfig) -> Iterator[None]:
    """One Prefect server for this process and its workers: the one at PREFECT_API_URL, else one that ends with this
    process. Prefect would start its own, open to every web page. AtomError when the workers may be on other machines
    and there is no server that they reach.
    """
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

    logging.getLogger("distributed").setLevel(logging.ERROR)  # it tells every worker that comes and goes
    if not resources.address:
        gpus = _gpus_here(resources)
        return DaskTaskRunner(cluster_class=_processes, cluster_kwargs={"workers": resources.workers, "gpus": gpus})
    try:
        with Client(resources.address, timeout=_CONNECT, set_as_default=False) as client:
            workers = client.scheduler_info(n_workers=-1)["workers"].values()
    except (OSError, ValueError) as error:
        raise _unreachable(resources, error) from None
    if resources.device == "cuda" and not any(worker["resources"].get("GPU") for worker in workers):
        raise AtomError(
            f"no worker of the Dask cluster at {resources.address} has a GPU: start those that have one with "
            "`dask worker --resources GPU=1`, or set resources.device=cpu"
        )
    return DaskTaskRunner(address=resources.address)


def _processes(workers: int, gpus: list[str]) -> Any:
    """A Dask cluster on this machine. Its processes have one thread each, are spawned, and the first ones a GPU each.
    Memory is not limited: a shard that needs much is not killed and tried again.
    """
    from distributed import Nanny, Scheduler, SpecCluster

    here = {"host": "127.0.0.1", "dashboard": False, "dashboard_address": "127.0.0.1:0"}
    specs = {}
    for number in range(workers):
        options = here | {"nthreads": 1, "memory_limit": 0, "silence_logs": logging.ERROR}
        if gpus:
            mine = gpus[number] if number < len(gpus) else ""
            options |= {"env": {"CUDA_VISIBLE_DEVICES": mine}, "resources": {"GPU": 1} if mine else {}}
        specs[number] = {"cls": Nanny, "options": options}
    return SpecCluster(
        workers=specs, scheduler={"cls": Scheduler, "options": here | {"port": 0}}, silence_logs=logging.ERROR
    )


def _ray(resources: ResourceConfig) -> TaskRunner[Any]:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray
    from prefect_ray import RayTaskRunner

    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    if not resources.address:
        own = {
            "num_cpus": resources.workers,
            "num_gpus": len(_gpus_here(resources)),
            "include_dashboard": False,
            "object_store_memory": _OBJECT_STORE,
            "_node_ip_address": "127.0.0.1",
        }
        return RayTaskRunner("local", quiet | own)
    try:
        _knock(resources.address)
        with ray.init(resources.address, **quiet):
            found = ray.cluster_resources()
    except (OSError, ValueError, RuntimeError) as error:
        raise _unreachable(resources, error) from None
    if resources.device == "cuda" and not found.get("GPU"):
        raise AtomError(f"the Ray cluster at {resources.address} has no GPU: set resources.device=cpu")
    return RayTaskRunner(resources.address, quiet)


def _gpus_here(resources: ResourceConfig) -> list[str]:
    """The GPUs of this machine as CUDA_VISIBLE_DEVICES names them; none where they are not wanted."""
    if resources.device != "cuda":
        return []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = visible.split(",") if visible else [str(number) for number in range(torch.cuda.device_count())]
    if not torch.cuda.is_available():
        raise AtomError("resources.device=cuda, but there is no GPU here: set resources.device=cpu")
    return names


def _knock(address: str) -> None:
    """OSError when nobody listens there, for which Ray itself would wait minutes."""
    place = urlsplit(address if "://" in address else f"//{address}")
    if place.hostname and place.port:
        socket.create_connection((place.hostname, place.port), timeout=_CONNECT).close()


def _unreachable(resources: ResourceConfig, error: Exception) -> AtomError:
    token = " and its token (RAY_AUTH_MODE=token, RAY_AUTH_TOKEN)" if resources.runner == "ray" else ""
    return AtomError(
        f"can't use the {resources.runner} cluster at {resources.address}: {' '.join(str(error).split())[:150]}; check "
        f"resources.address{token}, or leave it out for a cluster on this machine"
    )
