"""`atom adapter`: show, merge, combine, and the messages of mistakes."""

import json

import pytest
from adapter_files import write_adapter, write_base

from atom.generation.adapter_loading import hash_adapter
from atom.generation.checkpoint import hash_weights, load_checkpoint


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> str:
    return write_base(tmp_path_factory.mktemp("base") / "small")


@pytest.fixture
def parts(base, tmp_path):
    return [write_adapter(tmp_path / name, base, seed=seed) for seed, name in enumerate(("jumps", "turns"))]


def test_adapters_are_combined_shown_and_merged(atom, base, parts, tmp_path):
    status, _, err = atom(
        "adapter", "combine", *parts, "-o", tmp_path / "both", "--base", base, "--weight", 1, "--weight", 0.5
    )
    assert status == 0 and "both: written with rank 8" in err
    status, out, _ = atom("adapter", "show", tmp_path / "both", "--json")
    facts = json.loads(out)
    assert status == 0 and facts["adapter"] == hash_adapter(tmp_path / "both") and facts["settings"]["r"] == 8
    assert facts["origin"]["base_weights"] == hash_weights(base) and len(facts["layers"]) == 12
    status, out, _ = atom("adapter", "show", tmp_path / "both")
    assert status == 0 and "LoRA of rank 8, alpha 8" in out and "q, v (12 layers" in out
    assert hash_weights(base)[:12] in out
    assert f"cat, 0.5 of │ turns, {hash_adapter(parts[1])[:12]}" in " ".join(out.split())
    status, _, err = atom("adapter", "merge", tmp_path / "both", tmp_path / "merged", "--base", base)
    assert status == 0 and "logits differ from base + adapter by at most" in err
    assert load_checkpoint(str(tmp_path / "merged")).source["adapter"] == hash_adapter(tmp_path / "both")


def test_an_adapter_shows_the_settings_of_its_tuning_that_are_not_defaults(atom, base, tmp_path):
    adapter = write_adapter(tmp_path / "tuned", base, use_rslora=True)
    tuning = {"loss_type": "ipo", "beta": 0.3, "r": 16, "tasks": ["temporal", "frequency"]}
    origin = {
        "base_weights": "a" * 64,
        "template": "{}",
        "pairs": 1234,
        "pairs_hash": "b" * 64,
        "seed": 7,
        "tuning": tuning,
        "went_on_from": "c" * 64,
        "on_policy": {"steps": 90, "advantage": "grpo"},
    }
    (adapter / "atom.json").write_text(json.dumps(origin))
    _, out, _ = atom("adapter", "show", adapter)
    assert "rank-stabilised LoRA of rank 4" in out and "loss_type ipo, beta 0.3, tasks temporal+frequency" in out
    assert "1,234, bbbbbbbbbbbb" in out and "steps 90, advantage grpo" in out and "cccccccccccc" in out
    (adapter / "atom.json").unlink()
    _, out, _ = atom("adapter", "show", adapter)
    assert "unknown: it has no atom.json" in out and "hash unknown" in out


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["merge", "jumps", "merged"], "was tuned on a base with the hash"),
        (["merge", "absent", "merged", "--base", "BASE"], "is no adapter: adapter_config.json is missing"),
        (["merge", "jumps", "turns", "--base", "BASE"], "is already there"),
        (["combine", "jumps", "turns", "-o", "both"], "was tuned on a base with the hash"),
        (["combine", "jumps", "-o", "both", "--base", "BASE"], "two adapters or more"),
        (["combine", "jumps", "turns", "-o", "both", "--base", "BASE", "--weight", "1"], "2 adapters and 1 weights"),
        (["combine", "jumps", "turns", "-o", "both", "--base", "BASE", "--how", "ties"], "such as --density 0.5"),
        (["show", "absent"], "is no adapter: adapter_config.json is missing"),
    ],
)
def test_mistakes_are_one_line(atom, base, parts, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    status, out, err = atom("adapter", *[base if word == "BASE" else word for word in arguments])
    assert status == 2 and not out and err.count("\n") == 1 and err.startswith("atom: ") and words in err
