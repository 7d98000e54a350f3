"""The file from which an interrupted training resumes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from atom.atomic_write import write_atomically
from atom.errors import AtomError


def save_trainer_state(path: Path, state: Mapping[str, Any]) -> None:
    """Saves a state. The file of the previous save stays usable until the new one is on the disk as a whole.

    Args:
        path: the file to write.
        state: tensors, numbers, texts, and lists and dicts of them.

    Raises:
        AtomError: the file can't be written, for example on a full disk.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        write_atomically(path, lambda temporary: torch.save(dict(state), temporary))
    except (OSError, RuntimeError) as error:  # torch's writer raises RuntimeError on a full disk
        raise AtomError(
            f"can't save the state of the tuning in {path.parent}: {str(error).splitlines()[0]}; make room, then run "
            "again: it resumes from the state saved before"
        ) from error


def load_trainer_state(path: Path) -> dict[str, Any]:
    """A saved state with its tensors on the CPU. No code in the file is executed. AtomError when it is damaged."""
    try:
        # On the CPU, so that a tuning can resume on another device than it began on.
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged bytes can make torch.load raise anything
        raise AtomError(f"can't resume from {path}: {str(error).splitlines()[0]}; delete it to start over") from error


def read_saved_curve(folder: Path) -> list[dict[str, Any]]:
    """The curve up to the step from which the tuning in a working folder resumes; empty where it has not begun.

    Raises AtomError when the state is damaged.
    """
    files = sorted(folder.glob("*.pt"))
    return load_trainer_state(files[-1])["rows"] if files else []
