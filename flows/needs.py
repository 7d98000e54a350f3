"""What the shards of a stage need of the place where they are computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeVar

Work = TypeVar("Work", bound=Callable[..., object])


def needs(what: Literal["gpu", "service"]) -> Callable[[Work], Work]:
    """Marks the work of a shard: "gpu" where the config computes on one, "service" where a language model is asked."""

    def mark(work: Work) -> Work:
        work.needs = what  # type: ignore[attr-defined]
        return work

    return mark
