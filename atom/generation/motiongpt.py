"""MotionGPT's own checkpoint file, read into the same generator."""

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
from atom.generation.checkpoint import TEMPLATES, Checkpoint
from atom.generation.language_model import T5Shape, build_language_model
from atom.generation.tokenizer import MotionVocabulary
from atom.generation.vqvae import VQVAE, VQVAEConfig
from atom.generation.weights import load_weights, read_tensors

LANGUAGE_MODEL_PREFIX = "lm.language_model."
_VQVAE_PREFIXES = ("vae.", "motion_vae.")
_VQVAE_PARTS = ("encoder.model.", "decoder.model.", "quantizer.")  # how a VQ-VAE alone begins, saved without a prefix
_BY_PRODUCTS = ("metrics.", "_losses.")  # evaluator networks and running sums that its trainer stores beside the model
_CONFIG, _TOKENIZERS = "config.json", ("tokenizer.json", "spiece.model")


@dataclass(frozen=True)
class Parts:
    """A MotionGPT state dict taken apart. The weights are without their prefix; `by_products` and `strange` are names
    of tensors that belong to no model, and of those that nothing is known about."""

    vqvae: dict[str, Tensor] = field(default_factory=dict)
    language_model: dict[str, Tensor] = field(default_factory=dict)
    by_products: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)

    @classmethod
    def of_state(cls, state: Mapping[str, Tensor]) -> Parts:
        parts = cls()
        for key, value in state.items():
            prefix = next((prefix for prefix in _VQVAE_PREFIXES if key.startswith(prefix)), None)
            if prefix or key.startswith(_VQVAE_PARTS):
                parts.vqvae[key.removeprefix(prefix or "")] = value
            elif key.startswith(LANGUAGE_MODEL_PREFIX):
                parts.language_model[key.removeprefix(LANGUAGE_MODEL_PREFIX)] = value
            else:
                (parts.by_products if key.startswith(_BY_PRODUCTS) else parts.strange).append(key)
        return parts


def read_motiongpt(
    path: Path,
    t5: str | Path,
    mean: np.ndarray,
    std: np.ndarray,
    vae: Path | None = None,
    template: str = TEMPLATES["motiongpt"],
) -> Checkpoint:
    """A MotionGPT checkpoint (.tar, .ckpt or .pt of torch, or .safetensors) as a generator's parts.

    `t5` holds the T5 tokenizer without motion tokens and T5's config.json: a folder, or a name on the Hugging Face hub
    such as google/flan-t5-base; `mean` and `std` (263,) are MotionGPT's own; `vae` is a file whose VQ-VAE to take
    instead. float32 weights are mapped from the file, not copied. Raises AtomError for a file that is no plain table
    of tensors, for every key or shape that does not fit, and for another tokenizer than the weights were made with.
    """
    parts = Parts.of_state(read_tensors(path))
    if parts.strange:
        raise AtomError(
            f"{path} is no MotionGPT checkpoint: unknown keys {', '.join(parts.strange[:5])}; see "
            f"`atom checkpoint inspect {path}`"
        )
    if not parts.language_model or not (parts.vqvae or vae):
        raise AtomError(
            f"{path} is no whole MotionGPT checkpoint: it needs vae.* and {LANGUAGE_MODEL_PREFIX}* keys; a VQ-VAE that "
            "lies in another file is given with --vae"
        )
    vqvae = _read_vqvae(parts.vqvae if vae is None else Parts.of_state(read_tensors(vae)).vqvae, vae or path)
    check_output_layer(parts.language_model, str(path))
    tokenizer, config = read_t5(t5)
    MotionVocabulary.append(tokenizer, vqvae.config.codes)
    shape = T5Shape.of_state(parts.language_model)
    _check_t5(shape, config, len(tokenizer), vqvae.config.codes, str(t5), str(path))
    config.vocab_size = len(tokenizer)
    config.scale_decoder_outputs = False  # T5 scales where its output layer is the embedding, which here it is not
    with torch.device("meta"):
        language_model = build_language_model(config)
    load_weights(language_model, parts.language_model, f"{path} (language model)")
    return Checkpoint(vqvae, language_model.eval(), tokenizer, mean, std, template)


def vqvae_sizes(state: Mapping[str, Tensor]) -> VQVAEConfig:
    """The sizes that the keys of a VQ-VAE speak for, also where some are missing; AtomError for no VQ-VAE."""
    stages = {found[1] for key in state if (found := re.match(r"encoder\.model\.(\d+)\.[01]\.", key))}
    blocks = {found[1] for key in state if (found := re.match(r"encoder\.model\.\d+\.1\.model\.(\d+)\.", key))}
    return replace(VQVAEConfig.of_state(state), stages=len(stages), depth=len(blocks))


def check_output_layer(language_model: Mapping[str, Tensor], origin: str) -> None:
    """AtomError if the output layer equals the embedding, which no MotionGPT's does."""
    if output_difference(language_model) == 0:
        raise AtomError(
            f"{origin}: lm_head equals the embedding, but MotionGPT's differ; what ties them (transformers 5) "
            "has overwritten one: fetch the original file"
        )


def output_difference(language_model: Mapping[str, Tensor]) -> float | None:
    """Largest absolute difference of lm_head and the embedding; None where they can't be compared."""
    head, embedding = language_model.get("lm_head.weight"), language_model.get("shared.weight")
    if head is None or embedding is None or head.shape != embedding.shape:
        return None
    rows = zip(head.split(4096), embedding.split(4096))
    return max((a.float() - b.float()).abs().max().item() for a, b in rows)


def read_t5(source: str | Path) -> tuple[PreTrainedTokenizerFast, T5Config]:
    """The T5 tokenizer and config in a folder, or of a name on the Hugging Face hub (from its cache or the network)."""
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
        vqvae = VQVAE(vqvae_sizes(state))
    load_weights(vqvae, state, f"{path} (VQ-VAE)")
    return vqvae.eval()


def _check_t5(shape: T5Shape, config: T5Config, rows: int, codes: int, t5: str, path: str) -> None:
    told = asdict(T5Shape.of_config(config)) | {"rows": rows}
    found = asdict(shape)
    if found["rows"] != rows:
        raise AtomError(
            f"{path} has {found['rows']:,} rows, but the tokenizer of {t5} has {rows - codes - 3:,} tokens and with "
            f"{codes} codes + 3 makes {rows:,}: it is not the one that the weights were made with, give that with --t5"
        )
    if other := [f"{name} {told[name]}, not {found[name]}" for name in found if told[name] != found[name]]:
        raise AtomError(f"the {_CONFIG} of {t5} is of another T5 than {path}: {', '.join(other)}; give the right --t5")
