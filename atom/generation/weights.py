"""Reading tensors from files that may come from anywhere, and loading them whole or not at all."""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from atom.errors import AtomError

_SHOWN = 8
# T5 keeps its embedding under three names; files hold any of the copies beside `shared`, or none.
_EMBEDDING, _EMBEDDING_COPIES = "shared.weight", ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight")
_ZIP = b"PK\x03\x04"  # how files of torch start since 1.6
_GIT_LFS = b"version https://git-lfs"
# What a trainer stores of itself beside the weights. Such objects are read as placeholders, never made.
_SETTINGS = re.compile(
    r"(omegaconf|pytorch_lightning|lightning|lightning_fabric|typing|pathlib)\..+"
    r"|collections\.defaultdict|(builtins|__builtin__)\.(dict|list|tuple|set|str|int|float|bool)"
)


class Placeholder:
    """Stands for an object of a trainer's settings, of which nothing is kept."""

    def __new__(cls, *_: Any) -> Placeholder:
        return super().__new__(cls)

    def __init__(self, *_: Any) -> None: ...

    def __setstate__(self, _: Any) -> None: ...


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The state dict of a torch or a safetensors file, told apart by their bytes, whatever the name."""
    return read_safetensors(path) if is_safetensors(path) else read_torch_file(path)


def is_safetensors(path: Path) -> bool:
    """Whether a file starts as safetensors do: 8 bytes of length, then JSON."""
    return _head(path)[8:9] == b"{"


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, mapped into memory rather than copied."""
    _head(path)
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise AtomError(
            f"can't read {path}: {_short(error)}; the file is cut off or damaged, fetch or make it again"
        ) from error


def read_torch_file(path: Path) -> dict[str, Tensor]:
    """The state dict of a torch file, bare or under "state_dict"; see `read_torch_content`."""
    content = read_torch_content(path)
    state = content.get("state_dict", content) if isinstance(content, dict) else content
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise AtomError(f"{path} holds no state dict: a table of named tensors, or one under 'state_dict', is needed")
    return state


def read_torch_content(path: Path) -> Any:
    """All that a torch file holds, its tensors mapped into memory rather than copied.

    A file that would run code is refused, not opened. What Lightning and OmegaConf store beside the weights is no
    danger and no use: each such object becomes a `Placeholder`.
    """
    zipped = _head(path).startswith(_ZIP)
    if zipped and not _ends_as_zip(path):
        size = path.stat().st_size
        raise AtomError(f"can't read {path}: it is cut off after {size:,} bytes, its end is missing; fetch it again")
    try:
        settings = [
            (Placeholder, name)
            for name in (torch.serialization.get_unsafe_globals_in_checkpoint(path) if zipped else [])
            if _SETTINGS.fullmatch(name)
        ]
        with torch.serialization.safe_globals(settings):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL (\S+)", str(error))
        found = f"more than tensors ({named[1]})" if named else "no tensors, or more than tensors,"
        raise AtomError(
            f"{path} was refused: it holds {found} and could run code when opened; if you trust its maker, save its "
            "state dict as .safetensors and give that"
        ) from error
    except Exception as error:  # what a damaged file leads to can be of any kind
        raise AtomError(f"can't read {path}: {_short(error)}; the file is damaged, fetch it again") from error


def damaged_member(path: Path) -> str | None:
    """The first part of a torch file whose checksum is wrong; None where all are right, or the format has none."""
    if not _ends_as_zip(path):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip()
    except Exception:  # zipfile raises all kinds
        return "list of contents"


def check_whole(path: Path) -> None:
    """AtomError if some part of a torch file changed since it was written."""
    if member := damaged_member(path):
        raise AtomError(f"can't trust {path}: its part {member} is damaged; fetch it again")


