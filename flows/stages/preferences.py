"""Stage `preferences`: pairs of scored motions, and the pairs that tuning reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from atom.config import RunConfig
from atom.errors import AtomError
from atom.judging.votes import SECOND_JUDGE, aggregate_votes
from atom.preferences.pairs import ScoredMotion, build_pairs, find_decided_pairs
from flows.stages.shard import ShardResult, compute_or_reuse
from flows.stages.tables import artifact_keys, prompt_events
from storage import PREFERENCES, ArtifactRef, Recipe, Store

_TRAINING_COLUMNS = [
    "prompt",
    "chosen_tokens",
    "rejected_tokens",
    "degree",
    "split",
    "task",
    "chosen_score",
    "rejected_score",
]


def make_preferences(
    root: str,
    config: RunConfig,
    prompts: ArtifactRef,
    motions: Sequence[ArtifactRef],
    scores: Sequence[ArtifactRef],
    comparisons: Sequence[ArtifactRef] = (),
) -> ShardResult:
    """Builds MotionPrefer: pairs by score gap over all shards, and near ties that a comparison decided.

    Args:
        root: folder or address of the store.
        config: the run's config.
        prompts: artifact of the prompts.
        motions: artifacts of the candidates, a shard each.
        scores: their scores, in the same order.
        comparisons: the compared near ties.

    Returns:
        A row a pair.
    """
    store = Store(root)
    inputs = [prompts.key, *artifact_keys(motions), *artifact_keys(scores), *artifact_keys(comparisons)]
    recipe = Recipe("preferences", 3, PREFERENCES, config=config.preferences.model_dump(), inputs=inputs)

    def compute(writer: Any) -> None:
        prompt_rows = {row["prompt_id"]: row for row in store.read(prompts).to_pylist()}
        candidates = [
            candidate
            for motion_ref, score_ref in zip(motions, scores, strict=True)
            for candidate in read_scored_motions(store, prompt_rows, motion_ref, score_ref, config.judging.judge)
        ]
        decided = find_decided_pairs(row for ref in comparisons for row in store.read(ref).to_pylist())
        pairs = build_pairs(candidates, config.preferences, decided)
        writer.rows([pair.to_row(prompt_events(prompt_rows[pair.prompt_id])) for pair in pairs])

    return compute_or_reuse(store, recipe, compute)


def read_scored_motions(
    store: Store, prompt_rows: dict[str, dict[str, Any]], motions: ArtifactRef, scores: ArtifactRef, judge: str
) -> list[ScoredMotion]:
    """Reads the motions of a shard that have a score.

    Args:
        store: the artifact store.
        prompt_rows: rows of the prompts by their id.
        motions: artifact of the motions.
        scores: artifact of their scores.
        judge: whose scores count; those of the second vision model are added where there are any.

    Returns:
        The scored motions.
    """
    table = store.read(motions, columns=["motion_id", "tokens", "stop_reason", "frames"])
    motion_rows = {row["motion_id"]: row for row in table.to_pylist()}
    by_judge = aggregate_votes(
        store.read(scores, columns=["motion_id", "prompt_id", "judge", "score", "exact"]).to_pylist()
    )
    candidates = []
    for (motion_id, name), score in by_judge.items():
        if name != judge or score["score"] is None:
            continue
        prompt, motion = prompt_rows[score["prompt_id"]], motion_rows[motion_id]
        second = by_judge.get((motion_id, SECOND_JUDGE), {})
        candidates.append(
            ScoredMotion(
                motion_id=motion_id,
                prompt_id=score["prompt_id"],
                text=prompt["text"],
                task=prompt["task"],
                split=prompt["split"],
                tokens=tuple(motion["tokens"]),
                stop_reason=motion["stop_reason"],
                score=score["score"],
                exact=bool(score["exact"]),
                second_score=second.get("score"),
                frames=motion["frames"],
            )
        )
    return candidates


def load_training_pairs(store: Store, preferences: ArtifactRef, config: RunConfig) -> Iterator[list[dict[str, Any]]]:
    """Reads the pairs of training prompts, of the tasks that `tuning.tasks` names.

    Args:
        store: the artifact store.
        preferences: artifact of the pairs.
        config: the run's config.

    Yields:
        Batches of rows.

    Raises:
        AtomError: no pair is of these tasks, or the motions of the pairs have no tokens.
    """
    count = 0
    for batch in store.read(preferences, columns=_TRAINING_COLUMNS).to_batches(max_chunksize=1000):
        rows = [row for row in batch.to_pylist() if row["split"] == "train" and is_tuned_on(row["task"], config)]
        if not all(row["chosen_tokens"] and row["rejected_tokens"] for row in rows):
            raise AtomError(
                "the motions of these pairs have no codebook tokens, which tuning needs: export them with their joints "
                "(`atom preferences export --motions`) and tune the generator that they come from"
            )
        count += len(rows)
        yield rows
    if not count and config.tuning.tasks is not None:
        raise AtomError(
            f"no pair belongs to tuning.tasks ({', '.join(config.tuning.tasks)}): lower preferences.min_gap, raise "
            "generation.candidates, or leave tuning.tasks out"
        )


def is_tuned_on(task: str, config: RunConfig) -> bool:
    """Whether tuning reads the pairs and prompts of a task."""
    return config.tuning.tasks is None or task in config.tuning.tasks
