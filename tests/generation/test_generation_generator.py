"""The generator as a whole: order, stop reasons, decoding, adapters, and what a user may get wrong."""

import json

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

from atom.errors import AtomError
from atom.generation.checkpoint import hash_weights, save_checkpoint
from atom.generation.generator import Generator, _batch_by_length


@pytest.fixture
def generator(checkpoint) -> Generator:
    return Generator(checkpoint)


@pytest.fixture
def saved(checkpoint, tmp_path) -> str:
    save_checkpoint(tmp_path / "base", checkpoint)
    return str(tmp_path / "base")


@pytest.fixture
def adapter(saved, tmp_path) -> str:
    torch.manual_seed(3)
    model = get_peft_model(
        Generator.load(saved).language_model,
        LoraConfig(r=2, lora_alpha=16, target_modules=["q", "v"], init_lora_weights=False),
    )
    model.save_pretrained(tmp_path / "adapter")
    return str(tmp_path / "adapter")


def test_results_come_in_the_callers_order_with_progress(generator, texts):
    alone = [generator.sample([text], [7], max_new_tokens=12)[0] for text in texts]
    calls = []
    samples = generator.sample(
        texts, [7] * 4, max_new_tokens=12, batch_size=3, progress=lambda *call: calls.append(call)
    )
    assert samples == alone
    assert calls == [(3, 4), (4, 4)]
    assert generator.sample([], []) == []


def test_stop_reasons_tell_how_it_ended(generator, texts):
    samples = generator.sample(texts * 20, list(range(80)), max_new_tokens=10)
    for sample in samples:
        assert all(0 <= code < generator.motions.codes for code in sample.tokens)
        assert (sample.stop_reason == "empty") == (not sample.tokens)
        assert len(sample.tokens) < 10  # the start token took one
    assert any(sample.stop_reason == "length" and len(sample.tokens) == 9 for sample in samples)


def test_a_motion_ends_by_its_end_token_or_by_that_of_the_text(generator, monkeypatch):
    motions, eos = generator.motions, generator.tokenizer.eos_token_id
    code = motions.first + 5
    answers = {
        "end": [[motions.start, code, motions.end], [motions.start, code, eos]],
        "length": [[motions.start, code, code], [motions.start, code, motions.start]],
        "empty": [[motions.start, motions.end], [eos], [code, code], []],
    }
    rows = [ids for group in answers.values() for ids in group]
    monkeypatch.setattr("atom.generation.generator.sample_ids", lambda *_, **__: rows)
    samples = generator.sample(["he bows"] * len(rows), [0] * len(rows))
    assert [sample.stop_reason for sample in samples] == [reason for reason in answers for _ in answers[reason]]
    assert [sample.tokens for sample in samples] == [[5], [5], [5, 5], [5], [], [], [], []]


def test_decoding_of_a_motion_does_not_depend_on_its_batch(generator):
    motions = [[1, 2, 3], [5] * 8, [], [3, 2, 1], [0]]
    together = generator.decode(motions)
    assert [joints.shape for joints in together] == [(12, 22, 3), (32, 22, 3), (0, 22, 3), (12, 22, 3), (4, 22, 3)]
    for codes, joints in zip(motions, together):
        assert joints.dtype == np.float32
        np.testing.assert_allclose(generator.decode([codes])[0], joints, atol=1e-5)
    np.testing.assert_allclose(together[0][0, 0, [0, 2]], 0, atol=1e-6)  # the pelvis starts at the origin


def test_motions_of_similar_length_are_decoded_together():
    lengths = np.random.default_rng(0).integers(0, 50, 300).tolist() + [49] * 100
    batches = list(_batch_by_length(lengths))
    assert sorted(i for rows in batches for i in rows) == [i for i, length in enumerate(lengths) if length]
    for rows in batches:
        assert len(rows) <= 64 and sum(lengths[rows[0]] - lengths[i] for i in rows) <= 64
        assert [lengths[i] for i in rows] == sorted((lengths[i] for i in rows), reverse=True)
    assert len(batches) < 20
    assert list(_batch_by_length([])) == list(_batch_by_length([0])) == []


