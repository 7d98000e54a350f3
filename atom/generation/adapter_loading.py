"""LoRA adapters on disk, in peft's own format: loading one onto a base, and what its folder says of it."""

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

# peft uses a name that transformers deprecates; users can do nothing about the warning.
warnings.filterwarnings("ignore", message="`is_gradient_checkpointing`", category=FutureWarning)

CONFIG_FILE, WEIGHTS_FILE, CARD_FILE = "adapter_config.json", "adapter_model.safetensors", "README.md"
PROVENANCE_FILE = "atom.json"  # what the adapter was tuned on and how; only adapters of this project have one

_TUNED_ON = "what the adapter was tuned on"


def load_adapter(model: torch.nn.Module, folder: Path, name: str = "default") -> PeftModel:
    """Loads an adapter onto a model, in eval mode.

    Args:
        model: the base. A PeftModel keeps the adapters that it has, and the active one stays active.
        folder: the adapter's folder.
        name: the adapter's name in the PeftModel, one that no other adapter of it has.

    Returns:
        The model with the adapter; `model` itself if it is a PeftModel.

    Raises:
        AtomError: for a folder that is no adapter, and with each key of its weights that does not fit the model.
    """
    state = read_safetensors(_require_file(folder, WEIGHTS_FILE))
    _require_file(folder, CONFIG_FILE)
    try:
        if isinstance(model, PeftModel):
            model.load_adapter(str(folder), name)
            tuned = model
        else:
            tuned = PeftModel.from_pretrained(model, str(folder), name)
    except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:  # peft raises each of these
        raise AtomError(f"can't load the adapter {folder}: {' '.join(str(error).split())[:200]}") from error
    # peft loads the tensors that fit and only warns about the others.
    check_fit(state, get_adapter_state_dict(tuned, name), f"the adapter {folder}")
    return tuned.eval()


def get_adapter_state_dict(adapted: PeftModel, name: str = "default") -> dict[str, torch.Tensor]:
    """The tensors of an adapter under their names in peft's files.

    Args:
        adapted: the model with the adapter.
        name: the adapter's name in the model.

    Returns:
        The LoRA tensors by name.
    """
    return get_peft_model_state_dict(adapted, adapter_name=name, save_embedding_layers=False)


def read_adapter_config(folder: Path) -> dict[str, Any]:
    """The config of an adapter, as peft writes it."""
    return _read_json(_require_file(folder, CONFIG_FILE), "how the adapter is built")


def read_provenance(folder: Path) -> dict[str, Any]:
    """What an adapter was tuned on and how; empty for an adapter of another program."""
    return _read_json(folder / PROVENANCE_FILE, _TUNED_ON) if (folder / PROVENANCE_FILE).is_file() else {}


def check_adapter_base(folder: Path, base_weights: str) -> None:
    """Checks that an adapter belongs to a base. An adapter of another program always passes.

    Args:
        folder: the adapter's folder.
        base_weights: the hash of the base's weights; empty if it is not known.

    Raises:
        AtomError: if the adapter was tuned on weights with another hash.
    """
    if not (folder / PROVENANCE_FILE).is_file():
        return
    if (tuned_on := read_provenance(folder).get("base_weights")) is None:
        raise AtomError(f"{folder / PROVENANCE_FILE} does not say {_TUNED_ON}: base_weights is missing")
    # The hash is empty where a generator was built from objects, not from a checkpoint.
    if base_weights and tuned_on and tuned_on != base_weights:
        raise AtomError(
            f"the adapter {folder} was tuned on a base with the hash {tuned_on[:12]}..., this one has "
            f"{base_weights[:12]}...: give the right checkpoint, or remove {PROVENANCE_FILE} to use it anyway"
        )


def hash_adapter(folder: Path) -> str:
    """sha256 over the adapter's weights and config, without the place of its base model."""
    config = read_adapter_config(folder)
    # A name of the base, not a part of the adapter: a moved checkpoint must not change the hash.
    config.pop("base_model_name_or_path", None)
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    digest.update(_require_file(folder, WEIGHTS_FILE).read_bytes())
    return digest.hexdigest()


def _read_json(path: Path, content: str) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text())
        if not isinstance(value, dict):
            raise ValueError(f"it holds a {type(value).__name__}")
    except (OSError, ValueError) as error:
        raise AtomError(f"{path} does not say {content} ({error}); restore it, or make the adapter again") from error
    return value


def _require_file(folder: Path, name: str) -> Path:
    if not (folder / name).is_file():
        raise AtomError(f"{folder} is no adapter: {name} is missing; give the folder that tuning wrote")
    return folder / name
