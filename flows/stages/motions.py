"""Stage `motions`: motions sampled from the generator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from atom.config import RunConfig
from atom.external.motion_generator import derive_sample_seed
from atom.generation.generator import Generator
from flows.stages.generators import generator_key_fields, shared_generator
from flows.stages.shard import ShardResult, compute_or_reuse, requires_resource
from flows.stages.tables import read_prompts
from storage import MOTIONS, ArtifactRef, Recipe, Store


@requires_resource("gpu")
def make_motions(
    root: str,
    config: RunConfig,
    prompts: ArtifactRef,
    split: str,
    start: int,
    stop: int,
    adapter: ArtifactRef | None = None,
) -> ShardResult:
    """Samples motions for the prompts [start, stop) of a split.

    Args:
        root: folder or address of the store.
        config: the run's config.
        prompts: artifact of the prompts.
        split: "train" gives `generation.candidates` motions a prompt, "test" `generation.evaluation_samples`.
        start: place of the shard's first prompt.
        stop: place after its last prompt.
        adapter: the tuned adapter; None samples from the base.

    Returns:
        The motions; the ones without frames are counted as quarantined.
    """
    store, settings = Store(root), config.generation
    samples = settings.candidates if split == "train" else settings.evaluation_samples
    recipe = Recipe(
        "motions",
        2,
        MOTIONS,
        config={**settings.sampling, "samples": samples, "split": split, "start": start, "stop": stop},
        seed=config.seed,
        weights=generator_key_fields(config, adapter),
        inputs=[prompts.key],
    )

    def compute(writer: Any) -> None:
        shard = read_prompts(store, prompts, split, start, stop)
        requests = [(row["prompt_id"], row["text"], sample) for row in shard for sample in range(samples)]
        write_motions(writer, recipe, config, shared_generator(store, config, adapter), requests)

    return compute_or_reuse(store, recipe, compute)


def write_motions(
    writer: Any, recipe: Recipe, config: RunConfig, generator: Generator, requests: Sequence[tuple[str, str, int]]
) -> None:
    """Samples a motion for each request and writes the rows. An answer without a motion stays as a row without frames.

    Args:
        writer: of the artifact.
        recipe: of the artifact, whose key starts the motion ids.
        config: the run's config.
        generator: samples and decodes.
        requests: (prompt id, text, number of the sample) each.
    """
    seeds = [derive_sample_seed(config.seed, prompt_id, sample) for prompt_id, _, sample in requests]
    sampled = generator.sample(
        [text for _, text, _ in requests], seeds, batch_size=config.resources.batch_size, **config.generation.sampling
    )
    joints = generator.decode([sample.tokens for sample in sampled])
    writer.rows(
        [
            {
                "motion_id": f"{recipe.key[:12]}-{prompt_id}-{sample}",
                "prompt_id": prompt_id,
                "sample": sample,
                "seed": seed,
                "tokens": motion.tokens,
                "frames": len(decoded),
                "joints": decoded,
                "stop_reason": motion.stop_reason,
            }
            for (prompt_id, _, sample), seed, motion, decoded in zip(requests, seeds, sampled, joints, strict=True)
        ]
    )
    writer.stats = {"quarantined": sum(motion.stop_reason == "empty" for motion in sampled)}
