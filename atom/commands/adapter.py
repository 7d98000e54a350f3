"""`atom adapter`: show an adapter and its provenance, merge it into its base, combine several adapters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from atom.commands.options import JsonOption
from atom.config import Combination, ConfigSection, OnPolicyConfig, TuningConfig

adapter_app = typer.Typer(help="Show, merge and combine LoRA adapters.", no_args_is_help=True)

AdapterArgument = Annotated[Path, typer.Argument(help="a LoRA adapter folder, such as a run's")]
BaseOption = Annotated[str, typer.Option(help="the checkpoint that the adapter was tuned on: 'builtin' or a folder")]


@adapter_app.command()
def show(adapter: AdapterArgument, as_json: JsonOption = False) -> None:
    """Show what an adapter changes in its base, and how it was trained."""
    from atom.generation.adapter_loading import WEIGHTS_FILE, hash_adapter, read_adapter_config, read_provenance
    from atom.generation.atom_policy import LoraShape
    from atom.generation.weights import read_safetensors

    settings = read_adapter_config(adapter)
    facts = {"adapter": hash_adapter(adapter), "settings": settings, "origin": read_provenance(adapter)}
    state = read_safetensors(adapter / WEIGHTS_FILE)
    lora = LoraShape.from_state_dict(state, settings.get("lora_alpha"))
    facts |= {"layers": list(lora.modules), "parameters": sum(value.numel() for value in state.values())}
    if as_json:
        Console().print_json(data=facts)
        return
    table = Table(show_header=False)
    for name, text in _rows(facts):
        table.add_row(name, escape(text))
    Console().print(table)


@adapter_app.command()
def merge(
    adapter: AdapterArgument,
    folder: Annotated[Path, typer.Argument(help="the checkpoint folder to write; it must not exist")],
    base: BaseOption = "builtin",
) -> None:
    """Merge an adapter into its base and write the result as a checkpoint, with the prompt template of the tuning.

    With the same seeds the checkpoint generates the same motions as base and adapter.
    """
    from atom.generation.merging import merge_adapter

    console = Console(stderr=True)
    with console.status("merging"):
        difference = merge_adapter(adapter, folder, base)
    message = f"{folder}: written; logits differ from base + adapter by at most {difference:.1e}"
    console.print(message, markup=False, highlight=False, soft_wrap=True)


@adapter_app.command()
def combine(
    adapters: Annotated[list[Path], typer.Argument(help="adapter folders with the same base, such as one per task")],
    output: Annotated[Path, typer.Option("-o", "--output", help="the adapter folder to write; it must not exist")],
    base: BaseOption = "builtin",
    weight: Annotated[
        list[float] | None,
        typer.Option(help="one for each adapter; default: 1, or 1 / N for linear, dare_linear and magnitude_prune"),
    ] = None,
    how: Annotated[
        Combination, typer.Option(help="cat: the exact sum; svd: the sum at a chosen rank; others as in peft")
    ] = "cat",
    rank: Annotated[
        int | None, typer.Option(min=1, help="rank for svd; default: the largest rank of the adapters")
    ] = None,
    density: Annotated[
        float | None,
        typer.Option(min=0.01, max=1, help="fraction of values that ties, dare and magnitude_prune keep"),
    ] = None,
) -> None:
    """Combine several adapters into one: the weighted sum of their changes, or an approximation of it."""
    from atom.tuning.adapter_combination import combine_adapters

    console = Console(stderr=True)
    with console.status("combining"):
        rank = combine_adapters(adapters, output, base, weight, how, rank=rank, density=density)
    console.print(f"{output}: written with rank {rank}", markup=False, highlight=False, soft_wrap=True)


def _rows(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    settings, origin = facts["settings"], facts["origin"]
    kind = "DoRA" if settings.get("use_dora") else "rank-stabilised LoRA" if settings.get("use_rslora") else "LoRA"
    targets = sorted({name.rpartition(".")[2] for name in facts["layers"]})
    yield "adapter", _short(facts["adapter"])
    yield "kind", f"{kind} of rank {settings.get('r')}, alpha {settings.get('lora_alpha')}"
    yield "changes", f"{', '.join(targets)} ({len(facts['layers'])} layers, {facts['parameters']:,} parameters)"
    yield "base", f"{settings.get('base_model_name_or_path')}, {_short(origin.get('base_weights')) or 'hash unknown'}"
    if not origin:
        yield "provenance", "unknown: it has no atom.json"
    if template := origin.get("template"):
        yield "prompt template", template
    if "pairs" in origin:
        yield "pairs", f"{origin['pairs']:,}, {_short(origin['pairs_hash'])}"
    if "tuning" in origin:
        yield "tuning", _non_default(origin["tuning"], TuningConfig, "loss_type", "loss")
    if "on_policy" in origin:
        yield "judge in the loop", _non_default(origin["on_policy"], OnPolicyConfig, "advantage", "steps")
    if "seed" in origin:
        yield "seed", str(origin["seed"])
    if origin.get("went_on_from"):
        yield "resumed from", _short(origin["went_on_from"])
    for part in origin.get("combined_of", ()):
        tuning = part["made_from"].get("tuning")
        note = f", tuned with {_non_default(tuning, TuningConfig, 'loss_type', 'loss')}" if tuning else ""
        yield f"{origin['how']}, {part['weight']:g} of", f"{_short(part['name'])}, {_short(part['adapter'])}{note}"


def _non_default(settings: Mapping[str, Any], kind: type[ConfigSection], *always: str) -> str:
    """The settings named in `always`, and those that differ from the defaults."""
    defaults = kind().model_dump(mode="json")
    kept = {name: value for name, value in settings.items() if name in always or value != defaults.get(name)}
    return ", ".join(f"{name} {'+'.join(value) if isinstance(value, list) else value}" for name, value in kept.items())


def _short(name: str | None) -> str:
    """The first 12 digits of a hash; other names unchanged."""
    return name[:12] if name and len(name) == 64 else name or ""
