"""A vision-language model asked about calibration clips, in one form of pictures or several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from atom.chat.running import gather_settled
from atom.chat.service import Service
from atom.config import SightConfig, VisionConfig
from atom.judging.calibration import CalibrationClip
from atom.judging.vision.judge import Opinion, Subject, judge_motion
from atom.judging.vision.sight import VERSION, pictures_of, to_cells
from storage import MOTIONS, PICTURES, Recipe, Store

Shown = dict[str, Subject]


def show(clips: Sequence[CalibrationClip], sight: SightConfig, store: Store, drawn: Callable[[], None]) -> Shown:
    """The clips as a model sees them, by clip_id. Joints and pictures are kept in the store, where a person, or the
    test double, finds out what a picture shows."""
    ids = [clip.clip_id for clip in clips]
    motions = Recipe("calibration-motions", 1, MOTIONS, config={"clips": ids})
    motions_ref = store.find(motions.stage, motions.key)
    if motions_ref is None:
        with store.write(motions) as writer:
            writer.rows(
                [
                    {
                        "motion_id": clip.clip_id,
                        "prompt_id": clip.prompt_id,
                        "sample": 0,
                        "seed": 0,
                        "tokens": [],
                        "frames": len(clip.joints),
                        "joints": clip.joints,
                        "stop_reason": "end",
                    }
                    for clip in clips
                ]
            )
    recipe = Recipe("calibration-pictures", VERSION, PICTURES, config=sight.model_dump(), inputs=[motions.key])
    ref = store.find(recipe.stage, recipe.key)
    shown: Shown = {}
    rows: list[dict[str, Any]] = []
    for clip in clips:
        pictures = pictures_of(clip.joints, sight, clip.task)
        shown[clip.clip_id] = Subject(pictures, len(clip.joints), clip.text, clip.asked, clip.task)
        rows.append({"motion_id": clip.clip_id, "prompt_id": clip.prompt_id, "shown": to_cells(pictures)})
        drawn()
    if ref is None:
        with store.write(recipe) as writer:
            writer.rows(rows)
    return shown


async def ask_all(
    service: Service, shown: Shown, settings: VisionConfig, asked: Callable[[], None]
) -> dict[str, list[Opinion]]:
    """The model's opinions of all clips, as many for each as `settings.votes`."""

    async def one(clip_id: str, vote: int) -> tuple[str, Opinion]:
        opinion = await judge_motion(service, shown[clip_id], settings, settings.model, vote)
        asked()
        return clip_id, opinion

    work = [one(clip_id, vote) for clip_id in shown for vote in range(settings.votes)]
    opinions: dict[str, list[Opinion]] = {clip_id: [] for clip_id in shown}
    for clip_id, opinion in await gather_settled(work):
        opinions[clip_id].append(opinion)
    return opinions
