"""`atom adapter`: what an adapter was made from, one merged into its base, and several combined into one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from atom.config import Combination, ConfigSection, OnPolicyConfig, TuningConfig

adapter_app = typer.Typer(help="Show, merge and combine LoRA adapters.", no_args_is_help=True)

Adapter = Annotated[Path, typer.Argument(help="a LoRA adapter folder, such as a run's")]
Base = Annotated[str, typer.Option(help="the checkpoint that was tuned: 'builtin' or a folder")]


@adapter_app.command()
def show(adapter: Adapter, json: Annotated[bool, typer.Option("--json", help="print it as data")] = False) -> None:
    """Tell what an adapter changes in its base, and what it was made from."""
    from atom.generation.adapter import WEIGHTS, adapter_hash, read_origin, read_settings
    from atom.generation.atom_model import Lora
    from atom.generation.weights import read_safetensors

    settings = read_settings(adapter)
    facts = {"adapter": adapter_hash(adapter), "settings": settings, "origin": read_origin(adapter)}
    state = read_safetensors(adapter / WEIGHTS)
    lora = Lora.of_state(state, settings.get("lora_alpha"))
    facts |= {"layers": list(lora.modules), "parameters": sum(value.numel() for value in state.values())}
    if json:
        Console().print_json(data=facts)
        return
    table = Table(show_header=False)
    for name, text in _rows(facts):
        table.add_row(name, escape(text))
    Console().print(table)


@adapter_app.command()
def merge(
    adapter: Adapter,
    folder: Annotated[Path, typer.Argument(help="the checkpoint folder to write, a new one")],
    base: Base = "builtin",
) -> None:
    """Write a whole checkpoint, the adapter in its weights, its prompts worded as in tuning.

    It makes the motions of base + adapter from the same seeds.
    """
    from atom.generation.merging import merge_adapter

    console = Console(stderr=True)
    with console.status("merging"):
        difference = merge_adapter(adapter, folder, base)
    told = f"{folder}: written; logits differ from base + adapter by at most {difference:.1e}"
    console.print(told, markup=False, highlight=False, soft_wrap=True)


@adapter_app.command()
def combine(
    adapters: Annotated[list[Path], typer.Argument(help="adapter folders of one base, such as one a task")],
    output: Annotated[Path, typer.Option("-o", "--output", help="the adapter folder to write, a new one")],
    base: Base = "builtin",
    weight: Annotated[list[float] | None, typer.Option(help="one for each; else 1, and of linear a share of 1")] = None,
    how: Annotated[
        Combination, typer.Option(help="cat: the exact sum; svd: of a chosen rank; others as in peft")
    ] = "cat",
    rank: Annotated[int | None, typer.Option(min=1, help="of svd; by default the largest of the adapters'")] = None,
    density: Annotated[
        float | None,
        typer.Option(min=0.01, max=1, help="share of numbers that ties, dare and magnitude_prune keep"),
    ] = None,
) -> None:
    """Write one adapter in the place of several: the weighted sum of what they change, or nearly so."""
    from atom.tuning.adapter_combination import combine_adapters

    console = Console(stderr=True)
    with console.status("combining"):
        rank = combine_adapters(adapters, output, base, weight, how, rank=rank, density=density)
    console.print(f"{output}: written, of rank {rank}", markup=False, highlight=False, soft_wrap=True)


def _rows(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    settings, origin = facts["settings"], facts["origin"]
    kind = "DoRA" if settings.get("use_dora") else "rank-stabilised LoRA" if settings.get("use_rslora") else "LoRA"
    targets = sorted({name.rpartition(".")[2] for name in facts["layers"]})
    yield "adapter", _short(facts["adapter"])
    yield "kind", f"{kind} of rank {settings.get('r')}, alpha {settings.get('lora_alpha')}"
    yield "changes", f"{', '.join(targets)} ({len(facts['layers'])} layers, {facts['parameters']:,} numbers)"
    yield "base", f"{settings.get('base_model_name_or_path')}, {_short(origin.get('base_weights')) or 'hash unknown'}"
    if not origin:
        yield "made from", "not told: it has no atom.json"
    if template := origin.get("template"):
        yield "prompts worded", template
    if "pairs" in origin:
        yield "pairs", f"{origin['pairs']:,}, {_short(origin['pairs_hash'])}"
    if "tuning" in origin:
        yield "tuning", _changed(origin["tuning"], TuningConfig, "loss_type", "loss")
    if "on_policy" in origin:
        yield "judge in the loop", _changed(origin["on_policy"], OnPolicyConfig, "advantage", "steps")
    if "seed" in origin:
        yield "seed", str(origin["seed"])
    if origin.get("went_on_from"):
        yield "went on from", _short(origin["went_on_from"])
    for part in origin.get("combined_of", ()):
        tuning = part["made_from"].get("tuning")
        told = f", tuned with {_changed(tuning, TuningConfig, 'loss_type', 'loss')}" if tuning else ""
        yield f"{origin['how']}, {part['weight']:g} of", f"{_short(part['name'])}, {_short(part['adapter'])}{told}"


def _changed(told: Mapping[str, Any], kind: type[ConfigSection], *always: str) -> str:
    """The settings of `always`, and those that are not as by default."""
    usual = kind().model_dump(mode="json")
    kept = {name: value for name, value in told.items() if name in always or value != usual.get(name)}
    return ", ".join(f"{name} {'+'.join(value) if isinstance(value, list) else value}" for name, value in kept.items())


def _short(name: str | None) -> str:
    """A hash by its start, as far as it takes to tell it from others; other names as they are."""
    return name[:12] if name and len(name) == 64 else name or ""
