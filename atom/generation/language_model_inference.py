"""The T5 at work: transformers' numbers, with nothing done twice while an answer is written token by token.

What transformers' own forward does at every token and this does not: it copies all keys and values to join the new
ones to them, makes masks and position biases anew, and scores the whole vocabulary.
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


class Inference:
    """A T5 that can say the tokens `choices` (C,) alone. It computes in torch's inference mode only.

    The encoder's weights are the model's own; on a CPU the decoder's are a copy in oneDNN's layout. A linear layer that
    an adapter changed is one matrix here, as it stands now: make another `Inference` when the adapter was tuned, or
    switched on or off.
    """

    @torch.inference_mode()
    def __init__(self, model: T5ForConditionalGeneration, choices: Tensor) -> None:
        self.model, self.choices = model, choices
        self.encoder = [_Layer(block) for block in model.encoder.block]
        self.decoder = [_Layer(block) for block in model.decoder.block]
        weight, bias = _matrix(model.lm_head)
        self.head = make_linear_map(weight[choices], None if bias is None else bias[choices], reorder=True)
        self.scale = model.config.d_model**-0.5 if model.config.scale_decoder_outputs else 1.0

    def encode(self, inputs: Tensor, mask: Tensor) -> Tensor:
        """Token ids and attention mask (B, S) -> states (B, S, d_model), zero where the mask is."""
        stack = self.model.encoder
        bias = stack.block[0].layer[0].SelfAttention.compute_bias(*mask.shape[1:] * 2) + _hiding(mask)
        inside = mask.flatten().nonzero()[:, 0]  # what isn't padding, and all that is worked on but in attention

        def padded(x: Tensor) -> Tensor:
            return x.new_zeros(mask.numel(), x.shape[1]).index_copy_(0, inside, x).view(*mask.shape, -1)

        x = stack.embed_tokens(inputs.flatten()[inside])  # (tokens, d_model)
        for layer in self.encoder:
            y = layer.own.norm(x)
            q, k, v = (layer.own.split(padded(of(y))) for of in (layer.own.q, layer.own.k, layer.own.v))
            x = x + layer.own.o(_attended(q, k, v, bias).flatten(0, 1)[inside])
            x = x + layer.feed_forward(x)
        return padded(stack.final_layer_norm(x))


class Answers:
    """Answers under way, one for each of `owner` (rows,), which tells whose of the states (B, S, d_model) it answers.

    All keys and values of at most `length` tokens have their place from the start.
    """

    def __init__(self, inference: Inference, states: Tensor, mask: Tensor, owner: Tensor, length: int) -> None:
        self.inference, self.rows, self.written = inference, len(owner), 0
        self.bias = inference.model.decoder.block[0].layer[0].SelfAttention.compute_bias(length, length)
        self.hiding = _hiding(mask)[owner]  # (rows, 1, 1, S)
        self.read, self.said = [], []  # keys and values (rows, heads, S or length, d_kv) of each layer
        for layer in inference.decoder:
            of_text = (layer.cross.split(of(states)) for of in (layer.cross.k, layer.cross.v))
            self.read.append([kept.contiguous()[owner] for kept in of_text])
            self.said.append([states.new_empty(self.rows, layer.own.heads, length, layer.own.width) for _ in "kv"])

    def scores(self, tokens: Tensor) -> Tensor:
        """Logits (rows, C) float32 of what comes after `tokens` (rows,), which come next."""
        stack, now = self.inference.model.decoder, self.written
        bias = self.bias[:, :, now, None, : now + 1]
        x = stack.embed_tokens(tokens)  # (rows, d_model)
        for layer, read, said in zip(self.inference.decoder, self.read, self.said):
            y = layer.own.norm(x)
            for kept, of in zip(said, (layer.own.k, layer.own.v)):
                kept[: self.rows, :, now] = of(y).view(self.rows, layer.own.heads, -1)
            keys, values = (kept[: self.rows, :, : now + 1] for kept in said)
            q = layer.own.split(layer.own.q(y)[:, None])  # (rows, heads, 1, d_kv)
            x = x + layer.own.o(_attended(q, keys, values, bias)[:, 0])
            keys, values = (kept[: self.rows] for kept in read)
            q = layer.cross.split(layer.cross.q(layer.cross.norm(x))[:, None])
            x = x + layer.cross.o(_attended(q, keys, values, self.hiding[: self.rows])[:, 0])
            x = x + layer.feed_forward(x)
        self.written += 1
        return self.inference.head(stack.final_layer_norm(x) * self.inference.scale).float()

    def keep(self, rows: Sequence[int]) -> list[int]:
        """Goes on with some of the rows alone, and returns them in the order in which they stand from now on: the last
        ones have moved to where others left, and no other was touched."""
        order, moved = list(range(len(rows))), [row for row in rows if row >= len(rows)]
        left = sorted(set(order).difference(rows))
        to, of = (torch.tensor(places, device=self.hiding.device, dtype=torch.long) for places in (left, moved))
        for kept in (self.hiding, *(kept for layer in self.read + self.said for kept in layer)):
            kept[to] = kept[of]
        for place, row in zip(left, moved, strict=True):
            order[place] = row
        self.rows = len(rows)
        return order


class _Layer:
    """Self-attention, cross-attention if it is a decoder's, and feed-forward; residuals are left to the caller."""

    def __init__(self, block: nn.Module) -> None:
        parts = block.layer
        decoder = len(parts) == 3
        self.own = _Attention(parts[0].layer_norm, parts[0].SelfAttention, decoder)
        if decoder:
            self.cross = _Attention(parts[1].layer_norm, parts[1].EncDecAttention, decoder)
        self.feed_forward = _feed_forward(parts[-1], decoder)


