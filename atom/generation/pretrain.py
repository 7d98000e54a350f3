"""Trains the built-in generator from the procedural corpus: `atom pretrain`.

Corpus -> VQ-VAE -> tokens -> T5. Every stage leaves its result in the work folder, and the long ones leave checkpoints,
so a run that was cut off goes on where it stopped.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field, ValidationError
from torch.nn import functional as F

from atom.config import Section
from atom.corpus.captions import CaptionNoise, imperfect_caption
from atom.corpus.dataset import build_corpus, read_corpus
from atom.errors import AtomError
from atom.events import Event
from atom.generation.checkpoint import Checkpoint, save_checkpoint, weights_hash
from atom.generation.language_model import build_language_model, small_config
from atom.generation.tokenizer import MotionVocabulary, build_word_tokenizer
from atom.generation.vqvae import VQVAE, VQVAEConfig
from atom.prompts.wording import vocabulary

Progress = Callable[[str, int, int, str], None]
PROMPT_TEMPLATE = "{}"  # plain words: the small model gains nothing from an instruction
BLOCKS = (slice(0, 1), slice(1, 3), slice(3, 4), slice(4, 67), slice(67, 193), slice(193, 259), slice(259, 263))


class PretrainConfig(Section):
    """What the built-in generator is made with. The defaults are what the shipped weights were made with."""

    seed: int = 0
    clips: int = Field(20_000, ge=250)
    workers: int = Field(2, ge=1)
    captions_per_clip: int = Field(3, ge=1)
    codebook: int = 512
    vq_width: int = 128
    vq_steps: int = 1_500
    vq_batch: int = 32
    vq_learning_rate: float = 4e-4
    d_model: int = 128
    d_ff: int = 384
    layers: int = 3
    heads: int = 4
    steps: int = 5_600
    batch: int = 16
    learning_rate: float = 1e-2
    warmup: int = 500


def block_statistics(clips: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and std (263,) over all frames, the std averaged inside each block as HumanML3D does."""
    frames = np.concatenate(list(clips)).astype(np.float64)
    mean, std = frames.mean(0), frames.std(0)
    for block in BLOCKS:
        std[block] = max(std[block].mean(), 1e-4)
    return mean.astype(np.float32), std.astype(np.float32)


def train_vqvae(features: list[np.ndarray], config: PretrainConfig, work: Path, progress: Progress) -> VQVAE:
    """Smooth L1 on normalised features, half as much again on the joint positions, 0.02 x commitment; windows of 64
    frames (MotionGPT's recipe)."""
    torch.manual_seed(config.seed)
    rng = np.random.default_rng([config.seed, 1])
    model = VQVAE(VQVAEConfig(codes=config.codebook, width=config.vq_width, code_dim=config.vq_width)).train()
    model.quantizer.reset_below = config.vq_batch / 256  # as rare as in MotionGPT's batches of 256 windows
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.vq_learning_rate, betas=(0.9, 0.99), weight_decay=0.0)
    start, state = 0, work / "vqvae.pt"
    if state.exists():
        saved = torch.load(state, weights_only=True)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        start = saved["step"]
        rng = np.random.default_rng([config.seed, 1, start])
    frames, window = np.concatenate(features), 64
    lengths = np.array([len(clip) for clip in features])
    begins = np.cumsum(lengths) - lengths
    usable = np.flatnonzero(lengths >= window)
    for step in range(start, config.vq_steps):
        if step >= 0.7 * config.vq_steps:
            model.quantizer.eval()  # the codes stand still while encoder and decoder settle around them
        rate = config.vq_learning_rate * min(1, (step + 1) / 200) * (0.02 + 0.98 * _cosine(step / config.vq_steps))
        for group in optimizer.param_groups:
            group["lr"] = rate
        chosen = rng.choice(usable, config.vq_batch)
        offsets = begins[chosen] + rng.integers(0, lengths[chosen] - window + 1)
        batch = torch.from_numpy(frames[offsets[:, None] + np.arange(window)])
        output, commitment, perplexity = model(batch)
        fit = F.smooth_l1_loss(output, batch)
        loss = fit + 0.5 * F.smooth_l1_loss(output[..., 4:67], batch[..., 4:67]) + 0.02 * commitment
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 50 == 49:
            progress("VQ-VAE", step + 1, config.vq_steps, f"fit {fit.item():.4f}, {perplexity.item():.0f} codes in use")
        if step % 500 == 499 or step + 1 == config.vq_steps:
            _save(state, {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1})
    return model.eval()


@torch.inference_mode()
def tokenize(model: VQVAE, features: list[np.ndarray]) -> list[list[int]]:
    """Codes of each clip, one a four frames; clips of the same length are encoded together."""
    codes: list[list[int]] = [[] for _ in features]
    order = sorted(range(len(features)), key=lambda i: len(features[i]))
    start = 0
    while start < len(order):
        length = len(features[order[start]])
        group = [i for i in order[start : start + 64] if len(features[i]) == length]
        tokens = model.encode(torch.from_numpy(np.stack([features[i] for i in group])))
        for i, row in zip(group, tokens.tolist(), strict=True):
            codes[i] = row
        start += len(group)
    return codes


