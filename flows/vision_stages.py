"""The stages of the vision-language judge: pictures, scores from its answers, comparisons of near ties."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from atom.config import RunConfig
from atom.errors import AtomError
from atom.judging.vision import questions, sight
from atom.judging.vision.vision_judge import JudgeInput, compare_motions, judge_motion
from atom.judging.votes import SECOND_JUDGE
from atom.llm_client.client import LLMClient
from atom.llm_client.request import Answer, Picture
from atom.llm_client.runtime import gather_settled
from atom.preferences.pairs import near_ties
from flows import stages
from flows.needs import needs
from flows.progress import Counted
from flows.services import ask
from flows.stages import ShardResult
from storage import COMPARISONS, PICTURES, SCORES, ArtifactRef, Recipe, Store


def make_pictures(root: str, config: RunConfig, prompts: ArtifactRef, motions: ArtifactRef) -> ShardResult:
    """What a vision-language model sees of each motion of a shard. One that can't be drawn has no pictures."""
    store, seen = Store(root), config.judging.vision.frames
    recipe = Recipe("pictures", sight.VERSION, PICTURES, config=seen.model_dump(), inputs=[prompts.key, motions.key])

    def compute(writer: Any) -> None:
        made, rows = store.read(motions), []
        asked = stages.prompts_by_id(store, prompts, made["prompt_id"])
        for motion in stages.motions_of(made):
            if not motion["frames"]:
                continue
            try:
                task = asked[motion["prompt_id"]]["task"]
                pictures = sight.draw_pictures(stages.joints_of(motion), seen, task)
            except AtomError:
                pictures = []
            rows.append(
                {
                    "motion_id": motion["motion_id"],
                    "prompt_id": motion["prompt_id"],
                    "shown": sight.pictures_to_cells(pictures),
                }
            )
        writer.rows(rows)
        writer.stats = {"quarantined": sum(not row["shown"] for row in rows)}

    return stages.once(store, recipe, compute)


@needs("service")
def make_vision_scores(
    root: str, config: RunConfig, prompts: ArtifactRef, motions: ArtifactRef, pictures: ArtifactRef
) -> ShardResult:
    """A row for each motion of a shard, vote and model. What got no score has the reason in `error`."""
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
        made = store.read(motions, columns=["motion_id", "prompt_id", "frames"])
        asked = stages.prompts_by_id(store, prompts, made["prompt_id"])
        shown = _shown(store, pictures)
        rows, wanted = [], []
        for motion in made.to_pylist():
            prompt = asked[motion["prompt_id"]]
            for judge, model in _judges(config):
                row = stages.unjudged(motion, prompt, judge) | {"model": model}
                if not motion["frames"]:
                    rows.append(row)
                elif motion["motion_id"] not in shown:
                    rows.append(row | _UNSCORED | {"error": "the motion can't be drawn"})
                else:
                    subject = _subject(motion, prompt, shown)
                    wanted += [(row | {"vote": vote}, subject) for vote in range(settings.votes)]
        told = Counted("motions judged", len(wanted))

        async def one(service: LLMClient, row: dict[str, Any], subject: JudgeInput) -> dict[str, Any]:
            opinion = await judge_motion(service, subject, settings, row["model"], row["vote"])
            told.one_more()
            found = stages.judged(opinion.judgement) if opinion.judgement else _UNSCORED
            return (
                row
                | found
                | spent(opinion.answers)
                | {"error": opinion.error, "latency": sum(answer.latency for answer in opinion.answers)}
            )

        rows += ask(
            config, store, lambda service: gather_settled([one(service, row, subject) for row, subject in wanted]), told
        )
        writer.rows(rows)
        writer.stats = _stats(rows)

    return stages.once(store, recipe, compute)


@needs("service")
def make_comparisons(
    root: str, config: RunConfig, prompts: ArtifactRef, motions: ArtifactRef, scores: ArtifactRef, pictures: ArtifactRef
) -> ShardResult:
    """Near ties of a shard shown side by side, in both orders."""
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
        asked = stages.prompts_by_id(store, prompts, table["prompt_id"])
        shown = _shown(store, pictures)
        made = {row["motion_id"]: row for row in table.to_pylist()}
        candidates = stages.candidates_of(store, asked, motions, scores, config.judging.judge)
        ties = [
            pair
            for pair in near_ties(candidates, config.preferences, settings.near_ties)
            if all(motion_id in shown for motion_id in pair)
        ]
        orders = [order for one, other in ties for order in ((one, other), (other, one))]
        told = Counted("pairs compared", len(orders))

        async def compare(service: LLMClient, first: str, second: str) -> dict[str, Any]:
            prompt = asked[made[first]["prompt_id"]]
            subjects = [_subject(made[motion_id], prompt, shown) for motion_id in (first, second)]
            found = await compare_motions(service, *subjects, settings, settings.model)
            told.one_more()
            return {
                "prompt_id": prompt["prompt_id"],
                "task": prompt["task"],
                "first_motion_id": first,
                "second_motion_id": second,
                "better": found.better,
                "rationale": found.rationale,
                "model": settings.model,
                "error": found.error,
                **spent(found.answers),
            }

        rows = ask(config, store, lambda service: gather_settled([compare(service, *order) for order in orders]), told)
        writer.rows(rows)
        writer.stats = _stats(rows)

    return stages.once(store, recipe, compute)


_UNSCORED = {"score": None, "exact": None, "events": [], "verdicts": [], "rationale": ""}


def spent(answers: Sequence[Answer]) -> dict[str, Any]:
    """The columns of a row for what its answers took. An answer from the journal cost what it cost when it came."""
    costs = [answer.cost for answer in answers]
    return {
        "answers": [answer.raw for answer in answers],
        "tokens": sum(answer.tokens for answer in answers),
        "cost": None if None in costs else float(sum(costs)),
    }


def _judges(config: RunConfig) -> Iterable[tuple[str, str]]:
    settings = config.judging.vision
    return [("vision", settings.model)] + ([(SECOND_JUDGE, settings.second_model)] if settings.second_model else [])


def _shown(store: Store, pictures: ArtifactRef) -> dict[str, list[Picture]]:
    rows = store.read(pictures).to_pylist()
    return {row["motion_id"]: sight.pictures_from_cells(row["shown"]) for row in rows if row["shown"]}


def _subject(motion: dict[str, Any], prompt: dict[str, Any], shown: dict[str, list[Picture]]) -> JudgeInput:
    return JudgeInput(
        shown[motion["motion_id"]], motion["frames"], prompt["text"], stages.events_of(prompt), prompt["task"]
    )


def _stats(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    costs = [row["cost"] for row in rows]
    return {
        "quarantined": sum(row["error"] is not None for row in rows),
        "tokens": sum(row["tokens"] for row in rows),
        "cost": None if None in costs else float(sum(costs)),
    }
