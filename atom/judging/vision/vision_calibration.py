"""A vision-language model asked about calibration clips, in one form of pictures or several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from atom.config import FramesConfig, VisionConfig
from atom.judging.calibration import CalibrationClip
from atom.judging.vision.frames import VERSION, draw_pictures, pictures_to_cells
from atom.judging.vision.vision_judge import JudgeOutput, JudgeInput, judge_motion
from atom.llm_client.client import LLMClient
from atom.llm_client.runtime import gather_settled
from storage import MOTIONS, PICTURES, Recipe, Store

Shown = dict[str, JudgeInput]


def show(clips: Sequence[CalibrationClip], sight: FramesConfig, store: Store, drawn: Callable[[], None]) -> Shown:
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
        pictures = draw_pictures(clip.joints, sight, clip.task)
        shown[clip.clip_id] = JudgeInput(pictures, len(clip.joints), clip.text, clip.asked, clip.task)
        rows.append({"motion_id": clip.clip_id, "prompt_id": clip.prompt_id, "shown": pictures_to_cells(pictures)})
        drawn()
    if ref is None:
        with store.write(recipe) as writer:
            writer.rows(rows)
    return shown


async def ask_all(
    service: LLMClient, shown: Shown, settings: VisionConfig, asked: Callable[[], None]
) -> dict[str, list[JudgeOutput]]:
    """The model's opinions of all clips, as many for each as `settings.votes`."""

    async def one(clip_id: str, vote: int) -> tuple[str, JudgeOutput]:
        opinion = await judge_motion(service, shown[clip_id], settings, settings.model, vote)
        asked()
        return clip_id, opinion

    work = [one(clip_id, vote) for clip_id in shown for vote in range(settings.votes)]
    opinions: dict[str, list[JudgeOutput]] = {clip_id: [] for clip_id in shown}
    for clip_id, opinion in await gather_settled(work):
        opinions[clip_id].append(opinion)
    return opinions
