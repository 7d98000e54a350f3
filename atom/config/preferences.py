"""Config of the preference pairs."""

from __future__ import annotations

from pydantic import Field

from atom.config.base import ConfigSection


class PreferenceConfig(ConfigSection):
    """How scored motions become pairs."""

    min_gap: float = Field(0.5, gt=0, description="smallest score difference of a pair")
    pairs_per_prompt: int = Field(6, ge=1, description="most pairs of a prompt")
    pairs_per_task: int = Field(0, ge=0, description="most pairs of a task in a round; 0: all")
    length_tolerance: float | None = Field(
        0.5,
        ge=0,
        description="tokens by which chosen motions may be longer than rejected, on average over a task; null: any",
    )