class _Attention:
    def __init__(self, norm: nn.Module, attention: T5Attention, reorder: bool) -> None:
        self.norm, self.heads, self.width = norm, attention.n_heads, attention.key_value_proj_dim
        layers = (attention.q, attention.k, attention.v, attention.o)
        self.q, self.k, self.v, self.o = (make_linear_map(*_matrix(layer), reorder) for layer in layers)

    def split(self, x: Tensor) -> Tensor:
        """(B, T, heads * d_kv) -> (B, heads, T, d_kv)."""
        return x.view(*x.shape[:2], self.heads, self.width).transpose(1, 2)


def _attended(q: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> Tensor:
    """(B, heads, T, d_kv) -> (B, T, heads * d_kv). T5 scales no scores."""
    return ((q @ keys.mT + bias).softmax(-1) @ values).transpose(1, 2).flatten(2)


def _feed_forward(part: T5LayerFF, reorder: bool) -> LinearMap:
    norm, dense = part.layer_norm, part.DenseReluDense
    act = tanh_gelu if isinstance(dense.act, NewGELUActivation) else dense.act
    out = make_linear_map(*_matrix(dense.wo), reorder)
    if not hasattr(dense, "wi_0"):
        wi = make_linear_map(*_matrix(dense.wi), reorder)
        return lambda x: out(act(wi(norm(x))))
    gate, wi = (make_linear_map(*_matrix(layer), reorder) for layer in (dense.wi_0, dense.wi_1))

    def gated(x: Tensor) -> Tensor:
        y = norm(x)
        return out(act(gate(y)) * wi(y))

    return gated


def tanh_gelu(x: Tensor) -> Tensor:
    """What transformers calls gelu_new, in one step instead of eight."""
    return functional.gelu(x, approximate="tanh")


def _matrix(layer: nn.Module) -> tuple[Tensor, Tensor | None]:
    """Weight (out, in) and bias of a linear layer. Of one that an adapter changed, what it makes of the unit vectors:
    the same numbers for LoRA, DoRA and all of their kind, without their work at every token."""
    if type(layer) is nn.Linear:
        return layer.weight, layer.bias
    like = layer.weight
    units = torch.eye(like.shape[1], dtype=like.dtype, device=like.device)
    bias = layer(torch.zeros_like(units[:1]))[0]
    return (layer(units) - bias).T, bias


def _hiding(mask: Tensor) -> Tensor:
    """(B, S) -> (B, 1, 1, S): added to scores, it leaves those where the mask is 1 as they are and hides the rest."""
    lowest = torch.finfo(torch.float32).min
    return torch.zeros(mask.shape, device=mask.device).masked_fill(mask == 0, lowest)[:, None, None]
