"""One shard of a stage: look its key up in the store, else compute and commit it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Literal, TypeVar

from pydantic import BaseModel

from storage import ArtifactRef, Recipe, Store

Work = TypeVar("Work", bound=Callable[..., object])


class ShardResult(BaseModel):
    """The artifact of a shard: `ref` as a dict, whether it was found in the store, and the seconds that this took."""

    ref: dict[str, Any]
    reused: bool
    seconds: float

    @property
    def artifact(self) -> ArtifactRef:
        return ArtifactRef.from_dict(self.ref)


def compute_or_reuse(store: Store, recipe: Recipe, compute: Callable[[Any], None]) -> ShardResult:
    """Finds the artifact of a recipe in the store, or computes and commits it.

    The store is the authority: what it holds undamaged is not computed again, and while another process computes the
    same artifact this one waits for it.

    Args:
        store: where the artifact is looked up and written.
        recipe: all that decides its content, and so its key.
        compute: fills the artifact's writer.

    Returns:
        The artifact and whether it was reused.
    """
    began = time.monotonic()
    ref = store.find(recipe.stage, recipe.key)
    if ref is None:
        with store.claim(recipe.stage, recipe.key):
            ref = store.find(recipe.stage, recipe.key)  # who held the claim before may have computed it
            if ref is None:
                with store.write(recipe) as writer:
                    compute(writer)
                return ShardResult(ref=writer.ref.to_dict(), reused=False, seconds=time.monotonic() - began)
    return ShardResult(ref=ref.to_dict(), reused=True, seconds=time.monotonic() - began)


def requires_resource(resource: Literal["gpu", "service"]) -> Callable[[Work], Work]:
    """Marks the function of a stage that computes on a GPU where there is one ("gpu"), or that sends requests to a
    language model ("service")."""

    def mark(work: Work) -> Work:
        work.required_resource = resource  # type: ignore[attr-defined]
        return work

    return mark
