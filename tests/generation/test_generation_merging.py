"""A merged checkpoint is base + adapter: the same answers, in a folder like any other."""

import shutil
from pathlib import Path

import pytest
import torch
from adapter_files import TEXTS, write_adapter, write_base

from atom.errors import AtomError
from atom.generation import merging
from atom.generation.adapter_loading import hash_adapter
from atom.generation.checkpoint import hash_weights, load_checkpoint
from atom.generation.generator import Generator
from atom.generation.merging import merge_adapter


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> str:
    return write_base(tmp_path_factory.mktemp("base") / "small")


def logits(generator):
    inputs, mask = generator.encode_prompts(TEXTS)
    labels = torch.tensor([generator.motions.answer([3, 1, 4, 1, 5, 9, 2, 6], 1)] * len(TEXTS))
    with torch.inference_mode():
        return generator.language_model(input_ids=inputs, attention_mask=mask, labels=labels).logits


@pytest.mark.parametrize(
    "kind",
    [
        {},
        {"use_rslora": True},
        {"use_dora": True},
        {"target_modules": "q,k,v,o,wi_0,wi_1,wo,lm_head"},
    ],
    ids=["LoRA", "rank-stabilised", "DoRA", "with the output layer"],
)
@pytest.mark.slow
def test_a_merged_checkpoint_equals_base_and_adapter(base, tmp_path, kind):
    adapter = write_adapter(tmp_path / "adapter", base, **kind)
    before = {path: path.read_bytes() for path in Path(base).rglob("*") if path.is_file()}
    assert merge_adapter(adapter, tmp_path / "merged", base) < 1e-4
    assert before == {path: path.read_bytes() for path in Path(base).rglob("*") if path.is_file()}
    merged, tuned, plain = (
        Generator.load(str(tmp_path / "merged")),
        Generator.load(base, str(adapter)),
        Generator.load(base),
    )
    torch.testing.assert_close(logits(merged), logits(tuned), rtol=0, atol=1e-4)
    assert (logits(merged) - logits(plain)).abs().max() > 0.1
    for temperature in (0.0, 1.0):
        inputs = TEXTS * 3, list(range(len(TEXTS) * 3))
        merged_samples = merged.sample(*inputs, temperature=temperature)
        assert merged_samples == tuned.sample(*inputs, temperature=temperature)
        assert merged_samples != plain.sample(*inputs, temperature=temperature)


def test_a_merged_checkpoint_has_its_own_hash_and_source(base, tmp_path):
    adapter = write_adapter(tmp_path / "adapter", base, template="Generate motion: {}")
    merge_adapter(adapter, tmp_path / "merged", base)
    checkpoint = load_checkpoint(str(tmp_path / "merged"))
    assert hash_weights(str(tmp_path / "merged")) != hash_weights(base)
    assert checkpoint.source["base"] == hash_weights(base) and checkpoint.source["adapter"] == hash_adapter(adapter)
    assert checkpoint.template == "Generate motion: {}"  # as it was tuned
    assert str(tmp_path) not in (tmp_path / "merged/config.json").read_text()


def test_what_can_not_be_merged_is_refused_and_leaves_nothing(base, tmp_path, monkeypatch):
    adapter = write_adapter(tmp_path / "adapter", base)
    other = write_base(tmp_path / "other", seed=1)
    with pytest.raises(AtomError, match="was tuned on a base with the hash"):
        merge_adapter(adapter, tmp_path / "merged", other)
    shutil.copytree(adapter, tmp_path / "silent")
    (tmp_path / "silent/atom.json").unlink()
    merge_adapter(tmp_path / "silent", tmp_path / "fine", base)
    with pytest.raises(AtomError, match=r"no adapter: adapter_config\.json is missing"):
        merge_adapter(tmp_path, tmp_path / "merged", base)
    broken = shutil.copytree(adapter, tmp_path / "broken")
    (broken / "adapter_config.json").write_text("[]")
    with pytest.raises(AtomError, match="does not say how the adapter is built"):
        merge_adapter(broken, tmp_path / "merged", base)
    with pytest.raises(AtomError, match="already there"):
        merge_adapter(adapter, Path(base), base)
    monkeypatch.setattr(merging, "_TOLERANCE", -1.0)
    with pytest.raises(AtomError, match="logits differ by"):
        merge_adapter(adapter, tmp_path / "merged", base)
    assert not (tmp_path / "merged").exists()
