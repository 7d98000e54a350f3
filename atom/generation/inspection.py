"""What a file or folder of weights is, told by its content: its kind, sizes, faults, and the command to use it with."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from atom.errors import AtomError
from atom.generation.adapter import CONFIG as ADAPTER_CONFIG
from atom.generation.adapter import WEIGHTS as ADAPTER_WEIGHTS
from atom.generation.atom_model import PREFIX, Lora, Policy
from atom.generation.checkpoint import DECISIVE, LANGUAGE_MODEL_WEIGHTS, VQVAE_WEIGHTS, build_models, read_config
from atom.generation.language_model import T5Shape, build_language_model
from atom.generation.motiongpt import Parts, output_difference, vqvae_sizes
from atom.generation.vqvae import VQVAE, VQVAEConfig
from atom.generation.weights import (
    damaged_member,
    differences,
    is_safetensors,
    read_safetensors,
    read_torch_content,
    without_copies,
)

Kind = Literal["MotionGPT", "VQ-VAE", "AToM policy", "LoRA adapter", "checkpoint folder", "Guo evaluator", "unknown"]

_EVALUATOR = ("movement_encoder", "text_encoder", "motion_encoder")


@dataclass
class Inspection:
    """What was found. `parameters` counts numbers by part of the model, `dtypes` tensors by type of number,
    `by_products` the tensors that belong to no model; `head_difference` is the largest difference of T5's output layer
    and embedding, which must not be 0; `faults` names all that keeps the file from being used."""

    path: str
    kind: Kind = "unknown"
    vqvae: VQVAEConfig | None = None
    t5: T5Shape | None = None
    lora: Lora | None = None
    parameters: dict[str, int] = field(default_factory=dict)
    dtypes: dict[str, int] = field(default_factory=dict)
    by_products: dict[str, int] = field(default_factory=dict)
    head_difference: float | None = None
    source: dict[str, str] | None = None
    faults: list[str] = field(default_factory=list)
    next_step: str = ""


def inspect_checkpoint(path: Path) -> Inspection:
    """Looks into a file or folder of weights without running anything in it.

    AtomError if it can't be read at all: missing, empty, text, cut off, or a pickle that could run code.
    """
    found = Inspection(str(path))
    if path.is_dir():
        _folder(path, found)
    else:
        if is_safetensors(path):
            content: Any = read_safetensors(path)
        else:
            content = read_torch_content(path)
            if member := damaged_member(path):
                found.faults.append(f"the part {member} of the file is damaged")
        _file(content, found)
    found.next_step = _next_step(found, shlex.quote(str(path)))
    return found


def _file(content: Any, found: Inspection) -> None:
    if isinstance(content, dict) and all(isinstance(content.get(part), Mapping) for part in _EVALUATOR):
        found.kind = "Guo evaluator"
        for part in _EVALUATOR:
            _count(found, part, _tensors(content[part], found))
        return
    state = content.get("state_dict", content) if isinstance(content, dict) else content
    state = _tensors(state, found) if isinstance(state, Mapping) else {}
    policy, parts = Policy.of_state(state), Parts.of_state(state)
    if policy.adapter or any(key.startswith(PREFIX) for key in state):
        _policy(policy, found)
    elif parts.language_model:
        found.kind = "MotionGPT"
        _vqvae(parts.vqvae, found)
        _language_model(parts.language_model, found)
    elif "quantizer.codebook" in parts.vqvae or "encoder.model.0.weight" in parts.vqvae:
        found.kind = "VQ-VAE"
        _vqvae(parts.vqvae, found)
    else:
        _count(found, "unknown", state)
        found.faults.append(f"nothing known: {', '.join(list(state)[:5])}" if state else "no named tensors in it")
        return
    if found.kind != "AToM policy":
        found.by_products = dict(Counter(key.split(".")[0] for key in parts.by_products))
        found.faults += [f"unexpected {key}" for key in parts.strange]


def _folder(path: Path, found: Inspection) -> None:
    if (path / ADAPTER_CONFIG).is_file() or (path / ADAPTER_WEIGHTS).is_file():
        found.kind = "LoRA adapter"
        _adapter(path, found)
    elif (path / VQVAE_WEIGHTS).is_file() or (path / LANGUAGE_MODEL_WEIGHTS).is_file():
        found.kind = "checkpoint folder"
        _checkpoint(path, found)
    else:
        found.faults.append("neither a checkpoint's files in it nor an adapter's")


def _checkpoint(path: Path, found: Inspection) -> None:
    missing = [name for name in DECISIVE if not (path / name).is_file()]
    found.faults += [f"{name} is missing" for name in missing]
    vqvae, language_model = None, None
    try:
        config = read_config(path)
        found.source = config.get("source")
        vqvae, language_model = build_models(config, path)
    except AtomError as error:
        found.faults.append(str(error))
    for name, report, model in (
        (VQVAE_WEIGHTS, _vqvae, vqvae),
        (LANGUAGE_MODEL_WEIGHTS, _language_model, language_model),
    ):
        if name not in missing:
            try:
                report(read_safetensors(path / name), found, model)
            except AtomError as error:
                found.faults.append(str(error))


def _adapter(path: Path, found: Inspection) -> None:
    try:
        settings = json.loads((path / ADAPTER_CONFIG).read_text())
        rank, alpha = settings["r"], settings["lora_alpha"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        rank, alpha = None, None
        found.faults.append(f"{ADAPTER_CONFIG} is missing or tells no r and lora_alpha ({error})")
    try:
        state = read_safetensors(path / ADAPTER_WEIGHTS)
    except AtomError as error:
        found.faults.append(str(error))
        return
    _count(found, "LoRA", state)
    _lora(state, found, alpha)
    if rank is not None and found.lora and rank != found.lora.rank:
        found.faults.append(f"{ADAPTER_CONFIG} says rank {rank}, the weights have {found.lora.rank}")


def _policy(policy: Policy, found: Inspection) -> None:
    found.kind = "AToM policy"
    found.faults += [f"unexpected {key}" for key in policy.strange]
    _language_model(policy.base, found)
    _count(found, "LoRA", policy.adapter)
    _lora(policy.adapter, found, None)


def _lora(state: Mapping[str, Tensor], found: Inspection, alpha: float | None) -> None:
    try:
        found.lora = Lora.of_state(state, alpha)
        found.faults += found.lora.faults
    except AtomError as error:
        found.faults.append(str(error))


def _vqvae(state: Mapping[str, Tensor], found: Inspection, model: nn.Module | None = None) -> None:
    if not state:
        found.faults.append("no VQ-VAE in it (keys vae.*): another file has it, to be given with --vae")
        return
    _count(found, "VQ-VAE", state)
    try:
        found.vqvae = vqvae_sizes(state)
        with torch.device("meta"):
            model = model or VQVAE(found.vqvae)
        _compare("VQ-VAE", state, model, found)
    except AtomError as error:
        found.faults.append(str(error))


def _language_model(state: Mapping[str, Tensor], found: Inspection, model: nn.Module | None = None) -> None:
    _count(found, "language model", without_copies(state))
    try:
        found.t5 = T5Shape.of_state(state)
        with torch.device("meta"):
            model = model or build_language_model(found.t5.config())
        _compare("language model", state, model, found)
    except AtomError as error:
        found.faults.append(str(error))
    found.head_difference = output_difference(state)
    if found.head_difference == 0:
        found.faults.append("lm_head equals the embedding, but MotionGPT's differ: fetch the original file")


def _compare(part: str, state: Mapping[str, Tensor], model: nn.Module, found: Inspection) -> None:
    found.faults += [f"{part}: {fault}" for fault in differences(state, model.state_dict())]
    found.faults += [f"{part}: {key} holds NaN or infinity" for key, value in state.items() if not _finite(value)]


def _tensors(table: Mapping[str, Any], found: Inspection) -> dict[str, Tensor]:
    """The table's tensors; whatever else is in it is a fault."""
    found.faults += [f"{key} is no tensor" for key, value in table.items() if not isinstance(value, Tensor)]
    return {str(key): value for key, value in table.items() if isinstance(value, Tensor)}


