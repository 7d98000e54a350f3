"""Trains the motion VQ-VAE on features."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from atom.config import ConfigSection
from atom.generation.reconstruction_loss import ReconstructionLoss
from atom.generation.vqvae import VQVAE, VQVAEConfig
from atom.motion.feature_statistics import BLOCKS
from atom.training_state import ProgressCallback, TrainingState, set_learning_rate, warmup_cosine_rate

_WINDOW = 64  # frames of a training sample
_CODEBOOK_FREEZE = 0.7  # share of the steps after which the codebook is frozen
_SAVE_EVERY = 500

Precision = Literal["float32", "bfloat16"]


class VQVAETraining(ConfigSection):
    """Settings of the VQ-VAE's training."""

    clips: int = 8_000
    codes: int = 512
    width: int = 192
    steps: int = 5_500
    batch: int = 32
    learning_rate: float = 1e-3
    warmup: int = 200
    precision: Precision = "bfloat16"


def compute_block_statistics(clips: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and std (263,) float32 over all frames. As in HumanML3D, the features of a block share their mean std."""
    frames = np.concatenate(list(clips)).astype(np.float64)
    mean, std = frames.mean(0), frames.std(0)
    for block in BLOCKS.values():
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
    """Trains a VQ-VAE with MotionGPT's recipe and a loss on joint positions in the world.

    Args:
        clips: raw features (T, 263) of each clip.
        mean: normalisation (263,).
        std: normalisation (263,).
        config: the settings.
        seed: seed of weights and samples.
        state_file: the training state, from which a training that was cut off resumes.
        progress: receives activity, done, total and a note.

    Returns:
        The VQ-VAE in eval mode.
    """
    torch.manual_seed(seed)
    model = VQVAE(VQVAEConfig(codes=config.codes, width=config.width, code_dim=config.width)).train()
    model.quantizer.reset_below = config.batch / 256  # as in MotionGPT, whose batches have 256 windows
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, betas=(0.9, 0.99), weight_decay=0.0)
    state = TrainingState(state_file, model, optimizer, config.steps, _SAVE_EVERY)
    start = state.restore()
    reconstruction_loss = ReconstructionLoss(torch.from_numpy(mean), torch.from_numpy(std))
    # The state has no random generator: a resumed run continues with draws of its own.
    rng = np.random.default_rng([seed, 1, start])
    frames = ((np.concatenate(clips) - mean) / std).astype(np.float32)
    lengths = np.array([len(clip) for clip in clips])
    clip_starts = np.cumsum(lengths) - lengths
    usable = np.flatnonzero(lengths >= _WINDOW)
    for step in range(start, config.steps):
        if step >= _CODEBOOK_FREEZE * config.steps:
            model.quantizer.eval()  # freezes the codebook; encoder and decoder converge around it
        set_learning_rate(
            optimizer, warmup_cosine_rate(config.learning_rate, step, config.steps, config.warmup, floor=0.02)
        )
        chosen = rng.choice(usable, config.batch)
        offsets = clip_starts[chosen] + rng.integers(0, lengths[chosen] - _WINDOW + 1)
        batch = torch.from_numpy(frames[offsets[:, None] + np.arange(_WINDOW)])
        with torch.autocast("cpu", torch.bfloat16, enabled=config.precision == "bfloat16"):
            decoded, commitment, perplexity = model(batch)
        fit = reconstruction_loss(decoded.float(), batch)
        optimizer.zero_grad()
        (fit + 0.02 * commitment).backward()
        optimizer.step()
        done = step + 1
        if done % 50 == 0:
            progress("VQ-VAE", done, config.steps, f"fit {fit.item():.4f}, {perplexity.item():.0f} codes in use")
        state.save_if_due(done)
    return model.eval()
