"""Estimates of the time of generation and tuning, measured on a few motions, and of the device memory."""

from __future__ import annotations

import time

import torch

from atom.config import RunConfig
from atom.errors import AtomError
from atom.generation.generator import Generator
from atom.planning.counts import RunCounts, typical_prompts
from atom.planning.estimate import Estimate, format_duration
from atom.tuning.adapter import trainable_adapter
from atom.tuning.batches import PairBatch
from atom.tuning.log_probabilities import compute_pair_log_probs
from atom.tuning.pairs import TokenizedPairs, TrainingPair

TIMED_PROMPTS, TIMED_PAIRS = 8, 4
FRAMES_PER_TOKEN = 4
TORCH_BYTES = 0.5e9  # of device memory that torch itself takes


def estimate_compute(config: RunConfig, counts: RunCounts, generator: Generator) -> list[Estimate]:
    """Measures generation and tuning on a few prompts, and estimates the device memory from the sizes of the model.

    Args:
        config: config of the run.
        counts: how much the run makes.
        generator: the generator of the run.

    Returns:
        The estimates.

    Raises:
        AtomError: the device has too little memory.
    """
    texts = [prompt.text for prompt in typical_prompts()[:TIMED_PROMPTS]]
    length = max(1, round(counts.mean_frames / FRAMES_PER_TOKEN))
    seconds_per_motion = _time_generation(config, generator, texts)
    found = [
        Estimate(
            "generation time",
            f"about {format_duration(seconds_per_motion * counts.generated / config.resources.workers)}",
            f"{seconds_per_motion:.2f} s a motion in a batch of {len(texts)} on {generator.device.type}, "
            f"{config.resources.workers} at a time; larger batches are faster on a GPU",
        )
    ]
    if counts.steps:
        seconds_per_pair = _time_tuning(config, generator, texts[:TIMED_PAIRS], length)
        found.append(
            Estimate(
                "tuning time",
                f"about {format_duration(seconds_per_pair * config.tuning.batch_size * counts.steps)}",
                f"{seconds_per_pair:.2f} s a pair, forward and backward, on {generator.device.type}",
            )
        )
    return [*found, _estimate_memory(config, generator, length)]


def _time_generation(config: RunConfig, generator: Generator, texts: list[str]) -> float:
    began = time.monotonic()
    samples = generator.sample(texts, range(len(texts)), batch_size=len(texts), **config.generation.sampling)
    generator.decode([sample.tokens for sample in samples])
    return (time.monotonic() - began) / len(texts)


def _time_tuning(config: RunConfig, generator: Generator, texts: list[str], length: int) -> float:
    """Seconds per pair of a forward and backward pass, without the optimizer step."""
    codes = tuple(i % generator.motions.codes for i in range(length))
    pairs = list(TokenizedPairs(generator, [TrainingPair(text, codes, codes[::-1]) for text in texts]))
    with trainable_adapter(generator, config.tuning, 0) as adapted:
        batch = PairBatch.of(pairs, generator.tokenizer.pad_token_id, generator.device)
        began = time.monotonic()
        with torch.autocast(generator.device.type, torch.bfloat16, enabled=config.tuning.bf16):
            chosen, rejected = compute_pair_log_probs(adapted.get_base_model(), batch, config.tuning.log_prob_reduction)
        (chosen - rejected).sum().backward()
        return (time.monotonic() - began) / len(pairs)


def _estimate_memory(config: RunConfig, generator: Generator, length: int) -> Estimate:
    """The weights, plus the larger of a tuning step's activations and the key-value cache of sampling."""
    t5 = generator.language_model.config
    parameters = sum(p.numel() for part in (generator.language_model, generator.vqvae) for p in part.parameters())
    bytes_per_value = 2 if config.tuning.bf16 else 4
    tokens = 2 * config.tuning.batch_size * length
    layers, width = t5.num_decoder_layers, t5.d_model
    # Activations kept for the backward pass: for each token and decoder layer about 20 vectors of the model's width and
    # two rows of attention, and for each token three float32 copies of its logits.
    activations = layers * (20 * width + 2 * t5.num_heads * length) * bytes_per_value + 3 * t5.vocab_size * 4
    key_value_cache = config.resources.batch_size * config.generation.max_new_tokens * layers * 2 * width * 4
    total = 4 * parameters + max(tokens * activations, key_value_cache) + TORCH_BYTES
    basis = (
        f"{parameters / 1e6:.0f} M weights in float32, and the larger of a step of {config.tuning.batch_size} pairs "
        f"and a batch of {config.resources.batch_size} motions"
    )
    if generator.device.type == "cuda":
        available = torch.cuda.get_device_properties(generator.device).total_memory
        basis += f"; the device has {available / 1e9:.0f} GB"
        if total > available:
            raise AtomError(
                f"about {total / 1e9:.0f} GB of device memory are needed and {available / 1e9:.0f} GB are there: lower "
                "tuning.batch_size or resources.batch_size"
            )
    return Estimate("device memory", f"about {total / 1e9:.1f} GB", basis)
