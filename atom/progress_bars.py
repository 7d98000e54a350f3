"""Progress bars in the terminal, or plain lines where the output is no terminal."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


class StageProgressBars:
    """A context manager that shows one progress bar a stage; without a terminal it prints a line every tenth."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars: dict[str, TaskID] = {}
        self._tenths: dict[str, int] = {}  # the last tenth that was printed of each stage
        self._progress = Progress(
            TextColumn("[bold]{task.description:<16}"),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[note]}"),
            console=console,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> StageProgressBars:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._progress.stop()

    def update(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Show the progress of a stage.

        Args:
            stage: the name of the stage, which is also the label of its bar.
            done: how many of its units are done.
            total: how many units it has.
            note: a short remark beside the bar.
        """
        if not self._console.is_terminal:
            tenth = 10 * done // max(total, 1)
            if tenth != self._tenths.get(stage):
                self._tenths[stage] = tenth
                self._console.print(f"{stage:<16} {done}/{total} {note}", highlight=False)
            return
        if stage not in self._bars:
            self._bars[stage] = self._progress.add_task(stage, total=total, note=note)
        self._progress.update(self._bars[stage], completed=done, total=total, note=note)
