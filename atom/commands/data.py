"""`atom data`: a dataset in HumanML3D's layout, checked and turned into codes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from atom.errors import AtomError

data_app = typer.Typer(help="Check a dataset in HumanML3D's layout, turn it into codes.", no_args_is_help=True)
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="holds new_joint_vecs, texts, train.txt, Mean.npy, ...")]

_COLOURS = {"error": "red", "warning": "yellow", "note": "dim"}
_LEFT_OUT_SHOWN = 20


@data_app.command()
def check(
    folder: Folder,
    json: Annotated[bool, typer.Option("--json", help="print the report as data")] = False,
) -> None:
    """Read every clip and caption, and say what is wrong. Exit status 1 when something is an error."""
    from atom.humanml3d.dataset_checks import check_dataset
    from atom.progress_bars import StageProgressBars

    with StageProgressBars(Console(stderr=True)) as bars:
        report = check_dataset(folder, lambda done, total: bars.update("reading", done, total))
    console = Console()
    if json:
        console.print_json(data=report.to_dict())
        raise typer.Exit(0 if report.sound else 1)
    table = Table("", "found", _right("places"), _folded("where"), _folded("what to do"))
    for finding in report.findings:
        more = ["..."] if finding.count > len(finding.where) else []
        table.add_row(
            f"[{_COLOURS[finding.severity]}]{finding.severity}",
            finding.what,
            f"{finding.count:,}",
            escape("\n".join([*finding.where, *more])),
            finding.remedy,
        )
    if report.findings:
        console.print(table)
    console.print(", ".join(f"{name} {count:,}" for name, count in report.counts.items()), soft_wrap=True, markup=False)
    severities = Counter(finding.severity for finding in report.findings)
    said = ", ".join(f"{severity} {severities[severity]}" for severity in _COLOURS if severities[severity])
    console.print(
        f"{folder}: {f'kinds of findings: {said}' if said else 'nothing is wrong'}", soft_wrap=True, markup=False
    )
    raise typer.Exit(0 if report.sound else 1)


@data_app.command()
def tokenise(
    folder: Folder,
    output: Annotated[Path, typer.Argument(metavar="OUT", help="gets TOKENS/ID.npy and SPLIT.parquet")],
    checkpoint: Annotated[str, typer.Option(help="'builtin' or a checkpoint folder")] = "builtin",
    split: str = "train",
    device: str = "cpu",
) -> None:
    """Encode the clips of a split as a checkpoint's codes, in MotionGPT's layout. A cut-off call goes on."""
    from atom.humanml3d.dataset import HumanML3D
    from atom.humanml3d.motion_tokens import tokenise as run
    from atom.progress_bars import StageProgressBars

    dataset = HumanML3D(folder)
    dataset.ids(split)  # a wrong name is told before the networks are loaded
    from atom.generation.generator import Generator

    generator = Generator.load(checkpoint, device=device)
    with StageProgressBars(Console(stderr=True)) as bars:
        result = run(
            dataset,
            split,
            generator.encode,
            output,
            encoder=generator.weights_hash,
            progress=lambda done, total: bars.update("encoding", done, total),
        )
    console = Console()
    if result.quarantined:
        table = Table("left out", _folded("why"))
        for id, reason in result.quarantined[:_LEFT_OUT_SHOWN]:
            table.add_row(escape(id), escape(reason))
        if (more := len(result.quarantined) - _LEFT_OUT_SHOWN) > 0:
            table.add_row("...", f"{more:,} more")
        console.print(table)
    console.print(
        f"{output}: {result.encoded:,} clips encoded, {result.already:,} were there, "
        f"{len(result.quarantined):,} left out",
        soft_wrap=True,
        markup=False,
    )


@data_app.command()
def statistics(
    folder: Folder,
    write: Annotated[Path | None, typer.Option(help="write measured Mean.npy and Std.npy into this folder")] = None,
) -> None:
    """Say which pair Mean.npy and Std.npy are and how they compare with the training split, or measure them anew.

    The comparison measures at most 2,000 clips; --write measures all of them.
    """
    import numpy as np

    from atom.humanml3d.dataset import HumanML3D
    from atom.humanml3d.dataset_checks import sample_clips
    from atom.motion.feature_statistics import BLOCKS, measure_statistics

    dataset, console = HumanML3D(folder), Console()
    ids = dataset.ids("train")
    if write is not None:
        if taken := next((path for name in ("Mean", "Std") if (path := write / f"{name}.npy").exists()), None):
            raise AtomError(f"{taken} is there already: move it away first, or give another folder")
        with console.status("measuring"):
            measured = measure_statistics(sample_clips(dataset, ids, most=None))
        write.mkdir(parents=True, exist_ok=True)
        np.save(write / "Mean.npy", measured.mean)
        np.save(write / "Std.npy", measured.std)
        console.print(
            f"{write}: Mean.npy and Std.npy of {len(ids):,} clips of the training split", soft_wrap=True, markup=False
        )
        return
    given = dataset.statistics()
    with console.status("measuring"):
        measured = measure_statistics(sample_clips(dataset, ids))
    table = Table("block", *map(_right, ("std given", "std measured", "ratio", "mean off by, in std")))
    for name, block in BLOCKS.items():
        std, own = given.std[block].mean(), measured.std[block].mean()
        off = np.abs(given.mean[block] - measured.mean[block]).max() / own
        table.add_row(name, f"{std:.5f}", f"{own:.5f}", f"{std / own:.3f}", f"{off:.3f}")
    console.print(table)
    console.print(f"Mean.npy and Std.npy are {_PAIRS[given.name]}")


_PAIRS = {
    "HumanML3D": "HumanML3D's official pair",
    "MotionGPT": "MotionGPT's pair, not HumanML3D's official one",
    "unknown": "neither HumanML3D's official pair nor MotionGPT's",
}


def _right(name: str) -> Column:
    return Column(name, justify="right")


def _folded(name: str) -> Column:
    return Column(name, overflow="fold")
