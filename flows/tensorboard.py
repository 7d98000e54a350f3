"""Tuning curves in TensorBoard."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from atom.config import RunConfig
from atom.errors import AtomError


def check_config(config: RunConfig) -> None:
    """Raises AtomError when the config sets a folder for logs and TensorBoard is not installed."""
    if config.resources.tensorboard and find_spec("tensorboard") is None:
        raise AtomError("resources.tensorboard needs TensorBoard: pip install 'atom-motion[tensorboard]'")


@contextmanager
def curve_logger(config: RunConfig, name: str) -> Iterator[Callable[[int, Mapping[str, Any]], None]]:
    """Context with a function that logs a row of a curve. A tuning that resumes overwrites the steps that it repeats.

    Args:
        config: the run's config, whose `resources.tensorboard` is the folder of all logs; None logs nothing.
        name: folder of this curve.

    Yields:
        `log(step, row)`, which writes each number of the row.
    """
    if config.resources.tensorboard is None:
        yield lambda step, row: None
        return
    from torch.utils.tensorboard import SummaryWriter

    writer: SummaryWriter | None = None

    def log(step: int, row: Mapping[str, Any]) -> None:
        nonlocal writer
        folder = str(Path(str(config.resources.tensorboard)) / name)
        writer = writer or SummaryWriter(folder, purge_step=step)
        for figure, value in row.items():
            if isinstance(value, int | float) and not isinstance(value, bool) and figure != "step":
                writer.add_scalar(figure, value, step)

    try:
        yield log
    finally:
        if writer is not None:
            writer.close()
