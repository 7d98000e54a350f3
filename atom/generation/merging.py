"""Merges a LoRA adapter into its base: the result is a checkpoint like any other, for programs without peft."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from atom.errors import AtomError
from atom.generation.adapter_loading import hash_adapter, load_adapter, read_provenance
from atom.generation.checkpoint import hash_weights, load_checkpoint, resolve_template, save_checkpoint
from atom.generation.generator import Generator
from atom.generation.motiongpt_conversion import create_folder

_PROBES = ("a person jumps twice, then waves with the left hand", "the man walks ahead", "she turns around and bows")
_PROBE_CODES = 32
_TOLERANCE = 1e-3  # share of the largest logit; rounding to float32 causes about a hundredth of it


def merge_adapter(adapter: Path, folder: Path, base: str = "builtin") -> float:
    """Writes a new checkpoint folder with the adapter merged into the language model's weights, in float32.

    The folder's prompt template is the one that the adapter was tuned with. The folder is compared with base + adapter
    on a few prompts and answers.

    Args:
        adapter: the adapter's folder.
        folder: the checkpoint folder to create.
        base: the checkpoint that was tuned.

    Returns:
        The largest difference of a logit between the folder, read back, and base + adapter.

    Raises:
        AtomError: if a logit differs by more than rounding explains (no folder is left behind), or for an adapter of
            another base.
    """
    checkpoint = load_checkpoint(base)
    checkpoint.template = resolve_template(read_provenance(adapter).get("template") or checkpoint.template)
    checkpoint.source = {
        "kind": "base with an adapter merged",
        "base": hash_weights(base),
        "adapter": hash_adapter(adapter),
    }
    expected = _probe(Generator.load(base, str(adapter), template=checkpoint.template))
    try:
        # safe_merge works on copies: the weights may be mapped from the base's file and must not change in place.
        checkpoint.language_model = load_adapter(checkpoint.language_model, adapter).merge_and_unload(safe_merge=True)
    except ValueError as error:
        raise AtomError(f"can't merge the adapter {adapter}: {error}") from error
    with create_folder(folder) as temporary:
        save_checkpoint(temporary, checkpoint, half=False)
        difference = (_probe(Generator.load(str(temporary))) - expected).abs().max().item()
        if not difference <= _TOLERANCE * expected.abs().max().item():
            raise AtomError(
                f"the merged model differs from {base} with the adapter {adapter}: logits differ by up to "
                f"{difference:.2g}; use it unmerged, with --adapter"
            )
    return difference


@torch.inference_mode()
def _probe(generator: Generator) -> Tensor:
    """Logits (3, T, V) of fixed prompts and answers, the same for all generators with as many codes."""
    inputs, mask = generator.encode_prompts(_PROBES)
    codes = np.random.default_rng(0).integers(generator.motions.codes, size=(len(_PROBES), _PROBE_CODES))
    answers = [generator.motions.answer(row, generator.tokenizer.eos_token_id) for row in codes.tolist()]
    labels = torch.tensor(answers, device=generator.device)
    return generator.language_model(input_ids=inputs, attention_mask=mask, labels=labels).logits
