"""MotionGPT's checkpoint: the same logits and greedy answers as the original, and files that must be refused."""

import json
import pickle
import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from motiongpt_files import CODES, T5, VQVAE_SIZES, Files, tiny_state, write_t5, write_tiny
from safetensors.torch import save_file

from atom.errors import AtomError
from atom.generation import motiongpt_checkpoint
from atom.generation.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from atom.generation.generator import Generator
from atom.generation.language_model import T5Shape
from atom.generation.language_model_inference import T5Inference
from atom.generation.motiongpt_checkpoint import load_t5_tokenizer, read_motiongpt
from atom.generation.sampling import sample_ids
from atom.generation.tokenizer import MotionVocabulary
from atom.tuning.batches import PairBatch
from atom.tuning.log_probabilities import compute_pair_log_probs
from atom.tuning.pairs import TokenizedPairs, TrainingPair

MEAN, STD = np.zeros(263, np.float32), np.ones(263, np.float32)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Files:
    """A checkpoint in the original layout, without a shared folder. Tests must not change it."""
    return write_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def folder(shared) -> Path:
    return shared / "parity/motiongpt_small"


@pytest.fixture(scope="module")
def peer(folder) -> Checkpoint:
    return read_motiongpt(folder / "checkpoint.pt", folder / "tokenizer", MEAN, STD)


@pytest.fixture(scope="module")
def cases(folder):
    return np.load(folder / "cases.npz"), json.loads((folder / "cases.json").read_text())


def test_the_vocabulary_equals_motiongpts(peer, cases):
    arrays, facts = cases
    motions = MotionVocabulary.append(peer.tokenizer, facts["motion_codebook_size"])
    assert (motions.first, motions.start, motions.end) == (
        facts["motion_id_first"],
        facts["motion_start_id"],
        facts["motion_end_id"],
    )
    assert len(peer.tokenizer) == facts["rows"]
    batch = peer.tokenizer(facts["prompts"], padding=True, return_tensors="np")
    np.testing.assert_array_equal(batch.input_ids, arrays["input_ids"])
    np.testing.assert_array_equal(batch.attention_mask, arrays["attention_mask"])
    for codes, text, labels in zip(facts["target_codes"], facts["target_strings"], arrays["labels"]):
        assert motions.text(codes) == text
        assert motions.answer(codes, facts["eos_id"]) == labels[labels != -100].tolist()


@torch.inference_mode()
def test_logits_and_log_probabilities_equal_motiongpts(peer, cases):
    arrays, _ = cases
    labels = torch.from_numpy(arrays["labels"])
    output = peer.language_model(
        input_ids=torch.from_numpy(arrays["input_ids"]),
        attention_mask=torch.from_numpy(arrays["attention_mask"]),
        labels=labels,
    )
    is_label = labels != -100
    np.testing.assert_allclose(output.logits[is_label], arrays["logits"][is_label], atol=2e-4)
    log_probabilities = output.logits.log_softmax(-1).gather(-1, labels.clamp(min=0)[..., None])[..., 0] * is_label
    np.testing.assert_allclose(log_probabilities.sum(1), arrays["sum_logps"], atol=1e-3)
    np.testing.assert_allclose(log_probabilities.sum(1) / is_label.sum(1), arrays["mean_logps"], atol=5e-5)


def test_the_loss_over_all_tokens_of_a_batch_equals_motiongpts(peer, cases):
    arrays, facts = cases
    codes = [[int(k) for k in re.findall(r"_(\d+)>", text)][1:-1] for text in facts["forward_loss_outputs"]]
    generator = Generator(peer)
    generator.template = "{}"
    pairs = TokenizedPairs(
        generator,
        [TrainingPair(text, tuple(answer), tuple(answer)) for text, answer in zip(facts["forward_loss_inputs"], codes)],
    )
    sums, _ = compute_pair_log_probs(peer.language_model, PairBatch.of(pairs, 0, torch.device("cpu")), "sum")
    tokens = sum(len(pair.chosen) for pair in pairs)
    assert -sums.sum().item() / tokens == pytest.approx(arrays["forward_loss"].item(), abs=5e-5)


def test_greedy_answers_equal_motiongpts_id_for_id(peer, cases):
    arrays, facts = cases
    answers = sample_ids(
        T5Inference(peer.language_model, torch.arange(facts["rows"])),
        torch.from_numpy(arrays["input_ids"]),
        torch.from_numpy(arrays["attention_mask"]),
        [0] * len(arrays["input_ids"]),
        stop_ids=[facts["eos_id"]],
        temperature=0,
        top_k=0,
        max_new_tokens=40,
    )
    motions = MotionVocabulary(facts["motion_id_first"], facts["motion_codebook_size"])
    for answer, expected, codes in zip(answers, arrays["generated_ids"], facts["generated_codes"]):
        assert answer == expected[1 : len(answer) + 1].tolist()
        assert not expected[len(answer) + 1 :].any()
        assert (motions.parse(answer) or [0]) == codes  # where nothing can be read the peer takes code 0


