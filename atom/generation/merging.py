"""A LoRA adapter merged into its base: a checkpoint like any other, for programs that know nothing of adapters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from atom.errors import AtomError
from atom.generation.adapter import adapter_hash, load_adapter, read_origin
from atom.generation.checkpoint import load_checkpoint, save_checkpoint, template_of, weights_hash
from atom.generation.conversion import new_folder
from atom.generation.generator import Generator

_PROBES = ("a person jumps twice, then waves with the left hand", "the man walks ahead", "she turns around and bows")
_PROBE_CODES = 32
_TOLERANCE = 1e-3  # of the largest logit; rounding to float32 makes about a hundredth of that


def merge_adapter(adapter: Path, folder: Path, base: str = "builtin") -> float:
    """Writes a new checkpoint folder whose language model has the adapter in its weights, in float32.

    Its prompts are worded as the adapter was tuned on them. Gives the largest difference of a logit between the folder,
    read back, and base + adapter on a few prompts and answers. AtomError, and no folder, where it is more than
    rounding can make, and for an adapter of another base.
    """
    checkpoint = load_checkpoint(base)
    checkpoint.template = template_of(read_origin(adapter).get("template") or checkpoint.template)
    checkpoint.source = {
        "kind": "base with an adapter merged",
        "base": weights_hash(base),
        "adapter": adapter_hash(adapter),
    }
    expected = _probe(Generator.load(base, str(adapter), template=checkpoint.template))
    try:
        # Safe: weights that are mapped from the base's file are never changed in place.
        checkpoint.language_model = load_adapter(checkpoint.language_model, adapter).merge_and_unload(safe_merge=True)
    except ValueError as error:
        raise AtomError(f"can't merge the adapter {adapter}: {error}") from error
    with new_folder(folder) as place:
        save_checkpoint(place, checkpoint, half=False)
        difference = (_probe(Generator.load(str(place))) - expected).abs().max().item()
        if not difference <= _TOLERANCE * expected.abs().max().item():
            raise AtomError(
                f"merged, the model answers otherwise than {base} with the adapter {adapter}: logits differ by "
                f"{difference:.2g}; use it unmerged, with --adapter"
            )
    return difference


@torch.inference_mode()
def _probe(generator: Generator) -> Tensor:
    """Logits (3, T, V) of answers that are the same for all generators of as many codes."""
    inputs, mask = generator.encode_prompts(_PROBES)
    codes = np.random.default_rng(0).integers(generator.motions.codes, size=(len(_PROBES), _PROBE_CODES))
    answers = [generator.motions.answer(row, generator.tokenizer.eos_token_id) for row in codes.tolist()]
    labels = torch.tensor(answers, device=generator.device)
    return generator.language_model(input_ids=inputs, attention_mask=mask, labels=labels).logits
