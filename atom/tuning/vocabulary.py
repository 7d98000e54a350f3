"""The tokens that are possible in an answer when its log-probability is computed."""

from __future__ import annotations

import torch
from torch import Tensor

from atom.config import TuningConfig
from atom.generation.generator import Generator


def select_answer_vocabulary(generator: Generator, config: TuningConfig) -> Tensor | None:
    """Selects the tokens that are possible in an answer.

    Args:
        generator: its tokenizer knows the motion tokens.
        config: `vocabulary` is "all" or "motion".

    Returns:
        (C,) ascending token ids, or None for all, as `compute_log_probs` takes them.
    """
    if config.vocabulary == "all":
        return None
    ids = generator.motions.answer_ids(generator.tokenizer.eos_token_id)
    return torch.tensor(sorted(ids), device=generator.device)
