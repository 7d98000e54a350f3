"""Linear maps in the layout that this machine multiplies fastest, with the same numbers up to rounding."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

Map = Callable[[Tensor], Tensor]

_ROWS = 64  # that oneDNN lays weights out for


def linear_map(weight: Tensor, bias: Tensor | None, often: bool = False) -> Map:
    """x (..., in) -> (..., out), for weight (out, in) and bias (out,), without gradients only.

    `often`: for few rows at a time and many times, so that a copy in a faster layout is worth its making.
    """
    if weight.device.type == "cpu" and weight.dtype == torch.float32 and torch.backends.mkldnn.is_available():
        # torch multiplies float32 with MKL, which uses half of what CPUs that are not Intel's can do; oneDNN uses all.
        product = torch.ops.mkldnn._linear_pointwise.default
        if often:
            weight = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), _ROWS)
        return lambda x: product(x, weight, bias, "none", [], "")
    return lambda x: functional.linear(x, weight, bias)
