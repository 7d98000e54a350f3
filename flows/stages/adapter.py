"""Stage `adapter`: LoRA tuned on preference pairs."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from atom.config import RunConfig
from atom.prompts.seeds import read_seeds
from atom.tuning.adapter import FILES as ADAPTER_FILES
from atom.tuning.distributed import PAIRS_FILE, tune_distributed
from atom.tuning.pairs import PairFile, TrainingPair
from atom.tuning.preference_trainer import tune
from atom.tuning.trainer_state import read_saved_curve
from atom.tuning.validation import build_validation
from flows.progress import Progress
from flows.stages.generators import generator_key_fields, load_generator_to_tune
from flows.stages.preferences import load_training_pairs
from flows.stages.shard import ShardResult, compute_or_reuse, requires_resource
from flows.trackers import log_live
from storage import CURVES, ArtifactRef, ArtifactWriter, Recipe, Store


@requires_resource("gpu")
def make_adapter(
    root: str, config: RunConfig, preferences: ArtifactRef, initial: ArtifactRef | None = None
) -> ShardResult:
    """Tunes a LoRA adapter on preference pairs. An interrupted tuning resumes from its last checkpoint.

    Args:
        root: folder or address of the store.
        config: the run's config.
        preferences: artifact of the pairs.
        initial: adapter of the previous round; None starts a new one.

    Returns:
        The adapter in peft's format, with the tuning curves as its table.
    """
    store = Store(root)
    inputs = [preferences.key, *([initial.key] if initial else [])]
    # Micro batches and gradient checkpointing change memory and time, not the result.
    settings = config.tuning.model_dump(exclude={"micro_batch_size", "gradient_checkpointing", "tasks"})
    settings |= task_key_fields(config) | validation_key_fields(config)
    recipe = Recipe(
        "adapter",
        4,
        CURVES,
        config=settings,
        seed=config.training_seed,
        weights=generator_key_fields(config),
        inputs=inputs,
    )

    def compute(writer: Any) -> None:
        progress: Progress | None = None

        def report(done: int, total: int, row: dict[str, Any]) -> None:
            nonlocal progress
            progress = progress or Progress("steps of tuning", total)
            progress.update(done, f"loss {row['loss']:.2f} accuracy {row['accuracy']:.2f}")
            log_live([row])

        with ExitStack() as stack:
            work = stack.enter_context(store.scratch("adapter", recipe.key))
            before = stack.enter_context(store.folder(initial)) if initial else None
            work.mkdir(parents=True, exist_ok=True)
            log_live(read_saved_curve(work))
            batches = load_training_pairs(store, preferences, config)
            pairs = PairFile.write(work / PAIRS_FILE, ([_training_pair(row) for row in rows] for rows in batches))
            if config.resources.processes > 1:
                rows = tune_distributed(config, writer.folder, work, before, report)
            else:
                rows = tune(
                    load_generator_to_tune(config),
                    pairs,
                    config.tuning,
                    config.training_seed,
                    writer.folder,
                    report,
                    work,
                    init_adapter=before,
                    validation=build_validation(config),
                )
        commit_adapter(writer, rows)

    return compute_or_reuse(store, recipe, compute)


def commit_adapter(writer: ArtifactWriter, rows: list[dict[str, Any]]) -> None:
    """Adds the tuning curve to an artifact whose folder holds the adapter."""
    # peft and a process of a distributed tuning wrote the files: one that is missing stops here, not in a later stage.
    for name in ADAPTER_FILES:
        writer.record(name)
    writer.rows(rows)


def _training_pair(row: dict[str, Any]) -> TrainingPair:
    return TrainingPair(row["prompt"], tuple(row["chosen_tokens"]), tuple(row["rejected_tokens"]), row["degree"])


def validation_key_fields(config: RunConfig) -> dict[str, Any]:
    """The key fields of early stopping; none where the last adapter is kept."""
    if not config.validation.prompts_per_task:
        return {}
    prompts = config.prompts.model_dump(include={"tasks", "max_events", "max_count"})
    return {
        "validation": config.validation.model_dump(),
        "validation_prompts": prompts | {"seed": config.seed},
        "validation_seeds": read_seeds(config.prompts.seeds).digest,
        "sampling": config.generation.sampling,
        "sensitivity": config.judging.sensitivity,
    }


def task_key_fields(config: RunConfig) -> dict[str, Any]:
    """The key field of the tasks that are tuned on; none where all are."""
    return {} if config.tuning.tasks is None else {"tasks": sorted(set(config.tuning.tasks))}
