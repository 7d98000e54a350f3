"""The tokens that an answer could have had, when its probability is taken."""

from __future__ import annotations

import torch
from torch import Tensor

from atom.config import TuningConfig
from atom.generation.generator import Generator


def select_answer_vocabulary(generator: Generator, config: TuningConfig) -> Tensor | None:
    """Token ids (C,), ascending; None for all, as `atom.tuning.log_probabilities` takes it."""
    if config.vocabulary == "all":
        return None
    ids = generator.motions.answer_ids(generator.tokenizer.eos_token_id)
    return torch.tensor(sorted(ids), device=generator.device)
