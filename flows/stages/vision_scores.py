"""Stage `scores` by the vision judge."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from atom.config import RunConfig
from atom.judging.vision import questions
from atom.judging.vision.vision_judge import JudgeInput, judge_motion
from atom.judging.votes import SECOND_JUDGE
from atom.llm_client.client import LLMClient
from atom.llm_client.request import Answer, Picture
from atom.llm_client.runtime import gather_settled
from flows.progress import CountedProgress
from flows.services import run_requests
from flows.stages.pictures import read_pictures
from flows.stages.scores import NO_SCORE, judgement_columns, score_row_without_motion
from flows.stages.shard import ShardResult, compute_or_reuse, requires_resource
from flows.stages.tables import prompt_events, read_prompts_by_id
from storage import SCORES, ArtifactRef, Recipe, Store


@requires_resource("service")
def make_vision_scores(
    root: str, config: RunConfig, prompts: ArtifactRef, motions: ArtifactRef, pictures: ArtifactRef
) -> ShardResult:
    """Scores a shard by vision-language models: a row for each motion, vote and model. A row without a score has the
    reason in `error`."""
    store, settings = Store(root), config.judging.vision
    recipe = Recipe(
        "scores",
        3,
        SCORES,
        inputs=[prompts.key, motions.key, pictures.key],
        config={
            "judge": "vision",
            "wording": questions.VERSION,
            **settings.model_dump(exclude={"frames", "near_ties", "min_scored_fraction"}),
        },
    )

    def compute(writer: Any) -> None:
        table = store.read(motions, columns=["motion_id", "prompt_id", "frames"])
        prompt_rows = read_prompts_by_id(store, prompts, table["prompt_id"])
        pictures_by_motion = read_pictures(store, pictures)
        rows, questions_left = [], []
        for motion in table.to_pylist():
            prompt = prompt_rows[motion["prompt_id"]]
            for judge, model in _judges(config):
                row = score_row_without_motion(motion, prompt, judge) | {"model": model}
                if not motion["frames"]:
                    rows.append(row)
                elif motion["motion_id"] not in pictures_by_motion:
                    rows.append(row | NO_SCORE | {"error": "the motion can't be drawn"})
                else:
                    subject = judge_input(motion, prompt, pictures_by_motion)
                    questions_left += [(row | {"vote": vote}, subject) for vote in range(settings.votes)]
        progress = CountedProgress("motions judged", len(questions_left))

        async def score(service: LLMClient, row: dict[str, Any], subject: JudgeInput) -> dict[str, Any]:
            opinion = await judge_motion(service, subject, settings, row["model"], row["vote"])
            progress.one_more()
            columns = judgement_columns(opinion.judgement) if opinion.judgement else NO_SCORE
            return (
                row
                | columns
                | usage_columns(opinion.answers)
                | {"error": opinion.error, "latency": sum(answer.latency for answer in opinion.answers)}
            )

        async def score_all(service: LLMClient) -> list[dict[str, Any]]:
            return await gather_settled([score(service, *question) for question in questions_left])

        rows += run_requests(config, store, score_all, progress)
        writer.rows(rows)
        writer.stats = usage_stats(rows)

    return compute_or_reuse(store, recipe, compute)


def _judges(config: RunConfig) -> Iterable[tuple[str, str]]:
    settings = config.judging.vision
    return [("vision", settings.model)] + ([(SECOND_JUDGE, settings.second_model)] if settings.second_model else [])


def judge_input(motion: dict[str, Any], prompt: dict[str, Any], pictures: dict[str, list[Picture]]) -> JudgeInput:
    """What a vision-language model is asked about one motion."""
    return JudgeInput(
        pictures[motion["motion_id"]], motion["frames"], prompt["text"], prompt_events(prompt), prompt["task"]
    )


def usage_columns(answers: Sequence[Answer]) -> dict[str, Any]:
    """The columns of a row for the tokens and cost of its answers. An answer from the journal keeps its first cost."""
    costs = [answer.cost for answer in answers]
    return {
        "answers": [answer.raw for answer in answers],
        "tokens": sum(answer.tokens for answer in answers),
        "cost": None if None in costs else float(sum(costs)),
    }


def usage_stats(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The totals of an artifact's rows; the cost is None where one has no price."""
    costs = [row["cost"] for row in rows]
    return {
        "quarantined": sum(row["error"] is not None for row in rows),
        "tokens": sum(row["tokens"] for row in rows),
        "cost": None if None in costs else float(sum(costs)),
    }
