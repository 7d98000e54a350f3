"""The T5 encoder-decoder that writes motions as text, with an output layer of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn
from transformers import T5Config, T5ForConditionalGeneration

from atom.errors import AtomError


@dataclass(frozen=True)
class T5Shape:
    """Sizes of a T5 that its weights tell. `rows` is its vocabulary; `gated` its kind of feed-forward layer."""

    rows: int
    d_model: int
    d_ff: int
    d_kv: int
    heads: int
    layers: int
    decoder_layers: int
    buckets: int
    gated: bool

    @classmethod
    def of_state(cls, state: Mapping[str, Tensor]) -> T5Shape:
        """The sizes that a state dict was made with; AtomError for one that is no T5's."""
        try:
            rows, d_model = _shape(state, r"shared\.weight|lm_head\.weight")
            buckets, heads = _shape(state, r".*\.relative_attention_bias\.weight")
            inner, _ = _shape(state, r".*\.q\.weight")
            d_ff, _ = _shape(state, r".*\.(wi|wi_0)\.weight")
            d_kv = inner // heads
        except (KeyError, ValueError, ZeroDivisionError) as error:
            raise AtomError(
                "these weights are no T5: shared, q, wi or wi_0 and relative_attention_bias tell its size"
            ) from error
        gated = any(key.endswith(".wi_0.weight") for key in state)
        layers = [_layers(state, side) for side in ("encoder", "decoder")]
        return cls(rows, d_model, d_ff, d_kv, heads, *layers, buckets, gated)

    @classmethod
    def of_config(cls, config: T5Config) -> T5Shape:
        """The sizes that a config tells."""
        return cls(
            rows=config.vocab_size,
            d_model=config.d_model,
            d_ff=config.d_ff,
            d_kv=config.d_kv,
            heads=config.num_heads,
            layers=config.num_layers,
            decoder_layers=config.num_decoder_layers,
            buckets=config.relative_attention_num_buckets,
            gated=config.is_gated_act,
        )

    def config(self) -> T5Config:
        """A T5 of these sizes, and flan-t5's settings where weights don't tell them."""
        return T5Config(
            vocab_size=self.rows,
            d_model=self.d_model,
            d_ff=self.d_ff,
            d_kv=self.d_kv,
            num_heads=self.heads,
            num_layers=self.layers,
            num_decoder_layers=self.decoder_layers,
            relative_attention_num_buckets=self.buckets,
            feed_forward_proj="gated-gelu" if self.gated else "relu",
            tie_word_embeddings=False,
        )


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

    transformers 5 ties the two for every T5, whatever its config says; MotionGPT's are different matrices. Under
    `torch.device("meta")` it takes no time and no memory, for weights that are loaded next.
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


def _shape(state: Mapping[str, Tensor], pattern: str) -> tuple[int, ...]:
    """Shape of the first tensor whose whole name is of the pattern; KeyError if there is none."""
    found = next((tuple(value.shape) for key, value in state.items() if re.fullmatch(pattern, key)), None)
    if found is None:
        raise KeyError(pattern)
    return found


def _layers(state: Mapping[str, Tensor], side: str) -> int:
    return len({found[1] for key in state if (found := re.match(rf"{side}\.block\.(\d+)\.", key))})