def train_language_model(model: torch.nn.Module, sources: list[list[int]], targets: list[list[int]],
                         config: PretrainConfig, work: Path, progress: Progress) -> None:  # fmt: skip
    """Teacher forcing with Adafactor, whose steps scale with each parameter: with AdamW a T5 trained from scratch
    stays a bag of words. `sources` and `targets` are token ids of prompts and answers, end token included; source i of
    `captions_per_clip * clip + k` belongs to target `clip`."""
    optimizer = torch.optim.Adafactor(model.parameters(), lr=config.learning_rate)
    state, start = work / "language_model.pt", 0
    if state.exists():
        saved = torch.load(state, weights_only=True)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        start = saved["step"]
    model.train()
    rng = np.random.default_rng([config.seed, 2, start])
    pool: list[np.ndarray] = []
    smooth, began = math.nan, time.monotonic()
    for step in range(start, config.steps):
        if not pool:
            pool = _length_batches(targets, config.batch, rng)
        clips = pool.pop()
        captions = clips * config.captions_per_clip + rng.integers(config.captions_per_clip, size=len(clips))
        inputs, mask = _pad([sources[i] for i in captions], 0)
        labels, _ = _pad([targets[i] for i in clips], -100)
        rate = config.learning_rate * min(1, (step + 1) / config.warmup) * (0.01 + 0.99 * _cosine(step / config.steps))
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = model(input_ids=inputs, attention_mask=mask, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if not math.isfinite(loss.item()):
            raise AtomError(f"the language model's loss became {loss.item()} at step {step}: lower learning_rate")
        smooth = loss.item() if math.isnan(smooth) else 0.99 * smooth + 0.01 * loss.item()
        if step % 100 == 99:
            speed = (step + 1 - start) / (time.monotonic() - began)
            progress("language model", step + 1, config.steps, f"loss {smooth:.3f}, {speed:.1f} steps/s")
        if step % 1000 == 999 or step + 1 == config.steps:
            _save(state, {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1})
    model.eval()


def corpus_captions(compositions: list[tuple[Event, ...]], config: PretrainConfig) -> list[str]:
    """`captions_per_clip` imperfect captions of each clip, in order: as in real data, what is wrong stays wrong."""
    rng = np.random.default_rng([config.seed, 3])
    noise = CaptionNoise()
    return [imperfect_caption(events, rng, noise) for events in compositions for _ in range(config.captions_per_clip)]


def prepare_language_model(codes: list[list[int]], compositions: list[tuple[Event, ...]], config: PretrainConfig):
    """The untrained model, its tokenizer, and the token ids of prompts and answers."""
    torch.manual_seed(config.seed)
    captions = corpus_captions(compositions, config)
    tokenizer = build_word_tokenizer([*sorted(vocabulary()), PROMPT_TEMPLATE.format(",.")])
    motions = MotionVocabulary.append(tokenizer, config.codebook)
    shape = small_config(len(tokenizer), config.d_model, config.d_ff, config.layers, config.heads,
                         tokenizer.pad_token_id, tokenizer.eos_token_id)  # fmt: skip
    sources = tokenizer([PROMPT_TEMPLATE.format(text) for text in captions]).input_ids
    targets = [motions.answer(row, tokenizer.eos_token_id) for row in codes]
    return build_language_model(shape), tokenizer, sources, targets


def load_training_corpus(config: PretrainConfig, work: Path, progress: Progress):
    """Features (normalised, with the mean and std they were normalised by) and compositions of the whole corpus."""
    paths = build_corpus(work / "corpus", config.clips, config.seed, config.workers,
                         lambda done, total: progress("corpus", done, total, "clips"))  # fmt: skip
    clips = list(read_corpus(paths))
    mean, std = block_statistics(clip.features for clip in clips)
    return [((clip.features - mean) / std).astype(np.float32) for clip in clips], [c.events for c in clips], mean, std


def _length_batches(targets: list[list[int]], batch: int, rng: np.random.Generator) -> list[np.ndarray]:
    """One pass over all clips in batches of similar length: sorted inside random pools, batches shuffled."""
    order = rng.permutation(len(targets))
    lengths = np.array([len(target) for target in targets])
    pools = np.array_split(order, max(len(order) // (batch * 32), 1))
    batches = []
    for pool in pools:
        ranked = pool[np.argsort(lengths[pool], kind="stable")]
        batches += [ranked[i : i + batch] for i in range(0, len(ranked) - batch + 1, batch)]
    return [batches[i] for i in rng.permutation(len(batches))]


def _pad(rows: list[list[int]], value: int) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(len(row) for row in rows)
    padded = torch.tensor([row + [value] * (width - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    return padded, mask


def _cosine(share: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))


def _save(path: Path, state: dict[str, Any]) -> None:
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    temporary.replace(path)


def pretrain_config(overrides: Sequence[str]) -> PretrainConfig:
    """The defaults with `field=value` changes. Raises AtomError for a field that isn't there."""
    pairs = [override.partition("=")[::2] for override in overrides]
    try:
        return PretrainConfig.model_validate(dict(pairs))
    except ValidationError as error:
        first = error.errors()[0]
        raise AtomError(f"--set {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def pretrain(output: Path, config: PretrainConfig, work: Path, progress: Progress) -> dict[str, Any]:
    """Corpus, VQ-VAE, tokens, language model; writes the checkpoint folder and returns what it was made with."""
    work.mkdir(parents=True, exist_ok=True)
    features, compositions, mean, std = load_training_corpus(config, work, progress)
    vqvae = train_vqvae(features, config, work, progress)
    codes = tokenize(vqvae, features)
    del features
    model, tokenizer, sources, targets = prepare_language_model(codes, compositions, config)
    train_language_model(model, sources, targets, config, work, progress)
    save_checkpoint(output, Checkpoint(vqvae, model, tokenizer, mean, std, PROMPT_TEMPLATE))
    figures = {"command": "atom pretrain", "config": config.model_dump(), "weights": weights_hash(str(output))}
    (output / "training.json").write_text(json.dumps(figures, indent=1) + "\n")
    return figures
