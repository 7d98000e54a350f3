"""Progress of a run: for the terminal of this process, and for the Prefect UI."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

Listener = Callable[[str, int, int, str], None]
_listeners: list[Listener] = []
_UI_STEP = 5.0  # per cent between two updates of the UI, since each one is a request


@contextmanager
def progress_listener(listener: Listener) -> Iterator[None]:
    """Calls `listener(name, done, total, note)` on all progress of this process while the block runs."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


class Progress:
    """The progress of one piece of work. Create it inside a flow run or task run: the artifact belongs to that run."""

    def __init__(self, name: str, total: int) -> None:
        self.name, self.total = name, total
        self._shown = 0.0
        self._artifact = create_progress_artifact(progress=0.0, description=f"{name}: {total} to do")
        self.update(0)

    def update(self, done: int, note: str = "") -> None:
        """Shows that `done` of the total are done, with a note in the terminal."""
        for listener in _listeners:
            listener(self.name, done, self.total, note)
        percent = 100.0 * done / max(self.total, 1)
        if percent - self._shown >= _UI_STEP or (done == self.total and self._shown < percent):
            self._shown = percent
            assert isinstance(self._artifact, UUID)
            update_progress_artifact(
                self._artifact, progress=percent, description=f"{self.name}: {done} of {self.total}"
            )


class CountedProgress:
    """Progress that an event loop counts and the task's own thread shows, by calling `show`: Prefect's artifacts need
    the context of the task run, which the event loop's thread lacks."""

    def __init__(self, name: str, total: int = 0) -> None:
        self._name, self._done, self._total = name, 0, total
        self._progress: Progress | None = None

    def one_more(self) -> None:
        self._done += 1

    def count(self, done: int, total: int) -> None:
        self._done, self._total = done, total

    def show(self) -> None:
        """Shows the count; the first call that knows a total creates the artifact."""
        if self._total:
            self._progress = self._progress or Progress(self._name, self._total)
            self._progress.update(self._done)
