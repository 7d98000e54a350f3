"""The stages that measure text-to-motion by Guo's protocol: motions for a dataset's captions, and the metrics."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from atom.config import MetricsConfig, RunConfig
from atom.errors import AtomError
from atom.evaluation.evaluator.loading import load_evaluator
from atom.evaluation.metric_rows import (
    GeneratedSample,
    references_from_dataset,
    references_from_prompts,
    embed_generated,
    embed_references,
    compute_metric_rows,
)
from atom.motion.features import joints_to_features
from flows import stages
from flows.needs import needs
from flows.stages import ShardResult
from storage import METRICS, MOTIONS, ArtifactRef, Recipe, Store

LEAST_TEXTS = 32  # one pool of R-Precision


def check(config: RunConfig) -> None:
    """AtomError when the metrics can't be taken, before any work is done."""
    settings = config.evaluation.metrics
    if settings is None:
        return
    load_evaluator(settings, config.resources.device)
    if settings.dataset and not captions_of(settings, config.seed):
        raise AtomError(f"{settings.dataset} has no usable motion in the split {settings.split}: see `atom data check`")


def captions_of(settings: MetricsConfig, seed: int) -> list[tuple[str, str]]:
    """Keys and captions of the dataset that motions are made for, in order."""
    assert settings.dataset is not None
    split = Path(settings.dataset) / f"{settings.split}.txt"
    return _captions(settings, seed, split.stat().st_mtime_ns if split.is_file() else 0)


@lru_cache(maxsize=2)
def _captions(settings: MetricsConfig, seed: int, stamp: int) -> list[tuple[str, str]]:
    return [(asked.key, asked.text.text) for asked in references_from_dataset(settings, seed)]


@needs("gpu")
def make_dataset_motions(
    root: str, config: RunConfig, start: int, stop: int, adapter: ArtifactRef | None = None
) -> ShardResult:
    """Motions for the captions [start, stop) of the dataset, of the base or, with an adapter, of the tuned model."""
    store, settings = Store(root), config.evaluation.metrics
    assert settings is not None
    captions = captions_of(settings, config.seed)[start:stop]
    recipe = Recipe(
        "motions",
        2,
        MOTIONS,
        seed=config.seed,
        weights=stages.generator_identity(config, adapter),
        config={**config.generation.sampling, "samples": settings.samples, "captions": _digest(captions)},
    )

    def compute(writer: Any) -> None:
        asked = [(key, text, sample) for key, text in captions for sample in range(settings.samples)]
        stages.write_motions(writer, recipe, config, stages.generator_of(store, config, adapter), asked)

    return stages.once(store, recipe, compute)


@needs("gpu")
def make_metrics(
    root: str, config: RunConfig, prompts: ArtifactRef, motions: Mapping[str, Sequence[ArtifactRef]]
) -> ShardResult:
    """FID, R-Precision, MM-Dist, Diversity and MultiModality of each arm, and of the real motions. Without rows where
    there are fewer texts than one pool holds."""
    store, settings = Store(root), config.evaluation.metrics
    assert settings is not None
    evaluator = load_evaluator(settings, config.resources.device)
    data = _digest(captions_of(settings, config.seed)) if settings.dataset else prompts.key
    recipe = Recipe(
        "metrics",
        2,
        METRICS,
        seed=config.seed,
        weights={"evaluator": evaluator.weights_hash},
        config={
            "data": data,
            "arms": {arm: [ref.key for ref in refs] for arm, refs in motions.items()},
            **settings.model_dump(include={"replications", "diversity_pairs", "multimodality_pairs"}),
        },
        inputs=[ref.key for refs in motions.values() for ref in refs],
    )

    def compute(writer: Any) -> None:
        left_out: list[tuple[str, str]] = []
        if settings.dataset:
            asked = references_from_dataset(settings, config.seed, left_out)
        else:
            asked = references_from_prompts(stages.prompts_of(store, prompts, "test"), config.seed)
        truth = embed_references(evaluator, asked)
        writer.stats = {"quarantined": len(left_out)}
        if len(truth.keys) < LEAST_TEXTS:
            return
        arms = {arm: embed_generated(evaluator, truth, _made(store, config, refs)) for arm, refs in motions.items()}
        writer.rows(compute_metric_rows(truth, arms, settings, evaluator.name, config.seed))

    return stages.once(store, recipe, compute)


def _made(store: Store, config: RunConfig, refs: Sequence[ArtifactRef]) -> Iterator[GeneratedSample]:
    """Features of all motions, shard by shard: decoded again from the codes where there are any, else of the joints.
    For an answer without a motion the peers take the one code 0."""
    for ref in refs:
        rows = list(stages.motions_of(store.read(ref, columns=["prompt_id", "sample", "tokens", "joints", "frames"])))
        for row, features in zip(rows, _features(store, config, rows), strict=True):
            yield row["prompt_id"], row["sample"], features


def _features(store: Store, config: RunConfig, rows: list[dict[str, Any]]) -> list[np.ndarray]:
    if not config.tunes:  # made elsewhere, perhaps with another codebook
        return [joints_to_features(stages.joints_of(row)) for row in rows]
    generator = stages.generator_of(store, config, None)
    return generator.decode_features([row["tokens"] or [0] for row in rows])


def _digest(captions: Sequence[tuple[str, str]]) -> str:
    return hashlib.sha256(repr(list(captions)).encode()).hexdigest()
