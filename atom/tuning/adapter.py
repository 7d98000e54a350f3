"""A LoRA adapter for training: adding it to a model, and saving it in peft's format."""

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
from atom.generation.adapter_loading import (
    CARD_FILE,
    CONFIG_FILE,
    PROVENANCE_FILE,
    WEIGHTS_FILE,
    get_adapter_state_dict,
)
from atom.generation.generator import Generator
from atom.generation.loading_example import LOADING_EXAMPLE, LOADING_TEXT
from atom.generation.weights import check_fit, read_safetensors

FILES = (CONFIG_FILE, WEIGHTS_FILE, CARD_FILE, PROVENANCE_FILE)  # of an adapter folder


def add_adapter(
    model: T5ForConditionalGeneration, config: TuningConfig, seed: int, init_adapter: Path | None = None
) -> PeftModel:
    """Adds a LoRA adapter to a model. It has no dropout, so that policy and reference model agree at the start.

    Args:
        model: changed in place; `unload()` of the result removes the adapter.
        config: its fields of LoRA.
        seed: of the initial matrices A. The matrices B are zero, so a new adapter changes nothing.
        init_adapter: folder of an adapter to start from.

    Returns:
        The PEFT model in eval mode, with a trainable adapter.

    Raises:
        AtomError: no layer has one of the names in `target_modules`, or `init_adapter` does not fit the config.
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
            f"LoRA can't change the layers {config.target_modules!r}: {error}; set tuning.target_modules to some of "
            f"{', '.join(names)}"
        ) from error
    if init_adapter is not None:
        _load_into(adapted, init_adapter, config)
    return adapted.eval()


@contextmanager
def trainable_adapter(
    generator: Generator, config: TuningConfig, seed: int, init_adapter: Path | None = None
) -> Iterator[PeftModel]:
    """A context in which a generator has a trainable adapter. Afterwards the generator is as it was.

    Args:
        generator: its language model gets the adapter.
        config: the fields of LoRA.
        seed: of the initial matrices A.
        init_adapter: folder of an adapter to start from.

    Yields:
        The generator's language model with the adapter.

    Raises:
        AtomError: the generator already has an adapter, or `add_adapter` refuses the config.
    """
    # The reference model is the base with this adapter off, so there must be no other.
    if isinstance(generator.language_model, PeftModel):
        raise AtomError("the generator already has an adapter; load it without one and give it as init_adapter")
    generator.language_model = adapted = add_adapter(generator.language_model, config, seed, init_adapter)
    try:
        yield adapted
    finally:
        generator.language_model = adapted.unload()


@contextmanager
def gradient_checkpointing(model: T5ForConditionalGeneration, enabled: bool) -> Iterator[None]:
    """A context in which the backward pass recomputes each layer's activations instead of storing them.

    Args:
        model: in eval mode.
        enabled: False changes nothing.
    """
    if not enabled:
        yield
        return
    model.activation_checkpointing_enable({"use_reentrant": False})
    # transformers recomputes only layers in training mode. This sets the flag of the layers themselves and not of their
    # submodules, so dropout stays off.
    for layer in model.modules():
        if isinstance(layer, GradientCheckpointingLayer):
            layer.training = True
    try:
        yield
    finally:
        model.activation_checkpointing_disable()
        model.eval()


def save_adapter(adapted: PeftModel, folder: Path, base: str, summary: str, provenance: Mapping[str, Any]) -> None:
    """Saves an adapter: adapter_model.safetensors, README.md, atom.json and, last, adapter_config.json.

    Each file is written atomically, and the same weights give the same bytes.

    Args:
        adapted: the PEFT model.
        folder: where the files go; created if needed.
        base: the name of the base model, never a path of this machine.
        summary: the text of the model card.
        provenance: what the adapter was made from, JSON-able. Its `base_weights` is the hash of the base model; loading
            on another base is refused.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.contiguous().cpu() for name, value in get_adapter_state_dict(adapted).items()}
    write_atomically(folder / WEIGHTS_FILE, lambda path: save_file(weights, path, metadata={"format": "pt"}))
    header = f"---\nlibrary_name: peft\nbase_model: {base}\ntags: [lora, text-to-motion]\n---\n"
    card = f"{header}{summary}\n\n{LOADING_TEXT}\n\n```python\n{LOADING_EXAMPLE}```\n"
    write_atomically(folder / CARD_FILE, lambda path: path.write_text(card))
    provenance_text = json.dumps(provenance, indent=2, sort_keys=True)
    write_atomically(folder / PROVENANCE_FILE, lambda path: path.write_text(provenance_text + "\n"))
    settings = adapted.peft_config["default"].to_dict()
    settings |= {"base_model_name_or_path": base, "inference_mode": True, "peft_version": peft_version}
    text = json.dumps(settings, indent=2, sort_keys=True, default=sorted)  # only sets need the default
    write_atomically(folder / CONFIG_FILE, lambda path: path.write_text(text + "\n"))


def _load_into(adapted: PeftModel, folder: Path, config: TuningConfig) -> None:
    if not (folder / CONFIG_FILE).is_file() or not (folder / WEIGHTS_FILE).is_file():
        raise AtomError(f"{folder} is no adapter to start from: {CONFIG_FILE} or {WEIGHTS_FILE} is missing")
    settings = json.loads((folder / CONFIG_FILE).read_text())
    if (settings["r"], settings["lora_alpha"]) != (config.r, config.lora_alpha):
        raise AtomError(
            f"the adapter {folder} has rank {settings['r']} and alpha {settings['lora_alpha']}; "
            f"tuning.r {config.r} and tuning.lora_alpha {config.lora_alpha} must be the same to start from it"
        )
    state = read_safetensors(folder / WEIGHTS_FILE)
    check_fit(state, get_adapter_state_dict(adapted), f"the adapter {folder}")
    set_peft_model_state_dict(adapted, state)
