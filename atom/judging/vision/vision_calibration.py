"""Runs the vision judge on calibration clips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from atom.config import FramesConfig, VisionConfig
from atom.judging.calibration import CalibrationClip
from atom.judging.vision.motion_pictures import VERSION, draw_pictures, pictures_to_cells
from atom.judging.vision.vision_judge import JudgeInput, JudgeOutput, judge_motion
from atom.llm_client.client import LLMClient
from atom.llm_client.runtime import gather_settled
from storage import MOTIONS, PICTURES, Recipe, Store

JudgeInputs = dict[str, JudgeInput]
"""What the model sees of each clip, by clip_id."""


def draw_clips(
    clips: Sequence[CalibrationClip], settings: FramesConfig, store: Store, on_drawn: Callable[[], None]
) -> JudgeInputs:
    """Draw the clips as the model sees them.

    Joints and pictures go into the store, so that a person, or the mock service, can look up what a picture shows.

    Args:
        clips: the calibration clips.
        settings: the form of the pictures.
        store: where joints and pictures go.
        on_drawn: is called after each clip.

    Returns:
        The inputs of the judge, by clip_id.
    """
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
    recipe = Recipe("calibration-pictures", VERSION, PICTURES, config=settings.model_dump(), inputs=[motions.key])
    ref = store.find(recipe.stage, recipe.key)
    inputs: JudgeInputs = {}
    rows: list[dict[str, Any]] = []
    for clip in clips:
        pictures = draw_pictures(clip.joints, settings, clip.task)
        inputs[clip.clip_id] = JudgeInput(pictures, len(clip.joints), clip.text, clip.expected, clip.task)
        rows.append({"motion_id": clip.clip_id, "prompt_id": clip.prompt_id, "shown": pictures_to_cells(pictures)})
        on_drawn()
    if ref is None:
        with store.write(recipe) as writer:
            writer.rows(rows)
    return inputs


async def judge_clips(
    service: LLMClient, inputs: JudgeInputs, settings: VisionConfig, on_answer: Callable[[], None]
) -> dict[str, list[JudgeOutput]]:
    """Judge all clips with a vision-language model.

    Args:
        service: the client of the model.
        inputs: what `draw_clips` returned.
        settings: the settings of the judge; each clip gets `settings.votes` votes.
        on_answer: is called after each vote.

    Returns:
        The outputs of all votes, by clip_id.
    """

    async def ask_once(clip_id: str, vote: int) -> tuple[str, JudgeOutput]:
        output = await judge_motion(service, inputs[clip_id], settings, settings.model, vote)
        on_answer()
        return clip_id, output

    work = [ask_once(clip_id, vote) for clip_id in inputs for vote in range(settings.votes)]
    outputs: dict[str, list[JudgeOutput]] = {clip_id: [] for clip_id in inputs}
    for clip_id, output in await gather_settled(work):
        outputs[clip_id].append(output)
    return outputs