def load_weights(module: nn.Module, state: Mapping[str, Tensor], origin: str) -> None:
    """Makes the tensors of `state` the module's own, without a copy where the type of number is the module's.

    The module may be on torch's meta device and so need no memory or random numbers of its own. AtomError names every
    missing, unexpected and misshaped key, and any tensor that is not as in the file afterwards (which is what happens
    to one of two tied matrices).
    """
    own = module.state_dict()
    state = _with_copies(state, own)
    check_fit(state, own, origin)
    tied = _tied(module)
    taken: dict[str, Tensor] = {}
    for name, like in own.items():
        if name not in tied:
            taken[name] = state[name].to(like.dtype) if like.is_meta else state[name].to(like)
    module.load_state_dict(taken | {name: taken[first] for name, first in tied.items()}, assign=True)
    for name, first in tied.items():
        owner, _, leaf = name.rpartition(".")
        setattr(module.get_submodule(owner), leaf, module.get_parameter(first))
    changed = [name for name, loaded in module.state_dict().items() if not _equal(loaded, state[name])]
    if changed:
        raise AtomError(
            f"{origin}: {listed(changed)} can't be loaded as they stand, for they share memory in the model"
        )


def check_fit(state: Mapping[str, Tensor], own: Mapping[str, Tensor], origin: str) -> None:
    """AtomError with every difference in keys and shapes between a file's tensors and the model's own."""
    if faults := differences(state, own):
        raise AtomError(f"{origin} does not fit the model: {listed(faults)}")


def differences(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> list[str]:
    """Every missing, unexpected and misshaped key of a file's tensors, as against the model's own."""
    state = _with_copies(state, own)
    return [
        *(f"missing {key}" for key in own if key not in state),
        *(f"unexpected {key}" for key in state if key not in own),
        *(
            f"{key} is {tuple(state[key].shape)}, not {tuple(own[key].shape)}"
            for key in own
            if key in state and state[key].shape != own[key].shape
        ),
    ]


def without_copies(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict with T5's embedding once."""
    return {key: value for key, value in state.items() if _EMBEDDING not in state or key not in _EMBEDDING_COPIES}


def listed(parts: list[str]) -> str:
    """The first few, and how many more there are."""
    return "; ".join(parts[:_SHOWN]) + (f"; and {len(parts) - _SHOWN} more" if len(parts) > _SHOWN else "")


def _ends_as_zip(path: Path) -> bool:
    try:
        return zipfile.is_zipfile(path)
    except zipfile.BadZipFile:
        return False


def _with_copies(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    copies = {copy: state[_EMBEDDING] for copy in _EMBEDDING_COPIES if copy in own and _EMBEDDING in state}
    return copies | dict(state)


def _tied(module: nn.Module) -> dict[str, str]:
    """Names of parameters that are also known by an earlier name, and that name."""
    first: dict[int, str] = {}
    every = module.named_parameters(remove_duplicate=False)
    return {name: first[id(value)] for name, value in every if first.setdefault(id(value), name) != name}


def _equal(loaded: Tensor, filed: Tensor) -> bool:
    """Equal in every number; no work where both are one piece of memory."""
    same = loaded.data_ptr() == filed.data_ptr() and loaded.dtype == filed.dtype and loaded.stride() == filed.stride()
    return same or torch.equal(loaded, filed.to(loaded))


def _head(path: Path) -> bytes:
    """The first bytes of a file that may hold tensors; AtomError says what it is instead."""
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise AtomError(f"can't read {path}: {error.strerror}; check the name") from error
    if not head:
        raise AtomError(f"can't read {path}: the file is empty; fetch it again")
    if head.startswith(_GIT_LFS):
        raise AtomError(f"can't read {path}: it is a Git LFS pointer to the true file; fetch that with `git lfs pull`")
    if all(byte >= 32 or byte in b"\t\n\r" for byte in head):
        start = head[:30].decode(errors="replace").split("\n")[0]
        raise AtomError(f"can't read {path}: it is text ({start!r}...), not a file of tensors; fetch the true file")
    return head


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
