"""A generator's checkpoint folder: the weights as safetensors, the tokenizer, the normalisation and one config file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

from atom.atomic_write import write_atomically
from atom.errors import AtomError
from atom.generation.language_model import build_language_model
from atom.generation.vqvae import VQVAE, VQVAEConfig
from atom.generation.weights import drop_embedding_copies, load_weights, read_safetensors

BUILTIN = Path(__file__).parent / "builtin"
# The instruction that MotionGPT was trained with, and the bare caption.
PROMPT_TEMPLATES = {"motiongpt": "Generate motion: {}", "caption": "{}"}

_TOKENIZER = "tokenizer"
_CONFIG, VQVAE_WEIGHTS, LANGUAGE_MODEL_WEIGHTS = "config.json", "vqvae.safetensors", "language_model.safetensors"
_STATISTICS = "normalisation.safetensors"
HASHED_FILES = (VQVAE_WEIGHTS, LANGUAGE_MODEL_WEIGHTS, _STATISTICS, _CONFIG, f"{_TOKENIZER}/tokenizer.json")
_FLOAT16_MAX = torch.finfo(torch.float16).max


@dataclass
class Checkpoint:
    """Everything that a generator consists of.

    Attributes:
        vqvae: encodes features into codes, and decodes them.
        language_model: the T5 that answers a prompt with motion tokens.
        tokenizer: of the language model.
        mean: (263,) float32, subtracted from the features.
        std: (263,) float32, by which they are divided then.
        template: the prompt template, with "{}" for the text, in tuning, generation and evaluation alike.
        source: what the checkpoint was converted from, if it was.
    """

    vqvae: VQVAE
    language_model: T5ForConditionalGeneration
    tokenizer: PreTrainedTokenizerFast
    mean: np.ndarray
    std: np.ndarray
    template: str
    source: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        features = self.vqvae.config.features
        for name, value in (("mean", self.mean), ("std", self.std)):
            if value.shape != (features,):
                raise AtomError(f"the normalisation's {name} is {value.shape}, not ({features},) as the VQ-VAE needs")
        resolve_template(self.template)


def resolve_template(name_or_text: str) -> str:
    """The prompt template of a name in `PROMPT_TEMPLATES`, or the text itself. AtomError unless it holds "{}" once."""
    template = PROMPT_TEMPLATES.get(name_or_text, name_or_text)
    if template.count("{}") != 1 or "{" in template.replace("{}", "") or "}" in template.replace("{}", ""):
        raise AtomError(
            f"the prompt template {name_or_text!r} must hold '{{}}' once, where the text goes, and no other brace; or "
            f"be one of {', '.join(PROMPT_TEMPLATES)}"
        )
    return template


def save_checkpoint(folder: Path, checkpoint: Checkpoint, half: bool = True) -> None:
    """Writes a checkpoint folder, each file whole or not at all.

    Args:
        folder: the folder to write; files of an older checkpoint in it are replaced.
        checkpoint: what to write.
        half: store the weights as float16, which halves the files and moves a joint by less than a millimetre.

    Raises:
        AtomError: if a weight is too large for float16.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for file, module in ((VQVAE_WEIGHTS, checkpoint.vqvae), (LANGUAGE_MODEL_WEIGHTS, checkpoint.language_model)):
        _save_tensors(folder / file, {key: _to_stored(key, value, half) for key, value in _state_dict(module).items()})
    statistics = {"mean": torch.from_numpy(checkpoint.mean), "std": torch.from_numpy(checkpoint.std)}
    _save_tensors(folder / _STATISTICS, {key: value.float() for key, value in statistics.items()})
    checkpoint.tokenizer.save_pretrained(folder / _TOKENIZER)
    config: dict[str, Any] = {
        "template": checkpoint.template,
        "vqvae": asdict(checkpoint.vqvae.config),
        "language_model": checkpoint.language_model.config.to_diff_dict(),
    }
    if checkpoint.source is not None:
        config["source"] = dict(checkpoint.source)
    text = json.dumps(config, indent=1, sort_keys=True) + "\n"
    write_atomically(folder / _CONFIG, lambda path: path.write_text(text))


def load_checkpoint(name: str) -> Checkpoint:
    """Loads a checkpoint. Weights become float32; those that are so in the file are mapped from it, not copied.

    Args:
        name: a checkpoint folder, or 'builtin' for the one that ships with the package.

    Returns:
        The checkpoint, its networks in eval mode.

    Raises:
        AtomError: names the missing or damaged file, or every key that does not fit.
    """
    folder = _find_folder(name)
    config = read_config(folder)
    vqvae, language_model = build_models(config, folder)
    for file, module in ((VQVAE_WEIGHTS, vqvae), (LANGUAGE_MODEL_WEIGHTS, language_model)):
        load_weights(module, read_safetensors(folder / file), str(folder / file))
    statistics = _read_statistics(folder)
    return Checkpoint(
        vqvae.eval(),
        language_model.eval(),
        _read_tokenizer(folder),
        *statistics,
        config["template"],
        config.get("source"),
    )


def hash_weights(name: str) -> str:
    """sha256 over the files that decide what a generator generates. A process reads each once, unless it changes."""
    folder = _find_folder(name)
    digest = hashlib.sha256()
    for file in HASHED_FILES:
        path = (folder / file).resolve()
        status = path.stat()
        # Size, time and inode tell a changed file, so that an unchanged one is hashed once in a process.
        digest.update(_cached_file_hash(path, status.st_size, status.st_mtime_ns, status.st_ino))
    return digest.hexdigest()


