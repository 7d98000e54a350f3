"""One of accelerate's trackers in a thread of its own, and where each tracker keeps its files."""

from __future__ import annotations

import logging
import os
import queue
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from accelerate.tracking import GeneralTracker

PROJECT = "atom"
_SECRET_VARIABLE = re.compile(r"KEY|TOKEN|PASSWORD|SECRET")
_LOGIN_IN_URL = re.compile(r"//[^/@\s]+@")
_PRINTING = ("trackio", "swanlab")  # trackers that print at the start and the end of a run
_stdout_lock = threading.Lock()


class TrackerThread:
    """Calls a tracker, one call after the other. MLflow's active run belongs to the thread that started it, and a slow
    tracker must not slow a tuning down.

    Args:
        name: of the tracker, as accelerate knows it.
        run_id: name of its run.
        logging_dir: folder of its files.
        hyperparameters: of the run.
        on_error: gets a line when the tracker fails; it gets no further calls then.
    """

    def __init__(
        self,
        name: str,
        run_id: str,
        logging_dir: str,
        hyperparameters: Mapping[str, Any],
        on_error: Callable[[str], None],
    ) -> None:
        self.name, self._on_error = name, on_error
        self._calls: queue.SimpleQueue[tuple[dict[str, float], int] | None] = queue.SimpleQueue()
        work = (run_id, Path(logging_dir).absolute(), dict(hyperparameters))
        # A daemon, since a tracker that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, args=work, name=f"tracker {name}", daemon=True)
        self._thread.start()

    def log(self, figures: dict[str, float], step: int) -> None:
        """Logs figures of a step, in the background."""
        self._calls.put((figures, step))

    def close(self, timeout: float) -> None:
        """Ends the tracker's run; waits for at most `timeout` seconds."""
        self._calls.put(None)
        self._thread.join(timeout)
        if self._thread.is_alive():
            self._on_error(f"{self.name}: did not take everything within {timeout:.0f} s; its run is incomplete")

    def _run(self, run_id: str, folder: Path, hyperparameters: dict[str, Any]) -> None:
        try:
            with _stdout_to_stderr(self.name):
                tracker = open_tracker(self.name, run_id, folder)
                tracker.store_init_configuration(hyperparameters)
            while (call := self._calls.get()) is not None:
                tracker.log(call[0], step=call[1])
            with _stdout_to_stderr(self.name):
                tracker.finish()
        except Exception as error:  # whatever the tracker raises, the run goes on without it
            self._on_error(f"{self.name}: {describe_error(error)}; the run goes on without this tracker")


@contextmanager
def _stdout_to_stderr(name: str) -> Iterator[None]:
    """What a tracker prints must not get into the output of a command. One thread at a time, since `redirect_stdout`
    acts on the whole process and two that overlap would leave the wrong stream behind."""
    if name not in _PRINTING:
        yield
        return
    with _stdout_lock, redirect_stdout(sys.stderr):
        yield


def open_tracker(name: str, run_id: str, folder: Path) -> GeneralTracker:
    """Starts a tracker's run. It stays on this machine unless the tracker's own environment variables say otherwise.

    Args:
        name: of the tracker, as accelerate knows it.
        run_id: name of the run.
        folder: of the files of all trackers.

    Returns:
        The started tracker.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if name == "trackio":
        os.environ.setdefault("TRACKIO_DIR", str(folder / "trackio"))  # it is read when trackio is imported
    from accelerate import PartialState
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS

    PartialState(cpu=True)  # accelerate's trackers write to its log, which needs this state
    tracker = LOGGER_TYPE_TO_CLASS[name]
    if name == "tensorboard":
        started = tracker(run_id, folder)
    elif name == "mlflow":
        import mlflow

        logging.getLogger("mlflow").setLevel(logging.WARNING)  # it reports every table that it creates
        if not os.environ.get("MLFLOW_TRACKING_URI"):
            mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")  # a folder of plain files is refused by now
        started = tracker(PROJECT, run_name=run_id, logging_dir=str(folder / "mlflow"))
    elif name == "trackio":
        started = tracker(PROJECT, name=run_id, embed=False, auto_log_cpu=False, auto_log_gpu=False)
    elif name == "wandb":
        started = tracker(PROJECT, name=run_id, dir=str(folder), mode=_mode("WANDB"))
    else:  # swanlab
        started = tracker(PROJECT, experiment_name=run_id, logdir=str(folder / "swanlog"), mode=_mode("SWANLAB"))
    started.start()
    return started


def _mode(service: str) -> str | None:
    """The service's own mode where a key or a mode is in the environment; else its files stay here, for a later sync.
    Without a mode the service would ask for a key in the terminal."""
    return None if os.environ.get(f"{service}_API_KEY") or os.environ.get(f"{service}_MODE") else "offline"


def describe_error(error: BaseException) -> str:
    """An error in one line, without the passwords and keys that it may quote from an address or the environment."""
    text = _LOGIN_IN_URL.sub("//***@", f"{type(error).__name__}: {' '.join(str(error).split())}")
    for name, value in os.environ.items():
        if len(value) >= 8 and _SECRET_VARIABLE.search(name):
            text = text.replace(value, "***")
    return text[:300]
