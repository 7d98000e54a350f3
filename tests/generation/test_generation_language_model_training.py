"""Training of the language model: its learning rate, its batches, and what it reports."""

import numpy as np
import pytest

from atom.errors import AtomError
from atom.generation import language_model_training
from atom.generation.language_model_training import LanguageModelTraining, _batch_by_length, train_language_model

SOURCES = [[[3, 4, 1], [5, 1]], [[6, 1]], [[7, 8, 9, 1]], [[4, 1]]]
TARGETS = [[10, 11, 1], [10, 12, 13, 1], [10, 1], [11, 1]]


def train(checkpoint, folder, **settings):
    config = LanguageModelTraining(**{"steps": 8, "batch": 2, "warmup": 4, "precision": "float32"} | settings)
    train_language_model(
        checkpoint.language_model, SOURCES, TARGETS, config, 0, folder / "state.pt", lambda *call: None
    )


def test_the_learning_rate_warms_up_and_falls_to_a_hundredth(checkpoint, tmp_path, monkeypatch):
    rates = []
    monkeypatch.setattr(language_model_training, "set_learning_rate", lambda _, rate: rates.append(rate))
    train(checkpoint, tmp_path, learning_rate=1e-3)
    cosine = [0.5 + 0.5 * np.cos(np.pi * step / 8) for step in range(8)]
    warmup = [0.25, 0.5, 0.75, 1, 1, 1, 1, 1]
    np.testing.assert_allclose(rates, [1e-3 * w * (0.01 + 0.99 * c) for w, c in zip(warmup, cosine)], rtol=1e-6)
    assert not checkpoint.language_model.training


def test_a_loss_that_is_not_finite_stops_the_training(checkpoint, tmp_path):
    checkpoint.language_model.lm_head.weight.data[:, 0] = float("nan")
    with pytest.raises(AtomError, match="loss became nan at step 1"):
        train(checkpoint, tmp_path)


def test_an_epoch_has_each_clip_at_most_once_beside_clips_of_its_length():
    lengths = np.random.default_rng(0).integers(2, 50, 500).tolist()
    batches = _batch_by_length([[1] * length for length in lengths], 4, np.random.default_rng(0))
    clips = np.concatenate(batches).tolist()
    assert {len(batch) for batch in batches} == {4} and len(set(clips)) == len(clips) > 480
    assert np.mean([np.ptp([lengths[clip] for clip in batch]) for batch in batches]) < 3
    firsts = [lengths[batch[0]] for batch in batches]
    assert firsts != sorted(firsts)  # short and long batches are mixed
