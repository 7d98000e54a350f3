"""`atom checkpoint`: inspect files of weights, convert them to this project's formats and export them again."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from atom.commands.options import JsonOption
from atom.errors import AtomError

if TYPE_CHECKING:
    from atom.generation.inspection import Inspection

checkpoint_app = typer.Typer(help="Inspect, convert and export checkpoints.", no_args_is_help=True)
_MAX_FAULTS = 20

BaseOption = Annotated[
    str | None, typer.Option(help="the checkpoint that the adapter was tuned on: 'builtin' or a folder")
]


@checkpoint_app.command()
def inspect(
    path: Annotated[Path, typer.Argument(help="a file of weights, a checkpoint folder or an adapter folder")],
    as_json: JsonOption = False,
) -> None:
    """Show what weights contain and what to do with them; the file is not executed. Exit status 1 on faults."""
    from atom.generation.inspection import inspect_checkpoint

    with Console(stderr=True).status("reading"):
        inspection = inspect_checkpoint(path)
    console = Console()
    if as_json:
        console.print_json(data=asdict(inspection))
    else:
        table = Table(show_header=False)
        for name, text in _rows(inspection):
            table.add_row(name, escape(text))
        console.print(table)
        for fault in inspection.faults[:_MAX_FAULTS]:
            console.print(f"fault: {fault}", markup=False, highlight=False, soft_wrap=True)
        if len(inspection.faults) > _MAX_FAULTS:
            console.print(f"and {len(inspection.faults) - _MAX_FAULTS} more faults: --json lists all")
        console.print(f"next: {inspection.next_step}", markup=False, highlight=False, soft_wrap=True)
    if inspection.faults:
        raise typer.Exit(1)


@checkpoint_app.command()
def convert(
    file: Annotated[Path, typer.Argument(help="MotionGPT's checkpoint, or a model tuned with AToM's code")],
    folder: Annotated[Path, typer.Argument(help="the folder to write; it must not exist")],
    t5: Annotated[str | None, typer.Option(help="T5's tokenizer and config: a folder or google/flan-t5-base")] = None,
    mean: Annotated[Path | None, typer.Option(help="MotionGPT's mean.npy")] = None,
    std: Annotated[Path | None, typer.Option(help="MotionGPT's std.npy")] = None,
    vae: Annotated[Path | None, typer.Option(help="take the VQ-VAE from this file instead")] = None,
    template: Annotated[str, typer.Option(help="prompt template: motiongpt, caption, or a text with {}")] = "motiongpt",
    float16: Annotated[bool, typer.Option("--float16", help="half the size; joints change by less than 1 mm")] = False,
    any_statistics: Annotated[
        bool, typer.Option("--any-statistics", help="accept HumanML3D's official mean and std")
    ] = False,
    base: BaseOption = None,
    alpha: Annotated[float | None, typer.Option(help="LoRA's alpha; default: twice the rank")] = None,
) -> None:
    """Convert MotionGPT's checkpoint to a folder (--t5, --mean, --std), AToM's tuned model to an adapter (--base)."""
    console = Console(stderr=True)
    if base is not None:
        from atom.generation.atom_policy import convert_policy

        with console.status("converting"):
            notes = convert_policy(file, folder, base, alpha)
    else:
        if t5 is None or mean is None or std is None:
            required = {"--t5": t5, "--mean": mean, "--std": std}
            missing = " and ".join(option for option, value in required.items() if value is None)
            raise AtomError(
                f"{missing} missing: MotionGPT's checkpoint needs --t5, --mean and --std, AToM's tuned model --base; "
                f"`atom checkpoint inspect {file}` shows which it is"
            )
        from atom.generation.motiongpt_conversion import convert_motiongpt

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
    base: BaseOption = None,
) -> None:
    """Write a base with its adapter as a .pt file that AToM's scripts load."""
    if base is None:
        raise AtomError("--base is missing: name the checkpoint that the adapter was tuned on, 'builtin' or a folder")
    from atom.generation.atom_policy import export_policy

    console = Console(stderr=True)
    with console.status("writing"):
        tensors = export_policy(adapter, output, base)
    console.print(f"{output}: {tensors} tensors", markup=False, highlight=False, soft_wrap=True)


def _rows(inspection: Inspection) -> list[tuple[str, str]]:
    rows = [("kind", inspection.kind)]
    rows += [(part, f"{count:,} parameters") for part, count in inspection.parameters.items()]
    if inspection.vqvae is not None:
        rows.append(("VQ-VAE sizes", _sizes(asdict(inspection.vqvae))))
    if inspection.t5 is not None:
        rows.append(("T5 sizes", _sizes(asdict(inspection.t5))))
    if inspection.lora is not None:
        alpha = "alpha unknown" if inspection.lora.alpha is None else f"alpha {inspection.lora.alpha:g}"
        target_modules = ", ".join(inspection.lora.target_modules)
        rows.append(
            (
                "LoRA sizes",
                f"rank {inspection.lora.rank}, {alpha}, on {target_modules} ({len(inspection.lora.modules)} layers)",
            )
        )
    if inspection.head_difference is not None:
        rows.append(("lm_head", f"differs from the embedding by up to {inspection.head_difference:.3g}"))
    rows.append(("data types", ", ".join(f"{name} in {count} tensors" for name, count in inspection.dtypes.items())))
    if inspection.by_products:
        left = ", ".join(f"{name}.* ({count})" for name, count in inspection.by_products.items())
        rows.append(("left out", left))
    if inspection.source:
        rows.append(("source", _sizes(inspection.source)))
    return rows


def _sizes(table: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in table.items())
