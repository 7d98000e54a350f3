"""Trains the T5 that generates motion codes for captions."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from transformers import T5ForConditionalGeneration

from atom.config import ConfigSection
from atom.errors import AtomError
from atom.generation.vqvae_training import Precision
from atom.training_state import ProgressCallback, TrainingState, set_learning_rate, warmup_cosine_rate

_SAVE_EVERY = 1_000


class LanguageModelTraining(ConfigSection):
    """Sizes of the T5, and settings of its training."""

    d_model: int = 192
    d_ff: int = 512
    layers: int = 3
    heads: int = 6
    steps: int = 16_000
    batch: int = 16
    learning_rate: float = 1e-2
    warmup: int = 500
    precision: Precision = "bfloat16"


def train_language_model(
    model: T5ForConditionalGeneration,
    sources: Sequence[Sequence[list[int]]],
    targets: Sequence[list[int]],
    config: LanguageModelTraining,
    seed: int,
    state_file: Path,
    progress: ProgressCallback,
) -> None:
    """Trains with teacher forcing and Adafactor, whose steps scale with each parameter.

    With AdamW, a T5 that is trained from scratch never learns the order of words.

    Args:
        model: trained in place.
        sources: for each answer, the token ids of its captions, of which each step samples one; end tokens included.
        targets: the token ids of the answers, end tokens included.
        config: the settings.
        seed: seed of the batches.
        state_file: the training state, from which a training that was cut off resumes.
        progress: receives activity, done, total and a note.

    Raises:
        AtomError: if the loss is NaN or infinite.
    """
    optimizer = torch.optim.Adafactor(model.parameters(), lr=config.learning_rate)
    state = TrainingState(state_file, model, optimizer, config.steps, _SAVE_EVERY)
    start = state.restore()
    model.train()
    # The state has no random generator: a resumed run continues with draws of its own.
    rng = np.random.default_rng([seed, 2, start])
    batches: list[np.ndarray] = []
    smoothed_loss, began = math.nan, time.monotonic()
    for step in range(start, config.steps):
        if not batches:
            batches = _batch_by_length(targets, config.batch, rng)
        clips = batches.pop()
        captions = [sources[i][rng.integers(len(sources[i]))] for i in clips]
        inputs, labels = _pad(captions, model.config.pad_token_id), _pad([targets[i] for i in clips], -100)
        set_learning_rate(
            optimizer, warmup_cosine_rate(config.learning_rate, step, config.steps, config.warmup, floor=0.01)
        )
        with torch.autocast("cpu", torch.bfloat16, enabled=config.precision == "bfloat16"):
            mask = (inputs != model.config.pad_token_id).long()
            loss = model(input_ids=inputs, attention_mask=mask, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        done, value = step + 1, loss.item()
        if not math.isfinite(value):
            raise AtomError(f"the language model's loss became {value} at step {done}: lower its learning_rate")
        smoothed_loss = value if math.isnan(smoothed_loss) else 0.99 * smoothed_loss + 0.01 * value
        if done % 100 == 0:
            speed = (done - start) / (time.monotonic() - began)
            progress("language model", done, config.steps, f"loss {smoothed_loss:.3f}, {speed:.1f} steps/s")
        state.save_if_due(done)
    model.eval()


def _batch_by_length(targets: Sequence[list[int]], batch: int, rng: np.random.Generator) -> list[np.ndarray]:
    """One epoch of shuffled batches of clips of similar length: clips are sorted by length within random pools."""
    lengths = np.array([len(target) for target in targets])
    batches = []
    for pool in np.array_split(rng.permutation(len(targets)), max(len(targets) // (batch * 32), 1)):
        ranked = pool[np.argsort(lengths[pool], kind="stable")]
        batches += [ranked[i : i + batch] for i in range(0, len(ranked) - batch + 1, batch)]
    return [batches[i] for i in rng.permutation(len(batches))]


def _pad(rows: Sequence[Sequence[int]], value: int) -> torch.Tensor:
    width = max(len(row) for row in rows)
    return torch.tensor([[*row, *[value] * (width - len(row))] for row in rows])
