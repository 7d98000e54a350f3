"""Linear maps in the way that this machine multiplies fastest, with the same numbers up to rounding.

torch multiplies float32 on a CPU with MKL, which uses half of what CPUs that are not Intel's can do; oneDNN uses all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

Map = Callable[[Tensor], Tensor]

_ROWS = 64  # that oneDNN lays weights out for


def linear_map(weight: Tensor, bias: Tensor | None, often: bool = False) -> Map:
    """x (..., in) -> (..., out), for weight (out, in) and bias (out,), without gradients only.

    `often`: for few rows at a time and many times, so that a copy in a faster layout is worth its making.
    """
    if not _suits(weight):
        return lambda x: functional.linear(x, weight, bias)
    if often:
        weight = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), _ROWS)
    return lambda x: _product(x, weight, bias)


@contextmanager
def fast_frozen_linears(model: nn.Module) -> Iterator[None]:
    """Inside, the linear layers of a model whose weights are not trained multiply by oneDNN, gradients of their inputs
    too. Autocast has no part in them."""
    frozen = [
        layer
        for layer in model.modules()
        if type(layer) is nn.Linear and _suits(layer.weight) and not any(p.requires_grad for p in layer.parameters())
    ]
    for layer in frozen:
        layer.forward = partial(_of_frozen, layer.weight, layer.bias)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for layer in frozen:
            del layer.forward


def _of_frozen(weight: Tensor, bias: Tensor | None, x: Tensor) -> Tensor:
    return _FrozenLinear.apply(x, weight, bias)


class _FrozenLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(weight)
        return _product(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (weight,) = ctx.saved_tensors
        return _product(gradients[0], weight.t(), None), None, None


def _suits(weight: Tensor) -> bool:
    return weight.device.type == "cpu" and weight.dtype == torch.float32 and torch.backends.mkldnn.is_available()


def _product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise.default(x, weight, bias, "none", [], "")
