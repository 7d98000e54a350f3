"""Config of motions and preferences that come from outside."""

from __future__ import annotations

from pydantic import Field

from atom.config.base import ConfigSection


class ExternalConfig(ConfigSection):
    """Motions of other generators and preferences of other people. They replace what this run would compute itself.

    `atom motions check` and `atom preferences check` show what a file holds.
    """

    candidates: str | None = Field(
        None, description="motions of training prompts by any generator; they are rendered, scored and paired"
    )
    base: str | None = Field(None, description="motions of test prompts by that generator as it is")
    tuned: str | None = Field(None, description="the same by that generator after it was tuned on the pairs")
    preferences: str | None = Field(
        None,
        description="pairs to tune on: AToM's preference_labels.jsonl, an export of this project, or a table of "
        "prompt, chosen, rejected",
    )
    runs: tuple[str, ...] = Field(
        (), description="names of runs in the store, such as nightly; their pairs are tuned on together"
    )
    include_unsure_pairs: bool = Field(
        False, description="tune also on pairs whose annotator was unsure, which AToM leaves out"
    )
    tune: bool = Field(
        False, description="tune generation.checkpoint on the pairs of the candidates, which must have tokens"
    )

    @property
    def motions(self) -> bool:
        return bool(self.candidates or self.base or self.tuned)
