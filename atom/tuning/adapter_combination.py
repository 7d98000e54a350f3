"""Combines several adapters of one base, such as one for each task, into one adapter with peft."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import torch
from peft import PeftModel

from atom.config import Combination
from atom.errors import AtomError
from atom.generation.adapter_loading import (
    check_adapter_base,
    get_adapter_state_dict,
    hash_adapter,
    load_adapter,
    read_provenance,
)
from atom.generation.atom_policy import get_checkpoint_name
from atom.generation.checkpoint import hash_weights, load_checkpoint
from atom.generation.motiongpt_conversion import create_folder
from atom.tuning.adapter import save_adapter

# Names of peft's `combination_type`.
PRUNING = tuple(how for how in get_args(Combination) if how.startswith(("ties", "dare", "magnitude")))
SUMMED_HALVES = ("linear", "dare_linear", "magnitude_prune")
_EQUAL_RANKS_ONLY = tuple(how for how in get_args(Combination) if how != "cat" and not how.endswith("svd"))


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
    """Writes the weighted combination of adapters as a new adapter folder.

    Args:
        adapters: adapter folders of one base, at least two.
        folder: the adapter folder to write, a new one.
        base: the checkpoint that the adapters belong to.
        weights: one for each adapter. The default is 1, or 1 / n for the ways in `SUMMED_HALVES`: they sum the matrices
            A and B separately, so that in their product each A also meets the B of every other adapter.
        how: "cat" is the exact sum of the changes, and its rank the sum of the ranks; "svd" is the best approximation
            of that sum with rank `rank`; the others are as in peft's `add_weighted_adapter`.
        rank: of the ways that end in "svd"; the default is the largest rank of the adapters.
        density: the fraction of the numbers that the ways in `PRUNING` keep. They drop others by size (ties,
            magnitude_prune) or at random (dare, with a fixed seed).

    Returns:
        The rank of the combination.

    Raises:
        AtomError: the adapters can't be combined in this way; the message says what to use instead.
    """
    if weights is None:
        weights = [1 / len(adapters) if how in SUMMED_HALVES else 1.0] * len(adapters)
    _check_arguments(adapters, weights, how, rank, density)
    base_weights = hash_weights(base)
    for adapter in adapters:
        check_adapter_base(adapter, base_weights)
    provenance = {
        "base_weights": base_weights,
        "template": _common_template(adapters),
        "how": how,
        "density": density,
        "combined_of": [
            {
                "name": adapter.resolve().name,
                "adapter": hash_adapter(adapter),
                "weight": weight,
                "made_from": read_provenance(adapter),
            }
            for adapter, weight in zip(adapters, weights, strict=True)
        ],
    }
    combined = _combine(adapters, base, weights, how, rank, density)
    rank = combined.peft_config["default"].r
    parts = ", ".join(f"{part['name'][:20]} (weight {part['weight']:g})" for part in provenance["combined_of"])
    summary = f"LoRA adapter of rank {rank}, combined ({how}) of {parts}. It was not evaluated."
    with create_folder(folder) as temporary:
        save_adapter(combined, temporary, get_checkpoint_name(base), summary, provenance)
        load_adapter(load_checkpoint(base).language_model, temporary)  # raises if the result can't be used
    return rank


def _combine(
    adapters: Sequence[Path],
    base: str,
    weights: Sequence[float],
    how: Combination,
    rank: int | None,
    density: float | None,
) -> PeftModel:
    """The base model with all adapters, and their combination as the adapter "default"."""
    names = [f"part{number}" for number in range(len(adapters))]
    model: torch.nn.Module = load_checkpoint(base).language_model
    for name, adapter in zip(names, adapters, strict=True):
        model = load_adapter(model, adapter, name)
        _check_is_plain_lora(model, name, adapter)
    assert isinstance(model, PeftModel)
    _check_ranks(model, how)
    # Each loaded layer already has its rsLoRA scale. With the flag set, peft would scale the combination a second time.
    for config in model.peft_config.values():
        config.use_rslora = False
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # dare drops numbers at random
            model.base_model.add_weighted_adapter(
                names, list(weights), "default", how, svd_rank=rank, density=density, svd_full_matrices=False
            )
    except (ValueError, TypeError, RuntimeError) as error:
        raise AtomError(f"peft can't combine these adapters by {how}: {' '.join(str(error).split())[:200]}") from error
    combined = get_adapter_state_dict(model)
    if left_out := {key for name in names for key in get_adapter_state_dict(model, name)} - combined.keys():
        raise AtomError(f"peft would lose {len(left_out)} matrices of these adapters, such as {min(left_out)}")
    rank = model.peft_config["default"].r
    if any(len(value) != rank for key, value in combined.items() if ".lora_A." in key):
        raise AtomError(f"some layers are too small for rank {rank}: give a lower --rank")
    return model


def _check_arguments(
    adapters: Sequence[Path], weights: Sequence[float], how: Combination, rank: int | None, density: float | None
) -> None:
    if len(adapters) < 2:
        raise AtomError("a combination needs two adapters or more")
    if len(weights) != len(adapters):
        raise AtomError(f"{len(adapters)} adapters and {len(weights)} weights: give one --weight for each, or none")
    if not all(math.isfinite(weight) and weight for weight in weights):
        raise AtomError("a --weight is 0 or not a finite number: leave that adapter out")
    if rank is not None and not how.endswith("svd"):
        raise AtomError(f"{how} does not choose the rank: leave --rank out, or take --how svd")
    if (density is None) == (how in PRUNING):
        if density is None:
            raise AtomError(f"{how} keeps a fraction of the numbers: name it, such as --density 0.5")
        raise AtomError(f"{how} keeps all numbers: leave --density out")


def _common_template(adapters: Sequence[Path]) -> str | None:
    """The template that all adapters were tuned with, None if no adapter says."""
    templates = {read_provenance(adapter).get("template") for adapter in adapters} - {None}
    if len(templates) > 1:
        raise AtomError(
            f"these adapters were tuned with different prompt templates ({', '.join(sorted(templates))}): tune "
            "them with the same generation.template"
        )
    return templates.pop() if templates else None


def _check_is_plain_lora(model: PeftModel, name: str, folder: Path) -> None:
    if model.peft_config[name].use_dora:
        raise AtomError(
            f"the adapter {folder} uses DoRA, which can't be summed: tune with tuning.use_dora=false, or merge it "
            "(`atom adapter merge`) and tune the next one on that"
        )
    halves = (".lora_A.weight", ".lora_B.weight")
    if others := [key for key in get_adapter_state_dict(model, name) if not key.endswith(halves)]:
        raise AtomError(f"the adapter {folder} holds {others[0]}, but only LoRA matrices can be combined")


def _check_ranks(model: PeftModel, how: Combination) -> None:
    ranks = {rank for config in model.peft_config.values() for rank in (config.r, *config.rank_pattern.values())}
    if how in _EQUAL_RANKS_ONLY and len(ranks) > 1:
        listed = ", ".join(str(rank) for rank in sorted(ranks))
        raise AtomError(f"{how} needs adapters of one rank, these have {listed}: --how cat and --how svd take any")
