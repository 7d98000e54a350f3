"""The torch device that a config names."""

from __future__ import annotations

import torch

from atom.errors import AtomError


def resolve_device(name: str) -> torch.device:
    """Return the torch device called `name` (cpu, cuda, cuda:1, mps). Raises AtomError if torch can't compute on it."""
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # torch raises AssertionError when it is built without the device
        reason = str(error).splitlines()[0]
        raise AtomError(f"can't compute on device {name!r}: {reason}; use cpu, cuda, cuda:1 or mps") from error
    return device