def read_codebook_size(name: str) -> int:
    """The number of codes in a checkpoint's codebook."""
    return int(read_config(_find_folder(name))["vqvae"]["codes"])


def read_config(folder: Path) -> dict[str, Any]:
    """Reads a checkpoint folder's config.json: template, sizes of both networks, and the source of a converted one."""
    path = folder / _CONFIG
    try:
        config = json.loads(path.read_text())
    except OSError as error:
        raise AtomError(f"can't read {path}: {error.strerror}; restore it or make the checkpoint again") from error
    except ValueError as error:
        raise AtomError(f"{path} is not JSON: {error}; restore it or make the checkpoint again") from error
    if missing := {"template", "vqvae", "language_model"} - (config.keys() if isinstance(config, dict) else set()):
        raise AtomError(f"{path} is no checkpoint's config: {', '.join(sorted(missing))} missing")
    return config


def build_models(config: Mapping[str, Any], folder: Path) -> tuple[VQVAE, T5ForConditionalGeneration]:
    """Builds the two networks of a checkpoint on torch's meta device, without memory for their weights.

    Args:
        config: the content of the checkpoint's config.json.
        folder: the checkpoint's folder, for messages.

    Returns:
        The VQ-VAE and the language model.

    Raises:
        AtomError: if the config describes no model.
    """
    try:
        # No memory and no random initial weights: `load_weights` gives every tensor.
        with torch.device("meta"):
            vqvae = VQVAE(VQVAEConfig(**config["vqvae"]))
            return vqvae, build_language_model(T5Config(**config["language_model"]))
    except Exception as error:  # transformers checks a config in many ways
        reason = " ".join(str(error).split())[:200]
        raise AtomError(f"{folder / _CONFIG} describes no model: {reason}; restore it or make it again") from error


def _to_stored(key: str, value: Tensor, half: bool) -> Tensor:
    """A weight as it is in the file. AtomError if it is too large for float16."""
    if half and value.abs().max() > _FLOAT16_MAX:
        raise AtomError(f"{key} holds values too large for float16: save it with half=False")
    return (value.half() if half else value).cpu().contiguous()


def find_write_errors(folder: Path, checkpoint: Checkpoint, half: bool) -> list[str]:
    """Reads a checkpoint folder back and compares it with what was written.

    Args:
        folder: the folder.
        checkpoint: what was written to it.
        half: whether the weights were written as float16.

    Returns:
        The names of everything that differs; empty if the folder is right.
    """
    wrong = []
    for file, module in ((VQVAE_WEIGHTS, checkpoint.vqvae), (LANGUAGE_MODEL_WEIGHTS, checkpoint.language_model)):
        written, expected = read_safetensors(folder / file), _state_dict(module)
        wrong += sorted(written.keys() ^ expected.keys())
        wrong += [
            key
            for key in sorted(written.keys() & expected.keys())
            if not torch.equal(written[key], _to_stored(key, expected[key], half))
        ]
    mean, std = _read_statistics(folder)
    if not (np.array_equal(mean, checkpoint.mean) and np.array_equal(std, checkpoint.std)):
        wrong.append("the normalisation")
    tokenizer, expected = _read_tokenizer(folder), checkpoint.tokenizer
    # With apostrophe, digits, punctuation and motion tokens, at which tokenizers differ.
    probes = [*PROMPT_TEMPLATES.values(), "A man's 2nd jump, then; waves <motion_id_0><motion_id_1>"]
    if tokenizer.get_vocab() != expected.get_vocab() or tokenizer(probes).input_ids != expected(probes).input_ids:
        wrong.append("the tokenizer")
    return wrong


def _read_statistics(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    statistics = read_safetensors(folder / _STATISTICS)
    if missing := {"mean", "std"} - statistics.keys():
        raise AtomError(f"{folder / _STATISTICS} has no {' and no '.join(sorted(missing))}")
    return statistics["mean"].numpy(), statistics["std"].numpy()


def _read_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    try:
        return PreTrainedTokenizerFast.from_pretrained(folder / _TOKENIZER)
    except Exception as error:  # the tokenizers library raises bare exceptions
        reason = " ".join(str(error).split())[:200]
        raise AtomError(f"can't read the tokenizer in {folder / _TOKENIZER}: {reason}; restore it") from error


@cache
def _cached_file_hash(path: Path, size: int, mtime_ns: int, inode: int) -> bytes:
    """The hash of a file. Size, time and inode are there for the cache alone: they change when the file does."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _state_dict(module: torch.nn.Module) -> dict[str, Tensor]:
    return drop_embedding_copies(module.state_dict())


def _save_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    # Never in place: the tensors may be mapped from the file that they replace.
    write_atomically(path, lambda temporary: save_file(tensors, temporary))


def _find_folder(name: str) -> Path:
    folder = BUILTIN if name == "builtin" else Path(name)
    if folder.is_file():
        raise AtomError(f"{name!r} is a file, not a checkpoint folder: see `atom checkpoint inspect {name}`")
    missing = [file for file in HASHED_FILES if not (folder / file).is_file()]
    if missing:
        raise AtomError(
            f"{name!r} is no generator checkpoint: {', '.join(missing)} missing; make one: atom pretrain DIR, or "
            "atom checkpoint convert FILE DIR"
        )
    return folder
