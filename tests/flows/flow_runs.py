"""A config that runs the whole pipeline in seconds, and what to ask of a run's record."""

from contextlib import contextmanager

import pytest

from atom.report import plots

SMALL = [
    "prompts.train_per_task=4",
    "prompts.test_per_task=3",
    "generation.candidates=3",
    "generation.evaluation_samples=1",
    "prompts_per_shard=6",
    "preferences.min_gap=0.1",
    "tuning.max_steps=2",
    "tuning.batch_size=4",
    "rendering.preview_prompts=0",
    "evaluation.num_examples=0",
    "evaluation.bootstrap=100",
    "evaluation.baselines=[]",
    "rounds=1",
    "on_policy.steps=0",
    "validation.prompts_per_task=1",
]


def computed(record):
    """How many shards each stage of a run's record computed, those with none left out."""
    return {
        stage["name"]: stage["shards"] - stage["reused"]
        for stage in record["stages"]
        if stage["shards"] > stage["reused"]
    }


_draw = plots._encode
_EMPTY = {"png": b"\x89PNG\r\n\x1a\n", "svg": b"<svg></svg>"}


@contextmanager
def undrawn_plots():
    """Runs write empty plots: drawing takes most of the time of a small run, and tests/report tests it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "_encode", lambda figure, form, **options: _EMPTY[form])
        yield


@contextmanager
def drawn_plots():
    """Runs draw their plots after all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "_encode", _draw)
        yield
