"""Stage `metrics`: text-to-motion metrics by Guo's protocol, and motions for the captions of a dataset."""

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
    compute_metric_rows,
    embed_generated,
    embed_references,
    references_from_dataset,
    references_from_prompts,
)
from atom.motion.features import joints_to_features
from flows.stages.generators import generator_key_fields, shared_generator
from flows.stages.motions import write_motions
from flows.stages.shard import ShardResult, compute_or_reuse, requires_resource
from flows.stages.tables import iterate_motions, motion_joints, read_prompts
from storage import METRICS, MOTIONS, ArtifactRef, Recipe, Store

_MIN_TEXTS = 32  # R-Precision ranks each motion among so many texts


def check_config(config: RunConfig) -> None:
    """Raises AtomError before any work is done when the metrics can't be computed."""
    settings = config.evaluation.metrics
    if settings is None:
        return
    load_evaluator(settings, config.resources.device)
    if settings.dataset and not dataset_captions(settings, config.seed):
        raise AtomError(f"{settings.dataset} has no usable motion in the split {settings.split}: see `atom data check`")


def dataset_captions(settings: MetricsConfig, seed: int) -> list[tuple[str, str]]:
    """(key, caption) of each caption of the dataset that gets motions, in order."""
    assert settings.dataset is not None
    split = Path(settings.dataset) / f"{settings.split}.txt"
    return _captions(settings, seed, split.stat().st_mtime_ns if split.is_file() else 0)


@lru_cache(maxsize=2)
def _captions(settings: MetricsConfig, seed: int, stamp: int) -> list[tuple[str, str]]:
    return [(reference.key, reference.text.text) for reference in references_from_dataset(settings, seed)]


@requires_resource("gpu")
def make_dataset_motions(
    root: str, config: RunConfig, start: int, stop: int, adapter: ArtifactRef | None = None
) -> ShardResult:
    """Samples motions for the captions [start, stop) of the dataset, from the base or, with an adapter, from the tuned
    model."""
    store, settings = Store(root), config.evaluation.metrics
    assert settings is not None
    captions = dataset_captions(settings, config.seed)[start:stop]
    recipe = Recipe(
        "motions",
        2,
        MOTIONS,
        seed=config.seed,
        weights=generator_key_fields(config, adapter),
        config={**config.generation.sampling, "samples": settings.samples, "captions": _digest(captions)},
    )

    def compute(writer: Any) -> None:
        requests = [(key, text, sample) for key, text in captions for sample in range(settings.samples)]
        write_motions(writer, recipe, config, shared_generator(store, config, adapter), requests)

    return compute_or_reuse(store, recipe, compute)


@requires_resource("gpu")
def make_metrics(
    root: str, config: RunConfig, prompts: ArtifactRef, motions: Mapping[str, Sequence[ArtifactRef]]
) -> ShardResult:
    """Computes FID, R-Precision, MM-Dist, Diversity and MultiModality of each arm and of the real motions.

    Args:
        root: folder or address of the store.
        config: the run's config.
        prompts: artifact of the prompts, whose test split gives the texts where no dataset does.
        motions: shards of motions of each arm.

    Returns:
        A row a metric; no rows where there are fewer texts than R-Precision ranks.
    """
    store, settings = Store(root), config.evaluation.metrics
    assert settings is not None
    evaluator = load_evaluator(settings, config.resources.device)
    data = _digest(dataset_captions(settings, config.seed)) if settings.dataset else prompts.key
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
        dropped: list[tuple[str, str]] = []
        if settings.dataset:
            references = references_from_dataset(settings, config.seed, dropped)
        else:
            rows = read_prompts(store, prompts, "test")
            made = list(references_from_prompts(rows, config.seed))
            writer.stats = {"not_measured": len(rows) - len(made)}
            if len(made) < _MIN_TEXTS:
                return
            references = iter(made)
        truth = embed_references(evaluator, references)
        writer.stats |= {"quarantined": len(dropped)}
        if len(truth.keys) < _MIN_TEXTS:
            return
        arms = {
            arm: embed_generated(evaluator, truth, _iterate_features(store, config, refs))
            for arm, refs in motions.items()
        }
        writer.rows(compute_metric_rows(truth, arms, settings, evaluator.name, config.seed))

    return compute_or_reuse(store, recipe, compute)


def _iterate_features(store: Store, config: RunConfig, refs: Sequence[ArtifactRef]) -> Iterator[GeneratedSample]:
    """(prompt id, sample, features) of all motions, shard by shard."""
    for ref in refs:
        rows = list(iterate_motions(store.read(ref, columns=["prompt_id", "sample", "tokens", "joints", "frames"])))
        for row, features in zip(rows, _features(store, config, rows), strict=True):
            yield row["prompt_id"], row["sample"], features


def _features(store: Store, config: RunConfig, rows: list[dict[str, Any]]) -> list[np.ndarray]:
    if not config.tunes:  # external motions may have tokens of another codebook
        return [joints_to_features(motion_joints(row)) for row in rows]
    generator = shared_generator(store, config, None)
    # For an answer without a motion the peers decode the single code 0.
    return generator.decode_features([row["tokens"] or [0] for row in rows])


def _digest(captions: Sequence[tuple[str, str]]) -> str:
    return hashlib.sha256(repr(list(captions)).encode()).hexdigest()
