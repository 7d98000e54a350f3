"""A run from this process, as `atom run` and `atom.align` start it: its progress on standard error, Prefect quiet."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from rich.console import Console

from atom.progress_bars import StageProgressBars

if TYPE_CHECKING:
    from atom.config import RunConfig


def quiet_prefect() -> None:
    """Silences Prefect's console, which would print every failure again as a traceback; the server keeps them. Call it
    before Prefect is imported."""
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_SERVER_LOGGING_LEVEL", "CRITICAL")


def align_with_progress(config: RunConfig, store: str, until: str | None = None) -> dict[str, Any]:
    """Runs the pipeline and shows its progress; see `flows.clusters.align_with_task_runner`.

    Args:
        config: what the run does.
        store: folder or fsspec address of the artifacts.
        until: the last stage; None for all.

    Returns:
        The record of the run.

    Raises:
        AtomError: names the failed shards of a stage, or what the task runner lacks.
    """
    quiet_prefect()
    from flows.clusters import align_with_task_runner
    from flows.progress import progress_listener

    console = Console(stderr=True, force_jupyter=False)  # in a notebook too, lines of text and no widgets
    with StageProgressBars(console) as bars, progress_listener(bars.update):
        return align_with_task_runner(config, store, until)
