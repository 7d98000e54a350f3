"""Atomic file writes: a file appears whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Write `path` through a temporary file beside it, so that a crash never leaves half a file.

    Args:
        path: the file to create or replace.
        write: writes the content to the path that it is given.
    """
    temporary = path.with_name(path.name + ".partial")
    temporary.unlink(missing_ok=True)
    temporary.touch()
    mode = temporary.stat().st_mode  # of the umask; safetensors (0.8.0) writes files that only their owner can read
    write(temporary)
    temporary.chmod(mode)
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())  # a rename that reaches the disk before the data would leave an empty file
    temporary.replace(path)
