"""Inspects a file or folder of weights: its kind by its content, sizes, faults, and the command to use it with."""

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
from atom.generation.adapter_loading import CONFIG_FILE as ADAPTER_CONFIG
from atom.generation.adapter_loading import WEIGHTS_FILE as ADAPTER_WEIGHTS
from atom.generation.atom_policy import PREFIX, AtomPolicy, LoraShape
from atom.generation.checkpoint import HASHED_FILES, LANGUAGE_MODEL_WEIGHTS, VQVAE_WEIGHTS, build_models, read_config
from atom.generation.language_model import T5Shape, build_language_model
from atom.generation.motiongpt_checkpoint import MotionGPTWeights, infer_vqvae_config, output_layer_difference
from atom.generation.vqvae import VQVAE, VQVAEConfig
from atom.generation.weights import (
    drop_embedding_copies,
    find_damaged_member,
    find_mismatches,
    is_safetensors,
    read_safetensors,
    read_torch_content,
)

Kind = Literal["MotionGPT", "VQ-VAE", "AToM policy", "LoRA adapter", "checkpoint folder", "Guo evaluator", "unknown"]

_EVALUATOR_PARTS = ("movement_encoder", "text_encoder", "motion_encoder")


@dataclass
class Inspection:
    """What a file or folder of weights is.

    `parameters` counts the parameters by part of the model, `dtypes` the tensors by dtype, `by_products` the tensors
    that belong to no model. `head_difference` is the largest difference of T5's output layer and embedding, which must
    not be 0. `faults` lists everything that keeps the file from being used.
    """

    path: str
    kind: Kind = "unknown"
    vqvae: VQVAEConfig | None = None
    t5: T5Shape | None = None
    lora: LoraShape | None = None
    parameters: dict[str, int] = field(default_factory=dict)
    dtypes: dict[str, int] = field(default_factory=dict)
    by_products: dict[str, int] = field(default_factory=dict)
    head_difference: float | None = None
    source: dict[str, str] | None = None
    faults: list[str] = field(default_factory=list)
    next_step: str = ""


def inspect_checkpoint(path: Path) -> Inspection:
    """Inspects a file or folder of weights without running anything in it.

    Raises AtomError if it can't be read at all: missing, empty, text, cut off, or a pickle that could run code.
    """
    inspection = Inspection(str(path))
    if path.is_dir():
        _inspect_folder(path, inspection)
    else:
        if is_safetensors(path):
            content: Any = read_safetensors(path)
        else:
            content = read_torch_content(path)
            if member := find_damaged_member(path):
                inspection.faults.append(f"the part {member} of the file is damaged")
        _inspect_content(content, inspection)
    inspection.next_step = _next_step(inspection, shlex.quote(str(path)))
    return inspection


def _inspect_content(content: Any, inspection: Inspection) -> None:
    if isinstance(content, dict) and all(isinstance(content.get(part), Mapping) for part in _EVALUATOR_PARTS):
        inspection.kind = "Guo evaluator"
        for part in _EVALUATOR_PARTS:
            _count_parameters(inspection, part, _keep_tensors(content[part], inspection))
        return
    state = content.get("state_dict", content) if isinstance(content, dict) else content
    state = _keep_tensors(state, inspection) if isinstance(state, Mapping) else {}
    policy, parts = AtomPolicy.from_state_dict(state), MotionGPTWeights.from_state_dict(state)
    if policy.adapter or any(key.startswith(PREFIX) for key in state):
        _inspect_policy(policy, inspection)
    elif parts.language_model:
        inspection.kind = "MotionGPT"
        _inspect_vqvae(parts.vqvae, inspection)
        _inspect_language_model(parts.language_model, inspection)
    elif "quantizer.codebook" in parts.vqvae or "encoder.model.0.weight" in parts.vqvae:
        inspection.kind = "VQ-VAE"
        _inspect_vqvae(parts.vqvae, inspection)
    else:
        _count_parameters(inspection, "unknown", state)
        inspection.faults.append(
            f"unknown tensors: {', '.join(list(state)[:5])}" if state else "no named tensors in it"
        )
        return
    if inspection.kind != "AToM policy":
        inspection.by_products = dict(Counter(key.split(".")[0] for key in parts.by_products))
        inspection.faults += [f"unexpected {key}" for key in parts.unknown]


def _inspect_folder(path: Path, inspection: Inspection) -> None:
    if (path / ADAPTER_CONFIG).is_file() or (path / ADAPTER_WEIGHTS).is_file():
        inspection.kind = "LoRA adapter"
        _inspect_adapter(path, inspection)
    elif (path / VQVAE_WEIGHTS).is_file() or (path / LANGUAGE_MODEL_WEIGHTS).is_file():
        inspection.kind = "checkpoint folder"
        _inspect_checkpoint_folder(path, inspection)
    else:
        inspection.faults.append("it holds the files of neither a checkpoint nor an adapter")


def _inspect_checkpoint_folder(path: Path, inspection: Inspection) -> None:
    missing = [name for name in HASHED_FILES if not (path / name).is_file()]
    inspection.faults += [f"{name} is missing" for name in missing]
    vqvae, language_model = None, None
    try:
        config = read_config(path)
        inspection.source = config.get("source")
        vqvae, language_model = build_models(config, path)
    except AtomError as error:
        inspection.faults.append(str(error))
    for name, inspect, model in (
        (VQVAE_WEIGHTS, _inspect_vqvae, vqvae),
        (LANGUAGE_MODEL_WEIGHTS, _inspect_language_model, language_model),
    ):
        if name not in missing:
            try:
                inspect(read_safetensors(path / name), inspection, model)
            except AtomError as error:
                inspection.faults.append(str(error))


