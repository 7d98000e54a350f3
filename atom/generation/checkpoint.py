"""A generator on disk: a folder of safetensors, the tokenizer, the normalisation and one config file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

from atom.errors import AtomError
from atom.generation.language_model import build_language_model
from atom.generation.vqvae import VQVAE, VQVAEConfig
from atom.generation.weights import load_weights, read_safetensors, without_copies

BUILTIN = Path(__file__).parent / "builtin"

_CONFIG, _TOKENIZER = "config.json", "tokenizer"
_VQVAE, _LANGUAGE_MODEL, _STATISTICS = "vqvae.safetensors", "language_model.safetensors", "normalisation.safetensors"
_DECISIVE = (_VQVAE, _LANGUAGE_MODEL, _STATISTICS, _CONFIG, f"{_TOKENIZER}/tokenizer.json")
_LARGEST_HALF = torch.finfo(torch.float16).max


@dataclass
class Checkpoint:
    """Everything a generator is made of. `mean` and `std` (263,) float32 normalise its features; `template` is how a
    prompt is worded for it, "{}" standing for the text, in tuning, generation and evaluation alike."""

    vqvae: VQVAE
    language_model: T5ForConditionalGeneration
    tokenizer: PreTrainedTokenizerFast
    mean: np.ndarray
    std: np.ndarray
    template: str

    def __post_init__(self) -> None:
        features = self.vqvae.config.features
        for name, value in (("mean", self.mean), ("std", self.std)):
            if value.shape != (features,):
                raise AtomError(f"the normalisation's {name} is {value.shape}, not ({features},) as the VQ-VAE needs")
        if self.template.count("{}") != 1:
            raise AtomError(f"the prompt template {self.template!r} must hold '{{}}' once, where the text goes")


def save_checkpoint(folder: Path, checkpoint: Checkpoint, half: bool = True) -> None:
    """Writes the folder. `half` stores the weights as float16, which halves the files and moves a joint by less than
    a millimetre; AtomError for weights too large for it."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, module in ((_VQVAE, checkpoint.vqvae), (_LANGUAGE_MODEL, checkpoint.language_model)):
        save_file(_stored(module.state_dict(), half), folder / file)
    statistics = {"mean": torch.from_numpy(checkpoint.mean), "std": torch.from_numpy(checkpoint.std)}
    save_file({key: value.float() for key, value in statistics.items()}, folder / _STATISTICS)
    checkpoint.tokenizer.save_pretrained(folder / _TOKENIZER)
    config = {
        "template": checkpoint.template,
        "vqvae": asdict(checkpoint.vqvae.config),
        "language_model": checkpoint.language_model.config.to_diff_dict(),
    }
    (folder / _CONFIG).write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")


def load_checkpoint(name: str) -> Checkpoint:
    """The generator in a folder, or the one that ships with the package for 'builtin'. Weights become float32.

    Raises AtomError that names the missing file, the damaged one or every key that doesn't fit.
    """
    folder = _folder(name)
    config = _read_config(folder / _CONFIG)
    vqvae = VQVAE(VQVAEConfig(**config["vqvae"]))
    language_model = build_language_model(T5Config(**config["language_model"]))
    for file, module in ((_VQVAE, vqvae), (_LANGUAGE_MODEL, language_model)):
        state = {key: value.float() for key, value in read_safetensors(folder / file).items()}
        load_weights(module, state, str(folder / file))
    statistics = read_safetensors(folder / _STATISTICS)
    if missing := {"mean", "std"} - statistics.keys():
        raise AtomError(f"{folder / _STATISTICS} has no {' and no '.join(sorted(missing))}")
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder / _TOKENIZER)
    return Checkpoint(
        vqvae.eval(),
        language_model.eval(),
        tokenizer,
        statistics["mean"].numpy(),
        statistics["std"].numpy(),
        config["template"],
    )


def weights_hash(name: str) -> str:
    """sha256 over the files that decide what a generator makes."""
    folder = _folder(name)
    digest = hashlib.sha256()
    for file in _DECISIVE:
        digest.update(hashlib.sha256((folder / file).read_bytes()).digest())
    return digest.hexdigest()


def _stored(state: Mapping[str, Tensor], half: bool) -> dict[str, Tensor]:
    stored = {}
    for key, value in without_copies(state).items():
        if half and value.abs().max() > _LARGEST_HALF:
            raise AtomError(f"{key} holds values too large for float16: save it with half=False")
        stored[key] = (value.half() if half else value).cpu().contiguous()
    return stored


def _folder(name: str) -> Path:
    folder = BUILTIN if name == "builtin" else Path(name)
    missing = [file for file in _DECISIVE if not (folder / file).is_file()]
    if missing:
        raise AtomError(
            f"{name!r} is no generator checkpoint: {', '.join(missing)} missing; make one: atom pretrain DIR"
        )
    return folder


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text())
    except ValueError as error:
        raise AtomError(f"{path} is no JSON: {error}; restore it or make the checkpoint again") from error
    if not isinstance(config, dict) or (missing := {"template", "vqvae", "language_model"} - config.keys()):
        raise AtomError(f"{path} is no checkpoint's config: {', '.join(sorted(missing))} missing")
    return config
