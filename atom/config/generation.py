"""Config of the generator: which checkpoint, and how motions are sampled."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from atom.config.base import ConfigSection


class GenerationConfig(ConfigSection):
    """How motions are sampled from the generator."""

    checkpoint: str = Field(
        "builtin", description="'builtin', or a folder written by `atom checkpoint convert` or `atom pretrain`"
    )
    template: str | None = Field(
        None,
        description="how the generator reads a prompt, in tuning too: 'motiongpt' (Generate motion: ...), 'caption' "
        "(as it is), or a text with {}; null: as the checkpoint says",
    )
    candidates: int = Field(8, ge=2, description="motions sampled for each training prompt")
    evaluation_samples: int = Field(
        2, ge=1, description="motions sampled for each test prompt, by the base and by the tuned model"
    )
    temperature: float = Field(1.0, gt=0, description="of sampling; lower is safer and less varied")
    top_k: int = Field(50, ge=0, description="0 keeps the whole vocabulary")
    top_p: float = Field(1.0, gt=0, le=1, description="keep only the likeliest tokens with this total probability")
    max_new_tokens: int = Field(60, ge=4, le=256, description="tokens a motion may have, of 4 frames (0.2 s) each")
    vocabulary: Literal["motion", "all"] = Field(
        "motion",
        description="motion: only motion tokens are sampled; all: words too, as MotionGPT does, and an answer without "
        "a motion is set aside",
    )

    @property
    def sampling(self) -> dict[str, Any]:
        """The keyword arguments of `Generator.sample`."""
        return self.model_dump(include={"temperature", "top_k", "top_p", "max_new_tokens", "vocabulary"})
