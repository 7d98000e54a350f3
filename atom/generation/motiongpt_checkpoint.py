"""Reads MotionGPT's own checkpoint file as a `Checkpoint`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedTokenizerFast, T5Config

from atom.errors import AtomError
from atom.generation.checkpoint import PROMPT_TEMPLATES, Checkpoint
from atom.generation.language_model import T5Shape, build_language_model
from atom.generation.tokenizer import MotionVocabulary
from atom.generation.vqvae import VQVAE, VQVAEConfig
from atom.generation.weights import load_weights, read_tensors

LANGUAGE_MODEL_PREFIX = "lm.language_model."
_VQVAE_PREFIXES = ("vae.", "motion_vae.")
_VQVAE_PARTS = ("encoder.model.", "decoder.model.", "quantizer.")  # keys of a VQ-VAE that is saved alone
_BY_PRODUCTS = ("metrics.", "_losses.")  # evaluator networks and running sums of the trainer, no part of the model
_CONFIG, _TOKENIZERS = "config.json", ("tokenizer.json", "spiece.model")


@dataclass(frozen=True)
class MotionGPTWeights:
    """The tensors of a MotionGPT state dict by network, without the network's prefix.

    `by_products` names tensors of the trainer that belong to no network, `unknown` all others.
    """

    vqvae: dict[str, Tensor] = field(default_factory=dict)
    language_model: dict[str, Tensor] = field(default_factory=dict)
    by_products: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor]) -> MotionGPTWeights:
        parts = cls()
        for key, value in state.items():
            prefix = next((prefix for prefix in _VQVAE_PREFIXES if key.startswith(prefix)), None)
            if prefix or key.startswith(_VQVAE_PARTS):
                parts.vqvae[key.removeprefix(prefix or "")] = value
            elif key.startswith(LANGUAGE_MODEL_PREFIX):
                parts.language_model[key.removeprefix(LANGUAGE_MODEL_PREFIX)] = value
            else:
                (parts.by_products if key.startswith(_BY_PRODUCTS) else parts.unknown).append(key)
        return parts


def read_motiongpt(
    path: Path,
    t5: str | Path,
    mean: np.ndarray,
    std: np.ndarray,
    vae: Path | None = None,
    template: str = PROMPT_TEMPLATES["motiongpt"],
) -> Checkpoint:
    """Reads a MotionGPT checkpoint. float32 weights are mapped from the file, not copied.

    Args:
        path: the checkpoint: a .tar, .ckpt or .pt of torch, or .safetensors.
        t5: T5's tokenizer without motion tokens and T5's config.json: a folder, or a name on the Hugging Face hub such
            as google/flan-t5-base.
        mean: MotionGPT's own mean (263,).
        std: MotionGPT's own std (263,).
        vae: a file whose VQ-VAE replaces the checkpoint's.
        template: the prompt template, with "{}" for the text.

    Returns:
        The checkpoint.

    Raises:
        AtomError: for a file that holds more than tensors, with every key or shape that does not fit, and for another
            tokenizer than the one that the weights were trained with.
    """
    parts = MotionGPTWeights.from_state_dict(read_tensors(path))
    if parts.unknown:
        raise AtomError(
            f"{path} is no MotionGPT checkpoint: unknown keys {', '.join(parts.unknown[:5])}; see "
            f"`atom checkpoint inspect {path}`"
        )
    if not parts.language_model or not (parts.vqvae or vae):
        raise AtomError(
            f"{path} is no whole MotionGPT checkpoint: it needs vae.* and {LANGUAGE_MODEL_PREFIX}* keys; a VQ-VAE that "
            "lies in another file is given with --vae"
        )
    vqvae = _read_vqvae(
        parts.vqvae if vae is None else MotionGPTWeights.from_state_dict(read_tensors(vae)).vqvae, vae or path
    )
    check_untied_output_layer(parts.language_model, str(path))
    tokenizer, config = load_t5_tokenizer(t5)
    MotionVocabulary.append(tokenizer, vqvae.config.codes)
    shape = T5Shape.from_state_dict(parts.language_model)
    _check_t5(shape, config, len(tokenizer), vqvae.config.codes, str(t5), str(path))
    config.vocab_size = len(tokenizer)  # flan-t5's config says 32,128, more than its tokenizer has
    config.scale_decoder_outputs = False  # T5 scales only when its output layer is tied to the embedding
    with torch.device("meta"):
        language_model = build_language_model(config)
    load_weights(language_model, parts.language_model, f"{path} (language model)")
    return Checkpoint(vqvae, language_model.eval(), tokenizer, mean, std, template)


def infer_vqvae_config(state: Mapping[str, Tensor]) -> VQVAEConfig:
    """The sizes of a VQ-VAE by its keys, even if some are missing. AtomError if it is no VQ-VAE."""
    stages = {found[1] for key in state if (found := re.match(r"encoder\.model\.(\d+)\.[01]\.", key))}
    blocks = {found[1] for key in state if (found := re.match(r"encoder\.model\.\d+\.1\.model\.(\d+)\.", key))}
    return replace(VQVAEConfig.from_state_dict(state), stages=len(stages), depth=len(blocks))


def check_untied_output_layer(language_model: Mapping[str, Tensor], origin: str) -> None:
    """Checks that the output layer is not tied to the embedding, as it never is in MotionGPT.

    Args:
        language_model: T5's tensors by name.
        origin: the file that they come from, for the message.

    Raises:
        AtomError: if the two matrices are equal.
    """
    if output_layer_difference(language_model) == 0:
        raise AtomError(
            f"{origin}: lm_head equals the embedding, which it never does in MotionGPT: a program that ties the two "
            "(transformers 5) overwrote one; fetch the original file"
        )


def output_layer_difference(language_model: Mapping[str, Tensor]) -> float | None:
    """The largest absolute difference of lm_head and the embedding, or None if they can't be compared."""
    head, embedding = language_model.get("lm_head.weight"), language_model.get("shared.weight")
    if head is None or embedding is None or head.shape != embedding.shape:
        return None
    rows = zip(head.split(4096), embedding.split(4096))
    return max((a.float() - b.float()).abs().max().item() for a, b in rows)


