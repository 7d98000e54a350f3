"""The motion VQ-VAE of MotionGPT (after T2M-GPT), any size: 263 features a frame <-> one code for every 4 frames.

Module names follow MotionGPT, so that its weights load under their own keys. Features in and out are normalised.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from atom.errors import AtomError


@dataclass(frozen=True)
class VQVAEConfig:
    """Sizes of the network. The defaults are MotionGPT's.

    `depth` counts the residual blocks of a stage, `stages` the halvings of time, `dilation_growth` the factor from one
    residual block's dilation to the next.
    """

    features: int = 263
    codes: int = 512
    code_dim: int = 512
    width: int = 512
    depth: int = 3
    stages: int = 2
    dilation_growth: int = 3

    @property
    def frames_per_token(self) -> int:
        return 2**self.stages

    @classmethod
    def of_state(cls, state: Mapping[str, Tensor], dilation_growth: int = 3) -> VQVAEConfig:
        """The sizes that a state dict was made with; the dilation leaves no trace in it, so it is asked for."""
        try:
            width, features, _ = state["encoder.model.0.weight"].shape
            codes, code_dim = state["quantizer.codebook"].shape
        except (KeyError, ValueError) as error:
            raise AtomError(
                "these weights are no MotionGPT VQ-VAE: 'encoder.model.0.weight' (3-d) and 'quantizer.codebook' (2-d) "
                "are needed to tell its size"
            ) from error
        stages = sum(key.startswith("encoder.model.") and key.endswith(".1.model.0.conv1.weight") for key in state)
        depth = sum(key.startswith("encoder.model.2.1.model.") and key.endswith(".conv1.weight") for key in state)
        return cls(features, codes, code_dim, width, depth, stages, dilation_growth)


class VQVAEOutput(NamedTuple):
    """What training needs. reconstruction: (B, T', features) with T' = T rounded down to whole tokens;
    commitment: scalar, mean squared distance of latents to their codes; perplexity: scalar, codes in effective use."""

    reconstruction: Tensor
    commitment: Tensor
    perplexity: Tensor


class Conv(nn.Conv1d):
    """A Conv1d of (B, channels, T), whose numbers stay channels last in memory, where they need no reordering."""

    def forward(self, x: Tensor) -> Tensor:
        return _conv(x, self.weight, self.bias, self.stride[0], self.padding[0], self.dilation[0])


def _conv(x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int, dilation: int) -> Tensor:
    """Two-dimensional convolutions alone know channels last, so it is one of height 1. Its dilation over the height
    does nothing, but without any torch would give small batches on one thread to a library of half the speed."""
    x, weight = x[:, :, None], weight[:, :, None]
    return functional.conv2d(x, weight, bias, (1, stride), (0, padding), (2, dilation))[:, :, 0]


class DoublingConv(Conv):
    """Every moment twice, then a convolution of width 3: (B, channels, T) -> (B, channels, 2T).

    Of three taps two fall on the same moment, so their weights are added and two taps are left: 2/3 of the work.
    """

    def __init__(self, width: int) -> None:
        super().__init__(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        batch, width, length = x.shape
        before, here, after = self.weight.unbind(2)
        # A window (moment, next moment) makes the second copy of the one and the first copy of the other.
        second, first = (before + here, after), (before, here + after)
        kernel = torch.stack([torch.cat(tap) for tap in zip(second, first)], 1).transpose(1, 2)  # (2 width, width, 2)
        windows = _conv(x, kernel, self.bias.repeat(2), 1, 1, 1)  # (B, 2 width, T + 1)
        copies = windows.transpose(1, 2).reshape(batch, 2 * (length + 1), width)
        return copies[:, 1:-1].transpose(1, 2)


class ResidualBlock(nn.Module):
    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = Conv(width, width, 3, padding=dilation, dilation=dilation)
        self.conv2 = Conv(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.conv1(x.relu()).relu_()).add_(x)


class ResidualStack(nn.Module):
    """Residual blocks, the widest dilation first."""

    def __init__(self, config: VQVAEConfig) -> None:
        super().__init__()
        dilations = [config.dilation_growth**i for i in reversed(range(config.depth))]
        self.model = nn.Sequential(*(ResidualBlock(config.width, dilation) for dilation in dilations))

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class Encoder(nn.Module):
    """(B, features, T) -> (B, code_dim, T // 2**stages)."""

    def __init__(self, config: VQVAEConfig) -> None:
        super().__init__()
        halvings = [
            nn.Sequential(Conv(config.width, config.width, 4, stride=2, padding=1), ResidualStack(config))
            for _ in range(config.stages)
        ]
        self.model = nn.Sequential(
            Conv(config.features, config.width, 3, padding=1),
            nn.ReLU(),
            *halvings,
            Conv(config.width, config.code_dim, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class Decoder(nn.Module):
    """(B, code_dim, n) -> (B, features, n * 2**stages).

    With `lengths` (B,), row i holds that many tokens and then padding: its frames are those of the row alone, and zero
    behind them.
    """

    def __init__(self, config: VQVAEConfig) -> None:
        super().__init__()
        doublings = [
            nn.Sequential(
                ResidualStack(config),
                nn.Identity(),  # where MotionGPT has its upsampling, so that the names are its own
                DoublingConv(config.width),
            )
            for _ in range(config.stages)
        ]
        self.model = nn.Sequential(
            Conv(config.code_dim, config.width, 3, padding=1),
            nn.ReLU(),
            *doublings,
            Conv(config.width, config.width, 3, padding=1),
            nn.ReLU(),
            Conv(config.width, config.features, 3, padding=1),
        )

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        if lengths is None:
            return self.model(x)
        inside = (torch.arange(x.shape[2], device=x.device) < lengths[:, None])[:, None]  # (B, 1, n)
        x = x * inside
        for layer in _layers(self.model):
            x = layer(x)
            if isinstance(layer, DoublingConv):
                inside = inside.repeat_interleave(2, 2)
            x = x * inside  # the next convolution finds beyond the end what it finds at the end of a row alone
        return x


def _layers(network: nn.Module) -> Iterator[nn.Module]:
    """What a network does one after the other, residual blocks as one."""
    if isinstance(network, (nn.Sequential, ResidualStack)):
        for part in network.children():
            yield from _layers(part)
    else:
        yield network


class Quantizer(nn.Module):
    """Nearest-code quantizer whose codebook follows the latents by exponential moving average (training mode only).

    The first training batch fills the codebook; a code whose average use falls below one latent a batch restarts at a
    random latent of the batch. A codebook of zeros counts as not filled yet, so loaded weights are kept.
    """

    codebook: Tensor
    decay = 0.99
    reset_below = 1.0  # uses a batch; made for MotionGPT's 4096 latents a batch, so smaller batches ask for less

    def __init__(self, config: VQVAEConfig) -> None:
        super().__init__()
        self.register_buffer("codebook", torch.zeros(config.codes, config.code_dim))
        # The averages belong to a training run, not to the weights: MotionGPT's state dict has the codebook alone.
        self.code_sum: Tensor | None = None
        self.code_count: Tensor | None = None

    def nearest(self, latents: Tensor) -> Tensor:
        """(N, code_dim) -> (N,) int64."""
        distances = (
            latents.square().sum(1, keepdim=True) - 2 * latents @ self.codebook.T + self.codebook.square().sum(1)
        )
        return distances.argmin(1)

    def lookup(self, tokens: Tensor) -> Tensor:
        """(B, n) -> (B, code_dim, n)."""
        return functional.embedding(tokens, self.codebook).transpose(1, 2)

    def forward(self, latents: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, code_dim, n) -> quantized latents of the same shape (straight-through), commitment loss, perplexity."""
        with torch.autocast(latents.device.type, enabled=False):  # bfloat16 can't tell close codes apart
            return self._quantize(latents.float())

    def _quantize(self, latents: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        batch, dim, length = latents.shape
        flat = latents.transpose(1, 2).reshape(-1, dim)  # (B * n, code_dim)
        if self.training and not self.codebook.any():
            self.codebook.copy_(self._draw(flat.detach()))
        tokens = self.nearest(flat)
        quantized = self.codebook[tokens]
        uses = torch.bincount(tokens, minlength=len(self.codebook)).to(flat.dtype)
        if self.training:
            self._follow(flat.detach(), tokens, uses)
        share = uses / uses.sum()
        perplexity = torch.exp(-(share * torch.log(share + 1e-7)).sum())
        commitment = functional.mse_loss(flat, quantized)
        passed = flat + (quantized - flat).detach()
        return passed.view(batch, length, dim).transpose(1, 2), commitment, perplexity

    def _draw(self, latents: Tensor) -> Tensor:
        """One random latent for each code; drawn again with a little noise where there are too few."""
        codes, dim = self.codebook.shape
        order = torch.randperm(len(latents), device=latents.device)
        drawn = latents[order.repeat(-(-codes // len(order)))[:codes]]
        if len(latents) < codes:
            drawn = drawn + torch.randn_like(drawn) * 0.01 / dim**0.5
        return drawn

    @torch.no_grad()
    def _follow(self, latents: Tensor, tokens: Tensor, uses: Tensor) -> None:
        if self.code_sum is None or self.code_count is None:
            self.code_sum, self.code_count = self.codebook.clone(), torch.ones_like(uses)
        batch_sum = torch.zeros_like(self.codebook).index_add_(0, tokens, latents)
        self.code_sum.mul_(self.decay).add_(batch_sum, alpha=1 - self.decay)
        self.code_count.mul_(self.decay).add_(uses, alpha=1 - self.decay)
        unused = self.code_count < self.reset_below
        self.code_sum[unused] = self._draw(latents)[unused]
        self.code_count[unused] = 1
        self.codebook.copy_(self.code_sum / self.code_count[:, None])


class VQVAE(nn.Module):
    """Source: Zhang et al. 2023 (T2M-GPT, arXiv 2301.06052) as used by MotionGPT (arXiv 2306.14795)."""

    def __init__(self, config: VQVAEConfig | None = None) -> None:
        super().__init__()
        self.config = config or VQVAEConfig()
        self.encoder = Encoder(self.config)
        self.decoder = Decoder(self.config)
        self.quantizer = Quantizer(self.config)

    def forward(self, features: Tensor) -> VQVAEOutput:
        """(B, T, features) -> `VQVAEOutput`."""
        quantized, commitment, perplexity = self.quantizer(self._latents(features))
        return VQVAEOutput(self.decoder(quantized).transpose(1, 2), commitment, perplexity)

    def encode(self, features: Tensor) -> Tensor:
        """(B, T, features) -> tokens (B, T // 4) int64; up to 3 frames at the end are dropped, nothing is padded."""
        latents = self._latents(features).transpose(1, 2)  # (B, n, code_dim)
        return self.quantizer.nearest(latents.flatten(0, 1)).view(latents.shape[:2])

    def decode(self, tokens: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, n) int64 -> (B, 4n, features), each row a motion of its own (MotionGPT joins the rows), of `lengths` (B,)
        tokens if they are given; any code may stand behind those."""
        return self.decoder(self.quantizer.lookup(tokens), lengths).transpose(1, 2)

    def laid_out(self) -> VQVAE:
        """Itself, its weights channels last in memory, as motions are: the same numbers, sooner."""
        for layer in self.modules():
            if isinstance(layer, Conv):
                layer.weight.data = layer.weight.data.transpose(1, 2).contiguous().transpose(1, 2)
        return self

    def _latents(self, features: Tensor) -> Tensor:
        needed = self.config.frames_per_token
        if features.shape[1] < needed:
            raise AtomError(f"a motion of {features.shape[1]} frames is too short to encode: give at least {needed}")
        return self.encoder(features.transpose(1, 2))


@torch.inference_mode()
def encode_clips(model: VQVAE, clips: Sequence[np.ndarray], mean: np.ndarray, std: np.ndarray) -> list[list[int]]:
    """Codes of clips of raw features (T, 263), one for every four frames; clips of one length are encoded together."""
    device = model.quantizer.codebook.device
    codes: list[list[int]] = [[] for _ in clips]
    order = sorted(range(len(clips)), key=lambda i: len(clips[i]))
    start = 0
    while start < len(order):
        length = len(clips[order[start]])
        group = [i for i in order[start : start + 64] if len(clips[i]) == length]
        features = torch.from_numpy(((np.stack([clips[i] for i in group]) - mean) / std).astype(np.float32)).to(device)
        for i, row in zip(group, model.encode(features).tolist(), strict=True):
            codes[i] = row
        start += len(group)
    return codes
