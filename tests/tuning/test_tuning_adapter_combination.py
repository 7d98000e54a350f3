"""Combined adapters: the weighted sum, or one line that says why it is impossible."""

import json
from typing import get_args

import pytest
import torch
from adapter_files import TEXTS, write_adapter, write_base
from peft import PeftModel
from peft.tuners.lora import LoraLayer

from atom.config import Combination
from atom.errors import AtomError
from atom.generation.adapter_loading import check_adapter_base, hash_adapter, load_adapter
from atom.generation.checkpoint import hash_weights, load_checkpoint
from atom.generation.generator import Generator
from atom.tuning.adapter_combination import PRUNING, combine_adapters


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> str:
    return write_base(tmp_path_factory.mktemp("base") / "small")


@pytest.fixture
def parts(base, tmp_path):
    return [write_adapter(tmp_path / name, base, seed=seed) for seed, name in enumerate(("jumps", "turns"))]


def changes(base, adapter):
    """What an adapter adds to each layer, by plain peft."""
    model = PeftModel.from_pretrained(load_checkpoint(base).language_model, str(adapter))
    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, LoraLayer)}
    return {name: layer.get_delta_weight("default").detach() for name, layer in layers.items()}


def weighted(base, parts, weights):
    total = {}
    for adapter, weight in zip(parts, weights, strict=True):
        for name, change in changes(base, adapter).items():
            total[name] = total.get(name, 0) + weight * change
    return total


def assert_close(actual, expected):
    assert actual.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(actual[name], value, rtol=1e-4, atol=1e-5)


def test_cat_is_the_weighted_sum_of_any_ranks_layers_and_scales(base, tmp_path):
    parts = [
        write_adapter(tmp_path / "first", base, use_rslora=True),
        write_adapter(tmp_path / "second", base, rank=2, alpha=6, target_modules="v,wo", seed=1),
        write_adapter(tmp_path / "third", base, rank=8, alpha=8, target_modules="lm_head", seed=2, use_rslora=True),
    ]
    weights = [0.5, -1.5, 1.0]
    assert combine_adapters(parts, tmp_path / "all", base, weights) == 14
    assert_close(changes(base, tmp_path / "all"), weighted(base, parts, weights))


def test_svd_is_the_best_approximation_of_its_rank(base, parts, tmp_path):
    assert combine_adapters(parts, tmp_path / "svd", base, how="svd", rank=3) == 3
    expected = {}
    for name, value in weighted(base, parts, [1, 1]).items():
        left, sizes, right = torch.linalg.svd(value, full_matrices=False)
        expected[name] = left[:, :3] @ torch.diag(sizes[:3]) @ right[:3]
    assert_close(changes(base, tmp_path / "svd"), expected)
    assert combine_adapters(parts, tmp_path / "exact", base, how="svd", rank=8) == 8
    assert_close(changes(base, tmp_path / "exact"), weighted(base, parts, [1, 1]))


@pytest.mark.parametrize("how", get_args(Combination))
def test_every_combination_fits_the_base_and_is_reproducible(base, parts, tmp_path, how):
    density = 0.5 if how in PRUNING else None
    for name in ("one", "again"):
        torch.rand(1)
        rank = combine_adapters(parts, tmp_path / name, base, [1.0, 0.5], how, density=density)
    assert rank == (8 if how == "cat" else 4)
    assert hash_adapter(tmp_path / "one") == hash_adapter(tmp_path / "again")
    check_adapter_base(tmp_path / "one", hash_weights(base))
    load_adapter(load_checkpoint(base).language_model, tmp_path / "one")
    assert any(value.any() for value in changes(base, tmp_path / "one").values())


