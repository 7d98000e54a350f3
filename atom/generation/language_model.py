"""The T5 encoder-decoder that writes motions as text, with an output layer of its own."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from transformers import T5Config, T5ForConditionalGeneration

from atom.errors import AtomError


def small_config(rows: int, d_model: int, d_ff: int, layers: int, heads: int, pad: int, end: int) -> T5Config:
    """A T5 (v1.1 kind: gated GELU) of `layers` encoder and decoder layers and a vocabulary of `rows`."""
    return T5Config(
        vocab_size=rows,
        d_model=d_model,
        d_ff=d_ff,
        d_kv=d_model // heads,
        num_layers=layers,
        num_decoder_layers=layers,
        num_heads=heads,
        feed_forward_proj="gated-gelu",
        dropout_rate=0.0,
        pad_token_id=pad,
        eos_token_id=end,
        decoder_start_token_id=pad,
    )


def build_language_model(config: T5Config) -> T5ForConditionalGeneration:
    """A randomly initialised T5 whose output layer is NOT the embedding.

    transformers 5 ties the two for every T5, whatever its config says; MotionGPT's are different matrices.
    """
    model = T5ForConditionalGeneration(config)
    _untie(model)
    return model


def load_weights(model: nn.Module, state: Mapping[str, Tensor], origin: str) -> None:
    """Loads `state` whole: AtomError names every missing, unexpected and misshaped key, and a tensor that did not
    arrive as it stands in the file (as tied weights don't)."""
    own = model.state_dict()
    state = dict(state)
    for copy in ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight"):
        if copy in own and copy not in state and "shared.weight" in state:
            state[copy] = state["shared.weight"]
    faults = [f"missing {key}" for key in own if key not in state]
    faults += [f"unexpected {key}" for key in state if key not in own]
    faults += [
        f"{key} is {tuple(state[key].shape)}, not {tuple(own[key].shape)}"
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    if faults:
        shown = "; ".join(faults[:8]) + (f"; and {len(faults) - 8} more" if len(faults) > 8 else "")
        raise AtomError(f"{origin} does not fit the model: {shown}")
    model.load_state_dict(state)
    for key, value in model.state_dict().items():
        if not torch.equal(value, state[key].to(value.dtype)):
            raise AtomError(f"{origin}: {key} was overwritten while loading, so two tensors share memory")


def _untie(model: T5ForConditionalGeneration) -> None:
    rows, width = model.shared.weight.shape
    model.config.tie_word_embeddings = False
    model.lm_head = nn.Linear(width, rows, bias=False)
    nn.init.normal_(model.lm_head.weight, std=width**-0.5)
    if model.lm_head.weight.data_ptr() == model.shared.weight.data_ptr():
        raise AtomError(
            "the output layer is still tied to the embedding: install transformers 5.23"
        )
