"""Fast T5 inference with a static KV cache, the same numbers as transformers' T5.

At every token, transformers' own forward copies the KV cache to append to it, builds masks and position biases again,
and scores the whole vocabulary. This one does none of that.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import T5ForConditionalGeneration
from transformers.activations import NewGELUActivation
from transformers.models.t5.modeling_t5 import T5Attention, T5LayerFF

from atom.fast_linear import LinearMap, make_linear_map


class T5Inference:
    """A T5 that scores only the token ids `choices` (C,). It works in torch's inference mode only.

    The encoder shares the model's weights; on a CPU the decoder's weights are a copy in oneDNN's layout. A linear layer
    with an adapter becomes one matrix: build a new `T5Inference` after the adapter is tuned, enabled or disabled.
    """

    @torch.inference_mode()
    def __init__(self, model: T5ForConditionalGeneration, choices: Tensor) -> None:
        self.model, self.choices = model, choices
        self.encoder = [_Layer(block) for block in model.encoder.block]
        self.decoder = [_Layer(block) for block in model.decoder.block]
        weight, bias = _weight_and_bias(model.lm_head)
        # Only the rows of possible tokens: most of the vocabulary is words, which a motion never has.
        self.head = make_linear_map(weight[choices], None if bias is None else bias[choices], reorder=True)
        # As in T5's own forward, before an output layer that shares the embedding's weights.
        self.scale = model.config.d_model**-0.5 if model.config.scale_decoder_outputs else 1.0

    def encode(self, inputs: Tensor, mask: Tensor) -> Tensor:
        """Encodes prompts.

        Args:
            inputs: token ids (B, S).
            mask: attention mask (B, S), 0 at padding.

        Returns:
            Encoder states (B, S, d_model), zero at padding.
        """
        stack = self.model.encoder
        # T5 has its position bias in the first block alone; all layers share it.
        bias = stack.block[0].layer[0].SelfAttention.compute_bias(*mask.shape[1:] * 2) + _additive_mask(mask)
        # All layers but attention work on the tokens alone, without the padding.
        token_positions = mask.flatten().nonzero()[:, 0]

        def pad(x: Tensor) -> Tensor:
            return x.new_zeros(mask.numel(), x.shape[1]).index_copy_(0, token_positions, x).view(*mask.shape, -1)

        x = stack.embed_tokens(inputs.flatten()[token_positions])  # (tokens, d_model)
        for layer in self.encoder:
            attention = layer.self_attention
            y = attention.norm(x)
            q, k, v = (attention.split_heads(pad(project(y))) for project in (attention.q, attention.k, attention.v))
            x = x + attention.o(_attend(q, k, v, bias).flatten(0, 1)[token_positions])
            x = x + layer.feed_forward(x)
        return pad(stack.final_layer_norm(x))


class AnswerDecoder:
    """Decodes a batch of answers token by token, with a KV cache that is allocated once for `max_length` tokens.

    Args:
        inference: the model.
        states: encoder states (B, S, d_model) of the prompts.
        mask: attention mask (B, S) of the prompts.
        prompt_rows: for each answer (rows,) the row of its prompt in `states`; answers may share a prompt.
        max_length: the largest number of tokens in an answer.
    """

    def __init__(
        self, inference: T5Inference, states: Tensor, mask: Tensor, prompt_rows: Tensor, max_length: int
    ) -> None:
        self.inference, self.rows, self.position = inference, len(prompt_rows), 0
        self.bias = inference.model.decoder.block[0].layer[0].SelfAttention.compute_bias(max_length, max_length)
        self.cross_mask = _additive_mask(mask)[prompt_rows]  # (rows, 1, 1, S)
        # Of each layer, keys and values (rows, heads, S or max_length, d_kv) of cross-attention and self-attention.
        self.cross_cache, self.self_cache = [], []
        for layer in inference.decoder:
            own, cross = layer.self_attention, layer.cross_attention
            of_prompts = (cross.split_heads(project(states)) for project in (cross.k, cross.v))
            self.cross_cache.append([cache.contiguous()[prompt_rows] for cache in of_prompts])
            self.self_cache.append([states.new_empty(self.rows, own.heads, max_length, own.head_dim) for _ in "kv"])

    def next_logits(self, tokens: Tensor) -> Tensor:
        """Appends `tokens` (rows,) to the answers and returns the logits (rows, C) float32 of the tokens after them."""
        stack, now = self.inference.model.decoder, self.position
        bias = self.bias[:, :, now, None, : now + 1]
        x = stack.embed_tokens(tokens)  # (rows, d_model): one position needs no axis of time
        for layer, cross_cache, self_cache in zip(self.inference.decoder, self.cross_cache, self.self_cache):
            own, cross = layer.self_attention, layer.cross_attention
            y = own.norm(x)
            for cache, project in zip(self_cache, (own.k, own.v)):
                cache[: self.rows, :, now] = project(y).view(self.rows, own.heads, -1)
            keys, values = (cache[: self.rows, :, : now + 1] for cache in self_cache)
            q = own.split_heads(own.q(y)[:, None])  # (rows, heads, 1, d_kv)
            x = x + own.o(_attend(q, keys, values, bias)[:, 0])
            keys, values = (cache[: self.rows] for cache in cross_cache)
            q = cross.split_heads(cross.q(cross.norm(x))[:, None])
            x = x + cross.o(_attend(q, keys, values, self.cross_mask[: self.rows])[:, 0])
            x = x + layer.feed_forward(x)
        self.position += 1
        return self.inference.head(stack.final_layer_norm(x) * self.inference.scale).float()

    def keep_rows(self, rows: Sequence[int]) -> list[int]:
        """Continues with some of the rows only, and returns them in their new order.

        The last rows move into the gaps and the others stay, so that as little of the cache as possible is copied.
        """
        order, moved = list(range(len(rows))), [row for row in rows if row >= len(rows)]
        gaps = sorted(set(order).difference(rows))
        to, of = (torch.tensor(places, device=self.cross_mask.device, dtype=torch.long) for places in (gaps, moved))
        for cache in (self.cross_mask, *(cache for layer in self.cross_cache + self.self_cache for cache in layer)):
            cache[to] = cache[of]
        for gap, row in zip(gaps, moved, strict=True):
            order[gap] = row
        self.rows = len(rows)
        return order


class _Layer:
    """Self-attention, cross-attention in a decoder, and feed-forward; the caller adds the residuals."""

    def __init__(self, block: nn.Module) -> None:
        parts = block.layer
        is_decoder = len(parts) == 3
        self.self_attention = _Attention(parts[0].layer_norm, parts[0].SelfAttention, is_decoder)
        if is_decoder:
            self.cross_attention = _Attention(parts[1].layer_norm, parts[1].EncDecAttention, is_decoder)
        self.feed_forward = _make_feed_forward(parts[-1], is_decoder)


class _Attention:
    def __init__(self, norm: nn.Module, attention: T5Attention, reorder: bool) -> None:
        self.norm, self.heads, self.head_dim = norm, attention.n_heads, attention.key_value_proj_dim
        layers = (attention.q, attention.k, attention.v, attention.o)
        self.q, self.k, self.v, self.o = (make_linear_map(*_weight_and_bias(layer), reorder) for layer in layers)

    def split_heads(self, x: Tensor) -> Tensor:
        """(B, T, heads * d_kv) -> (B, heads, T, d_kv)."""
        return x.view(*x.shape[:2], self.heads, self.head_dim).transpose(1, 2)


def _attend(q: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> Tensor:
    """(B, heads, T, d_kv) -> (B, T, heads * d_kv). T5 does not scale the scores by sqrt(d_kv)."""
    return ((q @ keys.mT + bias).softmax(-1) @ values).transpose(1, 2).flatten(2)


def _make_feed_forward(part: T5LayerFF, reorder: bool) -> LinearMap:
    norm, dense = part.layer_norm, part.DenseReluDense
    act = tanh_gelu if isinstance(dense.act, NewGELUActivation) else dense.act
    out = make_linear_map(*_weight_and_bias(dense.wo), reorder)
    if not hasattr(dense, "wi_0"):
        wi = make_linear_map(*_weight_and_bias(dense.wi), reorder)
        return lambda x: out(act(wi(norm(x))))
    gate, wi = (make_linear_map(*_weight_and_bias(layer), reorder) for layer in (dense.wi_0, dense.wi_1))

    def gated(x: Tensor) -> Tensor:
        y = norm(x)
        return out(act(gate(y)) * wi(y))

    return gated


def tanh_gelu(x: Tensor) -> Tensor:
    """gelu_new of transformers, in one kernel instead of eight."""
    return functional.gelu(x, approximate="tanh")


def _weight_and_bias(layer: nn.Module) -> tuple[Tensor, Tensor | None]:
    """Weight (out, in) and bias of a linear layer.

    A layer with an adapter is applied to the unit vectors, which gives its merged weight for LoRA, DoRA and any other
    linear adapter.
    """
    if type(layer) is nn.Linear:
        return layer.weight, layer.bias
    base = layer.weight
    # The layer may be LoRA's, of any kind: what it does to unit vectors is its matrix, adapter included.
    units = torch.eye(base.shape[1], dtype=base.dtype, device=base.device)
    bias = layer(torch.zeros_like(units[:1]))[0]  # what the layer adds to every input
    return (layer(units) - bias).T, bias


def _additive_mask(mask: Tensor) -> Tensor:
    """(B, S) -> (B, 1, 1, S): 0 where the mask is 1, the lowest float elsewhere, to be added to attention scores."""
    # Not minus infinity: a row without any token would become NaN.
    lowest = torch.finfo(torch.float32).min
    return torch.zeros(mask.shape, device=mask.device).masked_fill(mask == 0, lowest)[:, None, None]