def test_the_generator_formats_prompts_and_decodes_like_motiongpt(peer, cases):
    arrays, facts = cases
    generator = Generator(peer)
    plain = [(i, p) for i, p in enumerate(facts["prompts"]) if p.startswith("Generate motion: ")]
    samples = generator.sample([p.removeprefix("Generate motion: ") for _, p in plain], [0] * len(plain), temperature=0)
    for (i, _), sample in zip(plain, samples):
        assert sample.tokens == facts["generated_codes"][i]
    with torch.inference_mode():
        for i in range(3):
            features = generator.vqvae.decode(torch.tensor([facts["generated_codes"][i]]))
            np.testing.assert_allclose(features, arrays[f"decoded_features_{i}"], atol=1e-5)


def test_a_saved_and_loaded_copy_gives_the_same_numbers(peer, cases, tmp_path):
    save_checkpoint(tmp_path / "saved", peer, half=False)
    again = load_checkpoint(str(tmp_path / "saved"))
    for ours, theirs in ((again.language_model, peer.language_model), (again.vqvae, peer.vqvae)):
        for key, value in theirs.state_dict().items():
            assert torch.equal(ours.state_dict()[key], value), key
    assert not again.language_model.config.scale_decoder_outputs
    prompts = cases[1]["prompts"]
    assert again.tokenizer(prompts).input_ids == peer.tokenizer(prompts).input_ids


def assert_holds(checkpoint: Checkpoint, state: dict[str, torch.Tensor]) -> None:
    """Every tensor of the model is that of the file, in float32."""
    for prefix, module in (("vae.", checkpoint.vqvae), ("lm.language_model.", checkpoint.language_model)):
        own = module.state_dict()
        assert own.keys() == {key.removeprefix(prefix) for key in state if key.startswith(prefix)}
        for key, value in own.items():
            assert value.dtype == torch.float32 and torch.equal(value, state[prefix + key].float()), key


def test_every_tensor_is_the_files_and_the_output_layer_its_own(tiny):
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    checkpoint = read_motiongpt(tiny.checkpoint, tiny.t5, MEAN, STD)
    assert torch.equal(torch.random.get_rng_state(), before)  # nothing was initialised only to be replaced
    assert_holds(checkpoint, tiny_state())
    model = checkpoint.language_model
    assert not torch.equal(model.lm_head.weight, model.shared.weight)
    assert model.encoder.embed_tokens.weight is model.decoder.embed_tokens.weight is model.shared.weight
    assert checkpoint.vqvae.config == VQVAE_SIZES and T5Shape.from_config(model.config) == T5
    assert checkpoint.template == "Generate motion: {}"
    samples = Generator(checkpoint).sample(["a person jumps", "the man bows"], [1, 2], max_new_tokens=8)
    assert all(len(sample.tokens) > 0 for sample in samples)


def test_weights_are_taken_over_without_a_copy(tiny, monkeypatch):
    state = motiongpt_checkpoint.read_tensors(tiny.checkpoint)
    monkeypatch.setattr(motiongpt_checkpoint, "read_tensors", lambda path: state)
    checkpoint = read_motiongpt(tiny.checkpoint, tiny.t5, MEAN, STD)
    for prefix, module in (("vae.", checkpoint.vqvae), ("lm.language_model.", checkpoint.language_model)):
        for key, value in module.state_dict().items():
            if not key.endswith("embed_tokens.weight"):
                assert value.data_ptr() == state[prefix + key].data_ptr(), key


class Settings:
    """Stands for an object of OmegaConf in a Lightning checkpoint; it must not be created when the file is read."""

    def __init__(self):
        self.content = {"lr": 1e-4}

    def __setstate__(self, state):
        raise AssertionError("code of the file's own class was run")


def save_as_lightning(state, path: Path, monkeypatch) -> None:
    module = ModuleType("omegaconf.dictconfig")
    module.DictConfig = type("DictConfig", (Settings,), {"__module__": module.__name__})
    monkeypatch.setitem(sys.modules, "omegaconf", ModuleType("omegaconf"))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    extra = {"epoch": 3, "hyper_parameters": {"cfg": module.DictConfig()}, "optimizer_states": [{"lr": 1e-4}]}
    torch.save({"state_dict": state} | extra, path)


