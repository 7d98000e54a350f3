"""What generation and tuning take: time, measured on a few motions, and the memory of the device."""

from __future__ import annotations

import time

import torch

from atom.config import RunConfig
from atom.errors import AtomError
from atom.generation.generator import Generator
from atom.planning.counts import Counts, typical_prompts
from atom.planning.estimate import Estimate, duration
from atom.tuning.adapter import add_adapter
from atom.tuning.batches import PairBatch
from atom.tuning.log_probabilities import compute_pair_log_probs
from atom.tuning.pairs import TokenizedPairs, TrainingPair

TIMED_PROMPTS, TIMED_PAIRS = 8, 4
FRAMES_PER_TOKEN = 4
SPARE = 0.5e9  # bytes that torch itself takes on a device


def computing(config: RunConfig, counts: Counts, generator: Generator) -> list[Estimate]:
    """Times by trying `generator` on a few prompts, and the memory by sizes. AtomError when that is not there."""
    texts = [prompt.text for prompt in typical_prompts()[:TIMED_PROMPTS]]
    length = max(1, round(counts.mean_frames / FRAMES_PER_TOKEN))
    a_motion = _seconds_a_motion(config, generator, texts)
    found = [
        Estimate(
            "time of generation",
            f"about {duration(a_motion * counts.generated / config.resources.workers)}",
            f"{a_motion:.2f} s a motion in a batch of {len(texts)} on {generator.device.type}, "
            f"{config.resources.workers} at a time; larger batches pay on a GPU",
        )
    ]
    if counts.steps:
        a_pair = _seconds_a_pair(config, generator, texts[:TIMED_PAIRS], length)
        found.append(
            Estimate(
                "time of tuning",
                f"about {duration(a_pair * config.tuning.batch_size * counts.steps)}",
                f"{a_pair:.2f} s a pair, forward and backward, on {generator.device.type}",
            )
        )
    return [*found, _memory(config, generator, length)]


def _seconds_a_motion(config: RunConfig, generator: Generator, texts: list[str]) -> float:
    began = time.monotonic()
    made = generator.sample(texts, range(len(texts)), batch_size=len(texts), **config.generation.sampling)
    generator.decode([sample.tokens for sample in made])
    return (time.monotonic() - began) / len(texts)


def _seconds_a_pair(config: RunConfig, generator: Generator, texts: list[str], length: int) -> float:
    """Of one step, without the optimizer."""
    codes = tuple(i % generator.motions.codes for i in range(length))
    pairs = list(TokenizedPairs(generator, [TrainingPair(text, codes, codes[::-1]) for text in texts]))
    adapted = add_adapter(generator.language_model, config.tuning, 0)
    try:
        batch = PairBatch.of(pairs, generator.tokenizer.pad_token_id, generator.device)
        began = time.monotonic()
        with torch.autocast(generator.device.type, torch.bfloat16, enabled=config.tuning.bf16):
            chosen, rejected = compute_pair_log_probs(adapted.get_base_model(), batch, config.tuning.log_prob_reduction)
        (chosen - rejected).sum().backward()
        return (time.monotonic() - began) / len(pairs)
    finally:
        generator.language_model = adapted.unload()


def _memory(config: RunConfig, generator: Generator, length: int) -> Estimate:
    """Weights, and the larger of what a tuning step keeps for its backward pass and what sampling caches."""
    t5 = generator.language_model.config
    parameters = sum(p.numel() for part in (generator.language_model, generator.vqvae) for p in part.parameters())
    number = 2 if config.tuning.bf16 else 4
    tokens = 2 * config.tuning.batch_size * length
    # For each token and decoder layer about 20 vectors of the model's width and two rows of attention; logits thrice.
    kept = t5.num_decoder_layers * (20 * t5.d_model + 2 * t5.num_heads * length) * number + 3 * t5.vocab_size * 4
    cached = config.resources.batch_size * config.generation.max_new_tokens * t5.num_decoder_layers * 2 * t5.d_model * 4
    total = 4 * parameters + max(tokens * kept, cached) + SPARE
    how = (
        f"{parameters / 1e6:.0f} M weights in float32, and the larger of a step of {config.tuning.batch_size} pairs "
        f"and a batch of {config.resources.batch_size} motions"
    )
    if generator.device.type == "cuda":
        there = torch.cuda.get_device_properties(generator.device).total_memory
        how += f"; the device has {there / 1e9:.0f} GB"
        if total > there:
            raise AtomError(
                f"about {total / 1e9:.0f} GB of device memory are needed and {there / 1e9:.0f} GB are there: lower "
                "tuning.batch_size or resources.batch_size"
            )
    return Estimate("memory of the device", f"about {total / 1e9:.1f} GB", how)
