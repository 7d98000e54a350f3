"""Batched sampling with one seed a sample: the same text and seed give the same motion, whatever the batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from transformers import (
    LogitsProcessor,
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
)


class GumbelNoise(LogitsProcessor):
    """Adds each row's own Gumbel noise to its scores, so that the greedy choice is a sample of the softmax.

    The noise of step t is drawn from a counter-based generator keyed by (seed, t): it knows nothing of other rows.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self.seeds = list(seeds)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        step, width = input_ids.shape[1], scores.shape[1]
        noise = np.stack([
            np.random.Generator(np.random.Philox(key=[seed, step])).gumbel(size=width) for seed in self.seeds
        ])  # fmt: skip
        return scores + torch.from_numpy(noise.astype(np.float32)).to(scores.device)


class OnlyTokens(LogitsProcessor):
    """Leaves the given tokens as the only choice."""

    def __init__(self, allowed: Tensor) -> None:
        self.allowed = allowed  # (vocabulary,) bool

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        return scores.masked_fill(~self.allowed.to(scores.device), -torch.inf)


@torch.inference_mode()
def sample_ids(model: torch.nn.Module, inputs: Tensor, mask: Tensor, seeds: Sequence[int], allowed: Tensor, *,
               temperature: float, top_k: int, max_new_tokens: int) -> list[list[int]]:  # fmt: skip
    """Token ids of one answer for each row of `inputs` (B, S), without the start token and what follows the end token.

    Only tokens of `allowed` (vocabulary,) can come: a text word is no part of a motion, so MotionGPT's parser would
    drop it anyway. `top_k` 0 keeps all of them.
    """
    processors = LogitsProcessorList([OnlyTokens(allowed), TemperatureLogitsWarper(temperature)])
    if top_k:
        processors.append(TopKLogitsWarper(top_k))
    processors.append(GumbelNoise(seeds))
    answers = model.generate(
        input_ids=inputs, attention_mask=mask, logits_processor=processors, do_sample=False, num_beams=1,
        max_new_tokens=max_new_tokens,
    )  # fmt: skip
    end = model.config.eos_token_id
    rows = answers[:, 1:].tolist()
    return [row[: row.index(end) + 1] if end in row else row for row in rows]
