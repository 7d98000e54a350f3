"""Several adapters of one base, such as one a task, combined into one by peft."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import torch
from peft import PeftModel

from atom.config import Combination
from atom.errors import AtomError
from atom.generation.adapter import adapter_hash, adapter_weights, check_base, load_adapter, read_origin
from atom.generation.atom_model import base_name
from atom.generation.checkpoint import load_checkpoint, weights_hash
from atom.generation.conversion import new_folder
from atom.tuning.adapter import save_adapter

PRUNING = tuple(how for how in get_args(Combination) if how.startswith(("ties", "dare", "magnitude")))
SUMMED_HALVES = ("linear", "dare_linear", "magnitude_prune")
_OF_ONE_RANK = tuple(how for how in get_args(Combination) if how != "cat" and not how.endswith("svd"))


def combine_adapters(
    adapters: Sequence[Path],
    folder: Path,
    base: str = "builtin",
    weights: Sequence[float] | None = None,
    how: Combination = "cat",
    *,
    rank: int | None = None,
    density: float | None = None,
) -> int:
    """Writes the weighted combination of adapters as a new adapter folder and gives its rank.

    "cat" is the exact sum of the changes, of the sum of the ranks; "svd" its best approximation of `rank`, by default
    the largest of the adapters; the others are those of peft's `add_weighted_adapter`. Those in `PRUNING` keep the
    share `density` of the numbers and drop others by size (ties, magnitude_prune) or at random (dare; each time the
    same). `weights` are 1 each by default, and equal shares of 1 for those in `SUMMED_HALVES`: they sum A and B apart,
    and in the product each A meets the B of every adapter.

    AtomError says what the adapters have that can't be combined so, and the way out.
    """
    if weights is None:
        weights = [1 / len(adapters) if how in SUMMED_HALVES else 1.0] * len(adapters)
    _check_asked(adapters, weights, how, rank, density)
    base_weights = weights_hash(base)
    for adapter in adapters:
        check_base(adapter, base_weights)
    origin = {
        "base_weights": base_weights,
        "template": _one_template(adapters),
        "how": how,
        "density": density,
        "combined_of": [
            {
                "name": adapter.resolve().name,
                "adapter": adapter_hash(adapter),
                "weight": weight,
                "made_from": read_origin(adapter),
            }
            for adapter, weight in zip(adapters, weights, strict=True)
        ],
    }
    combined = _combination(adapters, base, weights, how, rank, density)
    rank = combined.peft_config["default"].r
    parts = ", ".join(f"{part['name'][:20]} (weight {part['weight']:g})" for part in origin["combined_of"])
    summary = f"LoRA adapter of rank {rank}, combined ({how}) of {parts}. What it gains was not measured here."
    with new_folder(folder) as place:
        save_adapter(combined, place, base_name(base), summary, origin)
        load_adapter(load_checkpoint(base).language_model, place)  # refuses what could not be used
    return rank


def _combination(
    adapters: Sequence[Path],
    base: str,
    weights: Sequence[float],
    how: Combination,
    rank: int | None,
    density: float | None,
) -> PeftModel:
    """The base with all adapters, the combination being the one named "default"."""
    names = [f"part{number}" for number in range(len(adapters))]
    model: torch.nn.Module = load_checkpoint(base).language_model
    for name, adapter in zip(names, adapters, strict=True):
        model = load_adapter(model, adapter, name)
        _check_plain(model, name, adapter)
    assert isinstance(model, PeftModel)
    _check_ranks(model, how)
    for config in model.peft_config.values():
        config.use_rslora = False  # the parts know their scale; peft would scale the sum of them by it again
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model.base_model.add_weighted_adapter(
                names, list(weights), "default", how, svd_rank=rank, density=density, svd_full_matrices=False
            )
    except (ValueError, TypeError, RuntimeError) as error:
        raise AtomError(f"peft can't combine these adapters by {how}: {' '.join(str(error).split())[:200]}") from error
    made = adapter_weights(model)
    if left_out := {key for name in names for key in adapter_weights(model, name)} - made.keys():
        raise AtomError(f"peft would lose {len(left_out)} matrices of these adapters, such as {min(left_out)}")
    wanted = model.peft_config["default"].r
    if any(len(value) != wanted for key, value in made.items() if ".lora_A." in key):
        raise AtomError(f"some layers are too small for rank {wanted}: give a lower --rank")
    return model


def _check_asked(
    adapters: Sequence[Path], weights: Sequence[float], how: Combination, rank: int | None, density: float | None
) -> None:
    if len(adapters) < 2:
        raise AtomError("a combination needs two adapters or more")
    if len(weights) != len(adapters):
        raise AtomError(f"{len(adapters)} adapters and {len(weights)} weights: give one --weight for each, or none")
    if not all(math.isfinite(weight) and weight for weight in weights):
        raise AtomError("a --weight of 0 or none that is a number: leave that adapter out")
    if rank is not None and not how.endswith("svd"):
        raise AtomError(f"{how} does not choose the rank: leave --rank out, or take --how svd")
    if (density is None) == (how in PRUNING):
        needed = f"{how} keeps a share of the numbers: name it, such as --density 0.5"
        raise AtomError(needed if density is None else f"{how} keeps all numbers: leave --density out")


def _one_template(adapters: Sequence[Path]) -> str | None:
    """How prompts were worded for all of them, where they tell."""
    told = {adapter: read_origin(adapter).get("template") for adapter in adapters}
    templates = {template for template in told.values() if template is not None}
    if len(templates) > 1:
        raise AtomError(
            f"these adapters were tuned on prompts worded in different ways ({', '.join(sorted(templates))}): tune "
            "them with the same generation.template"
        )
    return templates.pop() if templates else None


def _check_plain(model: PeftModel, name: str, folder: Path) -> None:
    if model.peft_config[name].use_dora:
        raise AtomError(
            f"the adapter {folder} is a DoRA, which no sum can combine: tune with tuning.use_dora=false, or merge it "
            "(`atom adapter merge`) and tune the next one on that"
        )
    halves = (".lora_A.weight", ".lora_B.weight")
    if others := [key for key in adapter_weights(model, name) if not key.endswith(halves)]:
        raise AtomError(f"the adapter {folder} holds {others[0]}, and only LoRA's matrices can be combined")


def _check_ranks(model: PeftModel, how: Combination) -> None:
    ranks = {rank for config in model.peft_config.values() for rank in (config.r, *config.rank_pattern.values())}
    if how in _OF_ONE_RANK and len(ranks) > 1:
        told = ", ".join(str(rank) for rank in sorted(ranks))
        raise AtomError(f"{how} needs adapters of one rank, these have {told}: --how cat and --how svd take any")
