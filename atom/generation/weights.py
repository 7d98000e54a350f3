"""Reads tensors from untrusted files, and loads them into a model completely or not at all."""

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

_MAX_LISTED = 8
# T5's embedding has three names; beside `shared`, a file may hold any of the copies, or none.
_EMBEDDING, _EMBEDDING_COPIES = "shared.weight", ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight")
_ZIP_MAGIC = b"PK\x03\x04"  # the first bytes of torch files since version 1.6
_GIT_LFS = b"version https://git-lfs"
# Objects that trainers store beside the weights. They are read as placeholders and never created.
_TRAINER_GLOBALS = re.compile(
    r"(omegaconf|pytorch_lightning|lightning|lightning_fabric|typing|pathlib)\..+"
    r"|collections\.defaultdict|(builtins|__builtin__)\.(dict|list|tuple|set|str|int|float|bool)"
)


class Placeholder:
    """Stands for an object of a trainer's settings and keeps nothing of it."""

    def __new__(cls, *_: Any) -> Placeholder:
        return super().__new__(cls)

    def __init__(self, *_: Any) -> None: ...

    def __setstate__(self, _: Any) -> None: ...


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The state dict of a torch or safetensors file. The first bytes decide which it is, not the name."""
    return read_safetensors(path) if is_safetensors(path) else read_torch_file(path)


def is_safetensors(path: Path) -> bool:
    """True if a file starts as safetensors do: 8 bytes of length, then JSON."""
    return _read_head(path)[8:9] == b"{"


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, mapped into memory rather than copied."""
    _read_head(path)
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise AtomError(
            f"can't read {path}: {_shorten(error)}; the file is cut off or damaged, fetch or make it again"
        ) from error


def read_torch_file(path: Path) -> dict[str, Tensor]:
    """The state dict of a torch file, bare or under "state_dict"; see `read_torch_content`."""
    content = read_torch_content(path)
    state = content.get("state_dict", content) if isinstance(content, dict) else content
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise AtomError(f"{path} holds no state dict: a table of named tensors, or one under 'state_dict', is needed")
    return state


def read_torch_content(path: Path) -> Any:
    """The content of a torch file, with its tensors mapped into memory rather than copied.

    A file that would run code is refused, not opened. Objects that Lightning and OmegaConf store beside the weights are
    harmless and of no use: each becomes a `Placeholder`. Raises AtomError for a refused, cut off or damaged file.
    """
    is_zip = _read_head(path).startswith(_ZIP_MAGIC)
    # A zip has its directory at the end, so a download that was cut off lacks it.
    if is_zip and not _ends_as_zip(path):
        size = path.stat().st_size
        raise AtomError(f"can't read {path}: it is cut off after {size:,} bytes, its end is missing; fetch it again")
    try:
        placeholders = [
            (Placeholder, name)
            for name in (torch.serialization.get_unsafe_globals_in_checkpoint(path) if is_zip else [])
            if _TRAINER_GLOBALS.fullmatch(name)
        ]
        with torch.serialization.safe_globals(placeholders):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL (\S+)", str(error))
        found = f"more than tensors ({named[1]})" if named else "no tensors, or more than tensors,"
        raise AtomError(
            f"{path} was refused: it holds {found} and could run code when opened; if you trust its source, save its "
            "state dict as .safetensors and give that"
        ) from error
    except Exception as error:  # a damaged file can raise anything
        raise AtomError(f"can't read {path}: {_shorten(error)}; the file is damaged, fetch it again") from error


def find_damaged_member(path: Path) -> str | None:
    """The first part of a torch file whose checksum is wrong. None if all are right or the format has no checksums."""
    if not _ends_as_zip(path):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip()
    except Exception:  # zipfile raises all kinds
        return "list of contents"


def check_integrity(path: Path) -> None:
    """Raises AtomError if a part of a torch file has a wrong checksum."""
    if member := find_damaged_member(path):
        raise AtomError(f"can't trust {path}: its part {member} is damaged; fetch it again")


