"""Stage `reward model`: a network that learns the judge's taste from the pairs of all rounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from atom.config import RunConfig
from atom.tuning.reward_model import FILES as REWARD_MODEL_FILES
from atom.tuning.reward_model import RewardPair, train_reward_model
from flows.progress import Progress
from flows.stages.adapter import task_key_fields
from flows.stages.generators import generator_key_fields, load_generator_to_tune
from flows.stages.preferences import load_training_pairs
from flows.stages.shard import ShardResult, compute_or_reuse, requires_resource
from flows.stages.tables import artifact_keys
from storage import REWARD_MODEL_CURVES, ArtifactRef, Recipe, Store


@requires_resource("gpu")
def make_reward_model(root: str, config: RunConfig, preferences: Sequence[ArtifactRef]) -> ShardResult:
    """Trains a reward model on the pairs of all rounds; its table has a row an epoch. An interrupted training resumes
    after its last full epoch."""
    store, settings = Store(root), config.reward_model
    recipe = Recipe(
        "reward-model",
        1,
        REWARD_MODEL_CURVES,
        config=settings.model_dump() | task_key_fields(config),
        seed=config.training_seed,
        weights=generator_key_fields(config),
        inputs=artifact_keys(preferences),
    )

    def compute(writer: Any) -> None:
        pairs = [
            RewardPair(
                row["prompt"],
                tuple(row["chosen_tokens"]),
                tuple(row["rejected_tokens"]),
                row["chosen_score"],
                row["rejected_score"],
                row["degree"],
            )
            for ref in preferences
            for rows in load_training_pairs(store, ref, config)
            for row in rows
        ]
        generator = load_generator_to_tune(config)
        progress = Progress("epochs of the reward model", settings.num_train_epochs)

        def report(done: int, total: int, row: dict[str, Any]) -> None:
            progress.update(done, f"held-out accuracy {row['accuracy']:.2f}")

        with store.scratch("reward-model", recipe.key) as work:
            rows = train_reward_model(generator, pairs, settings, config.training_seed, writer.folder, report, work)
        for name in REWARD_MODEL_FILES:
            writer.record(name)
        writer.rows(rows)

    return compute_or_reuse(store, recipe, compute)