def _inspect_adapter(path: Path, inspection: Inspection) -> None:
    try:
        settings = json.loads((path / ADAPTER_CONFIG).read_text())
        rank, alpha = settings["r"], settings["lora_alpha"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        rank, alpha = None, None
        inspection.faults.append(f"{ADAPTER_CONFIG} is missing or lacks r and lora_alpha ({error})")
    try:
        state = read_safetensors(path / ADAPTER_WEIGHTS)
    except AtomError as error:
        inspection.faults.append(str(error))
        return
    _count_parameters(inspection, "LoRA", state)
    _inspect_lora(state, inspection, alpha)
    if rank is not None and inspection.lora and rank != inspection.lora.rank:
        inspection.faults.append(f"{ADAPTER_CONFIG} says rank {rank}, the weights have {inspection.lora.rank}")


def _inspect_policy(policy: AtomPolicy, inspection: Inspection) -> None:
    inspection.kind = "AToM policy"
    inspection.faults += [f"unexpected {key}" for key in policy.unknown]
    _inspect_language_model(policy.base, inspection)
    _count_parameters(inspection, "LoRA", policy.adapter)
    _inspect_lora(policy.adapter, inspection, None)


def _inspect_lora(state: Mapping[str, Tensor], inspection: Inspection, alpha: float | None) -> None:
    try:
        inspection.lora = LoraShape.from_state_dict(state, alpha)
        inspection.faults += inspection.lora.faults
    except AtomError as error:
        inspection.faults.append(str(error))


def _inspect_vqvae(state: Mapping[str, Tensor], inspection: Inspection, model: nn.Module | None = None) -> None:
    if not state:
        inspection.faults.append("no VQ-VAE in it (keys vae.*): give the file that has it with --vae")
        return
    _count_parameters(inspection, "VQ-VAE", state)
    try:
        inspection.vqvae = infer_vqvae_config(state)
        with torch.device("meta"):
            model = model or VQVAE(inspection.vqvae)
        _compare_with_model("VQ-VAE", state, model, inspection)
    except AtomError as error:
        inspection.faults.append(str(error))


def _inspect_language_model(
    state: Mapping[str, Tensor], inspection: Inspection, model: nn.Module | None = None
) -> None:
    _count_parameters(inspection, "language model", drop_embedding_copies(state))
    try:
        inspection.t5 = T5Shape.from_state_dict(state)
        with torch.device("meta"):
            model = model or build_language_model(inspection.t5.config())
        _compare_with_model("language model", state, model, inspection)
    except AtomError as error:
        inspection.faults.append(str(error))
    inspection.head_difference = output_layer_difference(state)
    if inspection.head_difference == 0:
        inspection.faults.append("lm_head equals the embedding, but MotionGPT's differ: fetch the original file")


def _compare_with_model(part: str, state: Mapping[str, Tensor], model: nn.Module, inspection: Inspection) -> None:
    inspection.faults += [f"{part}: {fault}" for fault in find_mismatches(state, model.state_dict())]
    inspection.faults += [
        f"{part}: {key} holds NaN or infinity" for key, value in state.items() if not _is_finite(value)
    ]


def _keep_tensors(table: Mapping[str, Any], inspection: Inspection) -> dict[str, Tensor]:
    """The tensors of the table. Everything else in it is a fault."""
    inspection.faults += [f"{key} is no tensor" for key, value in table.items() if not isinstance(value, Tensor)]
    return {str(key): value for key, value in table.items() if isinstance(value, Tensor)}


def _count_parameters(inspection: Inspection, part: str, state: Mapping[str, Tensor]) -> None:
    inspection.parameters[part] = sum(value.numel() for value in state.values())
    for value in state.values():
        name = str(value.dtype).removeprefix("torch.")
        inspection.dtypes[name] = inspection.dtypes.get(name, 0) + 1


def _is_finite(value: Tensor) -> bool:
    return not value.is_floating_point() or bool(torch.isfinite(value).all())


def _next_step(inspection: Inspection, path: str) -> str:
    """The command to use a valid file with, or what to do about an invalid one."""
    if inspection.kind == "MotionGPT":
        vae = "" if inspection.vqvae else " --vae VAE_FILE"
        command = f"atom checkpoint convert {path} DIR --t5 google/flan-t5-base --mean mean.npy --std std.npy{vae}"
        if not inspection.vqvae and inspection.faults and all("--vae" in fault for fault in inspection.faults):
            return command
    elif inspection.kind == "VQ-VAE":
        command = (
            f"atom checkpoint convert MOTIONGPT_FILE DIR --vae {path} --t5 google/flan-t5-base --mean mean.npy "
            "--std std.npy"
        )
    elif inspection.kind == "AToM policy":
        command = f"atom checkpoint convert {path} DIR --base CHECKPOINT_DIR"
    elif inspection.kind == "LoRA adapter":
        command = f"atom generate TEXT -o out.mp4 --checkpoint CHECKPOINT_DIR --adapter {path}"
    elif inspection.kind == "checkpoint folder":
        command = f"atom generate TEXT -o out.mp4 --checkpoint {path}"
    elif inspection.kind == "Guo evaluator":
        command = "none by itself: it is the evaluator of text-to-motion; give it wherever a command takes an evaluator"
    else:
        return (
            "none: give MotionGPT's .tar or .ckpt, a VQ-VAE, AToM's .pt, Guo's finest.tar, an adapter folder or a "
            "checkpoint folder"
        )
    return "none: its faults keep it from being used; fetch or make it again" if inspection.faults else command
