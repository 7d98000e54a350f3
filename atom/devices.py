"""Where torch computes."""

from __future__ import annotations

import torch

from atom.errors import AtomError


def device_of(name: str) -> torch.device:
    """The device of a name such as cpu, cuda, cuda:1 or mps. AtomError when nothing can be computed on it."""
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # torch built without the device raises an assertion
        reason = str(error).splitlines()[0]
        raise AtomError(f"can't compute on device {name!r}: {reason}; use cpu, cuda, cuda:1 or mps") from error
    return device
