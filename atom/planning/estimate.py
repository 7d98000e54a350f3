"""One thing that a run takes, with how it was found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Amount = tuple[float, float]
"""At least and at most."""


@dataclass(frozen=True)
class Estimate:
    what: str
    amount: str
    how: str


def between(amount: Amount, told: Callable[[float], str]) -> str:
    low, high = told(amount[0]), told(amount[1])
    return low if low == high else f"{low} to {high}"


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
