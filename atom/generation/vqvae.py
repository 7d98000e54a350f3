"""The motion VQ-VAE of MotionGPT (after T2M-GPT) in any size: 263 features per frame <-> one code per 4 frames.

Modules have the names of MotionGPT's, so that its weights load under their own keys. Features are normalised.
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

    `depth` is the number of residual blocks per stage, `stages` the number of times that the length is halved,
    `dilation_growth` the factor between the dilations of two residual blocks.
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
    def from_state_dict(cls, state: Mapping[str, Tensor], dilation_growth: int = 3) -> VQVAEConfig:
        """Reads the sizes off a state dict.

        Args:
            state: tensors by name.
            dilation_growth: the one size that the tensors do not tell.

        Returns:
            The sizes.

        Raises:
            AtomError: if these are not the weights of a VQ-VAE.
        """
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
    """The outputs for training.

    `reconstruction` is (B, T', features) with T' = T rounded down to whole tokens; `commitment` is a scalar, the mean
    squared distance of latents to their codes; `perplexity` is a scalar, the effective number of codes in use.
    """

    reconstruction: Tensor
    commitment: Tensor
    perplexity: Tensor


class Conv(nn.Conv1d):
    """A Conv1d on (B, channels, T) that keeps its data channels last in memory, which saves reordering it."""

    def forward(self, x: Tensor) -> Tensor:
        return _conv(x, self.weight, self.bias, self.stride[0], self.padding[0], self.dilation[0])


def _conv(x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int, dilation: int) -> Tensor:
    """A one-dimensional convolution, computed as a two-dimensional one of height 1."""
    # torch has channels last for 2-d convolutions only. The dilation of 2 over the height of 1 changes nothing, but
    # without it torch runs small batches on one thread with a library of half the speed.
    x, weight = x[:, :, None], weight[:, :, None]
    return functional.conv2d(x, weight, bias, (1, stride), (0, padding), (2, dilation))[:, :, 0]


class UpsamplingConv(Conv):
    """Nearest-neighbour upsampling by 2 and a convolution of width 3, fused: (B, channels, T) -> (B, channels, 2T).

    Two of the three taps fall on the same input frame, so that their weights can be added: 2/3 of the work.
    """

    def __init__(self, width: int) -> None:
        super().__init__(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        batch, width, length = x.shape
        left, centre, right = self.weight.unbind(2)
        # The window (frame t, frame t + 1) yields the second copy of frame t and the first copy of frame t + 1.
        second, first = (left + centre, right), (left, centre + right)
        kernel = torch.stack([torch.cat(tap) for tap in zip(second, first)], 1).transpose(1, 2)  # (2 width, width, 2)
        windows = _conv(x, kernel, self.bias.repeat(2), 1, 1, 1)  # (B, 2 width, T + 1)
        copies = windows.transpose(1, 2).reshape(batch, 2 * (length + 1), width)
        return copies[:, 1:-1].transpose(1, 2)


class ResidualConvBlock(nn.Module):
    """A residual block (B, width, T) -> (B, width, T) that reads `dilation` frames to both sides."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = Conv(width, width, 3, padding=dilation, dilation=dilation)
        self.conv2 = Conv(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        # In place where the tensor is no one else's: fewer passes over memory.
        return self.conv2(self.conv1(x.relu()).relu_()).add_(x)


class ResidualStack(nn.Module):
    """Residual blocks, the largest dilation first."""

    def __init__(self, config: VQVAEConfig) -> None:
        super().__init__()
        # The widest first, as in MotionGPT: the keys of its weights depend on the order.
        dilations = [config.dilation_growth**i for i in reversed(range(config.depth))]
        self.model = nn.Sequential(*(ResidualConvBlock(config.width, dilation) for dilation in dilations))

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class Encoder(nn.Module):
    """(B, features, T) -> (B, code_dim, T // 2**stages)."""

    def __init__(self, config: VQVAEConfig) -> None:
        super().__init__()
        downsampling = [
            nn.Sequential(Conv(config.width, config.width, 4, stride=2, padding=1), ResidualStack(config))
            for _ in range(config.stages)
        ]
        self.model = nn.Sequential(
            Conv(config.features, config.width, 3, padding=1),
            nn.ReLU(),
            *downsampling,
            Conv(config.width, config.code_dim, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class Decoder(nn.Module):
    """(B, code_dim, n) -> (B, features, n * 2**stages).

    With `lengths` (B,), row i has that many tokens and then padding: its frames equal those of the row decoded alone,
    and the frames after them are zero.
    """

    def __init__(self, config: VQVAEConfig) -> None:
        super().__init__()
        upsampling = [
            nn.Sequential(
                ResidualStack(config),
                nn.Identity(),  # stands for MotionGPT's nn.Upsample, so that the keys are the same
                UpsamplingConv(config.width),
            )
            for _ in range(config.stages)
        ]
        self.model = nn.Sequential(
            Conv(config.code_dim, config.width, 3, padding=1),
            nn.ReLU(),
            *upsampling,
            Conv(config.width, config.width, 3, padding=1),
            nn.ReLU(),
            Conv(config.width, config.features, 3, padding=1),
        )

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        if lengths is None:
            return self.model(x)
        mask = (torch.arange(x.shape[2], device=x.device) < lengths[:, None])[:, None]  # (B, 1, n)
        x = x * mask
        for layer in _flatten_layers(self.model):
            x = layer(x)
            if isinstance(layer, UpsamplingConv):
                mask = mask.repeat_interleave(2, 2)
            x = x * mask  # the next convolution sees zeros past the end, as it does for a row alone
        return x


def _flatten_layers(network: nn.Module) -> Iterator[nn.Module]:
    """The layers of a network in order; a residual block counts as one layer."""
    if isinstance(network, (nn.Sequential, ResidualStack)):
        for part in network.children():
            yield from _flatten_layers(part)
    else:
        yield network


class Quantizer(nn.Module):
    """Nearest-code quantizer. In training mode, its codebook is an exponential moving average (EMA) of the latents.

    The first training batch initialises the codebook; a code whose average use falls below one latent per batch is
    reset to a random latent. Only a codebook of zeros is initialised, so that loaded weights stay.
    """

    codebook: Tensor
    decay = 0.99
    reset_below = 1.0  # uses per batch, at MotionGPT's 4096 latents per batch; smaller batches need less

    def __init__(self, config: VQVAEConfig) -> None:
        super().__init__()
        self.register_buffer("codebook", torch.zeros(config.codes, config.code_dim))
        # Not buffers: the averages belong to a training run, and MotionGPT's state dict has the codebook alone.
        self.code_sum: Tensor | None = None
        self.code_count: Tensor | None = None

    def nearest(self, latents: Tensor) -> Tensor:
        """The nearest code of each latent: (N, code_dim) -> (N,) int64."""
        # |x - c|^2 expanded, without a tensor of (N, codes, code_dim).
        distances = (
            latents.square().sum(1, keepdim=True) - 2 * latents @ self.codebook.T + self.codebook.square().sum(1)
        )
        return distances.argmin(1)

    def lookup(self, tokens: Tensor) -> Tensor:
        """The latents of tokens: (B, n) -> (B, code_dim, n)."""
        return functional.embedding(tokens, self.codebook).transpose(1, 2)

    def forward(self, latents: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, code_dim, n) -> quantized latents of the same shape (straight-through), commitment loss, perplexity."""
        with torch.autocast(latents.device.type, enabled=False):  # bfloat16 is too coarse to tell close codes apart
            return self._quantize(latents.float())

    def _quantize(self, latents: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        batch, dim, length = latents.shape
        flat = latents.transpose(1, 2).reshape(-1, dim)  # (B * n, code_dim)
        if self.training and not self.codebook.any():
            self.codebook.copy_(self._sample_latents(flat.detach()))
        tokens = self.nearest(flat)
        quantized = self.codebook[tokens]
        uses = torch.bincount(tokens, minlength=len(self.codebook)).to(flat.dtype)
        if self.training:
            self._update_codebook(flat.detach(), tokens, uses)
        share = uses / uses.sum()
        perplexity = torch.exp(-(share * torch.log(share + 1e-7)).sum())
        commitment = functional.mse_loss(flat, quantized)
        # Forward gives the codes, backward passes the gradients to the encoder unchanged.
        straight_through = flat + (quantized - flat).detach()
        return straight_through.view(batch, length, dim).transpose(1, 2), commitment, perplexity

    def _sample_latents(self, latents: Tensor) -> Tensor:
        """One random latent per code. If there are fewer latents than codes, they repeat with a little noise."""
        codes, dim = self.codebook.shape
        order = torch.randperm(len(latents), device=latents.device)
        # Repeats the permutation as often as needed: every latent is taken once before any is taken twice.
        drawn = latents[order.repeat(-(-codes // len(order)))[:codes]]
        if len(latents) < codes:
            drawn = drawn + torch.randn_like(drawn) * 0.01 / dim**0.5
        return drawn

    @torch.no_grad()
    def _update_codebook(self, latents: Tensor, tokens: Tensor, uses: Tensor) -> None:
        if self.code_sum is None or self.code_count is None:
            self.code_sum, self.code_count = self.codebook.clone(), torch.ones_like(uses)
        batch_sum = torch.zeros_like(self.codebook).index_add_(0, tokens, latents)
        self.code_sum.mul_(self.decay).add_(batch_sum, alpha=1 - self.decay)
        self.code_count.mul_(self.decay).add_(uses, alpha=1 - self.decay)
        unused = self.code_count < self.reset_below
        # A reset code counts as one use, so that sum / count is the latent itself.
        self.code_sum[unused] = self._sample_latents(latents)[unused]
        self.code_count[unused] = 1
        self.codebook.copy_(self.code_sum / self.code_count[:, None])


class VQVAE(nn.Module):
    """Encoder, quantizer and decoder.

    Source: Zhang et al. 2023 (T2M-GPT, arXiv 2301.06052), as used by MotionGPT (arXiv 2306.14795).
    """

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
        """(B, T, features) -> tokens (B, T // 4) int64. The last T % 4 frames are dropped, nothing is padded."""
        latents = self._latents(features).transpose(1, 2)  # (B, n, code_dim)
        return self.quantizer.nearest(latents.flatten(0, 1)).view(latents.shape[:2])

    def decode(self, tokens: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Decodes a batch of motions, each on its own (MotionGPT joins the rows of a batch).

        Args:
            tokens: (B, n) int64.
            lengths: (B,) tokens per row; any code may follow them as padding. All n by default.

        Returns:
            Normalised features (B, 4n, features).
        """
        return self.decoder(self.quantizer.lookup(tokens), lengths).transpose(1, 2)

    def to_channels_last(self) -> VQVAE:
        """Puts the weights channels last in memory, like the data: the same numbers, faster. Returns the model."""
        for layer in self.modules():
            if isinstance(layer, Conv):
                layer.weight.data = layer.weight.data.transpose(1, 2).contiguous().transpose(1, 2)
        return self

    def _latents(self, features: Tensor) -> Tensor:
        minimum = self.config.frames_per_token
        if features.shape[1] < minimum:
            raise AtomError(f"a motion of {features.shape[1]} frames is too short to encode: give at least {minimum}")
        return self.encoder(features.transpose(1, 2))


@torch.inference_mode()
def encode_clips(model: VQVAE, clips: Sequence[np.ndarray], mean: np.ndarray, std: np.ndarray) -> list[list[int]]:
    """Encodes clips; those of the same length share a batch.

    Args:
        model: the VQ-VAE.
        clips: raw features (T, 263) of each clip.
        mean: normalisation (263,).
        std: normalisation (263,).

    Returns:
        The codes of each clip, one per four frames.
    """
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
