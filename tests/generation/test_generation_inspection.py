"""Inspection: kind, sizes and faults of a file by its content, and the reasons why files can't be read."""

import shutil
import zipfile
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from motiongpt_files import CODES, T5, VQVAE_SIZES, build_policy, tiny_state, write_tiny
from peft import get_peft_model_state_dict
from safetensors.torch import load_file, save_file

from atom.errors import AtomError
from atom.generation.checkpoint import BUILTIN
from atom.generation.inspection import inspect_checkpoint
from atom.generation.motiongpt_conversion import convert_motiongpt


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def base(files) -> Path:
    folder = files.checkpoint.parent / "base"
    convert_motiongpt(files.checkpoint, folder, files.t5, files.mean, files.std)
    return folder


@pytest.mark.parametrize("bare", [True, False])
@pytest.mark.parametrize("safe", [True, False])
def test_a_motiongpt_checkpoint_is_described_whatever_its_name(tmp_path, bare, safe):
    state, path = tiny_state(), tmp_path / "finest.npy"
    if safe:
        save_file(state, path)
    else:
        torch.save(state if bare else {"state_dict": state, "epoch": 3}, path)
    found = inspect_checkpoint(path)
    assert (found.kind, found.faults) == ("MotionGPT", [])
    assert (found.vqvae, found.t5) == (VQVAE_SIZES, T5)
    counts = {part: 0 for part in ("vae", "lm")}
    for key, value in state.items():
        if key.split(".")[0] in counts and not key.endswith("embed_tokens.weight"):
            counts[key.split(".")[0]] += value.numel()
    assert found.parameters == {"VQ-VAE": counts["vae"], "language model": counts["lm"]}
    assert found.by_products == {"metrics": 2, "_losses": 1}
    head, shared = (state[f"lm.language_model.{name}.weight"] for name in ("lm_head", "shared"))
    assert found.head_difference == pytest.approx((head - shared).abs().max().item())
    assert f"atom checkpoint convert {path} DIR --t5" in found.next_step and "--vae" not in found.next_step


@pytest.mark.parametrize("prefix", ["vae.", "motion_vae.", ""])
def test_a_vqvae_alone_is_known_by_any_of_its_prefixes(tmp_path, prefix):
    state = {prefix + key.removeprefix("vae."): v for key, v in tiny_state().items() if key.startswith("vae.")}
    torch.save({"state_dict": {key: value.half() for key, value in state.items()}}, tmp_path / "model.bin")
    found = inspect_checkpoint(tmp_path / "model.bin")
    assert (found.kind, found.vqvae, found.t5, found.faults) == ("VQ-VAE", VQVAE_SIZES, None, [])
    assert found.dtypes == {"float16": len(state)}
    assert "--vae" in found.next_step


def test_a_language_model_alone_needs_a_vqvae(tmp_path):
    torch.save({key: v for key, v in tiny_state().items() if key.startswith("lm.")}, tmp_path / "language.pt")
    found = inspect_checkpoint(tmp_path / "language.pt")
    assert (found.kind, found.t5) == ("MotionGPT", T5)
    assert "no VQ-VAE in it" in found.faults[0] and "--vae VAE_FILE" in found.next_step


def test_the_lora_of_a_tuned_model_and_of_an_adapter_is_described(base, tmp_path):
    policy = build_policy(str(base), ["q", "v"])
    torch.save(policy.state_dict(), tmp_path / "general_finetuned.pt")
    found = inspect_checkpoint(tmp_path / "general_finetuned.pt")
    assert (found.kind, found.t5, found.faults) == ("AToM policy", T5, [])
    assert (found.lora.rank, found.lora.alpha, found.lora.target_modules) == (2, None, ("q", "v"))
    assert len(found.lora.modules) == 12  # encoder, decoder and cross attention of two layers, q and v each
    assert found.parameters["LoRA"] == 12 * 2 * (32 + 32)
    assert "--base CHECKPOINT_DIR" in found.next_step
    policy.save_pretrained(tmp_path / "adapter")
    again = inspect_checkpoint(tmp_path / "adapter")
    assert (again.kind, again.faults) == ("LoRA adapter", [])
    assert (again.lora.alpha, again.lora.modules) == (4, found.lora.modules)
    assert f"--adapter {tmp_path / 'adapter'}" in again.next_step


def test_our_folders_are_known(base):
    found = inspect_checkpoint(base)
    assert (found.kind, found.vqvae, found.t5, found.faults) == ("checkpoint folder", VQVAE_SIZES, T5, [])
    assert found.source["kind"] == "MotionGPT" and found.source["statistics"] == "unknown"
    assert inspect_checkpoint(BUILTIN).faults == []


def test_the_evaluator_is_known_and_other_files_are_unknown(tmp_path):
    parts = {
        name: {"main.0.weight": torch.zeros(2, 3)} for name in ("movement_encoder", "text_encoder", "motion_encoder")
    }
    torch.save(parts | {"epoch": 7}, tmp_path / "finest.tar")
    found = inspect_checkpoint(tmp_path / "finest.tar")
    assert (found.kind, found.faults) == ("Guo evaluator", [])
    assert found.parameters == dict.fromkeys(parts, 6)
    torch.save({"layer.weight": torch.zeros(2)}, tmp_path / "other.pt")
    torch.save([torch.zeros(2)], tmp_path / "list.pt")
    (tmp_path / "folder").mkdir()
    for name, fault in (("other.pt", "layer.weight"), ("list.pt", "no named tensors"), ("folder", "neither")):
        found = inspect_checkpoint(tmp_path / name)
        assert found.kind == "unknown" and fault in found.faults[0]
        assert found.next_step.startswith("none: give")


