"""Stage `comparisons`: near ties that the vision judge sees side by side, in both orders."""

from __future__ import annotations

from typing import Any

from atom.config import RunConfig
from atom.judging.vision import questions
from atom.judging.vision.vision_judge import compare_motions
from atom.llm_client.client import LLMClient
from atom.llm_client.runtime import gather_settled
from atom.preferences.pairs import near_ties
from flows.progress import CountedProgress
from flows.services import run_requests
from flows.stages.pictures import read_pictures
from flows.stages.preferences import read_scored_motions
from flows.stages.shard import ShardResult, compute_or_reuse, requires_resource
from flows.stages.tables import read_prompts_by_id
from flows.stages.vision_scores import judge_input, usage_columns, usage_stats
from storage import COMPARISONS, ArtifactRef, Recipe, Store


@requires_resource("service")
def make_comparisons(
    root: str, config: RunConfig, prompts: ArtifactRef, motions: ArtifactRef, scores: ArtifactRef, pictures: ArtifactRef
) -> ShardResult:
    """Asks a vision-language model which motion of each near tie is better, in both orders."""
    store, settings = Store(root), config.judging.vision
    recipe = Recipe(
        "comparisons",
        1,
        COMPARISONS,
        inputs=[prompts.key, motions.key, scores.key, pictures.key],
        config={
            "wording": questions.VERSION,
            "min_gap": config.preferences.min_gap,
            "near_ties": settings.near_ties,
            **settings.model_dump(include={"model", "detail", "temperature", "max_tokens", "attempt", "refresh"}),
        },
    )

    def compute(writer: Any) -> None:
        table = store.read(motions, columns=["motion_id", "prompt_id", "frames"])
        prompt_rows = read_prompts_by_id(store, prompts, table["prompt_id"])
        pictures_by_motion = read_pictures(store, pictures)
        motion_rows = {row["motion_id"]: row for row in table.to_pylist()}
        candidates = read_scored_motions(store, prompt_rows, motions, scores, config.judging.judge)
        ties = [
            pair
            for pair in near_ties(candidates, config.preferences, settings.near_ties)
            if all(motion_id in pictures_by_motion for motion_id in pair)
        ]
        orders = [order for left, right in ties for order in ((left, right), (right, left))]
        progress = CountedProgress("pairs compared", len(orders))

        async def compare(service: LLMClient, first: str, second: str) -> dict[str, Any]:
            prompt = prompt_rows[motion_rows[first]["prompt_id"]]
            inputs = [judge_input(motion_rows[name], prompt, pictures_by_motion) for name in (first, second)]
            comparison = await compare_motions(service, *inputs, settings, settings.model)
            progress.one_more()
            return {
                "prompt_id": prompt["prompt_id"],
                "task": prompt["task"],
                "first_motion_id": first,
                "second_motion_id": second,
                "better": comparison.better,
                "rationale": comparison.rationale,
                "model": settings.model,
                "error": comparison.error,
                **usage_columns(comparison.answers),
            }

        async def compare_all(service: LLMClient) -> list[dict[str, Any]]:
            return await gather_settled([compare(service, *order) for order in orders])

        rows = run_requests(config, store, compare_all, progress)
        writer.rows(rows)
        writer.stats = usage_stats(rows)

    return compute_or_reuse(store, recipe, compute)
