"""Checkpoint folders: round trips, what their hash covers, damage that is named."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from atom.errors import AtomError
from atom.generation.checkpoint import Checkpoint, load_checkpoint, save_checkpoint, weights_hash
from atom.generation.language_model import build_language_model, small_config


@pytest.fixture
def saved(checkpoint, tmp_path) -> Path:
    save_checkpoint(tmp_path / "saved", checkpoint)
    return tmp_path / "saved"


@pytest.mark.parametrize("half", [True, False])
def test_a_checkpoint_comes_back(checkpoint, tmp_path, texts, half):
    save_checkpoint(tmp_path / "again", checkpoint, half=half)
    again = load_checkpoint(str(tmp_path / "again"))
    for before, after in ((checkpoint.vqvae, again.vqvae), (checkpoint.language_model, again.language_model)):
        assert not after.training
        for key, value in before.state_dict().items():
            loaded = after.state_dict()[key]
            assert loaded.dtype == torch.float32
            assert torch.equal(loaded, value.half().float() if half else value), key
    np.testing.assert_array_equal(again.mean, checkpoint.mean)
    np.testing.assert_array_equal(again.std, checkpoint.std)
    assert again.template == checkpoint.template
    assert again.vqvae.config == checkpoint.vqvae.config
    assert again.tokenizer(texts).input_ids == checkpoint.tokenizer(texts).input_ids
    inputs = torch.tensor([[5, 6, 1]])
    before, after = checkpoint.language_model, again.language_model
    with torch.inference_mode():
        logits = [model(input_ids=inputs, decoder_input_ids=inputs).logits for model in (before, after)]
    torch.testing.assert_close(logits[0], logits[1], rtol=0, atol=0.2 if half else 0)


def test_the_output_layer_is_a_matrix_of_its_own(checkpoint, saved):
    for model in (checkpoint.language_model, load_checkpoint(str(saved)).language_model):
        assert not torch.equal(model.lm_head.weight, model.shared.weight)
        assert model.encoder.embed_tokens.weight is model.shared.weight
        before = model.lm_head.weight.clone()
        model.tie_weights()
        assert torch.equal(model.lm_head.weight, before)
    names = load_file(saved / "language_model.safetensors").keys()
    assert {"lm_head.weight", "shared.weight"} <= names
    assert not {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight"} & names


def test_transformers_own_saving_keeps_the_output_layer(tmp_path):
    model = build_language_model(small_config(40, 16, 32, 1, 2, 0, 1))
    model.save_pretrained(tmp_path)
    assert torch.equal(load_file(tmp_path / "model.safetensors")["lm_head.weight"], model.lm_head.weight)


def test_the_hash_is_of_contents_not_of_place(saved, tmp_path):
    shutil.copytree(saved, tmp_path / "elsewhere")
    assert weights_hash(str(tmp_path / "elsewhere")) == weights_hash(str(saved))
    (tmp_path / "elsewhere/notes.json").write_text("{}")
    assert weights_hash(str(tmp_path / "elsewhere")) == weights_hash(str(saved))
    for file in ("config.json", "vqvae.safetensors", "tokenizer/tokenizer.json"):
        with (tmp_path / "elsewhere" / file).open("ab") as stream:
            stream.write(b" ")
        assert weights_hash(str(tmp_path / "elsewhere")) != weights_hash(str(saved))
        shutil.copy(saved / file, tmp_path / "elsewhere" / file)


def test_the_same_checkpoint_gives_the_same_files(checkpoint, saved, tmp_path):
    save_checkpoint(tmp_path / "twice", checkpoint)
    assert weights_hash(str(tmp_path / "twice")) == weights_hash(str(saved))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "vqvae.safetensors").unlink(), r"vqvae\.safetensors missing"),
        (lambda folder: (folder / "vqvae.safetensors").write_bytes(b"x" * 30), r"can't read .*vqvae\.safetensors"),
        (lambda folder: (folder / "config.json").write_text("{"), r"config\.json is no JSON"),
        (lambda folder: (folder / "config.json").write_text("{}"), "language_model, template, vqvae missing"),
        (
            lambda folder: save_file({"mean": torch.zeros(263)}, folder / "normalisation.safetensors"),
            "normalisation.safetensors has no std",
        ),
        (
            lambda folder: save_file(
                load_file(folder / "vqvae.safetensors") | {"quantizer.codebook": torch.zeros(3, 16)},
                folder / "vqvae.safetensors",
            ),
            r"quantizer\.codebook is \(3, 16\), not \(24, 16\)",
        ),
        (
            lambda folder: (folder / "config.json").write_text(
                json.dumps(json.loads((folder / "config.json").read_text()) | {"template": "plain"})
            ),
            "must hold '{}' once",
        ),
    ],
)
def test_damage_is_named(saved, damage, message):
    damage(saved)
    with pytest.raises(AtomError, match=message):
        load_checkpoint(str(saved))


def test_weights_too_large_for_float16_are_not_rounded_to_infinity(checkpoint, tmp_path):
    with torch.no_grad():
        checkpoint.language_model.shared.weight[0, 0] = 1e6
    with pytest.raises(AtomError, match=r"shared\.weight holds values too large"):
        save_checkpoint(tmp_path / "large", checkpoint)
    save_checkpoint(tmp_path / "large", checkpoint, half=False)
    assert load_checkpoint(str(tmp_path / "large")).language_model.shared.weight[0, 0] == 1e6


def test_statistics_of_another_size_are_refused(checkpoint):
    with pytest.raises(AtomError, match=r"mean is \(7,\), not \(263,\)"):
        Checkpoint(checkpoint.vqvae, checkpoint.language_model, checkpoint.tokenizer, np.zeros(7), checkpoint.std, "{}")