def test_every_difference_to_the_model_of_its_own_sizes_is_listed(tmp_path):
    state = tiny_state()
    block = "lm.language_model.encoder.block.1.layer.0.SelfAttention"
    state.pop("vae.encoder.model.2.1.model.0.conv1.weight")
    state.pop(f"{block}.k.weight")
    state["lm.language_model.extra"] = torch.zeros(1)
    state["motion.head"] = torch.zeros(1)
    state["vae.decoder.model.6.bias"] = torch.zeros(7)
    state["lm.language_model.decoder.final_layer_norm.weight"][3] = torch.nan
    torch.save({"state_dict": state}, tmp_path / "faulty.tar")
    found = inspect_checkpoint(tmp_path / "faulty.tar")
    assert (found.vqvae, found.t5) == (VQVAE_SIZES, T5)
    assert sorted(found.faults) == [
        "VQ-VAE: decoder.model.6.bias is (7,), not (263,)",
        "VQ-VAE: missing encoder.model.2.1.model.0.conv1.weight",
        "language model: decoder.final_layer_norm.weight holds NaN or infinity",
        "language model: missing encoder.block.1.layer.0.SelfAttention.k.weight",
        "language model: unexpected extra",
        "unexpected motion.head",
    ]
    assert found.next_step.startswith("none: its faults keep it from being used")


def test_an_output_layer_that_was_tied_is_a_fault(tmp_path):
    state = tiny_state()
    state["lm.language_model.lm_head.weight"] = state["lm.language_model.shared.weight"].clone()
    torch.save(state, tmp_path / "tied.pt")
    found = inspect_checkpoint(tmp_path / "tied.pt")
    assert found.head_difference == 0 and "lm_head equals the embedding" in found.faults[0]


def test_faults_of_adapters_and_folders_are_listed(base, tmp_path):
    policy = build_policy(str(base), ["q"])
    policy.save_pretrained(tmp_path / "adapter")
    weights = get_peft_model_state_dict(policy)
    first, second = [key for key in weights if "lora_B" in key][:2]
    weights[second] = torch.zeros(32, 5)
    weights.pop(first)
    save_file(weights, tmp_path / "adapter/adapter_model.safetensors")
    found = inspect_checkpoint(tmp_path / "adapter")
    assert len(found.faults) == 2 and "missing" in found.faults[0] and "another rank than 2" in found.faults[1]
    (tmp_path / "adapter/adapter_config.json").unlink()
    assert "adapter_config.json is missing" in inspect_checkpoint(tmp_path / "adapter").faults[0]

    shutil.copytree(base, tmp_path / "base")
    state = load_file(tmp_path / "base/vqvae.safetensors")
    save_file(state | {"quantizer.codebook": torch.zeros(CODES + 1, 12)}, tmp_path / "base/new")
    (tmp_path / "base/new").rename(tmp_path / "base/vqvae.safetensors")
    (tmp_path / "base/normalisation.safetensors").unlink()
    assert inspect_checkpoint(tmp_path / "base").faults == [
        "normalisation.safetensors is missing",
        f"VQ-VAE: quantizer.codebook is ({CODES + 1}, 12), not ({CODES}, 12)",
    ]


class Trap:
    def __reduce__(self):
        return exec, ("raise SystemExit('the trap was sprung')",)


def test_what_can_not_be_read_has_a_reason_of_its_own(files, tmp_path):
    whole = files.checkpoint.read_bytes()
    (tmp_path / "cut.tar").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.tar").write_bytes(b"")
    (tmp_path / "page.tar").write_text("<!DOCTYPE html><html>Too many requests</html>")
    torch.save({"state_dict": tiny_state(), "notes": Trap()}, tmp_path / "trap.tar")
    reasons = {
        "cut.tar": "cut off after",
        "empty.tar": "the file is empty",
        "page.tar": "it is text",
        "trap.tar": "could run code",
        "absent.tar": "No such file",
    }
    for name, reason in reasons.items():
        with pytest.raises(AtomError, match=f"{name}.*{reason}") as caught:
            inspect_checkpoint(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_bytes_that_changed_on_the_way_are_found(files, tmp_path):
    data = bytearray(files.checkpoint.read_bytes())
    with zipfile.ZipFile(files.checkpoint) as archive:
        member = max(archive.infolist(), key=lambda info: info.file_size)
    data[member.header_offset + member.file_size // 2] ^= 1
    (tmp_path / "damaged.tar").write_bytes(data)
    found = inspect_checkpoint(tmp_path / "damaged.tar")
    assert found.kind == "MotionGPT" and f"{member.filename} of the file is damaged" in found.faults[0]


def test_an_inspection_is_plain_data(files):
    assert asdict(inspect_checkpoint(files.checkpoint))["t5"]["rows"] == T5.rows


def test_the_original_files_are_known(shared):
    parity = shared / "parity"
    found = inspect_checkpoint(parity / "motiongpt_small/checkpoint.pt")
    assert (found.kind, found.faults, found.by_products) == ("MotionGPT", [], {"metrics": 4, "_losses": 2})
    assert (found.t5.rows, found.vqvae.codes) == (179, 64) and found.head_difference > 1
    found = inspect_checkpoint(parity / "lora_small/policy.pt")
    assert (found.kind, found.lora.rank, found.lora.target_modules, found.faults) == ("AToM policy", 4, ("q", "v"), [])
    assert inspect_checkpoint(parity / "evaluator_small/finest.pt").kind == "Guo evaluator"
    assert inspect_checkpoint(parity / "vqvae_small/state_dict.safetensors").kind == "VQ-VAE"
