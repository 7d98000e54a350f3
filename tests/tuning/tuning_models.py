"""A generator of random weights, small enough to tune in a second."""

import numpy as np
import torch

from atom.generation.checkpoint import Checkpoint
from atom.generation.generator import Generator
from atom.generation.language_model import build_language_model, make_t5_config
from atom.generation.tokenizer import MotionVocabulary, build_word_tokenizer
from atom.generation.vqvae import VQVAE, VQVAEConfig
from atom.tuning.pairs import TrainingPair

TEXTS = ["a person jumps twice", "someone waves, then walks ahead", "he bows", "a person turns left and sits down"]
CODES = 16


def random_generator(
    d_model: int = 32, d_ff: int = 48, layers: int = 2, heads: int = 2, codes: int = CODES, texts: list[str] = TEXTS
) -> Generator:
    torch.manual_seed(3)
    tokenizer = build_word_tokenizer(texts)
    MotionVocabulary.append(tokenizer, codes)
    config = make_t5_config(
        len(tokenizer), d_model, d_ff, layers, heads, tokenizer.pad_token_id, tokenizer.eos_token_id
    )
    vqvae = VQVAE(VQVAEConfig(codes=codes, code_dim=8, width=8, depth=1))
    statistics = np.zeros(263, np.float32), np.ones(263, np.float32)
    return Generator(Checkpoint(vqvae, build_language_model(config), tokenizer, *statistics, template="{}"))


def random_pairs(
    count: int, seed: int = 0, codes: int = CODES, lengths: tuple[int, int] = (3, 12), texts: list[str] = TEXTS
) -> list[TrainingPair]:
    rng = np.random.default_rng(seed)

    def motion() -> tuple[int, ...]:
        return tuple(rng.integers(codes, size=rng.integers(*lengths)).tolist())

    return [TrainingPair(texts[i % len(texts)], motion(), motion()) for i in range(count)]
