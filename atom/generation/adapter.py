"""A LoRA adapter on disk, in peft's own format."""

from __future__ import annotations

import hashlib
import json
import warnings
from pathlib import Path

import torch
from peft import PeftModel, get_peft_model_state_dict

from atom.errors import AtomError
from atom.generation.weights import check_fit, read_safetensors

# peft asks transformers by a name that will go; users can do nothing about it.
warnings.filterwarnings("ignore", message="`is_gradient_checkpointing`", category=FutureWarning)

CONFIG, WEIGHTS, CARD = "adapter_config.json", "adapter_model.safetensors", "README.md"
ORIGIN = "atom.json"  # what the adapter was made from; peft does not know it, and adapters of elsewhere lack it


def load_adapter(model: torch.nn.Module, folder: Path) -> PeftModel:
    """The model with the folder's adapter on, in eval mode. AtomError names each key that does not fit."""
    state = read_safetensors(_file(folder, WEIGHTS))
    _file(folder, CONFIG)
    try:
        tuned = PeftModel.from_pretrained(model, str(folder))
    except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:  # what peft raises, by what is wrong
        raise AtomError(f"can't load the adapter {folder}: {' '.join(str(error).split())[:200]}") from error
    # peft takes what fits and only warns about the rest.
    check_fit(state, get_peft_model_state_dict(tuned, save_embedding_layers=False), f"the adapter {folder}")
    return tuned.eval()


def check_base(folder: Path, base_weights: str) -> None:
    """AtomError when the adapter says that it was tuned on other weights than those with this hash."""
    if not (folder / ORIGIN).is_file():
        return
    try:
        tuned_on = json.loads((folder / ORIGIN).read_text())["base_weights"]
    except (ValueError, KeyError, TypeError) as error:
        raise AtomError(f"{folder / ORIGIN} does not say what the adapter was tuned on ({error!r})") from error
    if base_weights and tuned_on and tuned_on != base_weights:
        raise AtomError(
            f"the adapter {folder} was tuned on a base with the hash {tuned_on[:12]}..., this one has "
            f"{base_weights[:12]}...: give the checkpoint that it belongs to, or take its {ORIGIN} away to use it so"
        )


def adapter_hash(folder: Path) -> str:
    """sha256 over the adapter's weights and settings; where its base model lay is none of them."""
    settings = json.loads(_file(folder, CONFIG).read_text())
    settings.pop("base_model_name_or_path", None)
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    digest.update(_file(folder, WEIGHTS).read_bytes())
    return digest.hexdigest()


def _file(folder: Path, name: str) -> Path:
    if not (folder / name).is_file():
        raise AtomError(f"{folder} is no adapter: {name} is missing; give the folder that tuning wrote")
    return folder / name
