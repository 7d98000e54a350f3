"""`atom checkpoint`: what a file of weights is, and its way into and out of this project's formats."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from atom.errors import AtomError

if TYPE_CHECKING:
    from atom.generation.inspection import Inspection

checkpoint_app = typer.Typer(help="Inspect, convert and export checkpoints.", no_args_is_help=True)
_SHOWN = 20

Base = Annotated[str | None, typer.Option(help="the checkpoint that was tuned: 'builtin' or a folder")]


@checkpoint_app.command()
def inspect(
    path: Annotated[Path, typer.Argument(help="a file of weights, a checkpoint folder or an adapter folder")],
    json: Annotated[bool, typer.Option("--json", help="print it as data")] = False,
) -> None:
    """Tell what weights are and what to do with them; nothing in the file is run. Exit status 1 if they are faulty."""
    from atom.generation.inspection import inspect_checkpoint

    with Console(stderr=True).status("reading"):
        found = inspect_checkpoint(path)
    console = Console()
    if json:
        console.print_json(data=asdict(found))
    else:
        table = Table(show_header=False)
        for name, text in _rows(found):
            table.add_row(name, escape(text))
        console.print(table)
        for fault in found.faults[:_SHOWN]:
            console.print(f"fault: {fault}", markup=False, highlight=False, soft_wrap=True)
        if len(found.faults) > _SHOWN:
            console.print(f"and {len(found.faults) - _SHOWN} faults more: --json lists all")
        console.print(f"next: {found.next_step}", markup=False, highlight=False, soft_wrap=True)
    if found.faults:
        raise typer.Exit(1)


@checkpoint_app.command()
def convert(
    file: Annotated[Path, typer.Argument(help="MotionGPT's checkpoint, or a model that AToM tuned")],
    folder: Annotated[Path, typer.Argument(help="the folder to write, a new one")],
    t5: Annotated[str | None, typer.Option(help="T5's tokenizer and config: a folder or google/flan-t5-base")] = None,
    mean: Annotated[Path | None, typer.Option(help="MotionGPT's mean.npy")] = None,
    std: Annotated[Path | None, typer.Option(help="MotionGPT's std.npy")] = None,
    vae: Annotated[Path | None, typer.Option(help="a file whose VQ-VAE to take instead")] = None,
    template: Annotated[str, typer.Option(help="the wording: motiongpt, caption, or a text with {}")] = "motiongpt",
    float16: Annotated[bool, typer.Option("--float16", help="half the size; joints move by less than a mm")] = False,
    any_statistics: Annotated[bool, typer.Option("--any-statistics", help="take HumanML3D's official pair")] = False,
    base: Base = None,
    alpha: Annotated[float | None, typer.Option(help="LoRA's alpha, by default twice the rank")] = None,
) -> None:
    """Write MotionGPT's checkpoint as a folder (--t5, --mean, --std), or AToM's tuned model as an adapter (--base)."""
    console = Console(stderr=True)
    if base is not None:
        from atom.generation.atom_model import convert_policy

        with console.status("converting"):
            notes = convert_policy(file, folder, base, alpha)
    else:
        if t5 is None or mean is None or std is None:
            wanted = {"--t5": t5, "--mean": mean, "--std": std}
            missing = " and ".join(option for option, value in wanted.items() if value is None)
            raise AtomError(
                f"{missing} missing: MotionGPT's checkpoint needs --t5, --mean and --std, AToM's tuned model --base; "
                f"`atom checkpoint inspect {file}` tells which it is"
            )
        from atom.generation.conversion import convert_motiongpt

        with console.status("converting"):
            notes = convert_motiongpt(
                file, folder, t5, mean, std, vae=vae, template=template, half=float16, any_statistics=any_statistics
            )
    for note in [f"{folder}: written, and read back tensor by tensor", *notes]:
        console.print(note, markup=False, highlight=False, soft_wrap=True)


@checkpoint_app.command()
def export(
    adapter: Annotated[Path, typer.Argument(help="a LoRA adapter folder, such as a run's")],
    output: Annotated[Path, typer.Argument(help="the .pt to write")],
    base: Base = None,
) -> None:
    """Write base and adapter as AToM's own .pt, which its scripts load."""
    if base is None:
        raise AtomError("--base is missing: name the checkpoint that the adapter was tuned on, 'builtin' or a folder")
    from atom.generation.atom_model import export_policy

    console = Console(stderr=True)
    with console.status("writing"):
        tensors = export_policy(adapter, output, base)
    console.print(f"{output}: {tensors} tensors", markup=False, highlight=False, soft_wrap=True)


def _rows(found: Inspection) -> list[tuple[str, str]]:
    rows = [("kind", found.kind)]
    rows += [(part, f"{count:,} parameters") for part, count in found.parameters.items()]
    if found.vqvae is not None:
        rows.append(("VQ-VAE sizes", _sizes(asdict(found.vqvae))))
    if found.t5 is not None:
        rows.append(("T5 sizes", _sizes(asdict(found.t5))))
    if found.lora is not None:
        alpha = "alpha unknown" if found.lora.alpha is None else f"alpha {found.lora.alpha:g}"
        targets = ", ".join(found.lora.targets)
        rows.append(("LoRA sizes", f"rank {found.lora.rank}, {alpha}, on {targets} ({len(found.lora.modules)} layers)"))
    if found.head_difference is not None:
        rows.append(("lm_head", f"differs from the embedding by up to {found.head_difference:.3g}"))
    rows.append(("numbers", ", ".join(f"{name} in {count} tensors" for name, count in found.dtypes.items())))
    if found.by_products:
        left = ", ".join(f"{name}.* ({count})" for name, count in found.by_products.items())
        rows.append(("left out", left))
    if found.source:
        rows.append(("source", _sizes(found.source)))
    return rows


def _sizes(table: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in table.items())
