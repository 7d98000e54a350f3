"""The T5 encoder-decoder that generates motion tokens, with an output layer that is not tied to the embedding."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn
from transformers import T5Config, T5ForConditionalGeneration

from atom.errors import AtomError


@dataclass(frozen=True)
class T5Shape:
    """The sizes of a T5 that its weights tell.

    `rows` is the size of the vocabulary, `buckets` that of the relative position bias; `gated` is true for gated GELU.
    """

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
    def from_state_dict(cls, state: Mapping[str, Tensor]) -> T5Shape:
        """Reads the sizes off a state dict. AtomError if it is not a T5's."""
        try:
            rows, d_model = _find_shape(state, r"shared\.weight|lm_head\.weight")
            buckets, heads = _find_shape(state, r".*\.relative_attention_bias\.weight")
            inner, _ = _find_shape(state, r".*\.q\.weight")
            d_ff, _ = _find_shape(state, r".*\.(wi|wi_0)\.weight")
            d_kv = inner // heads
        except (KeyError, ValueError, ZeroDivisionError) as error:
            raise AtomError(
                "these weights are no T5: its size can't be read off shared, q, wi or wi_0 and relative_attention_bias"
            ) from error
        gated = any(key.endswith(".wi_0.weight") for key in state)
        layers = [_count_layers(state, side) for side in ("encoder", "decoder")]
        return cls(rows, d_model, d_ff, d_kv, heads, *layers, buckets, gated)

    @classmethod
    def from_config(cls, config: T5Config) -> T5Shape:
        """The sizes in a config."""
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
        """A config with these sizes; what the weights do not tell is as in flan-t5."""
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


def make_t5_config(rows: int, d_model: int, d_ff: int, layers: int, heads: int, pad: int, end: int) -> T5Config:
    """The config of a T5 v1.1 (gated GELU).

    Args:
        rows: size of the vocabulary.
        d_model: width of the states.
        d_ff: width of the feed-forward layers.
        layers: number of encoder layers, and of decoder layers.
        heads: number of attention heads.
        pad: id of the padding token, which also starts an answer.
        end: id of the end token.

    Returns:
        The config.
    """
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

    transformers 5 ties the two for every T5, whatever its config says; in MotionGPT they are different matrices. Under
    `torch.device("meta")` this takes no time and no memory, for weights that are loaded next.
    """
    model = T5ForConditionalGeneration(config)
    _untie(model)
    return model


def _untie(model: T5ForConditionalGeneration) -> None:
    rows, width = model.shared.weight.shape
    model.config.tie_word_embeddings = False
    model.lm_head = nn.Linear(width, rows, bias=False)
    nn.init.normal_(model.lm_head.weight, std=width**-0.5)
    model.all_tied_weights_keys.pop("lm_head.weight", None)  # else saving leaves lm_head out
    model.tie_weights()
    if model.lm_head.weight is model.shared.weight:
        raise AtomError("this version of transformers always ties T5's output layer to the embedding: install 5.23")


def _find_shape(state: Mapping[str, Tensor], pattern: str) -> tuple[int, ...]:
    """Shape of the first tensor whose whole name matches the pattern. KeyError if there is none."""
    found = next((tuple(value.shape) for key, value in state.items() if re.fullmatch(pattern, key)), None)
    if found is None:
        raise KeyError(pattern)
    return found


def _count_layers(state: Mapping[str, Tensor], side: str) -> int:
    return len({found[1] for key in state if (found := re.match(rf"{side}\.block\.(\d+)\.", key))})
