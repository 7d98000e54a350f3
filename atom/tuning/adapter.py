"""A LoRA adapter made for training, and its way to disk in peft's own format."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, TaskType, get_peft_model, set_peft_model_state_dict
from peft import __version__ as peft_version
from safetensors.torch import save_file
from torch import nn
from transformers import T5ForConditionalGeneration
from transformers.modeling_layers import GradientCheckpointingLayer

from atom.atomic_write import write_atomically
from atom.config import TuningConfig
from atom.errors import AtomError
from atom.generation.adapter import CARD, CONFIG, ORIGIN, WEIGHTS, adapter_weights
from atom.generation.weights import check_fit, read_safetensors

FILES = (CONFIG, WEIGHTS, CARD, ORIGIN)  # of an adapter


def add_adapter(
    model: T5ForConditionalGeneration, config: TuningConfig, seed: int, initial: Path | None = None
) -> PeftModel:
    """Puts a LoRA adapter into the model, which changes in place; `unload()` takes it out again.

    A fresh adapter does nothing yet: A is drawn from the seed, B is zero. `initial` is the folder of an adapter to go
    on from; AtomError says what in it doesn't fit the config. No dropout, so that training and reference agree.
    """
    lora = LoraConfig(
        task_type=TaskType.SEQ_2_SEQ_LM,
        r=config.r,
        lora_alpha=config.lora_alpha,
        lora_dropout=0.0,
        bias="none",
        target_modules="all-linear" if config.target_modules == "all-linear" else config.target_modules.split(","),
        use_rslora=config.use_rslora,
        use_dora=config.use_dora,
    )
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            adapted = get_peft_model(model, lora)
    except ValueError as error:
        names = sorted({name.rsplit(".")[-1] for name, layer in model.named_modules() if isinstance(layer, nn.Linear)})
        raise AtomError(
            f"LoRA can't change the layers {config.target_modules!r}: {error}; tuning.target_modules names some of {', '.join(names)}"
        ) from error
    if initial is not None:
        _copy_into(adapted, initial, config)
    return adapted.eval()


@contextmanager
def gradient_checkpointing(model: T5ForConditionalGeneration, wanted: bool) -> Iterator[None]:
    """Inside, the backward pass of a model in eval mode computes each layer's activations again instead of keeping
    them, if that is wanted. Layers think that they train, without which transformers does not; what is inside of them,
    dropout too, stays as it is."""
    if not wanted:
        yield
        return
    model.activation_checkpointing_enable({"use_reentrant": False})
    for layer in model.modules():
        if isinstance(layer, GradientCheckpointingLayer):
            layer.training = True
    try:
        yield
    finally:
        model.activation_checkpointing_disable()
        model.eval()


def save_adapter(adapted: PeftModel, folder: Path, base: str, summary: str, origin: Mapping[str, Any]) -> None:
    """Writes adapter_model.safetensors, README.md, atom.json and adapter_config.json, each whole or not at all, the
    config last.

    `base` is the name of the model that the adapter belongs to, never a place on this machine; `summary` goes into the
    model card. `origin` tells what the adapter was made from, with the hash of the base as `base_weights`, by which it
    is refused on another. The same weights give the same bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.contiguous().cpu() for name, value in adapter_weights(adapted).items()}
    write_atomically(folder / WEIGHTS, lambda path: save_file(weights, path, metadata={"format": "pt"}))
    card = f"---\nlibrary_name: peft\nbase_model: {base}\ntags: [lora, text-to-motion]\n---\n{summary}\n"
    write_atomically(folder / CARD, lambda path: path.write_text(card))
    told = json.dumps(origin, indent=2, sort_keys=True)
    write_atomically(folder / ORIGIN, lambda path: path.write_text(told + "\n"))
    settings = adapted.peft_config["default"].to_dict()
    settings |= {"base_model_name_or_path": base, "inference_mode": True, "peft_version": peft_version}
    text = json.dumps(settings, indent=2, sort_keys=True, default=sorted)  # only the sets need a default
    write_atomically(folder / CONFIG, lambda path: path.write_text(text + "\n"))


def _copy_into(adapted: PeftModel, folder: Path, config: TuningConfig) -> None:
    if not (folder / CONFIG).is_file() or not (folder / WEIGHTS).is_file():
        raise AtomError(f"{folder} is no adapter to go on from: {CONFIG} or {WEIGHTS} is missing")
    settings = json.loads((folder / CONFIG).read_text())
    if (settings["r"], settings["lora_alpha"]) != (config.r, config.lora_alpha):
        raise AtomError(
            f"the adapter {folder} has rank {settings['r']} and alpha {settings['lora_alpha']}; "
            f"tuning.r {config.r} and tuning.lora_alpha {config.lora_alpha} must be the same to go on from it"
        )
    state = read_safetensors(folder / WEIGHTS)
    check_fit(state, adapter_weights(adapted), f"the adapter {folder}")
    set_peft_model_state_dict(adapted, state)
