"""A LoRA adapter on disk, in peft's own format."""

from __future__ import annotations

import hashlib
import json
import warnings
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel, get_peft_model_state_dict

from atom.errors import AtomError
from atom.generation.weights import check_fit, read_safetensors

# peft asks transformers by a name that will go; users can do nothing about it.
warnings.filterwarnings("ignore", message="`is_gradient_checkpointing`", category=FutureWarning)

CONFIG, WEIGHTS, CARD = "adapter_config.json", "adapter_model.safetensors", "README.md"
ORIGIN = "atom.json"  # what the adapter was made from; peft does not know it, and adapters of elsewhere lack it

_TUNED_ON = "what the adapter was tuned on"


def load_adapter(model: torch.nn.Module, folder: Path, name: str = "default") -> PeftModel:
    """The model with the folder's adapter on, in eval mode. AtomError names each key that does not fit.

    A PeftModel keeps the adapters that it has, and the one that was on stays on; each needs a `name` of its own.
    """
    state = read_safetensors(_file(folder, WEIGHTS))
    _file(folder, CONFIG)
    try:
        if isinstance(model, PeftModel):
            model.load_adapter(str(folder), name)
            tuned = model
        else:
            tuned = PeftModel.from_pretrained(model, str(folder), name)
    except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:  # what peft raises, by what is wrong
        raise AtomError(f"can't load the adapter {folder}: {' '.join(str(error).split())[:200]}") from error
    # peft takes what fits and only warns about the rest.
    check_fit(state, adapter_weights(tuned, name), f"the adapter {folder}")
    return tuned.eval()


def adapter_weights(adapted: PeftModel, name: str = "default") -> dict[str, torch.Tensor]:
    """An adapter's tensors under the names of peft's files."""
    return get_peft_model_state_dict(adapted, adapter_name=name, save_embedding_layers=False)


def read_settings(folder: Path) -> dict[str, Any]:
    """peft's config of an adapter."""
    return _read(_file(folder, CONFIG), "how the adapter is built")


def read_origin(folder: Path) -> dict[str, Any]:
    """What the adapter says that it was made from; nothing for one of elsewhere."""
    return _read(folder / ORIGIN, _TUNED_ON) if (folder / ORIGIN).is_file() else {}


def check_base(folder: Path, base_weights: str) -> None:
    """AtomError when the adapter says that it was tuned on other weights than those with this hash."""
    if not (folder / ORIGIN).is_file():
        return
    if (tuned_on := read_origin(folder).get("base_weights")) is None:
        raise AtomError(f"{folder / ORIGIN} does not say {_TUNED_ON}: base_weights is missing")
    if base_weights and tuned_on and tuned_on != base_weights:
        raise AtomError(
            f"the adapter {folder} was tuned on a base with the hash {tuned_on[:12]}..., this one has "
            f"{base_weights[:12]}...: give the checkpoint that it belongs to, or take its {ORIGIN} away to use it so"
        )


def adapter_hash(folder: Path) -> str:
    """sha256 over the adapter's weights and settings; where its base model lay is none of them."""
    settings = read_settings(folder)
    settings.pop("base_model_name_or_path", None)
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    digest.update(_file(folder, WEIGHTS).read_bytes())
    return digest.hexdigest()


def _read(path: Path, what: str) -> dict[str, Any]:
    try:
        told = json.loads(path.read_text())
        if not isinstance(told, dict):
            raise ValueError(f"it holds a {type(told).__name__}")
    except (OSError, ValueError) as error:
        raise AtomError(f"{path} does not say {what} ({error}); restore it, or make the adapter again") from error
    return told


def _file(folder: Path, name: str) -> Path:
    if not (folder / name).is_file():
        raise AtomError(f"{folder} is no adapter: {name} is missing; give the folder that tuning wrote")
    return folder / name
