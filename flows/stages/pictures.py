"""Stage `pictures`: what the vision judge sees of each motion."""

from __future__ import annotations

from typing import Any

from atom.config import RunConfig
from atom.errors import AtomError
from atom.judging.vision import motion_pictures
from atom.llm_client.request import Picture
from flows.stages.shard import ShardResult, compute_or_reuse
from flows.stages.tables import iterate_motions, motion_joints, read_prompts_by_id
from storage import PICTURES, ArtifactRef, Recipe, Store


def make_pictures(root: str, config: RunConfig, prompts: ArtifactRef, motions: ArtifactRef) -> ShardResult:
    """Draws what a vision-language model sees of each motion of a shard. A motion that can't be drawn has
    no pictures."""
    store, settings = Store(root), config.judging.vision.frames
    recipe = Recipe(
        "pictures", motion_pictures.VERSION, PICTURES, config=settings.model_dump(), inputs=[prompts.key, motions.key]
    )

    def compute(writer: Any) -> None:
        table, rows = store.read(motions), []
        prompt_rows = read_prompts_by_id(store, prompts, table["prompt_id"])
        for motion in iterate_motions(table):
            if not motion["frames"]:
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
