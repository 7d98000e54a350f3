"""Faster float32 linear layers on a CPU, equal to torch's up to rounding.

torch multiplies float32 on a CPU with MKL, which reaches about half the speed of CPUs that are not Intel's. oneDNN
reaches full speed on all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

LinearMap = Callable[[Tensor], Tensor]

_LAYOUT_ROWS = 64  # the number of input rows that oneDNN optimises the weight layout for


def make_linear_map(weight: Tensor, bias: Tensor | None, reorder: bool = False) -> LinearMap:
    """Make a function that applies a linear layer; it computes no gradients.

    Args:
        weight: (out, in).
        bias: (out,), or None.
        reorder: copy the weight into oneDNN's own layout. The copy pays off when the layer is called many times on few
            rows, as in token-by-token generation.

    Returns:
        A function from (..., in) to (..., out).
    """
    if not _is_supported(weight):
        return lambda x: functional.linear(x, weight, bias)
    if reorder:
        weight = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), _LAYOUT_ROWS)
    return lambda x: _multiply(x, weight, bias)


@contextmanager
def fast_frozen_linears(model: nn.Module) -> Iterator[None]:
    """Run the frozen linear layers of `model` with oneDNN, forward and backward, inside the `with` block.

    Gradients reach the inputs of these layers. Autocast does not apply to them.
    """
    frozen = [
        layer
        for layer in model.modules()
        if type(layer) is nn.Linear
        and _is_supported(layer.weight)
        and not any(p.requires_grad for p in layer.parameters())
    ]
    for layer in frozen:
        # An instance attribute hides the class's forward; deleting it below restores the original.
        layer.forward = partial(_apply_frozen, layer.weight, layer.bias)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for layer in frozen:
            del layer.forward


def _apply_frozen(weight: Tensor, bias: Tensor | None, x: Tensor) -> Tensor:
    return _FrozenLinear.apply(x, weight, bias)


class _FrozenLinear(torch.autograd.Function):
    """A linear layer that has a gradient for its input only: oneDNN's operator has no autograd of its own."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(weight)
        return _multiply(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (weight,) = ctx.saved_tensors
        return _multiply(gradients[0], weight.t(), None), None, None


def _is_supported(weight: Tensor) -> bool:
    return weight.device.type == "cpu" and weight.dtype == torch.float32 and torch.backends.mkldnn.is_available()


def _multiply(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise.default(x, weight, bias, "none", [], "")
