"""The parent flow: every stage as retryable Prefect tasks over shards, which pass references to artifacts along."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from typing import Any

import torch
from prefect import flow, get_run_logger
from prefect.exceptions import TerminationSignal
from prefect.task_runners import ThreadPoolTaskRunner

from atom.alignment import Until
from atom.config import ResourceConfig, RunConfig
from atom.tuning.validation import build_validation
from flows import trackers
from flows.pipeline_run import PipelineRun
from flows.run_names import run_name
from flows.services import check_services, total_spent
from flows.stage_runner import StageLimitReached
from flows.stages import external, metrics, scores
from storage import Store


@flow(
    name="atom",
    flow_run_name=run_name,
    task_runner=ThreadPoolTaskRunner(max_workers=ResourceConfig().workers),
)
def align(config: RunConfig, store: str = "store", until: Until | None = None) -> dict[str, Any]:
    """Runs the pipeline: prompts, motions, clips, scores, preferences, adapter, evaluation, report.

    External motions or pairs replace those that the pipeline would compute; a run that only scores and pairs external
    motions ends there.

    Args:
        config: what the run does.
        store: folder or fsspec address of the artifacts; what it holds is reused.
        until: the last stage; "tuning" includes all rounds and the on-policy part.

    Returns:
        The record of the run.

    Raises:
        AtomError: names the failed shards of a stage, once all others are done.
    """
    torch.set_num_threads(config.resources.threads)
    artifacts = Store(store)
    artifacts.check_writable()
    external.check_config(config)
    metrics.check_config(config)
    trackers.check_config(config)
    if config.tunes:
        build_validation(config)  # raises here if its prompts can't be written
    for remark in [*scores.check_config(config), *check_services(config, artifacts)]:
        get_run_logger().warning(remark)
    run = PipelineRun(config, store, artifacts, None if until == "evaluation" else until)
    try:
        with suppress(StageLimitReached):
            run.run_stages()
        run.conclude()
    except BaseException as error:
        state = "failed" if isinstance(error, Exception) else "cancelled"
        run.record |= {"state": state, "error": " ".join(f"{type(error).__name__}: {error}".split())}
        if isinstance(error, TerminationSignal):
            _exit_soon()
        raise
    finally:
        run.trackers.close()
        run.record["spent"] = total_spent(config, artifacts)
        run.save()
    return run.record


def _exit_soon(seconds: float = 2.0) -> None:
    """Ends the process of a cancelled run. Its threads would first finish all shards that are queued; as after a
    `kill -9`, only what is not committed is lost."""
    timer = threading.Timer(seconds, os._exit, (128 + signal.SIGTERM,))
    timer.daemon = True
    timer.start()
