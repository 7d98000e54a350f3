"""Curves of tunings for TensorBoard, where the config asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from atom.config import RunConfig
from atom.errors import AtomError


def check(config: RunConfig) -> None:
    """AtomError when logs are wanted and TensorBoard is not there."""
    if config.resources.tensorboard and find_spec("tensorboard") is None:
        raise AtomError("resources.tensorboard needs TensorBoard: pip install 'atom-motion[tensorboard]'")


@contextmanager
def curves_of(config: RunConfig, name: str) -> Iterator[Callable[[int, Mapping[str, Any]], None]]:
    """What writes a row of a curve into the folder `name` of the logs. A tuning that goes on after a break takes the
    place of what it does again."""
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
