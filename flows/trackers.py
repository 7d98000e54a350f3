"""A run in experiment trackers, through accelerate: its hyperparameters, the curves of its tunings, its gains.

One run of atom is one run of a tracker, under the same name. Curves lie end to end on one axis of steps, since some
trackers drop a step that is smaller than the one before.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.util import find_spec
from typing import Any

from atom.config import RunConfig
from atom.errors import AtomError
from flows.tracker_threads import TrackerThread

_CLOSE_TIMEOUT = 60.0  # seconds that the end of a run waits for a slow tracker
_live_curve: ContextVar[Curve | None] = ContextVar("live_curve", default=None)


def check_config(config: RunConfig) -> None:
    """Raises AtomError when a tracker of the config is not installed."""
    for name in config.resources.trackers:
        if find_spec(name) is None:
            raise AtomError(f"resources.trackers: {name} is not installed: pip install 'atom-motion[{name}]'")


def log_live(rows: Iterable[Mapping[str, Any]]) -> None:
    """Logs rows of the curve that the run is computing now. Stages on a Dask or Ray worker have no trackers: the whole
    curve is logged when the stage ends."""
    if curve := _live_curve.get():
        curve.log(rows)


class Curve:
    """A curve whose rows are logged once each and in order, however often a tuning is interrupted and resumed.

    Args:
        name: what its figures start with.
        first_step: the step of the run at which it starts.
        send: gets the figures of a row with their step.
    """

    def __init__(self, name: str, first_step: int, send: Callable[[dict[str, float], int], None]) -> None:
        self.name, self._first_step, self._send = name, first_step, send
        self.steps = 0

    def log(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Logs the numbers of those rows whose steps are not logged yet. A resumed tuning repeats steps exactly."""
        for row in rows:
            if row["step"] <= self.steps:
                continue
            self.steps = row["step"]
            figures = {f"{self.name}/{key}": value for key, value in row.items() if _is_number(value) and key != "step"}
            self._send(figures, self._first_step + self.steps)


class RunTrackers:
    """The trackers of one run; none of them can make it fail.

    Args:
        config: the run's config. What never changes a result (service, gates, resources) is not sent.
        run_id: name of the run in every tracker.
        on_error: gets a line when a tracker fails. It gets no further calls.
    """

    def __init__(self, config: RunConfig, run_id: str, on_error: Callable[[str], None]) -> None:
        resources = config.resources
        hyperparameters = flatten(config.model_dump(mode="json", exclude={"service", "gates", "resources"}))
        self._threads = [
            TrackerThread(name, run_id, resources.logging_dir, hyperparameters, on_error)
            for name in dict.fromkeys(resources.trackers)
        ]
        self._steps = 0

    @contextmanager
    def curve(self, name: str) -> Iterator[Curve]:
        """Context in which `log_live` of a stage logs to this curve.

        Args:
            name: of the stage.

        Yields:
            The curve, which logs what was not logged live.
        """
        curve = Curve(name.replace(" ", "_"), self._steps, self._send)
        token = _live_curve.set(curve)
        try:
            yield curve
        finally:
            _live_curve.reset(token)
            self._steps += curve.steps

    def log_evaluation(self, evaluation: Mapping[str, Mapping[str, Any]]) -> None:
        """Logs base, tuned and gain of each figure of each judge, at the last step of the run."""
        figures = {
            f"evaluation/{judge}/{figure}/{key}": row[key]
            for judge, rows in evaluation.items()
            for figure, row in rows.items()
            for key in ("base", "tuned", "gain", "gain_low", "gain_high")
            if _is_number(row.get(key))
        }
        if figures:
            self._send(figures, self._steps + 1)

    def close(self) -> None:
        """Ends the trackers' runs. What a tracker has not sent after a minute is lost."""
        for thread in self._threads:
            thread.close(_CLOSE_TIMEOUT)

    def _send(self, figures: dict[str, float], step: int) -> None:
        for thread in self._threads:
            thread.log(figures, step)


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, bool | int | float | str]:
    """The hyperparameters that every tracker can show.

    Args:
        config: nested dicts.
        prefix: what the names start with.

    Returns:
        Values by dotted names such as "tuning.beta". Lists and null are written as JSON.
    """
    flat: dict[str, bool | int | float | str] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value if isinstance(value, bool | int | float | str) else json.dumps(value)
    return flat


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
