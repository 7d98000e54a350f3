"""`atom preferences`: pairs of a run for the tools of others, and what is in the pairs of others."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from atom.errors import AtomError
from atom.preferences.card import ExportFormat, about_run
from atom.progress_bars import StageProgressBars
from storage import PREFERENCES, ArtifactRef, Store, StoreError

preferences_app = typer.Typer(help="Export preference pairs of a run, check those of others.", no_args_is_help=True)

_STAGE = re.compile(r"preferences(?: round (\d+))?")  # not those of baselines, which have a name before the round
_SHOWN = 20  # quarantined rows


@preferences_app.command()
def export(
    to: Annotated[Path, typer.Option(help="the folder to write")],
    run: Annotated[str, typer.Argument(help="a run, or 'latest'")] = "latest",
    store: Annotated[str, typer.Option("--store", help="folder or fsspec address of the artifacts")] = "store",
    form: Annotated[
        ExportFormat,
        typer.Option(help="datasets (Hugging Face), atom (preference_labels.jsonl and its token files) or trl"),
    ] = "datasets",
    round_: Annotated[int | None, typer.Option("--round", min=1, help="of this round; the last one by default")] = None,
    all_: Annotated[bool, typer.Option("--all", help="of all rounds")] = False,
    motions: Annotated[bool, typer.Option("--motions", help="with joints and features, about 0.2 MB a pair")] = False,
    template: Annotated[
        str, typer.Option(help="how the prompt is worded in form trl, e.g. 'Generate motion: {}'")
    ] = "{}",
) -> None:
    """Write the preference pairs of a run, with a dataset card, into a new folder."""
    from atom.preferences.exporting import export_preferences

    if all_ and round_ is not None:
        raise AtomError("--round and --all contradict each other, give one of them")
    artifacts = _existing(store)
    record = artifacts.run(run)
    rounds = _rounds(record)
    chosen = list(rounds) if all_ else [max(rounds) if round_ is None else round_]
    if chosen[0] not in rounds:
        raise AtomError(f"run {record['run_id']} has no round {round_}, it has {', '.join(map(str, rounds))}")
    rows = [row for number in chosen for key in rounds[number] for row in _pairs(artifacts, record, key)]
    joints = _motions(artifacts, record, chosen, rows) if motions else None
    with StageProgressBars(Console(stderr=True)) as bars:
        export_preferences(
            rows,
            to,
            form,
            about=about_run(record, chosen),
            motions=joints,
            template=template,
            progress=lambda done, total: bars.update("pairs written", done, total),
        )
    named = "round" if len(chosen) == 1 else "rounds"
    Console().print(
        f"{to}: {len(rows):,} pairs of {named} {', '.join(map(str, chosen))} of run {record['run_id']}, with README.md",
        markup=False,
        soft_wrap=True,
    )


@preferences_app.command()
def check(
    path: Annotated[Path, typer.Argument(help="AToM's labels, an export, or .parquet or .jsonl of pairs")],
    atom_seed: Annotated[
        int | None,
        typer.Option(min=0, max=2**32 - 1, help="for AToM's labels: what its loader makes of them, e.g. 2222"),
    ] = None,
) -> None:
    """Read pairs as a run would, and tell what is there and what can't be used. Exit status 1 if anything can't."""
    from atom.preferences.card import preference_table
    from atom.preferences.importing import import_preferences

    console = Console()
    with console.status("reading"):
        found = import_preferences(path)
    head, lines = preference_table(found.rows)
    table = Table(head[0], *(Column(task, justify="right") for task in head[1:]), box=None)
    for line in lines:
        table.add_row(*line)
    console.print(table)
    decided = Counter(row["decided_by"] for row in found.rows)
    ways = ", ".join(f"{count:,} decided by {way}" for way, count in decided.items())
    console.print(f"{len(found.rows):,} pairs from {found.origin}, {ways}; {found.skipped:,} skipped by annotators")
    if lacking := sum(not row["chosen_tokens"] for row in found.rows):
        console.print(f"{lacking:,} of them have no tokens and can't be trained on")
    if atom_seed is not None:
        console.print(_split(path, atom_seed))
    if found.quarantined:
        console.print(_quarantine(found.quarantined))
        console.print(f"{len(found.quarantined):,} rows can't be used")
        raise typer.Exit(1)


def _split(path: Path, seed: int) -> str:
    from atom.preferences.labels import read_labels
    from atom.preferences.training_rows import atom_training_rows

    rows = atom_training_rows(read_labels(path).pairs, seed)
    written = {name: len(ids) for name, ids in rows.ids.items()}
    return (
        f"AToM's loader, seed {seed}: {len(rows.train):,} rows to train on and {len(rows.eval):,} to evaluate on, from "
        f"{written['train']:,} and {written['eval']:,} with the unsure ones"
    )


def _quarantine(quarantined: Sequence[tuple[str, str]]) -> Table:
    table = Table("where", "why it can't be used", box=None)
    for where, reason in quarantined[:_SHOWN]:
        table.add_row(Text(where), Text(reason))
    if len(quarantined) > _SHOWN:
        table.add_row("...", f"and {len(quarantined) - _SHOWN:,} more")
    return table


def _existing(root: str) -> Store:
    store = Store(root)
    if not store.exists():
        raise StoreError(f"no store at {root!r}; `atom run` makes one, --store ROOT names another")
    return store


def _rounds(record: Mapping[str, Any]) -> dict[int, list[str]]:
    """Keys of the preferences artifacts of each round."""
    rounds = {
        int(found[1] or 1): stage["keys"]
        for stage in record["stages"]
        if (found := _STAGE.fullmatch(stage["name"])) and stage["keys"]
    }
    if not rounds:
        raise AtomError(f"run {record['run_id']} ({record['state']}) has no preferences; name another, or run it again")
    return rounds


def _pairs(store: Store, record: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    version = store.manifest("preferences", key).recipe["schema_version"]
    if version != PREFERENCES.version:
        raise AtomError(
            f"run {record['run_id']} wrote version {version} of the preferences table, not {PREFERENCES.version}: its "
            "pairs were made by another version of atom; run it again"
        )
    return store.read(ArtifactRef("preferences", key, 0)).to_pylist()


def _motions(
    store: Store, record: Mapping[str, Any], rounds: Sequence[int], rows: Sequence[Mapping[str, Any]]
) -> dict[str, np.ndarray]:
    """The joints (T, 22, 3) of all motions in the pairs, by id."""
    wanted = {row[f"{side}_motion_id"] for row in rows for side in ("chosen", "rejected")}
    stages = {f"motions round {number}" if number > 1 else "motions" for number in rounds}
    keys = [key for stage in record["stages"] if stage["name"] in stages for key in stage["keys"]]
    joints = {}
    for key in keys:
        table = store.read(ArtifactRef("motions", key, 0), columns=["motion_id", "joints"])
        for name, values in zip(table["motion_id"].to_pylist(), table["joints"]):
            if name in wanted:
                joints[name] = values.values.to_numpy().reshape(-1, 22, 3)
    if missing := sorted(wanted - set(joints)):
        raise AtomError(
            f"run {record['run_id']} has no motion {missing[0]} and {len(missing) - 1} others; export without --motions"
        )
    return joints
