"""The VQ-VAE: MotionGPT's numbers, its codebook in training, rows that do not affect each other."""

import json

import numpy as np
import pytest
import torch
from plain_decoder import decode_like_motiongpt
from safetensors.torch import load_file
from torch.nn import functional

from atom.errors import AtomError
from atom.generation.vqvae import VQVAE, VQVAEConfig
from atom.generation.weights import load_weights

SMALL = VQVAEConfig(features=7, codes=12, code_dim=8, width=8, depth=2)


@pytest.fixture(scope="module")
def parity(shared):
    folder = shared / "parity/vqvae_small"
    state = load_file(folder / "state_dict.safetensors")
    model = VQVAE(VQVAEConfig.from_state_dict(state)).eval()
    load_weights(model, state, "parity")
    return model, np.load(folder / "cases.npz"), json.loads((folder / "config.json").read_text())


@torch.inference_mode()
def test_numbers_equal_motiongpts(parity):
    model, cases, config = parity
    assert model.config == VQVAEConfig(
        config["nfeats"],
        config["code_num"],
        config["code_dim"],
        config["width"],
        config["depth"],
        config["down_t"],
        config["dilation_growth_rate"],
    )
    for i in range(len(cases["lengths"])):
        features = torch.from_numpy(cases[f"x_{i}"])
        tokens, output = model.encode(features), model(features)
        np.testing.assert_allclose(model.encoder(features.mT), cases[f"latent_{i}"], atol=1e-5)
        np.testing.assert_array_equal(tokens, cases[f"tokens_{i}"])
        np.testing.assert_allclose(model.decode(tokens), cases[f"decoded_{i}"], atol=1e-5)
        np.testing.assert_allclose(output.reconstruction, cases[f"decoded_{i}"], atol=1e-4)
        np.testing.assert_allclose(output.commitment, cases[f"commit_{i}"], atol=1e-5)
        np.testing.assert_allclose(output.perplexity, cases[f"perplexity_{i}"], rtol=1e-5)


@torch.inference_mode()
def test_a_batch_is_decoded_row_by_row(parity):
    model, cases, _ = parity
    features = torch.from_numpy(cases["x_batch"])
    tokens = model.encode(features)
    np.testing.assert_array_equal(tokens, cases["tokens_batch"])
    np.testing.assert_allclose(model.decode(tokens), cases["forward_batch"], atol=1e-5)
    np.testing.assert_allclose(model(features).reconstruction, cases["forward_batch"], atol=1e-5)


@torch.inference_mode()
@pytest.mark.parametrize("config", [SMALL, VQVAEConfig(width=32, code_dim=24)])
def test_decoding_equals_the_plain_decoder(config):
    torch.manual_seed(0)
    model = VQVAE(config).eval()
    model.quantizer.codebook.normal_()
    tokens = torch.randint(config.codes, (5, 11))
    expected = decode_like_motiongpt(model, tokens)
    torch.testing.assert_close(model.decode(tokens), expected, rtol=1e-5, atol=1e-5)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    torch.testing.assert_close(model.to_channels_last().decode(tokens), expected, rtol=1e-5, atol=1e-5)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


@torch.inference_mode()
def test_padding_touches_no_motion():
    torch.manual_seed(0)
    model = VQVAE(VQVAEConfig(codes=12, code_dim=24, width=32)).eval()  # its blocks reach 9 moments to either side
    model.quantizer.codebook.normal_()
    tokens, lengths = torch.randint(12, (5, 15)), torch.tensor([15, 14, 6, 1, 15])
    together = model.decode(tokens, lengths)
    for row, length, motion in zip(tokens, lengths, together):
        torch.testing.assert_close(motion[: 4 * length], model.decode(row[None, :length])[0], rtol=1e-5, atol=1e-5)
        assert not motion[4 * length :].any()


@pytest.mark.parametrize("frames", [4, 5, 39, 64])
def test_lengths_round_down_to_whole_tokens(frames):
    model = VQVAE(SMALL).eval()
    tokens = model.encode(torch.randn(2, frames, 7))
    assert tokens.shape == (2, frames // 4)
    assert model.decode(tokens).shape == (2, frames // 4 * 4, 7)


def test_too_short_a_motion_is_named():
    with pytest.raises(AtomError, match="3 frames is too short"):
        VQVAE(SMALL).encode(torch.randn(1, 3, 7))


def test_the_first_training_batch_fills_the_codebook_and_evaluation_leaves_it():
    torch.manual_seed(0)
    model, features = VQVAE(SMALL), torch.randn(8, 32, 7)
    model.eval()(features)
    assert not model.quantizer.codebook.any()
    model.train()(features)
    filled = model.quantizer.codebook.clone()
    assert filled.any(dim=1).all()
    model.eval()(features)
    torch.testing.assert_close(model.quantizer.codebook, filled, rtol=0, atol=0)


def test_an_unused_code_restarts_at_a_latent_and_a_used_one_follows_the_mean():
    torch.manual_seed(0)
    quantizer = VQVAE(VQVAEConfig(features=7, codes=2, code_dim=1, width=8)).quantizer.train()
    quantizer.codebook.copy_(torch.tensor([[0.0], [1000.0]]))
    latents = torch.full((1, 1, 50), 2.0)
    _, commitment, perplexity = quantizer(latents)
    used, restarted = quantizer.codebook[:, 0].tolist()
    # counts start at one: sum 0.99 * 0 + 0.01 * 100, count 0.99 + 0.01 * 50
    assert used == pytest.approx(1.0 / 1.49, rel=1e-5)
    assert restarted == 2.0
    assert commitment.item() == pytest.approx(4.0)
    assert perplexity.item() == pytest.approx(1.0, abs=1e-5)


def test_gradients_pass_straight_through_the_quantizer():
    quantizer = VQVAE(SMALL).quantizer.eval()
    quantizer.codebook.normal_()
    latents = torch.randn(2, 8, 5, requires_grad=True)
    quantized, _, _ = quantizer(latents)
    (quantized * 3).sum().backward()
    torch.testing.assert_close(latents.grad, torch.full_like(latents, 3.0))


@pytest.mark.slow
def test_training_learns_a_repeating_motion():
    torch.manual_seed(0)
    model = VQVAE(SMALL).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    phases = torch.rand(16, 1, 1) * 6.28
    features = torch.sin(torch.arange(32)[None, :, None] * 0.4 + phases + torch.arange(7) * 0.5)
    losses = []
    for _ in range(80):
        output = model(features)
        loss = functional.smooth_l1_loss(output.reconstruction, features) + 0.02 * output.commitment
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.4 * losses[0]


def test_weights_of_something_else_are_named():
    with pytest.raises(AtomError, match=r"quantizer\.codebook"):
        VQVAEConfig.from_state_dict({"linear.weight": torch.zeros(2, 2)})
