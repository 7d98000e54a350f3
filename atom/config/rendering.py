"""Config of the clips."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from atom.config.base import VIEW_HELP, ConfigSection, View


class RenderingConfig(ConfigSection):
    """Which candidates are rendered. The kinematic judge needs no picture, so a preview is the default."""

    motions: Literal["preview", "all"] = Field(
        "preview", description="render all candidates, or those of the first preview_prompts prompts"
    )
    preview_prompts: int = Field(6, ge=0, description="training prompts whose candidates are rendered under 'preview'")
    size: int = Field(320, ge=64, le=1024, description="side of a frame in pixels")
    every: int = Field(8, ge=1, description="the contact sheet shows every n-th frame")
    view: View = Field("follow", description=VIEW_HELP)
