"""MotionGPT's own checkpoint file, read into the same generator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch import Tensor
from transformers import AutoTokenizer, T5Config

from atom.errors import AtomError
from atom.generation.checkpoint import Checkpoint
from atom.generation.language_model import build_language_model
from atom.generation.tokenizer import MotionVocabulary
from atom.generation.vqvae import VQVAE, VQVAEConfig
from atom.generation.weights import load_weights, read_safetensors, read_torch_file

TEMPLATE = "Generate motion: {}"

_VQVAE_PREFIXES = ("vae.", "motion_vae.")
_LANGUAGE_MODEL_PREFIX = "lm.language_model."
_BY_PRODUCTS = ("metrics.", "_losses.")  # evaluator networks and running sums that its trainer stores beside the model


def read_motiongpt(path: Path, tokenizer_folder: Path, mean: np.ndarray, std: np.ndarray) -> Checkpoint:
    """A MotionGPT checkpoint (.tar, .ckpt or .pt of torch, or .safetensors) as a generator's parts.

    `tokenizer_folder` holds the T5 tokenizer without motion tokens and T5's config.json (a flan-t5-base download);
    `mean` and `std` (263,) are MotionGPT's own. Raises AtomError for a file that is no plain table of tensors and for
    every key or shape that does not fit.
    """
    state = read_safetensors(path) if path.suffix == ".safetensors" else read_torch_file(path)
    vae_state, language_state = _split(state, str(path))
    vqvae = VQVAE(VQVAEConfig.of_state(vae_state))
    load_weights(vqvae, vae_state, f"{path} (VQ-VAE)")
    try:
        tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder, local_files_only=True)
        config = T5Config.from_pretrained(tokenizer_folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise AtomError(f"{tokenizer_folder} holds no T5 tokenizer with its config.json: {error}") from error
    MotionVocabulary.append(tokenizer, vqvae.config.codes)
    config.vocab_size = len(tokenizer)
    language_model = build_language_model(config)
    load_weights(language_model, language_state, f"{path} (language model)")
    return Checkpoint(vqvae.eval(), language_model.eval(), tokenizer, mean, std, TEMPLATE)


def _split(state: dict[str, Tensor], origin: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """VQ-VAE and language model weights without their prefix. AtomError for a key that is neither nor a by-product."""
    vae: dict[str, Tensor] = {}
    language_model: dict[str, Tensor] = {}
    strange = []
    for key, value in state.items():
        prefix = next((prefix for prefix in _VQVAE_PREFIXES if key.startswith(prefix)), None)
        if prefix:
            vae[key.removeprefix(prefix)] = value.float()
        elif key.startswith(_LANGUAGE_MODEL_PREFIX):
            language_model[key.removeprefix(_LANGUAGE_MODEL_PREFIX)] = value.float()
        elif not key.startswith(_BY_PRODUCTS):
            strange.append(key)
    if strange:
        raise AtomError(f"{origin} is no MotionGPT checkpoint: unknown keys {', '.join(strange[:5])}")
    if not vae or not language_model:
        raise AtomError(f"{origin} is no MotionGPT checkpoint: it needs vae.* and {_LANGUAGE_MODEL_PREFIX}* keys")
    return vae, language_model