def test_a_combination_is_used_like_any_adapter_and_names_its_parts(base, parts, tmp_path):
    combine_adapters(parts, tmp_path / "all", base, [1.0, 0.5])
    tuned = Generator.load(base, str(tmp_path / "all"))
    assert tuned.sample(TEXTS, [0] * 4) != Generator.load(base).sample(TEXTS, [0] * 4)
    origin = json.loads((tmp_path / "all/atom.json").read_text())
    assert [(part["name"], part["weight"], part["adapter"]) for part in origin["combined_of"]] == [
        ("jumps", 1.0, hash_adapter(parts[0])),
        ("turns", 0.5, hash_adapter(parts[1])),
    ]
    assert origin["combined_of"][1]["made_from"]["seed"] == 1 and origin["template"] == "{}"
    assert "combined (cat) of jumps (weight 1), turns (weight 0.5)" in (tmp_path / "all/README.md").read_text()
    for file in ("atom.json", "README.md", "adapter_config.json"):
        assert str(tmp_path) not in (tmp_path / "all" / file).read_text()
    with pytest.raises(AtomError, match="was tuned on a base with the hash"):
        Generator.load("builtin", str(tmp_path / "all"))


def test_default_weights(base, parts, tmp_path):
    for how, weights in (("cat", [1.0, 1.0]), ("svd", [1.0, 1.0]), ("linear", [0.5, 0.5])):
        combine_adapters(parts, tmp_path / how, base, how=how)
        provenance = json.loads((tmp_path / how / "atom.json").read_text())
        assert provenance["how"] == how and [part["weight"] for part in provenance["combined_of"]] == weights


@pytest.mark.slow
def test_combinations_can_be_combined(base, parts, tmp_path):
    combine_adapters(parts, tmp_path / "two", base)
    third = write_adapter(tmp_path / "third", base, seed=5)
    assert combine_adapters([tmp_path / "two", third], tmp_path / "three", base) == 12
    assert_close(changes(base, tmp_path / "three"), weighted(base, [*parts, third], [1, 1, 1]))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"weights": [1.0]}, "2 adapters and 1 weights"),
        ({"weights": [1.0, 0.0]}, "leave that adapter out"),
        ({"weights": [1.0, float("nan")]}, "leave that adapter out"),
        ({"rank": 4}, "cat does not choose the rank: leave --rank out, or take --how svd"),
        ({"how": "svd", "rank": 40}, "too small for rank 40: give a lower --rank"),
        ({"how": "ties"}, "name it, such as --density 0.5"),
        ({"density": 0.5}, "cat keeps all numbers: leave --density out"),
    ],
)
def test_contradicting_arguments_are_refused(base, parts, tmp_path, arguments, message):
    with pytest.raises(AtomError, match=message):
        combine_adapters(parts, tmp_path / "all", base, **arguments)
    assert not (tmp_path / "all").exists()


@pytest.mark.parametrize(
    "other, how, words",
    [
        ({"rank": 2}, "linear", "one rank, these have 2, 4: --how cat and --how svd take any"),
        ({"rank": 2}, "dare_ties", "one rank, these have 2, 4"),
        ({"rank_pattern": {"v": 2}}, "linear", "one rank, these have 2, 4"),
        (
            {"use_dora": True},
            "cat",
            "uses DoRA, which can't be summed: tune with tuning.use_dora=false, or merge it",
        ),
        ({"template": "Move: {}"}, "cat", "tuned with different prompt templates"),
        ({"modules_to_save": ["lm_head"]}, "cat", "lm_head.weight, but only LoRA matrices can be"),
        ({"layers_to_transform": [0]}, "cat", "peft would lose"),
    ],
)
def test_adapters_that_do_not_fit_together_are_refused(base, parts, tmp_path, other, how, words):
    odd = write_adapter(tmp_path / "odd", base, **other)
    density = 0.5 if how in PRUNING else None
    with pytest.raises(AtomError, match=words):
        combine_adapters([odd, parts[0]], tmp_path / "all", base, how=how, density=density)
    assert not (tmp_path / "all").exists()


def test_adapters_of_another_base_and_single_ones_are_refused(base, parts, tmp_path):
    other = write_base(tmp_path / "other", seed=1)
    foreign = write_adapter(tmp_path / "foreign", other)
    for adapters, on in (([parts[0], foreign], base), (parts, other)):
        with pytest.raises(AtomError, match="was tuned on a base with the hash"):
            combine_adapters(adapters, tmp_path / "all", on)
    with pytest.raises(AtomError, match="two adapters or more"):
        combine_adapters(parts[:1], tmp_path / "all", base)
