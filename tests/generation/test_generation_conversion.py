"""MotionGPT's file to a checkpoint folder, AToM's file to an adapter and back: everything arrives, or nothing does."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from motiongpt_files import CODES, build_policy, tiny_state, write_tiny
from safetensors.torch import load_file

from atom.errors import AtomError
from atom.generation import motiongpt_conversion
from atom.generation.atom_policy import convert_policy, export_policy
from atom.generation.checkpoint import load_checkpoint, save_checkpoint
from atom.generation.generator import Generator
from atom.generation.language_model_inference import T5Inference
from atom.generation.motiongpt_checkpoint import read_motiongpt
from atom.generation.motiongpt_conversion import convert_motiongpt
from atom.generation.sampling import sample_ids

PROMPTS = ["a person jumps twice then waves", "the man bows"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def base(files) -> str:
    folder = files.checkpoint.parent / "base"
    convert_motiongpt(files.checkpoint, folder, files.t5, files.mean, files.std)
    return str(folder)


def contents(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_converted_folder_is_the_file(files, base):
    again, direct = load_checkpoint(base), read_motiongpt(*files[:2], np.load(files.mean), np.load(files.std))
    state = tiny_state()
    for prefix, module in (("vae.", again.vqvae), ("lm.language_model.", again.language_model)):
        for key, value in module.state_dict().items():
            assert torch.equal(value, state[prefix + key]), key
    np.testing.assert_array_equal(again.mean, np.load(files.mean))
    np.testing.assert_array_equal(again.std, np.load(files.std))
    seeds = [3, 4]
    ours, theirs = Generator.load(base), Generator(direct)
    samples = ours.sample(PROMPTS, seeds, max_new_tokens=20)
    assert samples == theirs.sample(PROMPTS, seeds, max_new_tokens=20)
    for mine, its in zip(ours.decode([s.tokens for s in samples]), theirs.decode([s.tokens for s in samples])):
        np.testing.assert_array_equal(mine, its)


def test_the_source_is_kept_without_a_path(files, base):
    text = (Path(base) / "config.json").read_text()
    digest = hashlib.sha256(files.checkpoint.read_bytes()).hexdigest()
    assert json.loads(text)["source"] == {"kind": "MotionGPT", "sha256": digest, "statistics": "unknown"}
    assert str(files.checkpoint.parent) not in text


def test_float16_template_and_another_vqvae(files, tmp_path):
    other = write_tiny(tmp_path / "other", seed=1).checkpoint
    notes = convert_motiongpt(*files[:1], tmp_path / "half", *files[1:], vae=other, template="Show {}", half=True)
    assert "unknown origin" in notes[0]
    again = load_checkpoint(str(tmp_path / "half"))
    assert again.template == "Show {}"
    assert again.source["vae_sha256"] == hashlib.sha256(other.read_bytes()).hexdigest()
    for prefix, module, state in (
        ("vae.", again.vqvae, tiny_state(1)),
        ("lm.language_model.", again.language_model, tiny_state()),
    ):
        for key, value in module.state_dict().items():
            assert torch.equal(value, state[prefix + key].half().float()), key
    stored = load_file(tmp_path / "half/language_model.safetensors")
    assert {value.dtype for value in stored.values()} == {torch.float16}


def test_humanml3ds_statistics_are_refused_unless_allowed(shared, files, tmp_path):
    data = shared / "data/humanml3d"
    official = (data / "HumanML3D_Mean.npy", data / "HumanML3D_Std.npy")
    with pytest.raises(AtomError, match=r"HumanML3D's official pair.*--any-statistics"):
        convert_motiongpt(files.checkpoint, tmp_path / "base", files.t5, *official)
    assert contents(tmp_path) == []
    notes = convert_motiongpt(files.checkpoint, tmp_path / "base", files.t5, *official, any_statistics=True)
    assert "by --any-statistics" in notes[0]
    own = (data / "motiongpt_mean.npy", data / "motiongpt_std.npy")
    notes = convert_motiongpt(files.checkpoint, tmp_path / "own", files.t5, *own)
    assert notes == ["normalised by MotionGPT's own mean and std"]
    assert load_checkpoint(str(tmp_path / "own")).source["statistics"] == "MotionGPT"


def test_a_folder_in_use_is_not_touched(files, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("keep")
    with pytest.raises(AtomError, match="already there"):
        convert_motiongpt(files.checkpoint, tmp_path / "mine", files.t5, files.mean, files.std)
    assert contents(tmp_path) == ["mine"] and contents(tmp_path / "mine") == ["notes.txt"]
    (tmp_path / "empty").mkdir()
    convert_motiongpt(files.checkpoint, tmp_path / "empty", files.t5, files.mean, files.std)
    assert load_checkpoint(str(tmp_path / "empty"))


def spoil_weights(folder: Path) -> None:
    path = folder / "language_model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x7f")


def spoil_tokenizer(folder: Path) -> None:
    path = folder / "tokenizer/tokenizer.json"
    path.write_text(path.read_text().replace("▁jumps", "▁leaps"))


@pytest.mark.parametrize(
    ("spoil", "named"), [(spoil_weights, r"shared\.weight|lm_head"), (spoil_tokenizer, "tokenizer")]
)
def test_what_was_written_wrongly_is_found_and_not_left_behind(files, tmp_path, monkeypatch, spoil, named):
    def save(folder, checkpoint, half):
        save_checkpoint(folder, checkpoint, half)
        spoil(folder)

    monkeypatch.setattr(motiongpt_conversion, "save_checkpoint", save)
    with pytest.raises(AtomError, match=f"does not read back as it was written: .*({named})"):
        convert_motiongpt(files.checkpoint, tmp_path / "base", files.t5, files.mean, files.std)
    assert contents(tmp_path) == []


def test_a_file_damaged_on_its_way_is_not_converted(files, tmp_path):
    data = bytearray(files.checkpoint.read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "damaged.tar").write_bytes(data)
    with pytest.raises(AtomError, match=r"can't trust .*damaged\.tar"):
        convert_motiongpt(tmp_path / "damaged.tar", tmp_path / "base", files.t5, files.mean, files.std)
    assert contents(tmp_path) == ["damaged.tar"]


def test_statistics_of_another_size_are_named(files, tmp_path):
    np.save(tmp_path / "mean.npy", np.zeros(251, np.float32))
    with pytest.raises(AtomError, match=r"mean\.npy.*\(251,\)"):
        convert_motiongpt(files.checkpoint, tmp_path / "base", files.t5, tmp_path / "mean.npy", files.std)


def save_policy(base: str, path: Path, target_modules: list[str] | str = ["q", "v"]) -> torch.nn.Module:  # noqa: B006
    policy = build_policy(base, target_modules)
    torch.save(policy.state_dict(), path)
    return policy


@pytest.mark.parametrize("target_modules", [["q", "v"], ["wi_0", "o"], r".*decoder.*EncDecAttention\.[qk]"])
def test_a_tuned_model_goes_to_an_adapter_and_back(base, tmp_path, target_modules):
    policy = save_policy(base, tmp_path / "policy.pt", target_modules)
    notes = convert_policy(tmp_path / "policy.pt", tmp_path / "adapter", base)
    assert "tensor by tensor" in notes[0] and "4 is assumed" in notes[1]
    inputs = torch.tensor([[3, 5, 1]])
    tuned = Generator.load(base, adapter=str(tmp_path / "adapter")).language_model
    with torch.inference_mode():
        theirs = policy(input_ids=inputs, decoder_input_ids=inputs).logits
        ours = tuned(input_ids=inputs, decoder_input_ids=inputs).logits
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)
    settings = json.loads((tmp_path / "adapter/adapter_config.json").read_text())
    assert settings["base_model_name_or_path"] == "base"  # its name, not its place
    assert (tmp_path / "adapter/README.md").is_file()
    export_policy(tmp_path / "adapter", tmp_path / "again.pt", base)
    first, second = (torch.load(tmp_path / name, weights_only=True) for name in ("policy.pt", "again.pt"))
    assert list(first) == list(second) and all(torch.equal(first[key], second[key]) for key in first)


def test_alpha_scales_the_adapter_and_may_be_given(base, tmp_path):
    save_policy(base, tmp_path / "policy.pt")
    notes = convert_policy(tmp_path / "policy.pt", tmp_path / "adapter", base, alpha=16)
    assert len(notes) == 1
    assert json.loads((tmp_path / "adapter/adapter_config.json").read_text())["lora_alpha"] == 16


def test_a_base_stored_as_float16_is_accepted_with_a_note(files, base, tmp_path):
    save_policy(base, tmp_path / "policy.pt")
    convert_motiongpt(files.checkpoint, tmp_path / "half", files.t5, files.mean, files.std, half=True)
    notes = convert_policy(tmp_path / "policy.pt", tmp_path / "adapter", str(tmp_path / "half"))
    assert "rounding to float16" in notes[0]


BLOCK = "base_model.model.encoder.block.0.layer.0.SelfAttention"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s[f"{BLOCK}.k.weight"].add_(0.5), r"SelfAttention\.k\.weight differs by up to 0\.5"),
        (lambda s: s.pop(f"{BLOCK}.o.weight"), r"missing encoder\.block\.0\.layer\.0\.SelfAttention\.o\.weight"),
        (lambda s: s.update({f"{BLOCK}.z.weight": torch.zeros(1)}), r"unexpected encoder.*\.z\.weight"),
        (lambda s: s.pop(f"{BLOCK}.q.lora_A.default.weight"), r"missing encoder.*\.q\.lora_A"),
        (lambda s: s.update({f"{BLOCK}.q.lora_A.default.weight": torch.zeros(3, 32)}), "of another rank"),
        (lambda s: s.update({"v_head.summary.weight": torch.zeros(1)}), r"unknown keys v_head\.summary\.weight"),
        (lambda s: [s.pop(key) for key in list(s) if "lora_" in key], "no LoRA in it"),
    ],
)
def test_a_tuned_model_that_does_not_fit_is_named_and_leaves_nothing(base, tmp_path, change, message):
    save_policy(base, tmp_path / "policy.pt")
    state = torch.load(tmp_path / "policy.pt", weights_only=True)
    change(state)
    torch.save(state, tmp_path / "policy.pt")
    with pytest.raises(AtomError, match=message) as caught:
        convert_policy(tmp_path / "policy.pt", tmp_path / "adapter", base)
    assert contents(tmp_path) == ["policy.pt"] and "\n" not in str(caught.value)


def test_each_command_accepts_only_its_own_kind_of_file(files, base, tmp_path):
    save_policy(base, tmp_path / "policy.pt")
    with pytest.raises(AtomError, match=r"no tuned model of AToM.*checkpoint inspect"):
        convert_policy(files.checkpoint, tmp_path / "adapter", base)
    with pytest.raises(AtomError, match=r"no MotionGPT checkpoint.*checkpoint inspect"):
        convert_motiongpt(tmp_path / "policy.pt", tmp_path / "base", files.t5, files.mean, files.std)


def test_an_export_that_can_not_be_written_is_an_error(base, tmp_path):
    save_policy(base, tmp_path / "policy.pt")
    convert_policy(tmp_path / "policy.pt", tmp_path / "adapter", base)
    with pytest.raises(AtomError, match="can't write"):
        export_policy(tmp_path / "adapter", tmp_path / "absent/policy.pt", base)


def test_atoms_tuned_model_gives_the_same_logits_and_exports_unchanged(shared, tmp_path):
    parity, data = shared / "parity", shared / "data/humanml3d"
    peer, base = parity / "motiongpt_small", tmp_path / "base"
    statistics = (data / "motiongpt_mean.npy", data / "motiongpt_std.npy")
    convert_motiongpt(peer / "checkpoint.pt", base, peer / "tokenizer", *statistics)
    convert_policy(parity / "lora_small/policy.pt", tmp_path / "adapter", str(base), alpha=8)
    cases, tuned = np.load(peer / "cases.npz"), np.load(parity / "lora_small/cases.npz")
    generator = Generator.load(str(base), adapter=str(tmp_path / "adapter"))
    inputs, mask, labels = (torch.from_numpy(cases[name]) for name in ("input_ids", "attention_mask", "labels"))
    is_label = labels != -100
    with torch.inference_mode():
        logits = generator.language_model(input_ids=inputs, attention_mask=mask, labels=labels).logits
        with generator.language_model.disable_adapter():
            plain = generator.language_model(input_ids=inputs, attention_mask=mask, labels=labels).logits
    np.testing.assert_allclose(logits[is_label], tuned["logits_on"][is_label], atol=2e-4)
    np.testing.assert_allclose(plain[is_label], tuned["logits_off"][is_label], atol=2e-4)
    answers = sample_ids(
        T5Inference(generator.language_model.get_base_model(), torch.arange(len(generator.tokenizer))),
        inputs,
        mask,
        [0] * len(inputs),
        stop_ids=[1],
        temperature=0,
        top_k=0,
        max_new_tokens=40,
    )
    for answer, expected in zip(answers, tuned["generated_ids_on"]):
        assert answer == expected[1 : len(answer) + 1].tolist()
    export_policy(tmp_path / "adapter", tmp_path / "policy.pt", str(base))
    ours, theirs = (
        torch.load(path, weights_only=True) for path in (tmp_path / "policy.pt", parity / "lora_small/policy.pt")
    )
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[key], theirs[key]) and ours[key].dtype == theirs[key].dtype for key in theirs)


def test_codes_and_rows_of_the_tiny_file_are_those_of_its_tokenizer(base):
    generator = Generator.load(base)
    assert generator.motions.codes == CODES
    assert len(generator.tokenizer) == generator.language_model.config.vocab_size
