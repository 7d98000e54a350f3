"""The state of a training on disk, for its way back after a break."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from atom.atomic_write import write_atomically
from atom.errors import AtomError


def save_trainer_state(path: Path, state: Mapping[str, Any]) -> None:
    """Puts a state in the place of the one before, which stays usable until the new one lies on the disk whole.
    AtomError when there is no room for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        write_atomically(path, lambda temporary: torch.save(dict(state), temporary))
    except (OSError, RuntimeError) as error:  # torch's own writer raises the latter
        raise AtomError(
            f"can't keep the state of the tuning in {path.parent}: {str(error).splitlines()[0]}; make room, then run "
            "again: it goes on from the state kept before"
        ) from error


def load_trainer_state(path: Path) -> dict[str, Any]:
    """A state that was kept, its tensors on the CPU; nothing in the file is run. AtomError when it is damaged."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises whatever the damaged bytes lead it to
        raise AtomError(f"can't go on from {path}: {str(error).splitlines()[0]}; delete it to start over") from error
