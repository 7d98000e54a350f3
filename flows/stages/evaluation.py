"""Stage `evaluation`: a row for each test motion, arm and judge."""

from __future__ import annotations

from typing import Any

from atom.config import RunConfig
from atom.errors import AtomError
from atom.evaluation.comparison import BASE, TUNED
from atom.evaluation.generator_evaluation import measure_motion
from atom.judging.votes import SECOND_JUDGE, aggregate_votes
from atom.prompts.grammar import known_length
from flows.stages.shard import ShardResult, compute_or_reuse
from flows.stages.tables import artifact_keys, iterate_motions, motion_joints, prompt_events
from storage import EVALUATION, ArtifactRef, Recipe, Store


def make_evaluation(
    root: str, config: RunConfig, prompts: ArtifactRef, arms: dict[str, list[tuple[ArtifactRef, list[ArtifactRef]]]]
) -> ShardResult:
    """Gathers the test motions: scores, length, foot skate, jerk and descriptor.

    The arm "best of N" is added: of the N samples of the base, the one with the best score by the judge of the
    preferences, or by the first judge of the evaluation where that judge has no part in it.

    Args:
        root: folder or address of the store.
        config: the run's config.
        prompts: artifact of the prompts.
        arms: shards of each arm: the motions, and their scores by every judge.

    Returns:
        A row for each motion, arm and judge.
    """
    store = Store(root)
    inputs = [prompts.key]
    inputs += [
        key for arm in sorted(arms) for motions, scores in arms[arm] for key in (motions.key, *artifact_keys(scores))
    ]
    recipe = Recipe(
        "evaluation",
        5,
        EVALUATION,
        inputs=inputs,
        config={"arms": sorted(arms), "judges": list(config.evaluation.judges), "chosen_by": config.judging.judge},
    )

    def compute(writer: Any) -> None:
        prompt_rows = {row["prompt_id"]: row for row in store.read(prompts).to_pylist()}
        columns = ["motion_id", "judge", "score", "exact"]
        rows = []
        for arm, shards in sorted(arms.items()):
            for motions, scores in shards:
                motion_rows = {
                    row["motion_id"]: _motion_columns(row, prompt_rows[row["prompt_id"]], arm)
                    for row in iterate_motions(store.read(motions))
                }
                for (motion_id, judge), score in aggregate_votes(
                    row for ref in scores for row in store.read(ref, columns=columns).to_pylist()
                ).items():
                    if judge != SECOND_JUDGE:
                        result = {"judge": judge, "score": score["score"], "exact": score["exact"]}
                        rows.append(motion_rows[motion_id] | result)
        # A judge without a score for base or tuned, such as the kinematic one on open actions, compares nothing.
        scored = {arm: {row["judge"] for row in rows if row["arm"] == arm and row["score"] is not None} for arm in arms}
        judges = [
            judge
            for judge in config.evaluation.judges
            if all(judge in scored.get(arm, {judge}) for arm in (BASE, TUNED))
        ]
        rows = [row for row in rows if row["judge"] in judges]
        if not judges:
            raise AtomError(
                f"no judge of evaluation.judges ({', '.join(config.evaluation.judges)}) has a score for both base and "
                "tuned: add auto, vision or retrieval, or look at the errors with `atom show --what scores`"
            )
        writer.rows(rows + _best_of_n(rows, config.judging.judge if config.judging.judge in judges else judges[0]))

    return compute_or_reuse(store, recipe, compute)


def _motion_columns(motion: dict[str, Any], prompt: dict[str, Any], arm: str) -> dict[str, Any]:
    """The columns of a row that need no judge."""
    return {
        "prompt_id": motion["prompt_id"],
        "motion_id": motion["motion_id"],
        "task": prompt["task"],
        "arm": arm,
        "sample": motion["sample"],
        "seed": motion["seed"],
        "frames": motion["frames"],
        "true_frames": known_length(prompt_events(prompt)),
        **measure_motion(motion_joints(motion)),
    }


def _best_of_n(rows: list[dict[str, Any]], judge: str) -> list[dict[str, Any]]:
    """The rows of the base's best motion of each prompt; none where the base has one sample a prompt."""
    base = [row for row in rows if row["arm"] == "base"]
    samples = len({row["sample"] for row in base})
    best: dict[str, dict[str, Any]] = {}
    for row in base:
        if row["judge"] == judge and (row["score"] or 0) > best.get(row["prompt_id"], {"score": 0})["score"]:
            best[row["prompt_id"]] = row
    chosen = {row["motion_id"] for row in best.values()}
    return [row | {"arm": f"best of {samples}"} for row in base if samples > 1 and row["motion_id"] in chosen]
