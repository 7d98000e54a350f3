"""A generator small enough to build in a moment; random weights, such that some motions end."""

import json

import numpy as np
import pytest
import torch
from torch.nn import functional

from atom.generation.checkpoint import BUILTIN, Checkpoint
from atom.generation.language_model import build_language_model, make_t5_config
from atom.generation.tokenizer import MotionVocabulary, build_word_tokenizer
from atom.generation.vqvae import VQVAE, VQVAEConfig

CODES = 24
TEXTS = [
    "a person walks forward",
    "the man jumps twice, then waves with the left hand",
    "someone squats three times and after that walks forward, then claps",
    "a person bows",
]


def make_checkpoint(seed: int = 0) -> Checkpoint:
    torch.manual_seed(seed)
    vqvae = VQVAE(VQVAEConfig(codes=CODES, code_dim=16, width=16, depth=2)).eval()
    vqvae.quantizer.codebook.normal_()
    tokenizer = build_word_tokenizer(TEXTS)
    motions = MotionVocabulary.append(tokenizer, CODES)
    model = build_language_model(make_t5_config(len(tokenizer), 32, 64, 2, 4, 0, 1)).eval()
    with torch.no_grad():
        model.lm_head.weight.mul_(12)  # the scores of a trained model are spread wider than those of a fresh one
        # After nothing but the decoder's first token (padding), a motion starts.
        model.shared.weight[0] *= 5
        model.lm_head.weight[motions.start] = 10 * functional.normalize(model.shared.weight[0], dim=0)
    rng = np.random.default_rng(seed)
    mean, std = rng.normal(size=263), rng.uniform(0.1, 0.3, 263)
    return Checkpoint(vqvae, model, tokenizer, mean.astype(np.float32), std.astype(np.float32), "{}")


@pytest.fixture
def checkpoint() -> Checkpoint:
    return make_checkpoint()


@pytest.fixture(scope="session")
def checkpoint_maker():
    return make_checkpoint


@pytest.fixture(scope="session")
def texts() -> list[str]:
    return TEXTS


@pytest.fixture(scope="session")
def built_in() -> dict:
    """What training.json says of the shipped weights."""
    return json.loads((BUILTIN / "training.json").read_text())