@pytest.mark.parametrize("form", ["bare", "old", "float16", "bfloat16", "safetensors", "lightning", "without copies"])
def test_a_file_may_come_in_many_forms(tiny, tmp_path, monkeypatch, form):
    state, path = tiny_state(), tmp_path / "any.name"
    if form in ("float16", "bfloat16"):
        state = {key: value.to(getattr(torch, form)) for key, value in state.items()}
    if form == "safetensors":
        save_file(state, path)
    elif form == "lightning":
        save_as_lightning(state, path, monkeypatch)
    elif form == "old":
        torch.save(state, path, _use_new_zipfile_serialization=False)
    elif form == "without copies":
        torch.save({key: value for key, value in state.items() if "embed_tokens" not in key}, path)
    else:
        torch.save(state, path)
    assert_holds(read_motiongpt(path, tiny.t5, MEAN, STD), state)


@pytest.mark.parametrize("prefix", ["vae.", "motion_vae.", ""])
def test_the_vqvae_may_lie_in_another_file(tiny, tmp_path, prefix):
    state, other = tiny_state(), tiny_state(1)
    language = {key: value for key, value in state.items() if key.startswith("lm.")}
    vae = {key: value for key, value in other.items() if key.startswith("vae.")}
    torch.save(language, tmp_path / "language.pt")
    torch.save({prefix + key.removeprefix("vae."): value for key, value in vae.items()}, tmp_path / "vae.pt")
    for main in (tmp_path / "language.pt", tiny.checkpoint):
        assert_holds(read_motiongpt(main, tiny.t5, MEAN, STD, vae=tmp_path / "vae.pt"), language | vae)
    with pytest.raises(AtomError, match="given with --vae"):
        read_motiongpt(tmp_path / "language.pt", tiny.t5, MEAN, STD)
    with pytest.raises(AtomError, match=r"language\.pt holds no VQ-VAE"):
        read_motiongpt(tiny.checkpoint, tiny.t5, MEAN, STD, vae=tmp_path / "language.pt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("lm.language_model.lm_head.weight"), r"missing lm_head\.weight"),
        (lambda state: state.update({"lm.language_model.extra": torch.zeros(1)}), "unexpected extra"),
        (
            lambda state: state.update({"lm.language_model.lm_head.weight": torch.zeros(7, 32)}),
            rf"lm_head\.weight is \(7, 32\), not \({T5.rows}, 32\)",
        ),
        (lambda state: state.pop("vae.decoder.model.6.bias"), r"missing decoder\.model\.6\.bias"),
        (
            lambda state: state.pop("vae.encoder.model.2.1.model.0.conv1.weight"),
            r"does not fit the model: missing encoder\.model\.2\.1\.model\.0\.conv1\.weight$",
        ),
        (lambda state: state.update({"motion.encoder": torch.zeros(1)}), r"unknown keys motion\.encoder"),
        (lambda state: [state.pop(key) for key in list(state) if key.startswith("lm.")], "it needs vae"),
        (lambda state: state.update({"lm.language_model.shared.weight": torch.zeros(T5.rows, 32)}), "share memory"),
        (
            lambda state: state.update({"lm.language_model.lm_head.weight": state["lm.language_model.shared.weight"]}),
            "lm_head equals the embedding",
        ),
    ],
)
def test_a_file_that_does_not_fit_is_named_key_by_key(tiny, tmp_path, change, message):
    state = tiny_state()
    change(state)
    torch.save({"state_dict": state}, tmp_path / "changed.pt")
    with pytest.raises(AtomError, match=message):
        read_motiongpt(tmp_path / "changed.pt", tiny.t5, MEAN, STD)


def test_another_model_than_the_t5_folder_describes_is_named(tiny, tmp_path):
    write_t5(tmp_path / "t5", extra=9)
    rows = T5.rows + 5
    with pytest.raises(AtomError, match=rf"has {T5.rows} rows, but .* has {rows - CODES - 3} tokens .* makes {rows}"):
        read_motiongpt(tiny.checkpoint, tmp_path / "t5", MEAN, STD)
    write_t5(tmp_path / "t5")
    config = json.loads((tmp_path / "t5/config.json").read_text())
    (tmp_path / "t5/config.json").write_text(json.dumps(config | {"d_model": 64, "num_layers": 3}))
    with pytest.raises(AtomError, match=r"another T5 than .*: d_model 64, not 32, layers 3, not 2"):
        read_motiongpt(tiny.checkpoint, tmp_path / "t5", MEAN, STD)


