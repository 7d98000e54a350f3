"""The generator of a run, shared by the threads of this process, and its part of an artifact key."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from pathlib import Path

from atom.config import RunConfig
from atom.generation.checkpoint import hash_weights, resolve_template
from atom.generation.generator import Generator
from storage import ArtifactRef, Store

_loading = threading.Lock()
_loaded: dict[tuple[str | None, ...], Generator] = {}  # the generator that was used last, shared by all threads


def shared_generator(store: Store, config: RunConfig, adapter: ArtifactRef | None) -> Generator:
    """The generator with an adapter or without. Threads share one, since they only read it."""
    settings = config.generation
    key = (settings.checkpoint, settings.template, adapter.key if adapter else None, config.resources.device)
    with _loading:
        if key not in _loaded:
            _loaded.clear()
            with store.folder(adapter) if adapter else nullcontext() as folder:
                _loaded[key] = _load(config, folder)
        return _loaded[key]


def load_generator_to_tune(config: RunConfig) -> Generator:
    """A generator of its own, since tuning changes it. The shared one is dropped to make room."""
    with _loading:
        _loaded.clear()
    return _load(config)


def _load(config: RunConfig, adapter: Path | None = None) -> Generator:
    return Generator.load(
        config.generation.checkpoint,
        str(adapter) if adapter else None,
        config.resources.device,
        config.generation.template,
    )


def generator_key_fields(config: RunConfig, adapter: ArtifactRef | None = None) -> dict[str, str]:
    """The generator's part of an artifact key: hash of the weights, template if the config sets one, adapter."""
    settings = config.generation
    identity = {"generator": hash_weights(settings.checkpoint)}
    if settings.template is not None:
        identity["template"] = resolve_template(settings.template)
    return identity | ({"adapter": adapter.key} if adapter else {})
