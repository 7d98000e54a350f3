"""What a run made that its record and its report speak of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from storage import ArtifactRef

Shards = list[ArtifactRef]


@dataclass
class Made:
    """References to artifacts. `asked` are the prompts of the candidates, where these are not among `prompts`; `shown`
    are the motions of the gallery, of which `gallery` holds the clips."""

    prompts: ArtifactRef | None = None
    asked: ArtifactRef | None = None
    adapters: Shards = field(default_factory=list)
    rewards: Shards = field(default_factory=list)
    preferences: Shards = field(default_factory=list)
    evaluation: ArtifactRef | None = None
    metrics: ArtifactRef | None = None
    gallery: Shards = field(default_factory=list)
    shown: list[dict[str, Any]] = field(default_factory=list)
