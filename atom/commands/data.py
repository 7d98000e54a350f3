"""`atom data`: check a dataset in HumanML3D's layout and encode its motions as tokens."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from atom.commands.options import JsonOption
from atom.commands.tables import right_aligned
from atom.errors import AtomError

data_app = typer.Typer(
    help="Check a dataset in HumanML3D's layout, encode its motions as tokens.", no_args_is_help=True
)
FolderArgument = Annotated[
    Path,
    typer.Argument(metavar="DIR", help="the dataset's folder, with new_joint_vecs, texts, train.txt, Mean.npy, ..."),
]

_COLOURS = {"error": "red", "warning": "yellow", "note": "dim"}
_MAX_QUARANTINED = 20
_STATISTICS_NAMES = {
    "HumanML3D": "HumanML3D's official pair",
    "MotionGPT": "MotionGPT's pair, not HumanML3D's official one",
    "unknown": "neither HumanML3D's official pair nor MotionGPT's",
}


@data_app.command()
def check(
    folder: FolderArgument,
    as_json: JsonOption = False,
) -> None:
    """Read every clip and caption and report what is wrong. Exit status 1 if there is an error."""
    from atom.humanml3d.dataset_checks import check_dataset
    from atom.progress_bars import StageProgressBars

    with StageProgressBars(Console(stderr=True)) as bars:
        report = check_dataset(folder, lambda done, total: bars.update("reading", done, total))
    console = Console()
    if as_json:
        console.print_json(data=report.to_dict())
        raise typer.Exit(0 if report.is_sound else 1)
    table = Table("", "finding", *right_aligned("places"), _folded("where"), _folded("what to do"))
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
    summary = ", ".join(f"{severity} {severities[severity]}" for severity in _COLOURS if severities[severity])
    console.print(
        f"{folder}: {f'kinds of findings: {summary}' if summary else 'nothing is wrong'}", soft_wrap=True, markup=False
    )
    raise typer.Exit(0 if report.is_sound else 1)


@data_app.command()
def tokenise(
    folder: FolderArgument,
    output: Annotated[Path, typer.Argument(metavar="OUT", help="the folder to write: TOKENS/ID.npy and SPLIT.parquet")],
    checkpoint: Annotated[str, typer.Option(help="'builtin' or a checkpoint folder")] = "builtin",
    split: str = "train",
    device: str = "cpu",
) -> None:
    """Encode the clips of a split with a checkpoint's VQ-VAE, in MotionGPT's layout. An interrupted call resumes."""
    from atom.humanml3d.dataset import HumanML3D
    from atom.humanml3d.motion_tokens import tokenise_split
    from atom.progress_bars import StageProgressBars

    dataset = HumanML3D(folder)
    dataset.read_ids(split)  # raises on an unknown split, before the networks are loaded
    from atom.generation.generator import Generator

    generator = Generator.load(checkpoint, device=device)
    with StageProgressBars(Console(stderr=True)) as bars:
        result = tokenise_split(
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
        for id, reason in result.quarantined[:_MAX_QUARANTINED]:
            table.add_row(escape(id), escape(reason))
        if (more := len(result.quarantined) - _MAX_QUARANTINED) > 0:
            table.add_row("...", f"{more:,} more")
        console.print(table)
    console.print(
        f"{output}: {result.encoded:,} clips encoded, {result.reused:,} were already there, "
        f"{len(result.quarantined):,} left out",
        soft_wrap=True,
        markup=False,
    )


@data_app.command()
def statistics(
    folder: FolderArgument,
    write: Annotated[Path | None, typer.Option(help="write the measured Mean.npy and Std.npy to this folder")] = None,
) -> None:
    """Identify Mean.npy and Std.npy and compare them with the training split, or measure new ones.

    The comparison measures at most 2,000 clips; --write measures all of them.
    """
    import numpy as np

    from atom.humanml3d.dataset import HumanML3D
    from atom.humanml3d.dataset_checks import sample_clips
    from atom.motion.feature_statistics import BLOCKS, measure_statistics

    dataset, console = HumanML3D(folder), Console()
    ids = dataset.read_ids("train")
    if write is not None:
        if taken := next((path for name in ("Mean", "Std") if (path := write / f"{name}.npy").exists()), None):
            raise AtomError(f"{taken} is there already: move it away first, or give another folder")
        with console.status("measuring"):
            measured = measure_statistics(sample_clips(dataset, ids, max_clips=None))
        write.mkdir(parents=True, exist_ok=True)
        np.save(write / "Mean.npy", measured.mean)
        np.save(write / "Std.npy", measured.std)
        console.print(
            f"{write}: Mean.npy and Std.npy of {len(ids):,} clips of the training split", soft_wrap=True, markup=False
        )
        return
    stored = dataset.read_statistics()
    with console.status("measuring"):
        measured = measure_statistics(sample_clips(dataset, ids))
    table = Table("block", *right_aligned("std in file", "std measured", "ratio", "error of mean, in std"))
    for name, block in BLOCKS.items():
        std, measured_std = stored.std[block].mean(), measured.std[block].mean()
        error = np.abs(stored.mean[block] - measured.mean[block]).max() / measured_std
        table.add_row(name, f"{std:.5f}", f"{measured_std:.5f}", f"{std / measured_std:.3f}", f"{error:.3f}")
    console.print(table)
    console.print(f"Mean.npy and Std.npy are {_STATISTICS_NAMES[stored.name]}")


def _folded(name: str) -> Column:
    return Column(name, overflow="fold")
