"""MotionGPT's checkpoint through our code: its logits, its greedy answers; and files that must be refused."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from atom.errors import AtomError
from atom.generation.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from atom.generation.generator import Generator
from atom.generation.motiongpt import read_motiongpt
from atom.generation.sampling import sample_ids
from atom.generation.tokenizer import MotionVocabulary

MEAN, STD = np.zeros(263, np.float32), np.ones(263, np.float32)


@pytest.fixture(scope="module")
def folder(shared) -> Path:
    return shared / "parity/motiongpt_small"


@pytest.fixture(scope="module")
def peer(folder) -> Checkpoint:
    return read_motiongpt(folder / "checkpoint.pt", folder / "tokenizer", MEAN, STD)


@pytest.fixture(scope="module")
def cases(folder):
    return np.load(folder / "cases.npz"), json.loads((folder / "cases.json").read_text())


def test_the_vocabulary_is_the_peers(peer, cases):
    arrays, told = cases
    motions = MotionVocabulary.append(peer.tokenizer, told["motion_codebook_size"])
    assert (motions.first, motions.start, motions.end) == (
        told["motion_id_first"], told["motion_start_id"], told["motion_end_id"],
    )  # fmt: skip
    assert len(peer.tokenizer) == told["rows"]
    batch = peer.tokenizer(told["prompts"], padding=True, return_tensors="np")
    np.testing.assert_array_equal(batch.input_ids, arrays["input_ids"])
    np.testing.assert_array_equal(batch.attention_mask, arrays["attention_mask"])
    for codes, text, labels in zip(told["target_codes"], told["target_strings"], arrays["labels"]):
        assert motions.text(codes) == text
        assert motions.answer(codes, told["eos_id"]) == labels[labels != -100].tolist()


@torch.inference_mode()
def test_logits_and_log_probabilities_are_the_peers(peer, cases):
    arrays, _ = cases
    labels = torch.from_numpy(arrays["labels"])
    output = peer.language_model(
        input_ids=torch.from_numpy(arrays["input_ids"]),
        attention_mask=torch.from_numpy(arrays["attention_mask"]),
        labels=labels,
    )
    asked = labels != -100
    np.testing.assert_allclose(output.logits[asked], arrays["logits"][asked], atol=2e-4)
    log_probabilities = output.logits.log_softmax(-1).gather(-1, labels.clamp(min=0)[..., None])[..., 0] * asked
    np.testing.assert_allclose(log_probabilities.sum(1), arrays["sum_logps"], atol=1e-3)
    np.testing.assert_allclose(log_probabilities.sum(1) / asked.sum(1), arrays["mean_logps"], atol=5e-5)


def test_greedy_answers_are_the_peers_id_for_id(peer, cases):
    arrays, told = cases
    answers = sample_ids(
        peer.language_model, torch.from_numpy(arrays["input_ids"]), torch.from_numpy(arrays["attention_mask"]),
        [0] * len(arrays["input_ids"]), choices=torch.arange(told["rows"]), stops=[told["eos_id"]],
        temperature=0, top_k=0, max_new_tokens=40,
    )  # fmt: skip
    motions = MotionVocabulary(told["motion_id_first"], told["motion_codebook_size"])
    for answer, expected, codes in zip(answers, arrays["generated_ids"], told["generated_codes"]):
        assert answer == expected[1 : len(answer) + 1].tolist()
        assert not expected[len(answer) + 1 :].any()
        assert (motions.parse(answer) or [0]) == codes  # where nothing can be read the peer takes code 0


def test_the_generator_words_prompts_and_decodes_as_the_peer(peer, cases):
    arrays, told = cases
    generator = Generator(peer)
    plain = [(i, p) for i, p in enumerate(told["prompts"]) if p.startswith("Generate motion: ")]
    samples = generator.sample([p.removeprefix("Generate motion: ") for _, p in plain], [0] * len(plain), temperature=0)
    for (i, _), sample in zip(plain, samples):
        assert sample.tokens == told["generated_codes"][i]
    with torch.inference_mode():
        for i in range(3):
            features = generator.vqvae.decode(torch.tensor([told["generated_codes"][i]]))
            np.testing.assert_allclose(features, arrays[f"decoded_features_{i}"], atol=1e-5)


def test_it_survives_our_own_folder(peer, cases, tmp_path):
    save_checkpoint(tmp_path / "saved", peer, half=False)
    again = load_checkpoint(str(tmp_path / "saved"))
    for ours, theirs in ((again.language_model, peer.language_model), (again.vqvae, peer.vqvae)):
        for key, value in theirs.state_dict().items():
            assert torch.equal(ours.state_dict()[key], value), key
    assert not again.language_model.config.scale_decoder_outputs
    prompts = cases[1]["prompts"]
    assert again.tokenizer(prompts).input_ids == peer.tokenizer(prompts).input_ids


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("lm.language_model.lm_head.weight"), r"missing lm_head\.weight"),
        (lambda state: state.update({"lm.language_model.extra": torch.zeros(1)}), "unexpected extra"),
        (
            lambda state: state.update({"lm.language_model.lm_head.weight": torch.zeros(7, 64)}),
            r"lm_head\.weight is \(7, 64\), not \(179, 64\)",
        ),
        (lambda state: state.pop("vae.decoder.model.6.bias"), r"missing decoder\.model\.6\.bias"),
        (lambda state: state.update({"motion.encoder": torch.zeros(1)}), r"unknown keys motion\.encoder"),
        (lambda state: [state.pop(key) for key in list(state) if key.startswith("lm.")], "it needs vae"),
        (lambda state: state.update({"lm.language_model.shared.weight": torch.zeros(179, 64)}), "share memory"),
    ],
)
def test_a_file_that_does_not_fit_is_named_key_by_key(folder, tmp_path, change, message):
    state = torch.load(folder / "checkpoint.pt", weights_only=True)["state_dict"]
    change(state)
    torch.save({"state_dict": state}, tmp_path / "changed.pt")
    with pytest.raises(AtomError, match=message):
        read_motiongpt(tmp_path / "changed.pt", folder / "tokenizer", MEAN, STD)


class Trap:
    def __reduce__(self):
        return exec, ("raise SystemExit('the trap was sprung')",)


def test_a_file_that_could_run_code_is_refused(tmp_path):
    torch.save({"state_dict": {"vae.a": Trap()}}, tmp_path / "trap.tar")
    with pytest.raises(AtomError, match="could run code"):
        read_motiongpt(tmp_path / "trap.tar", tmp_path, MEAN, STD)
    (tmp_path / "bare.pt").write_bytes(pickle.dumps({"vae.a": Trap()}, protocol=2))
    with pytest.raises(AtomError, match="could run code"):
        read_motiongpt(tmp_path / "bare.pt", tmp_path, MEAN, STD)


def test_damaged_and_foreign_files_get_one_line(tmp_path):
    torch.save({"state_dict": {"vae.a": torch.zeros(300)}}, tmp_path / "whole.pt")
    (tmp_path / "cut.pt").write_bytes((tmp_path / "whole.pt").read_bytes()[:700])
    torch.save([1, 2], tmp_path / "list.pt")
    (tmp_path / "text.safetensors").write_text("hello")
    for name in ("cut.pt", "list.pt", "text.safetensors", "absent.pt"):
        with pytest.raises(AtomError, match=name) as caught:
            read_motiongpt(tmp_path / name, tmp_path, MEAN, STD)
        assert "\n" not in str(caught.value)
