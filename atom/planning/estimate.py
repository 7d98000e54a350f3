"""Estimates of what a run needs, and their format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Bounds = tuple[float, float]
"""A lower and an upper bound."""


@dataclass(frozen=True)
class Estimate:
    """One quantity that a run needs.

    Attributes:
        name: what is estimated.
        amount: the estimate with its unit.
        basis: how it was found.
    """

    name: str
    amount: str
    basis: str


def format_range(bounds: Bounds, format_number: Callable[[float], str]) -> str:
    """Formats two bounds as a range, or as one number where they look the same.

    Args:
        bounds: lower and upper bound.
        format_number: formats one of them.

    Returns:
        Such as "1,200 to 1,900".
    """
    low, high = format_number(bounds[0]), format_number(bounds[1])
    return low if low == high else f"{low} to {high}"


def format_duration(seconds: float) -> str:
    """Formats a time in seconds, minutes or hours."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