def test_a_config_with_tied_embeddings_is_overridden(tiny, tmp_path):
    write_t5(tmp_path / "t5")
    config = json.loads((tmp_path / "t5/config.json").read_text())
    (tmp_path / "t5/config.json").write_text(json.dumps(config | {"tie_word_embeddings": True}))
    inputs = torch.tensor([[3, 5, 1]])
    logits = []
    for t5 in (tiny.t5, tmp_path / "t5"):
        checkpoint = read_motiongpt(tiny.checkpoint, t5, MEAN, STD)
        assert_holds(checkpoint, tiny_state())
        with torch.inference_mode():
            logits.append(checkpoint.language_model(input_ids=inputs, decoder_input_ids=inputs).logits)
    assert torch.equal(*logits)


def test_an_incomplete_t5_folder_is_an_error_with_its_remedy(tiny, tmp_path, monkeypatch):
    (tmp_path / "t5").mkdir()
    cases = [
        (tmp_path / "absent", "there is no folder"),
        ("./t5-here", "there is no folder"),
        ("t5", "no folder t5"),
        (tmp_path / "t5", r"lacks config\.json and tokenizer\.json or spiece\.model"),
    ]
    (tmp_path / "damaged").mkdir()
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / "damaged" / name).write_text("{")
    cases.append((tmp_path / "damaged", "holds no T5 tokenizer"))
    monkeypatch.chdir(tiny.t5.parent / "t5")
    for t5, message in cases:
        with pytest.raises(AtomError, match=message) as caught:
            load_t5_tokenizer(t5)
        assert "give --t5 FOLDER with config.json" in str(caught.value) and "\n" not in str(caught.value)


def test_a_name_on_the_hub_is_requested_and_its_absence_is_an_error(tiny, monkeypatch):
    requests = []

    def absent(name, local_files_only):
        requests.append((name, local_files_only))
        raise OSError("We couldn't connect.\nTry again later.")

    monkeypatch.setattr(motiongpt_checkpoint.T5Config, "from_pretrained", absent)
    with pytest.raises(AtomError, match=r"can't get config\.json and the tokenizer of 'google/flan-t5-base'") as caught:
        read_motiongpt(tiny.checkpoint, "google/flan-t5-base", MEAN, STD)
    assert requests == [("google/flan-t5-base", False)]
    assert "give --t5 FOLDER" in str(caught.value) and "\n" not in str(caught.value)


class Trap:
    def __reduce__(self):
        return exec, ("raise SystemExit('the trap was sprung')",)


def test_a_file_that_could_run_code_is_refused(tmp_path):
    torch.save({"state_dict": {"vae.a": Trap()}}, tmp_path / "trap.tar")
    with pytest.raises(AtomError, match="could run code"):
        read_motiongpt(tmp_path / "trap.tar", tmp_path, MEAN, STD)
    torch.save({"state_dict": tiny_state(), "notes": Trap()}, tmp_path / "trap.tar")
    with pytest.raises(AtomError, match=r"more than tensors \(exec\) and could run code"):
        read_motiongpt(tmp_path / "trap.tar", tmp_path, MEAN, STD)
    (tmp_path / "bare.pt").write_bytes(pickle.dumps({"vae.a": Trap()}, protocol=2))
    with pytest.raises(AtomError, match="could run code"):
        read_motiongpt(tmp_path / "bare.pt", tmp_path, MEAN, STD)


def test_damaged_and_foreign_files_get_one_line(tmp_path):
    torch.save({"state_dict": {"vae.a": torch.zeros(300)}}, tmp_path / "whole.pt")
    (tmp_path / "cut.pt").write_bytes((tmp_path / "whole.pt").read_bytes()[:700])
    torch.save([1, 2], tmp_path / "list.pt")
    (tmp_path / "text.safetensors").write_text("hello")
    (tmp_path / "pointer.tar").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\n")
    (tmp_path / "empty.tar").write_bytes(b"")
    (tmp_path / "noise.pt").write_bytes(bytes(range(256)))
    save_file({"vae.a": torch.zeros(300)}, tmp_path / "whole.safetensors")
    (tmp_path / "short.safetensors").write_bytes((tmp_path / "whole.safetensors").read_bytes()[:700])
    reasons = {
        "cut.pt": "cut off after 700 bytes",
        "list.pt": "no state dict",
        "text.safetensors": "text \\('hello'",
        "absent.pt": "No such file",
        "pointer.tar": "Git LFS pointer",
        "empty.tar": "empty",
        "noise.pt": "refused",
        "short.safetensors": "cut off or damaged",
    }
    for name, reason in reasons.items():
        with pytest.raises(AtomError, match=f"{name}.*{reason}") as caught:
            read_motiongpt(tmp_path / name, tmp_path, MEAN, STD)
        assert "\n" not in str(caught.value)
