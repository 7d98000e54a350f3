"""Stage `clips`: a video and a contact sheet of each motion that is rendered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from atom.config import RunConfig
from atom.errors import AtomError
from atom.rendering import check_joints, render_contact_sheet, write_video
from flows.stages.shard import ShardResult, compute_or_reuse
from flows.stages.tables import iterate_motions, motion_joints
from storage import CLIPS, ArtifactRef, Recipe, Store


def make_clips(root: str, config: RunConfig, motions: ArtifactRef, motion_ids: Sequence[str]) -> ShardResult:
    """Renders the motions of a shard that are named: an mp4 and a contact sheet each. One that is no human body is
    counted as quarantined."""
    store, settings = Store(root), config.rendering
    recipe = Recipe(
        "clips",
        2,
        CLIPS,
        inputs=[motions.key],
        config={"size": settings.size, "every": settings.every, "view": settings.view, "motions": list(motion_ids)},
    )

    def compute(writer: Any) -> None:
        rows, broken = [], 0
        for motion in iterate_motions(store.read(motions)):
            if motion["motion_id"] not in motion_ids or not motion["frames"]:
                continue
            name = motion["motion_id"]
            try:
                joints = check_joints(motion_joints(motion))
            except AtomError:
                broken += 1
                continue
            write_video(writer.folder / f"{name}.mp4", joints, size=settings.size, view=settings.view)
            sheet = render_contact_sheet(joints, every=settings.every, size=settings.size // 2, view=settings.view)
            sheet.save(writer.folder / f"{name}.png")
            rows.append(
                {
                    "motion_id": name,
                    "prompt_id": motion["prompt_id"],
                    "video": writer.record(f"{name}.mp4"),
                    "sheet": writer.record(f"{name}.png"),
                    "size": settings.size,
                    "fps": 20.0,
                    "frame_indices": list(range(0, motion["frames"], settings.every)),
                }
            )
        writer.stats = {"quarantined": broken}
        writer.rows(rows)

    return compute_or_reuse(store, recipe, compute)
