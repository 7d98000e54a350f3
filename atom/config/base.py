"""The base of all sections, and the types that several of them share."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Degree = Literal["Much better", "Better", "Slightly better", "Negligibly better/unsure"]  # AToM's own words
Combination = Literal[  # ways to combine adapters, in peft's words
    "cat",
    "svd",
    "linear",
    "ties",
    "ties_svd",
    "dare_linear",
    "dare_linear_svd",
    "dare_ties",
    "dare_ties_svd",
    "magnitude_prune",
    "magnitude_prune_svd",
]
View = Literal["follow", "side", "fixed", "orbit"]
VIEW_HELP = (
    "camera: glides along in front of the body (follow) or beside it (side), stands still (fixed) or circles (orbit)"
)


class ConfigSection(BaseModel):
    """A part of the config. An unknown key is an error, and a section never changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)
