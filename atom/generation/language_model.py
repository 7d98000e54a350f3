"""The T5 encoder-decoder that writes motions as text, with an output layer of its own."""

from __future__ import annotations

from torch import nn
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


def _untie(model: T5ForConditionalGeneration) -> None:
    rows, width = model.shared.weight.shape
    model.config.tie_word_embeddings = False
    model.lm_head = nn.Linear(width, rows, bias=False)
    nn.init.normal_(model.lm_head.weight, std=width**-0.5)
    model.all_tied_weights_keys.pop("lm_head.weight", None)  # or saving would leave it out
    model.tie_weights()
    if model.lm_head.weight is model.shared.weight:
        raise AtomError("this transformers ties T5's output layer to the embedding come what may: install 5.23")
