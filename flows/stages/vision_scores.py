"""Stage `scores` by the vision judge, and by the judge auto, which asks it only where the kinematic judge can't see."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from atom.config import RunConfig
from atom.judging.coverage import JudgeCoverage, count_coverage
from atom.judging.kinematic_judge import KinematicJudge
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
from flows.stages.tables import iterate_motions, prompt_events, read_prompts_by_id, to_judged_prompt
from storage import SCORES, ArtifactRef, Recipe, Store


@requires_resource("service")
def make_vision_scores(
    root: str,
    config: RunConfig,
    prompts: ArtifactRef,
    motions: ArtifactRef,
    pictures: ArtifactRef,
    judge: Literal["vision", "auto"] = "vision",
) -> ShardResult:
    """Scores a shard by vision-language models: a row for each motion, vote and model.

    Args:
        root: folder or address of the store.
        config: the run's config.
        prompts: artifact of the prompts.
        motions: artifact of the shard's motions.
        pictures: what a model sees of them.
        judge: "auto" scores the motions of prompts whose actions are all known by the kinematic judge, a row each,
            without a model.

    Returns:
        The scores. A row without a score has the reason in `error`.
    """
    store, settings = Store(root), config.judging.vision
    kinematic = KinematicJudge(config.judging) if judge == "auto" else None
    recipe = Recipe(
        "scores",
        3,
        SCORES,
        inputs=[prompts.key, motions.key, pictures.key],
        config={
            "judge": judge,
            **({"sensitivity": config.judging.sensitivity} if kinematic else {}),
            "wording": questions.VERSION,
            **settings.model_dump(exclude={"frames", "near_ties", "min_scored_fraction"}),
        },
    )

    def compute(writer: Any) -> None:
        columns = ["motion_id", "prompt_id", "frames", *(["joints"] if kinematic else [])]
        table = store.read(motions, columns=columns)
        prompt_rows = read_prompts_by_id(store, prompts, table["prompt_id"])
        pictures_by_motion = read_pictures(store, pictures)
        rows, questions_left = [], []
        for motion in iterate_motions(table) if kinematic else table.to_pylist():
            prompt = prompt_rows[motion["prompt_id"]]
            if kinematic and not kinematic.find_obstacle(judged := to_judged_prompt(prompt)):
                row = score_row_without_motion(motion, prompt, judge)
                if motion["frames"]:
                    row |= judgement_columns(kinematic.judge(motion["joints"], judged))
                rows.append(row)
                continue
            for name, model in _judges(config, judge):
                row = score_row_without_motion(motion, prompt, name) | {"model": model}
                if not motion["frames"]:  # no model is asked, which the shares of the judge auto must not count
                    rows.append(row | {"model": None} if kinematic else row)
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

        if questions_left:
            rows += run_requests(config, store, score_all, progress)
        writer.rows(rows)
        writer.stats = usage_stats(rows)
        if kinematic:
            (share,) = [entry for entry in count_coverage([rows]) if entry.judge == judge] or [JudgeCoverage(judge)]
            by_vision = share.by_vision or 0
            writer.stats |= {"by_kinematic": share.motions - share.not_judged - by_vision, "by_vision": by_vision}

    return compute_or_reuse(store, recipe, compute)


def _judges(config: RunConfig, judge: str) -> Iterable[tuple[str, str]]:
    settings = config.judging.vision
    return [(judge, settings.model)] + ([(SECOND_JUDGE, settings.second_model)] if settings.second_model else [])


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
