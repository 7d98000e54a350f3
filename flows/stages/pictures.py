"""Stage `pictures`: what the vision judge sees of each motion."""

from __future__ import annotations

from typing import Any

from atom.config import RunConfig
from atom.errors import AtomError
from atom.judging.judgement import find_open_actions
from atom.judging.vision import motion_pictures
from atom.llm_client.request import Picture
from flows.stages.shard import ShardResult, compute_or_reuse
from flows.stages.tables import iterate_motions, motion_joints, prompt_events, read_prompts_by_id
from storage import PICTURES, ArtifactRef, Recipe, Store


def make_pictures(
    root: str, config: RunConfig, prompts: ArtifactRef, motions: ArtifactRef, open_only: bool = False
) -> ShardResult:
    """Draws what a vision-language model sees of each motion of a shard.

    Args:
        root: folder or address of the store.
        config: the run's config.
        prompts: artifact of the prompts.
        motions: artifact of the shard's motions.
        open_only: only motions of prompts with an action that the kinematic judge can't see, for the judge auto.

    Returns:
        The pictures; a motion that can't be drawn has none.
    """
    store, settings = Store(root), config.judging.vision.frames
    recipe = Recipe(
        "pictures",
        motion_pictures.VERSION,
        PICTURES,
        config=settings.model_dump() | ({"open_only": True} if open_only else {}),
        inputs=[prompts.key, motions.key],
    )

    def compute(writer: Any) -> None:
        table, rows = store.read(motions), []
        prompt_rows = read_prompts_by_id(store, prompts, table["prompt_id"])
        for motion in iterate_motions(table):
            if not motion["frames"]:
                continue
            if open_only and not find_open_actions(prompt_events(prompt_rows[motion["prompt_id"]])):
                continue
            try:
                task = prompt_rows[motion["prompt_id"]]["task"]
                pictures = motion_pictures.draw_pictures(motion_joints(motion), settings, task)
            except AtomError:
                pictures = []
            rows.append(
                {
                    "motion_id": motion["motion_id"],
                    "prompt_id": motion["prompt_id"],
                    "shown": motion_pictures.pictures_to_cells(pictures),
                }
            )
        writer.rows(rows)
        writer.stats = {"quarantined": sum(not row["shown"] for row in rows)}

    return compute_or_reuse(store, recipe, compute)


def read_pictures(store: Store, pictures: ArtifactRef) -> dict[str, list[Picture]]:
    """The pictures of each motion that has any, by its id."""
    rows = store.read(pictures).to_pylist()
    return {row["motion_id"]: motion_pictures.pictures_from_cells(row["shown"]) for row in rows if row["shown"]}