def load_weights(module: nn.Module, state: Mapping[str, Tensor], origin: str) -> None:
    """Loads a state dict into a module, without copying the tensors that have the module's dtype.

    Args:
        module: the module. On torch's meta device it needs no memory and no random numbers before.
        state: tensors by name.
        origin: the file that they come from, for messages.

    Raises:
        AtomError: with every missing, unexpected and misshaped key, and with each tensor that differs from the file
            after loading (as one of two tied matrices does).
    """
    own = module.state_dict()
    state = _add_embedding_copies(state, own)
    check_fit(state, own, origin)
    tied = _tied_parameters(module)
    loaded: dict[str, Tensor] = {}
    for name, like in own.items():
        if name not in tied:
            # A meta tensor has a type and no device; its weights stay where the file was read.
            loaded[name] = state[name].to(like.dtype) if like.is_meta else state[name].to(like)
    module.load_state_dict(loaded | {name: loaded[first] for name, first in tied.items()}, assign=True)
    # assign=True gives each name a parameter of its own: tie them again.
    for name, first in tied.items():
        owner, _, leaf = name.rpartition(".")
        setattr(module.get_submodule(owner), leaf, module.get_parameter(first))
    changed = [name for name, value in module.state_dict().items() if not _is_equal(value, state[name])]
    if changed:
        raise AtomError(f"{origin}: {summarize(changed)} can't be loaded unchanged: they share memory in the model")


def check_fit(state: Mapping[str, Tensor], own: Mapping[str, Tensor], origin: str) -> None:
    """Checks that the tensors of a file have the keys and shapes of the model's.

    Args:
        state: the file's tensors by name.
        own: the model's tensors by name.
        origin: the file, for the message.

    Raises:
        AtomError: with every difference.
    """
    if faults := find_mismatches(state, own):
        raise AtomError(f"{origin} does not fit the model: {summarize(faults)}")


def find_mismatches(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> list[str]:
    """Compares the keys and shapes of a file's tensors with the model's.

    Args:
        state: the file's tensors by name.
        own: the model's tensors by name.

    Returns:
        Every missing, unexpected and misshaped key, in words.
    """
    state = _add_embedding_copies(state, own)
    return [
        *(f"missing {key}" for key in own if key not in state),
        *(f"unexpected {key}" for key in state if key not in own),
        *(
            f"{key} is {tuple(state[key].shape)}, not {tuple(own[key].shape)}"
            for key in own
            if key in state and state[key].shape != own[key].shape
        ),
    ]


def drop_embedding_copies(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict without the copies of T5's embedding."""
    return {key: value for key, value in state.items() if _EMBEDDING not in state or key not in _EMBEDDING_COPIES}


def summarize(parts: list[str]) -> str:
    """The first few parts in one line, and the number of the others."""
    return "; ".join(parts[:_MAX_LISTED]) + (
        f"; and {len(parts) - _MAX_LISTED} more" if len(parts) > _MAX_LISTED else ""
    )


def _ends_as_zip(path: Path) -> bool:
    try:
        return zipfile.is_zipfile(path)
    except zipfile.BadZipFile:
        return False


def _add_embedding_copies(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    copies = {copy: state[_EMBEDDING] for copy in _EMBEDDING_COPIES if copy in own and _EMBEDDING in state}
    return copies | dict(state)


def _tied_parameters(module: nn.Module) -> dict[str, str]:
    """The names of parameters that also have an earlier name, with that name."""
    names: dict[int, str] = {}
    parameters = module.named_parameters(remove_duplicate=False)
    return {name: names[id(value)] for name, value in parameters if names.setdefault(id(value), name) != name}


def _is_equal(a: Tensor, b: Tensor) -> bool:
    """True if all numbers are equal. Tensors that share their memory are not compared."""
    is_same = a.data_ptr() == b.data_ptr() and a.dtype == b.dtype and a.stride() == b.stride()
    return is_same or torch.equal(a, b.to(a))


def _read_head(path: Path) -> bytes:
    """The first bytes of a file that may hold tensors. AtomError says what the file is instead."""
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise AtomError(f"can't read {path}: {error.strerror}; check the name") from error
    if not head:
        raise AtomError(f"can't read {path}: the file is empty; fetch it again")
    if head.startswith(_GIT_LFS):
        raise AtomError(f"can't read {path}: it is a Git LFS pointer to the true file; fetch that with `git lfs pull`")
    # A download that failed is often an HTML page with an error.
    if all(byte >= 32 or byte in b"\t\n\r" for byte in head):
        start = head[:30].decode(errors="replace").split("\n")[0]
        raise AtomError(f"can't read {path}: it is text ({start!r}...), not a file of tensors; fetch the true file")
    return head


def _shorten(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
