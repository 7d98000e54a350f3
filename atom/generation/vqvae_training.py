"""Trains the motion VQ-VAE on features."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from atom.config import ConfigSection
from atom.generation.reconstruction import ReconstructionLoss
from atom.generation.vqvae import VQVAE, VQVAEConfig
from atom.training_state import ProgressCallback, TrainingState, cosine_decay, set_learning_rate

BLOCKS = (slice(0, 1), slice(1, 3), slice(3, 4), slice(4, 67), slice(67, 193), slice(193, 259), slice(259, 263))
WINDOW = 64  # frames
_SETTLED = 0.7  # share of the steps after which the codes stand still
_SAVE_EVERY = 500

Precision = Literal["float32", "bfloat16"]


class VQVAETraining(ConfigSection):
    """How the VQ-VAE is trained."""

    clips: int = 8_000
    codes: int = 512
    width: int = 192
    steps: int = 5_500
    batch: int = 32
    learning_rate: float = 1e-3
    warmup: int = 200
    precision: Precision = "bfloat16"


def block_statistics(clips: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and std (263,) over all frames, the std averaged inside each block as HumanML3D does."""
    frames = np.concatenate(list(clips)).astype(np.float64)
    mean, std = frames.mean(0), frames.std(0)
    for block in BLOCKS:
        std[block] = max(std[block].mean(), 1e-4)
    return mean.astype(np.float32), std.astype(np.float32)


def train_vqvae(
    clips: Sequence[np.ndarray],
    mean: np.ndarray,
    std: np.ndarray,
    config: VQVAETraining,
    seed: int,
    state_file: Path,
    progress: ProgressCallback,
) -> VQVAE:
    """A VQ-VAE of raw features (T, 263): MotionGPT's recipe with a loss that looks at the body in the world.

    `state_file` keeps the state; a training that was cut off goes on from there.
    """
    torch.manual_seed(seed)
    model = VQVAE(VQVAEConfig(codes=config.codes, width=config.width, code_dim=config.width)).train()
    model.quantizer.reset_below = config.batch / 256  # as rare as in MotionGPT's batches of 256 windows
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, betas=(0.9, 0.99), weight_decay=0.0)
    state = TrainingState(state_file, model, optimizer, config.steps, _SAVE_EVERY)
    start = state.restore()
    loss_of = ReconstructionLoss(torch.from_numpy(mean), torch.from_numpy(std))
    rng = np.random.default_rng([seed, 1, start])
    frames = ((np.concatenate(clips) - mean) / std).astype(np.float32)
    lengths = np.array([len(clip) for clip in clips])
    begins = np.cumsum(lengths) - lengths
    usable = np.flatnonzero(lengths >= WINDOW)
    for step in range(start, config.steps):
        if step >= _SETTLED * config.steps:
            model.quantizer.eval()  # encoder and decoder settle around codes that stand still
        share = step / config.steps
        rate = config.learning_rate * min(1, (step + 1) / config.warmup) * (0.02 + 0.98 * cosine_decay(share))
        set_learning_rate(optimizer, rate)
        chosen = rng.choice(usable, config.batch)
        offsets = begins[chosen] + rng.integers(0, lengths[chosen] - WINDOW + 1)
        batch = torch.from_numpy(frames[offsets[:, None] + np.arange(WINDOW)])
        with torch.autocast("cpu", torch.bfloat16, enabled=config.precision == "bfloat16"):
            decoded, commitment, perplexity = model(batch)
        fit = loss_of(decoded.float(), batch)
        optimizer.zero_grad()
        (fit + 0.02 * commitment).backward()
        optimizer.step()
        done = step + 1
        if done % 50 == 0:
            progress("VQ-VAE", done, config.steps, f"fit {fit.item():.4f}, {perplexity.item():.0f} codes in use")
        state.save_if_due(done)
    return model.eval()
