"""A generator on disk: a folder of safetensors, the tokenizer, the normalisation and one config file."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

from atom.errors import AtomError
from atom.generation.language_model import build_language_model, load_weights
from atom.generation.vqvae import VQVAE, VQVAEConfig

BUILTIN = Path(__file__).parent / "builtin"
_WEIGHTS = ("vqvae.safetensors", "language_model.safetensors", "normalisation.safetensors")


@dataclass
class Checkpoint:
    """Everything a generator is made of. `mean` and `std` (263,) normalise its features; `template` words a prompt."""

    vqvae: VQVAE
    language_model: T5ForConditionalGeneration
    tokenizer: PreTrainedTokenizerFast
    mean: np.ndarray
    std: np.ndarray
    template: str


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Writes the folder; language model and VQ-VAE as float16, which costs less than the rounding of one frame."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, model in (("vqvae", checkpoint.vqvae), ("language_model", checkpoint.language_model)):
        state = {key: value.half().contiguous().clone() for key, value in model.state_dict().items()}
        save_file(state, folder / f"{name}.safetensors")
    statistics = {"mean": torch.from_numpy(checkpoint.mean), "std": torch.from_numpy(checkpoint.std)}
    save_file(statistics, folder / "normalisation.safetensors")
    checkpoint.tokenizer.save_pretrained(folder / "tokenizer")
    config = {
        "template": checkpoint.template,
        "vqvae": asdict(checkpoint.vqvae.config),
        "language_model": checkpoint.language_model.config.to_diff_dict(),
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")


def load_checkpoint(name: str) -> Checkpoint:
    """The generator in a folder, or the one that ships with the package for 'builtin'. Weights become float32.

    Raises AtomError that names the missing file or the key that doesn't fit.
    """
    folder = _folder(name)
    config = json.loads((folder / "config.json").read_text())
    vqvae = VQVAE(VQVAEConfig(**config["vqvae"]))
    language_model = build_language_model(T5Config(**config["language_model"]))
    for file, model in (("vqvae.safetensors", vqvae), ("language_model.safetensors", language_model)):
        load_weights(model, {key: value.float() for key, value in _read(folder / file).items()}, str(folder / file))
    statistics = _read(folder / "normalisation.safetensors")
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder / "tokenizer")
    return Checkpoint(
        vqvae.eval(), language_model.eval(), tokenizer, statistics["mean"].numpy(), statistics["std"].numpy(),
        config["template"],
    )  # fmt: skip


def weights_hash(name: str) -> str:
    """sha256 over the files that decide what a generator makes."""
    folder = _folder(name)
    digest = hashlib.sha256()
    for file in (*_WEIGHTS, "config.json", "tokenizer/tokenizer.json"):
        digest.update(hashlib.sha256((folder / file).read_bytes()).digest())
    return digest.hexdigest()


def _folder(name: str) -> Path:
    folder = BUILTIN if name == "builtin" else Path(name)
    missing = [f for f in (*_WEIGHTS, "config.json", "tokenizer/tokenizer.json") if not (folder / f).is_file()]
    if missing:
        raise AtomError(
            f"{name!r} is no generator checkpoint: {', '.join(missing)} missing; make one: atom pretrain DIR"
        )
    return folder


def _read(path: Path) -> dict[str, torch.Tensor]:
    try:
        return load_file(path)
    except Exception as error:  # safetensors raises its own and the system's errors
        raise AtomError(f"can't read {path}: {error}; the file is damaged, fetch or make it again") from error