def load_t5_tokenizer(source: str | Path) -> tuple[PreTrainedTokenizerFast, T5Config]:
    """Loads T5's tokenizer and config from a folder, or by name from the Hugging Face hub or its cache."""
    folder = Path(source)
    remedy = f"give --t5 FOLDER with {_CONFIG} and {' or '.join(_TOKENIZERS)}, as downloaded from google/flan-t5-base"
    if not folder.is_dir() and not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", str(source)):
        raise AtomError(f"there is no folder {source}; {remedy}")
    if folder.is_dir():
        missing = [] if (folder / _CONFIG).is_file() else [_CONFIG]
        if not any((folder / name).is_file() for name in _TOKENIZERS):
            missing.append(" or ".join(_TOKENIZERS))
        if missing:
            raise AtomError(f"the T5 folder {source} lacks {' and '.join(missing)}; {remedy}")
    try:
        config = T5Config.from_pretrained(source, local_files_only=folder.is_dir())
        return AutoTokenizer.from_pretrained(source, local_files_only=folder.is_dir()), config
    except Exception as error:  # transformers, tokenizers and the hub's client raise all kinds
        reason = " ".join(str(error).split(". ")[0].split())[:200]
        if folder.is_dir():
            raise AtomError(f"{source} holds no T5 tokenizer with its {_CONFIG}: {reason}; {remedy}") from error
        raise AtomError(
            f"can't get {_CONFIG} and the tokenizer of {source!r}, which is no folder here, from the Hugging Face hub: "
            f"{reason}; {remedy}"
        ) from error


def _read_vqvae(state: dict[str, Tensor], path: Path) -> VQVAE:
    if not state:
        raise AtomError(f"{path} holds no VQ-VAE: its keys start with vae., motion_vae. or encoder.model.")
    with torch.device("meta"):
        vqvae = VQVAE(infer_vqvae_config(state))
    load_weights(vqvae, state, f"{path} (VQ-VAE)")
    return vqvae.eval()


def _check_t5(shape: T5Shape, config: T5Config, rows: int, codes: int, t5: str, path: str) -> None:
    expected = asdict(T5Shape.from_config(config)) | {"rows": rows}
    found = asdict(shape)
    if found["rows"] != rows:
        raise AtomError(
            f"{path} has {found['rows']:,} rows, but the tokenizer of {t5} has {rows - codes - 3:,} tokens and with "
            f"{codes} codes + 3 makes {rows:,}: the weights were trained with another tokenizer, give that with --t5"
        )
    if other := [f"{name} {expected[name]}, not {found[name]}" for name in found if expected[name] != found[name]]:
        raise AtomError(
            f"the {_CONFIG} of {t5} describes another T5 than {path}: {', '.join(other)}; give the right --t5"
        )