def _count(found: Inspection, part: str, state: Mapping[str, Tensor]) -> None:
    found.parameters[part] = sum(value.numel() for value in state.values())
    for value in state.values():
        name = str(value.dtype).removeprefix("torch.")
        found.dtypes[name] = found.dtypes.get(name, 0) + 1


def _finite(value: Tensor) -> bool:
    return not value.is_floating_point() or bool(torch.isfinite(value).all())


def _next_step(found: Inspection, path: str) -> str:
    """The command for a sound file, or what to do about one that is not."""
    if found.kind == "MotionGPT":
        vae = "" if found.vqvae else " --vae VAE_FILE"
        command = f"atom checkpoint convert {path} DIR --t5 google/flan-t5-base --mean mean.npy --std std.npy{vae}"
        if not found.vqvae and found.faults and all("--vae" in fault for fault in found.faults):
            return command
    elif found.kind == "VQ-VAE":
        command = (
            f"atom checkpoint convert MOTIONGPT_FILE DIR --vae {path} --t5 google/flan-t5-base --mean mean.npy "
            "--std std.npy"
        )
    elif found.kind == "AToM policy":
        command = f"atom checkpoint convert {path} DIR --base CHECKPOINT_DIR"
    elif found.kind == "LoRA adapter":
        command = f"atom generate TEXT -o out.mp4 --checkpoint CHECKPOINT_DIR --adapter {path}"
    elif found.kind == "checkpoint folder":
        command = f"atom generate TEXT -o out.mp4 --checkpoint {path}"
    elif found.kind == "Guo evaluator":
        command = "none by itself: its networks measure text-to-motion; give the file where an evaluator is asked for"
    else:
        return (
            "none: give MotionGPT's .tar or .ckpt, a VQ-VAE, AToM's .pt, Guo's finest.tar, an adapter folder or a "
            "checkpoint folder"
        )
    return "none: fetch or make it again, for the faults keep it from being used" if found.faults else command