def test_a_saved_generator_gives_the_same_motions(saved, texts):
    first, second = Generator.load(saved), Generator.load(saved)
    assert first.sample(texts, [1, 2, 3, 4]) == second.sample(texts, [1, 2, 3, 4])
    assert first.weights_hash == second.weights_hash == hash_weights(saved)


@pytest.mark.slow
def test_the_adapter_changes_motions_and_identity_and_can_be_switched_off(saved, adapter, texts):
    base, tuned = Generator.load(saved), Generator.load(saved, adapter=adapter)
    inputs = (texts * 4, list(range(16)))
    assert tuned.sample(*inputs) != base.sample(*inputs)
    with tuned.language_model.disable_adapter():
        assert tuned.sample(*inputs) == base.sample(*inputs)
    assert tuned.weights_hash != base.weights_hash
    assert Generator.load(saved, adapter=adapter).sample(*inputs) == tuned.sample(*inputs)


def test_codes_are_written_as_the_model_writes_them(generator):
    assert generator.codes_to_text([3, 0]) == "<motion_id_24><motion_id_3><motion_id_0><motion_id_25>"


def test_the_template_formats_every_prompt(checkpoint, texts):
    checkpoint.template = "the person {} twice"
    generator = Generator(checkpoint)
    ids, _ = generator.encode_prompts(["walks"])
    assert generator.tokenizer.decode(ids[0]).split()[:4] == ["the", "person", "walks", "twice"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g: g.sample(["a person bows"], [1, 2]), "1 texts and 2 seeds"),
        (lambda g: g.sample(["a person bows", "  "], [1, 2]), "text 1 is empty"),
        (lambda g: g.sample(["a person bows"], [-1]), "seed -1"),
        (lambda g: g.sample(["a person bows"], [1], temperature=-0.5), "temperature -0.5"),
        (lambda g: g.decode([[0], [3, 24]]), "motion 1 holds code 24, outside the codebook's 0..23"),
    ],
)
def test_mistakes_give_a_message_of_one_line(generator, call, message):
    with pytest.raises(AtomError, match=message):
        call(generator)


def test_devices_and_folders_that_are_not_there_are_named(checkpoint, saved, tmp_path):
    with pytest.raises(AtomError, match="toaster"):
        Generator(checkpoint, device="toaster")
    with pytest.raises(AtomError, match="atom pretrain"):
        Generator.load(str(tmp_path / "nowhere"))
    with pytest.raises(AtomError, match=r"is no adapter: adapter_model\.safetensors"):
        Generator.load(saved, adapter=str(tmp_path))


@pytest.mark.filterwarnings("ignore:Found missing adapter keys")
def test_an_adapter_that_does_not_fit_is_named(saved, adapter, tmp_path):
    weights = tmp_path / "adapter/adapter_model.safetensors"
    state = load_file(weights)
    key = next(key for key in state if "lora_B" in key)
    save_file({name: value for name, value in state.items() if name != key}, weights)
    with pytest.raises(AtomError, match=f"missing {key}"):
        Generator.load(saved, adapter=adapter)
    save_file(state | {key: torch.zeros(5, 2)}, weights)
    with pytest.raises(AtomError, match="can't load the adapter"):
        Generator.load(saved, adapter=adapter)
    save_file(state, weights)
    config = tmp_path / "adapter/adapter_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"target_modules": ["query"]}))
    with pytest.raises(AtomError, match="can't load the adapter"):
        Generator.load(saved, adapter=adapter)


def test_features_are_as_long_as_their_motions_and_none_of_an_empty_one(generator):
    features = generator.decode_features([[1, 2, 3], [], [0]])
    assert [each.shape for each in features] == [(12, 263), (0, 263), (4, 263)]
