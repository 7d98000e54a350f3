"""`atom preferences`: export the preference pairs of a run, and check pairs before an import."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from atom.commands.options import RunArgument, StoreOption, open_store
from atom.commands.tables import right_aligned
from atom.errors import AtomError
from atom.preferences.export_format import ExportFormat
from atom.progress_bars import StageProgressBars

if TYPE_CHECKING:
    import numpy as np

    from storage import Store

preferences_app = typer.Typer(help="Export the preference pairs of a run, check pairs to import.", no_args_is_help=True)

# Does not match the stages of baselines, whose name stands before the round.
_STAGE_NAME = re.compile(r"preferences(?: round (\d+))?")
_MAX_QUARANTINED = 20
_OLDEST_VERSION = 3  # of the preferences table; its events have no group, which is then null


@preferences_app.command()
def export(
    to: Annotated[Path, typer.Option(help="the folder to write")],
    run: RunArgument = "latest",
    store: StoreOption = "store",
    form: Annotated[
        ExportFormat,
        typer.Option(help="datasets (Hugging Face), atom (preference_labels.jsonl and its token files) or trl"),
    ] = "datasets",
    round_: Annotated[
        int | None, typer.Option("--round", min=1, help="pairs of this round; default: the last one")
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="pairs of all rounds")] = False,
    motions: Annotated[bool, typer.Option("--motions", help="add joints and features, about 0.2 MB a pair")] = False,
    template: Annotated[str, typer.Option(help="prompt template for form trl, e.g. 'Generate motion: {}'")] = "{}",
) -> None:
    """Export the preference pairs of a run, with a dataset card, to a new folder."""
    from atom.preferences.card import TRL_LIMITS, describe_run_preferences
    from atom.preferences.exporting import export_preferences

    if all_ and round_ is not None:
        raise AtomError("--round and --all contradict each other, give one of them")
    artifacts = open_store(store)
    record = artifacts.run(run)
    rounds = _keys_by_round(record)
    selected = list(rounds) if all_ else [max(rounds) if round_ is None else round_]
    if selected[0] not in rounds:
        raise AtomError(f"run {record['run_id']} has no round {round_}, it has {', '.join(map(str, rounds))}")
    rows = [row for number in selected for key in rounds[number] for row in _read_pairs(artifacts, record, key)]
    joints = _read_joints(artifacts, record, selected, rows) if motions else None
    with StageProgressBars(Console(stderr=True)) as bars:
        export_preferences(
            rows,
            to,
            form,
            about=describe_run_preferences(record, selected),
            motions=joints,
            template=template,
            progress=lambda done, total: bars.update("pairs written", done, total),
        )
    label = "round" if len(selected) == 1 else "rounds"
    numbers = ", ".join(map(str, selected))
    Console().print(
        f"{to}: {len(rows):,} pairs of {label} {numbers} of run {record['run_id']}, with README.md",
        markup=False,
        soft_wrap=True,
    )
    for limit in TRL_LIMITS if form == "trl" else ():
        Console(stderr=True).print(limit, markup=False, highlight=False, style="dim", soft_wrap=True)


@preferences_app.command()
def check(
    path: Annotated[
        Path, typer.Argument(help="AToM's labels, an export of this command, or a .parquet or .jsonl of pairs")
    ],
    atom_seed: Annotated[
        int | None,
        typer.Option(
            min=0, max=2**32 - 1, help="for AToM's labels: show the split of AToM's loader with this seed, e.g. 2222"
        ),
    ] = None,
) -> None:
    """Read pairs as a run does and report what can and can't be used. Exit status 1 if anything can't be used."""
    from atom.preferences.card import build_preference_table
    from atom.preferences.importing import import_preferences

    console = Console()
    with console.status("reading"):
        imported = import_preferences(path)
    head, lines = build_preference_table(imported.rows)
    table = Table(head[0], *right_aligned(*head[1:]), box=None)
    for line in lines:
        table.add_row(*line)
    console.print(table)
    decided = Counter(row["decided_by"] for row in imported.rows)
    deciders = ", ".join(f"{count:,} decided by {decider}" for decider, count in decided.items())
    console.print(
        f"{len(imported.rows):,} pairs from {imported.origin}, {deciders}; {imported.skipped:,} skipped by annotators"
    )
    if without_tokens := sum(not row["chosen_tokens"] for row in imported.rows):
        console.print(f"{without_tokens:,} of them have no tokens and can't be trained on")
    if atom_seed is not None:
        console.print(_describe_atom_split(path, atom_seed))
    if imported.quarantined:
        console.print(_quarantine_table(imported.quarantined))
        console.print(f"{len(imported.quarantined):,} rows can't be used")
        raise typer.Exit(1)


def _describe_atom_split(path: Path, seed: int) -> str:
    from atom.preferences.labels import read_labels
    from atom.preferences.training_rows import build_atom_training_rows

    rows = build_atom_training_rows(read_labels(path).pairs, seed)
    sizes = {name: len(ids) for name, ids in rows.ids.items()}
    return (
        f"AToM's loader, seed {seed}: {len(rows.train):,} rows to train on and {len(rows.eval):,} to evaluate on, from "
        f"{sizes['train']:,} and {sizes['eval']:,} with the unsure ones"
    )


def _quarantine_table(quarantined: Sequence[tuple[str, str]]) -> Table:
    table = Table("where", "why it can't be used", box=None)
    for where, reason in quarantined[:_MAX_QUARANTINED]:
        table.add_row(Text(where), Text(reason))
    if len(quarantined) > _MAX_QUARANTINED:
        table.add_row("...", f"and {len(quarantined) - _MAX_QUARANTINED:,} more")
    return table


def _keys_by_round(record: Mapping[str, Any]) -> dict[int, list[str]]:
    """Keys of the preferences artifacts of each round."""
    rounds = {
        int(match[1] or 1): stage["keys"]
        for stage in record["stages"]
        if (match := _STAGE_NAME.fullmatch(stage["name"])) and stage["keys"]
    }
    if not rounds:
        raise AtomError(
            f"run {record['run_id']} ({record['state']}) has no preferences; name another run, or run it again"
        )
    return rounds


def _read_pairs(store: Store, record: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    from storage import PREFERENCES, ArtifactRef

    version = store.manifest("preferences", key).recipe["schema_version"]
    if version not in (_OLDEST_VERSION, PREFERENCES.version):
        raise AtomError(
            f"run {record['run_id']} wrote version {version} of the preferences table, not {PREFERENCES.version}: it "
            "is a run of another version of atom; run it again"
        )
    return store.read(ArtifactRef("preferences", key, 0)).to_pylist()


def _read_joints(
    store: Store, record: Mapping[str, Any], rounds: Sequence[int], rows: Sequence[Mapping[str, Any]]
) -> dict[str, np.ndarray]:
    """The joints (T, 22, 3) of all motions in the pairs, by id."""
    from storage import ArtifactRef

    motion_ids = {row[f"{side}_motion_id"] for row in rows for side in ("chosen", "rejected")}
    stages = {f"motions round {number}" if number > 1 else "motions" for number in rounds}
    keys = [key for stage in record["stages"] if stage["name"] in stages for key in stage["keys"]]
    joints = {}
    for key in keys:
        table = store.read(ArtifactRef("motions", key, 0), columns=["motion_id", "joints"])
        for motion_id, values in zip(table["motion_id"].to_pylist(), table["joints"]):
            if motion_id in motion_ids:
                joints[motion_id] = values.values.to_numpy().reshape(-1, 22, 3)
    if missing := sorted(motion_ids - set(joints)):
        raise AtomError(
            f"run {record['run_id']} has no motion {missing[0]} and {len(missing) - 1} others; export without --motions"
        )
    return joints
