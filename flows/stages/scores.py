"""Stage `scores`: the judges that read joints, and the rows that all judges write."""

from __future__ import annotations

from typing import Any

from atom.config import RunConfig
from atom.evaluation.evaluator.loading import load_evaluator
from atom.judging.judgement import NOT_JUDGED, Judgement
from atom.judging.judges import judge_key_fields, load_retrieval, make_judge
from flows.stages.shard import ShardResult, compute_or_reuse
from flows.stages.tables import iterate_motions, read_prompts_by_id, to_judged_prompt
from storage import SCORES, ArtifactRef, Recipe, Store

NO_SCORE = {"score": None, "exact": None, "events": [], "verdicts": [], "rationale": ""}


def check_config(config: RunConfig) -> list[str]:
    """Loads what the judges of joints need, before any work is done.

    Args:
        config: the run's config.

    Returns:
        Remarks that a person should read.

    Raises:
        AtomError: names what is missing or does not fit.
    """
    if "retrieval" not in config.judges:
        return []
    evaluator = load_retrieval(config).evaluator
    metrics = config.evaluation.metrics
    is_reward = config.judging.judge == "retrieval"
    if (
        is_reward
        and metrics
        and load_evaluator(metrics, config.resources.device).weights_hash == evaluator.weights_hash
    ):
        return [
            f"the retrieval judge chooses the pairs in the space of the evaluator {evaluator.name}, in which the "
            "metrics are measured too: their gains are no independent evidence; give judging.retrieval another one"
        ]
    return []


def make_scores(
    root: str, config: RunConfig, prompts: ArtifactRef, motions: ArtifactRef, judge: str = "kinematic"
) -> ShardResult:
    """Scores each motion of a shard by a judge that reads joints; a motion without frames scores 1.

    A prompt that the judge can't judge, such as one with an action that it can't see, gets rows without a score, whose
    `error` says why.

    Args:
        root: folder or address of the store.
        config: the run's config.
        prompts: artifact of the prompts.
        motions: artifact of the shard's motions.
        judge: "kinematic", "learned" or "retrieval".

    Returns:
        The scores with the evidence for each event.
    """
    store = Store(root)
    settings, weights = judge_key_fields(judge, config)
    recipe = Recipe("scores", 5, SCORES, config=settings, weights=weights, inputs=[prompts.key, motions.key])

    def compute(writer: Any) -> None:
        scorer = make_judge(judge, config)
        rows = []
        table = store.read(motions, columns=["motion_id", "prompt_id", "frames", "joints"])
        prompt_rows = read_prompts_by_id(store, prompts, table["prompt_id"])
        for motion in iterate_motions(table):
            prompt = prompt_rows[motion["prompt_id"]]
            row, judged_prompt = score_row_without_motion(motion, prompt, judge), to_judged_prompt(prompt)
            if obstacle := scorer.find_obstacle(judged_prompt):
                row |= NO_SCORE | {"error": f"{NOT_JUDGED}: {obstacle}"}
            elif motion["frames"]:
                row |= judgement_columns(scorer.judge(motion["joints"], judged_prompt))
            rows.append(row)
        writer.rows(rows)
        writer.stats = {"not_judged": sum(row["error"] is not None for row in rows)}

    return compute_or_reuse(store, recipe, compute)


def score_row_without_motion(motion: dict[str, Any], prompt: dict[str, Any], judge: str) -> dict[str, Any]:
    """The row of a motion without frames, which is wrong by any judge; with frames, the start of its row."""
    return {
        "motion_id": motion["motion_id"],
        "prompt_id": motion["prompt_id"],
        "task": prompt["task"],
        "judge": judge,
        "vote": 0,
        "score": 1.0,
        "exact": False,
        "events": [],
        "verdicts": [],
        "rationale": "the model gave no motion",
        "model": None,
        "answers": [],
        "tokens": 0,
        "cost": 0.0,
        "latency": 0.0,
        "error": None,
    }


def judgement_columns(judgement: Judgement) -> dict[str, Any]:
    """The columns of a row that a judgement fills."""
    return {
        "score": judgement.score,
        "exact": judgement.exact,
        "rationale": judgement.rationale,
        "events": [vars(detected) for detected in judgement.detected],
        "verdicts": [
            {
                "action": v.expected.action,
                "count": v.expected.count,
                "found": v.found,
                "seen_count": v.seen_count,
                "start": v.start,
                "end": v.end,
            }
            for v in judgement.verdicts
        ],
    }
