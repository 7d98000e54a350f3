"""Stage `scores`: the judges that read joints, and the rows that all judges write."""

from __future__ import annotations

from typing import Any

from atom.config import RunConfig
from atom.judging.judgement import Judgement
from atom.judging.judges import find_unjudgeable_actions, judge_weight_hashes, make_judge
from flows.stages.shard import ShardResult, compute_or_reuse
from flows.stages.tables import iterate_motions, prompt_events, read_prompts_by_id
from storage import SCORES, ArtifactRef, Recipe, Store

NOT_JUDGED = "not judged, no action of the kinematic judge"
NO_SCORE = {"score": None, "exact": None, "events": [], "verdicts": [], "rationale": ""}


def make_scores(
    root: str, config: RunConfig, prompts: ArtifactRef, motions: ArtifactRef, judge: str = "kinematic"
) -> ShardResult:
    """Scores each motion of a shard by a judge that reads joints; a motion without frames scores 1.

    A prompt with an action that the judge can't see is not judged: its rows have no score, and `error` says why.

    Args:
        root: folder or address of the store.
        config: the run's config.
        prompts: artifact of the prompts.
        motions: artifact of the shard's motions.
        judge: "kinematic" or "learned".

    Returns:
        The scores with the evidence for each event.
    """
    store = Store(root)
    settings = {"judge": judge}
    if judge == "kinematic":
        settings |= config.judging.model_dump(include={"sensitivity"})
    recipe = Recipe(
        "scores", 5, SCORES, config=settings, weights=judge_weight_hashes(judge), inputs=[prompts.key, motions.key]
    )

    def compute(writer: Any) -> None:
        scorer = make_judge(judge, config.judging)
        rows = []
        table = store.read(motions, columns=["motion_id", "prompt_id", "frames", "joints"])
        prompt_rows = read_prompts_by_id(store, prompts, table["prompt_id"])
        for motion in iterate_motions(table):
            prompt = prompt_rows[motion["prompt_id"]]
            row, events = score_row_without_motion(motion, prompt, judge), prompt_events(prompt)
            if open_actions := find_unjudgeable_actions(events):
                row |= NO_SCORE | {"error": f"{NOT_JUDGED}: {', '.join(open_actions)}"}
            elif motion["frames"]:
                row |= judgement_columns(scorer.judge(motion["joints"], events, prompt["task"]))
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
