"""Trains the built-in generator from the procedural corpus: `atom pretrain`.

Corpus -> VQ-VAE -> codes -> T5 -> quality. Every stage leaves its result in the work folder, and the long ones leave
their state, so that a run that was cut off resumes where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field

from atom.config import ConfigSection
from atom.corpus.caption_noise import CaptionNoise, write_noisy_caption
from atom.corpus.corpus_shards import build_corpus, read_corpus
from atom.events import Composition
from atom.generation.checkpoint import Checkpoint, hash_weights, save_checkpoint
from atom.generation.generator import Generator
from atom.generation.generator_quality import (
    measure_clause_order,
    measure_prompt_quality,
    measure_reconstruction_quality,
)
from atom.generation.language_model import build_language_model, make_t5_config
from atom.generation.language_model_training import LanguageModelTraining, train_language_model
from atom.generation.tokenizer import MotionVocabulary, build_word_tokenizer
from atom.generation.vqvae import encode_clips
from atom.generation.vqvae_training import VQVAETraining, compute_block_statistics, train_vqvae
from atom.prompts.wording import vocabulary
from atom.training_state import ProgressCallback

PROMPT_TEMPLATE = "{}"  # the bare caption: the small model gains nothing from an instruction


class PretrainConfig(ConfigSection):
    """Settings of the training of the built-in generator. The defaults are those of the shipped weights."""

    seed: int = Field(0, ge=0)
    clips: int = Field(60_000, ge=250)
    workers: int = Field(2, ge=1, description="processes that build the corpus")
    captions_per_clip: int = Field(3, ge=1)
    imperfect_captions: bool = Field(True, description="false: every caption is true, as an upper bound")
    judged: int = Field(300, ge=1, description="motions that each measure of quality is taken from")
    vqvae: VQVAETraining = VQVAETraining()
    language_model: LanguageModelTraining = LanguageModelTraining()


def pretrain(output: Path, config: PretrainConfig, work: Path, progress: ProgressCallback) -> dict[str, Any]:
    """Trains the generator and writes its checkpoint folder, with training.json.

    Args:
        output: the checkpoint folder to write.
        config: the settings.
        work: the folder for the corpus and the training states, from which a run resumes.
        progress: receives activity, done, total and a note during long work.

    Returns:
        The content of training.json: the settings, the hash of the weights and the quality of the generator.
    """
    work.mkdir(parents=True, exist_ok=True)
    paths = build_corpus(
        work / "corpus",
        config.clips,
        config.seed,
        config.workers,
        lambda done, total: progress("corpus", done, total, "clips"),
    )
    vqvae_clips = [clip.features for clip in islice(read_corpus(paths), config.vqvae.clips)]
    mean, std = compute_block_statistics(vqvae_clips)
    vqvae = train_vqvae(vqvae_clips, mean, std, config.vqvae, config.seed, work / "vqvae.pt", progress)
    del vqvae_clips
    codes: list[list[int]] = []
    compositions: list[Composition] = []
    for path in paths:
        clips = list(read_corpus([path]))
        codes += encode_clips(vqvae, [clip.features for clip in clips], mean, std)
        compositions += [clip.events for clip in clips]
        progress("codes", len(codes), config.clips, "clips")

    torch.manual_seed(config.seed)
    tokenizer = build_word_tokenizer([*sorted(vocabulary()), PROMPT_TEMPLATE.format(",.")])
    motions = MotionVocabulary.append(tokenizer, config.vqvae.codes)
    size = config.language_model
    model = build_language_model(
        make_t5_config(
            len(tokenizer),
            size.d_model,
            size.d_ff,
            size.layers,
            size.heads,
            tokenizer.pad_token_id,
            tokenizer.eos_token_id,
        )
    )
    captions = [
        tokenizer([PROMPT_TEMPLATE.format(text) for text in texts]).input_ids
        for texts in corpus_captions(compositions, config)
    ]
    answers = [motions.answer(row, tokenizer.eos_token_id) for row in codes]
    train_language_model(model, captions, answers, size, config.seed, work / "language_model.pt", progress)

    save_checkpoint(output, Checkpoint(vqvae, model, tokenizer, mean, std, PROMPT_TEMPLATE))
    generator = Generator.load(str(output))
    figures = {
        "command": "atom pretrain",
        "config": config.model_dump(),
        "weights": hash_weights(str(output)),
        "quality": {
            "reconstruction": measure_reconstruction_quality(generator, config.judged),
            "prompts": measure_prompt_quality(generator, config.judged),
            "prompts_at_temperature_0.7": measure_prompt_quality(generator, config.judged, temperature=0.7),
            "swap_test": measure_clause_order(generator, config.judged),
        },
    }
    (output / "training.json").write_text(json.dumps(figures, indent=1) + "\n")
    return figures


def corpus_captions(compositions: Sequence[Composition], config: PretrainConfig) -> list[list[str]]:
    """Writes the captions of the corpus.

    Captions are imperfect unless the config says otherwise. As in real data, a wrong caption stays the same in every
    epoch.

    Args:
        compositions: the events of each clip.
        config: the settings.

    Returns:
        `captions_per_clip` captions for each clip.
    """
    rng, noise = np.random.default_rng([config.seed, 3]), CaptionNoise() if config.imperfect_captions else None
    return [
        [write_noisy_caption(events, rng, noise) for _ in range(config.captions_per_clip)] for events in compositions
    ]
