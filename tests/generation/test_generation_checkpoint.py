"""Checkpoint folders: round trips, what their hash covers, damage that is named."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from atom.errors import AtomError
from atom.generation.checkpoint import Checkpoint, hash_weights, load_checkpoint, resolve_template, save_checkpoint
from atom.generation.language_model import build_language_model, make_t5_config


@pytest.fixture
def saved(checkpoint, tmp_path) -> Path:
    save_checkpoint(tmp_path / "saved", checkpoint)
    return tmp_path / "saved"


def edit_config(folder: Path, **changes) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


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
    model = build_language_model(make_t5_config(40, 16, 32, 1, 2, 0, 1))
    model.save_pretrained(tmp_path)
    assert torch.equal(load_file(tmp_path / "model.safetensors")["lm_head.weight"], model.lm_head.weight)


def test_the_hash_is_of_contents_not_of_place(saved, tmp_path):
    shutil.copytree(saved, tmp_path / "copy")
    assert hash_weights(str(tmp_path / "copy")) == hash_weights(str(saved))
    (tmp_path / "copy/notes.json").write_text("{}")
    assert hash_weights(str(tmp_path / "copy")) == hash_weights(str(saved))
    for file in ("config.json", "vqvae.safetensors", "tokenizer/tokenizer.json"):
        with (tmp_path / "copy" / file).open("ab") as stream:
            stream.write(b" ")
        assert hash_weights(str(tmp_path / "copy")) != hash_weights(str(saved))
        shutil.copy(saved / file, tmp_path / "copy" / file)


def test_the_same_checkpoint_gives_the_same_files(checkpoint, saved, tmp_path):
    save_checkpoint(tmp_path / "twice", checkpoint)
    assert hash_weights(str(tmp_path / "twice")) == hash_weights(str(saved))


def test_the_hash_reads_a_file_again_only_when_it_changed(saved, monkeypatch):
    read = []
    digest = hashlib.file_digest
    monkeypatch.setattr(
        hashlib, "file_digest", lambda file, name: read.append(Path(file.name).name) or digest(file, name)
    )
    first = hash_weights(str(saved))
    assert sorted(read) == sorted(
        [
            "vqvae.safetensors",
            "language_model.safetensors",
            "normalisation.safetensors",
            "config.json",
            "tokenizer.json",
        ]
    )
    read.clear()
    assert hash_weights(str(saved)) == first and not read
    path = saved / "normalisation.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)  # the same size
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1_000_000))
    assert hash_weights(str(saved)) != first and read == ["normalisation.safetensors"]


def test_loading_draws_no_random_numbers(saved):
    before = torch.random.get_rng_state()
    load_checkpoint(str(saved))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_folder_may_be_written_over_while_its_weights_are_in_use(checkpoint, checkpoint_maker, tmp_path):
    save_checkpoint(tmp_path / "used", checkpoint, half=False)
    used = load_checkpoint(str(tmp_path / "used"))
    save_checkpoint(tmp_path / "used", checkpoint_maker(1), half=False)
    for key, value in checkpoint.language_model.state_dict().items():
        assert torch.equal(used.language_model.state_dict()[key], value), key
    other = load_checkpoint(str(tmp_path / "used")).language_model
    assert not torch.equal(other.lm_head.weight, used.language_model.lm_head.weight)


def test_training_what_was_loaded_leaves_the_files_alone(checkpoint, tmp_path):
    save_checkpoint(tmp_path / "base", checkpoint, half=False)
    before = (tmp_path / "base/language_model.safetensors").read_bytes()
    with torch.no_grad():
        load_checkpoint(str(tmp_path / "base")).language_model.lm_head.weight.add_(1)
    assert (tmp_path / "base/language_model.safetensors").read_bytes() == before


def test_the_source_of_a_checkpoint_is_kept(checkpoint, tmp_path):
    checkpoint.source = {"kind": "MotionGPT", "sha256": "00", "statistics": "unknown"}
    save_checkpoint(tmp_path / "converted", checkpoint)
    assert load_checkpoint(str(tmp_path / "converted")).source == checkpoint.source


def test_a_template_is_a_name_or_a_text_with_one_placeholder():
    assert resolve_template("motiongpt") == "Generate motion: {}"
    assert resolve_template("caption") == resolve_template("{}") == "{}"
    assert resolve_template("Show me {}!") == "Show me {}!"
    for wrong in ("motionGPT", "{} and {}", "{0}", "{} {x}", "{{}}", ""):
        with pytest.raises(AtomError, match=r"must hold '\{\}' once"):
            resolve_template(wrong)


def test_a_file_instead_of_a_folder_gets_a_hint(tmp_path):
    (tmp_path / "motiongpt.tar").write_bytes(b"PK")
    with pytest.raises(AtomError, match=r"is a file.*atom checkpoint inspect .*motiongpt\.tar"):
        load_checkpoint(str(tmp_path / "motiongpt.tar"))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "vqvae.safetensors").unlink(), r"vqvae\.safetensors missing"),
        (lambda folder: (folder / "vqvae.safetensors").write_bytes(b"x" * 30), r"can't read .*vqvae\.safetensors"),
        (lambda folder: (folder / "config.json").write_text("{"), r"config\.json is not JSON"),
        (lambda folder: (folder / "config.json").write_text("{}"), "language_model, template, vqvae missing"),
        (lambda folder: (folder / "config.json").write_text("[]"), "language_model, template, vqvae missing"),
        (lambda folder: edit_config(folder, vqvae={"breadth": 3}), r"config\.json describes no model.*breadth"),
        (lambda folder: edit_config(folder, language_model={"d_model": "wide"}), r"config\.json describes no model"),
        (lambda folder: (folder / "tokenizer/tokenizer.json").write_text("{}"), r"can't read the tokenizer"),
        (
            lambda folder: (folder / "language_model.safetensors").write_bytes(b""),
            r"language_model\.safetensors: .*empty",
        ),
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
        (lambda folder: edit_config(folder, template="plain"), "must hold '{}' once"),
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
