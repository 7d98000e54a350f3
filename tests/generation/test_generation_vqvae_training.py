"""The training of the VQ-VAE: its learning rate, when it freezes the codebook, what it reports and what it saves."""

import numpy as np
import pytest
import torch

from atom.generation import vqvae_training
from atom.generation.vqvae_training import VQVAETraining, compute_block_statistics, train_vqvae
from atom.motion.feature_statistics import BLOCKS


@pytest.fixture
def clips():
    rng = np.random.default_rng(0)
    return [rng.normal(size=(length, 263)).astype(np.float32) for length in (64, 70, 40)]


def test_the_schedule_of_a_training(clips, tmp_path, monkeypatch):
    rates, frozen, calls, saved = [], [], [], []
    monkeypatch.setattr(vqvae_training, "_CODEBOOK_FREEZE", 0.5)
    monkeypatch.setattr(vqvae_training, "set_learning_rate", lambda _, rate: rates.append(rate))
    monkeypatch.setattr(vqvae_training.TrainingState, "save_if_due", lambda state, done: saved.append(done))
    forward = vqvae_training.VQVAE.forward

    def watched(self, batch):
        frozen.append(not self.quantizer.training)
        return forward(self, batch)

    monkeypatch.setattr(vqvae_training.VQVAE, "forward", watched)
    config = VQVAETraining(codes=8, width=8, steps=50, batch=2, warmup=5, learning_rate=1e-3, precision="float32")
    statistics = compute_block_statistics(clips)
    model = train_vqvae(clips, *statistics, config, 0, tmp_path / "state.pt", lambda *call: calls.append(call[:3]))
    assert saved == list(range(1, 51)) and calls == [("VQ-VAE", 50, 50)] and not model.training
    assert frozen == [False] * 25 + [True] * 25
    cosine = [0.5 + 0.5 * np.cos(np.pi * step / 50) for step in range(50)]
    expected = [1e-3 * min(1, (step + 1) / 5) * (0.02 + 0.98 * c) for step, c in enumerate(cosine)]
    np.testing.assert_allclose(rates, expected, rtol=1e-6)
    assert model.quantizer.reset_below == 2 / 256


def test_the_features_of_a_block_share_their_deviation(clips):
    clips[0][:, :4] = 1.0
    frames = np.concatenate(clips).astype(np.float64)
    mean, std = compute_block_statistics(clips)
    np.testing.assert_allclose(mean, frames.mean(0), atol=1e-6)
    for block in BLOCKS.values():
        np.testing.assert_allclose(std[block], frames.std(0)[block].mean(), rtol=1e-5)
    assert compute_block_statistics([np.ones((4, 263))])[1].min() == np.float32(1e-4)


def test_a_training_that_is_done_is_not_done_again(clips, tmp_path):
    config = VQVAETraining(codes=8, width=8, steps=2, batch=2, precision="float32")
    statistics = compute_block_statistics(clips)
    first = train_vqvae(clips, *statistics, config, 0, tmp_path / "state.pt", lambda *call: None)
    again = train_vqvae(clips, *statistics, config, 1, tmp_path / "state.pt", lambda *call: None)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters()))
