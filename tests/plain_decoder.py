"""The VQ-VAE's decoder as MotionGPT runs it, for tests and benchmarks."""

import torch
from torch.nn import functional

from atom.generation.vqvae import VQVAE


def decode_like_motiongpt(model: VQVAE, tokens: torch.Tensor) -> torch.Tensor:
    """Decodes tokens channels first, with nearest-neighbour upsampling and then a convolution of width 3."""

    def conv(layer: torch.nn.Conv1d, x: torch.Tensor) -> torch.Tensor:
        return functional.conv1d(x, layer.weight, layer.bias, 1, layer.padding, layer.dilation)

    first, _, *doublings, last, _, out = model.decoder.model
    x = functional.relu(conv(first, model.quantizer.lookup(tokens).contiguous()))
    for stack, _, doubling in doublings:
        for block in stack.model:
            x = x + conv(block.conv2, functional.relu(conv(block.conv1, functional.relu(x))))
        x = conv(doubling, functional.interpolate(x, scale_factor=2, mode="nearest"))
    return conv(out, functional.relu(conv(last, x))).transpose(1, 2)
