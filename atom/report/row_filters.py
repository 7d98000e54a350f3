"""What a query on a run may ask for, in a light module: the command line needs it without the query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

RowKind = Literal["prompts", "motions", "scores", "pairs"]

# The column that a minimum and a maximum score apply to.
SCORE_COLUMN = {
    "prompts": "tuned",
    "motions": "score",
    "scores": "score",
    "pairs": "margin",
}


@dataclass(frozen=True)
class RowFilters:
    """Which rows a query returns. A field of None accepts all rows."""

    task: str | None = None
    split: str | None = None
    arm: str | None = None
    judge: str | None = None
    prompt: str | None = None  # a part of the prompt's text, in any case
    min_score: float | None = None  # of `SCORE_COLUMN`
    max_score: float | None = None
