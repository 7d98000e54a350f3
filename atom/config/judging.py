"""Config of the judges: who scores, what a vision-language model sees, and which question it answers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from atom.config.base import VIEW_HELP, ConfigSection, View
from atom.config.evaluator import EvaluatorConfig


class FramesConfig(ConfigSection):
    """What a vision-language model sees of a motion."""

    form: Literal["frames", "sheet", "sheet and path"] = Field(
        "sheet", description="frames: single labelled pictures, as in the paper; sheet: all frames in one picture"
    )
    every: int = Field(8, ge=1, description="every n-th frame is shown")
    every_frequency: int = Field(
        4, ge=1, description="the same for prompts of the frequency task; frames are closer where the body moves more"
    )
    size: int | None = Field(
        None,
        ge=64,
        le=1024,
        description="side of a frame in pixels; null: the largest for the same price, see tiles",
    )
    tiles: int = Field(
        4, ge=1, le=8, description="tiles of 512 pixels in a sheet, which is what services charge for; 1 for low detail"
    )
    view: View = Field("follow", description=VIEW_HELP)
    cells: int = Field(16, ge=1, description="most frames in one sheet, since services shrink large pictures")
    encoding: Literal["jpeg", "png"] = Field("jpeg", description="file format of the pictures; png has no artefacts")


class VisionConfig(ConfigSection):
    """The vision-language judge: what it sees and which question it answers."""

    model: str = Field("gpt-4o", description="the service's name of the model")
    second_model: str | None = Field(
        None, description="scores every motion too; a pair that the two models rank differently is left out"
    )
    frames: FramesConfig = FramesConfig()
    question: Literal["events", "rating"] = Field(
        "events", description="events: where and how often each action happens; rating: 1 to 5, as in the paper"
    )
    votes: int = Field(1, ge=1, le=9, description="times that each motion is judged; the mean counts")
    near_ties: int = Field(
        0,
        ge=0,
        description="pairs a prompt with a gap below preferences.min_gap to compare side by side, in both orders",
    )
    detail: Literal["low", "high", "auto"] = Field(
        "auto", description="in what resolution the service reads a picture, as in OpenAI's image_url.detail"
    )
    temperature: float | None = Field(None, ge=0, le=2, description="null: the model's default")
    max_tokens: int = Field(1000, ge=50, description="tokens that an answer may have")
    min_scored_fraction: float = Field(
        0.8, ge=0, le=1, description="the run stops when fewer than this fraction of the motions get a score"
    )
    attempt: int = Field(
        0, ge=0, description="another number scores the motions without an answer again; answers are kept"
    )
    refresh: int = Field(0, ge=0, description="another number sends every request again, whatever the journal holds")


class JudgingConfig(ConfigSection):
    """Who scores, and how strictly."""

    judge: Literal["kinematic", "vision", "auto", "retrieval"] = Field(
        "kinematic",
        description="kinematic: rules on joints, for the 34 known actions; vision: a vision-language model, for any; "
        "auto: kinematic for prompts whose actions are all known, vision for the others; retrieval: the distance of "
        "text and motion in an evaluator's space",
    )
    sensitivity: float = Field(1.0, gt=0.2, lt=5, description="above 1 the kinematic judge accepts smaller movements")
    vision: VisionConfig = VisionConfig()
    retrieval: EvaluatorConfig | None = Field(
        None,
        description="the evaluator of the retrieval judge; null: that of evaluation.metrics, else the built-in one",
    )
