"""Reading tensors from files that may come from anywhere, and loading them whole or not at all."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from atom.errors import AtomError

_SHOWN = 8
# T5 keeps its embedding under three names; files hold any of the copies beside `shared`, or none.
_EMBEDDING, _EMBEDDING_COPIES = "shared.weight", ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight")


def read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise AtomError(f"can't read {path}: {_short(error)}; the file is damaged, fetch or make it again") from error


def read_torch_file(path: Path) -> dict[str, Tensor]:
    """The state dict of a torch file, bare or under "state_dict". A file that would run code is refused, not opened."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise AtomError(
            f"{path} was refused: it is no torch file, or holds more than tensors and could run code when opened; if "
            "you trust its maker, save its state dict as .safetensors and give that"
        ) from error
    except (OSError, RuntimeError, EOFError) as error:
        raise AtomError(f"can't read {path}: {_short(error)}; the file is damaged, fetch it again") from error
    state = content.get("state_dict", content) if isinstance(content, dict) else content
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise AtomError(f"{path} holds no state dict: a table of named tensors, or one under 'state_dict', is needed")
    return state


def load_weights(module: nn.Module, state: Mapping[str, Tensor], origin: str) -> None:
    """Loads `state` whole. AtomError names every missing, unexpected and misshaped key, and any tensor that is not as
    in the file afterwards (which is what happens to one of two tied matrices)."""
    own = module.state_dict()
    state = dict(state)
    for copy in _EMBEDDING_COPIES:
        if copy in own and _EMBEDDING in state:
            state.setdefault(copy, state[_EMBEDDING])
    check_fit(state, own, origin)
    module.load_state_dict(state)
    changed = [key for key, value in module.state_dict().items() if not torch.equal(value, state[key].to(value))]
    if changed:
        raise AtomError(
            f"{origin}: {_listed(changed)} can't be loaded as they stand, for they share memory in the model"
        )


def check_fit(state: Mapping[str, Tensor], own: Mapping[str, Tensor], origin: str) -> None:
    """AtomError with every difference in keys and shapes between a file's tensors and the model's own."""
    faults = [f"missing {key}" for key in own if key not in state]
    faults += [f"unexpected {key}" for key in state if key not in own]
    faults += [
        f"{key} is {tuple(state[key].shape)}, not {tuple(own[key].shape)}"
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    if faults:
        raise AtomError(f"{origin} does not fit the model: {_listed(faults)}")


def without_copies(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict with T5's embedding once."""
    return {key: value for key, value in state.items() if _EMBEDDING not in state or key not in _EMBEDDING_COPIES}


def _listed(parts: list[str]) -> str:
    return "; ".join(parts[:_SHOWN]) + (f"; and {len(parts) - _SHOWN} more" if len(parts) > _SHOWN else "")


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
