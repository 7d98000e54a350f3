"""`atom store`: inspect, verify, compact and clean up the artifact store."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.progress import track
from rich.table import Column, Table

from atom.commands.options import JsonOption, StoreOption, open_store
from atom.commands.tables import right_aligned

store_app = typer.Typer(help="Inspect, verify, compact and clean up the artifact store.", no_args_is_help=True)


@store_app.command("ls")
def list_stages(root: StoreOption = "store") -> None:
    """List the stages with the number and size of their artifacts and the time of the newest."""
    store = open_store(root)
    table = Table("stage", *right_aligned("artifacts", "rows", "size"), "newest", *right_aligned("damaged"))
    for stage in store.stages():
        all_manifests = store.manifests(stage).values()
        manifests = [manifest for manifest in all_manifests if manifest]
        damaged = len(all_manifests) - len(manifests)
        newest = max((datetime.fromisoformat(manifest.created_at) for manifest in manifests), default=None)
        table.add_row(
            stage,
            str(len(manifests)),
            f"{sum(manifest.rows for manifest in manifests):,}",
            decimal(sum(manifest.bytes for manifest in manifests)),
            f"{newest.astimezone():%Y-%m-%d %H:%M:%S}" if newest else "",
            str(damaged or ""),
        )
    console = Console()
    console.print(table)
    console.print(f"{len(store.runs())} runs in {root}")


@store_app.command()
def spending(
    root: StoreOption = "store",
    journal: Annotated[str | None, typer.Option(help="the journal of answers, if the run set service.journal")] = None,
) -> None:
    """Show what runs have spent on language models, by the runs' names."""
    from atom.config import ServiceConfig
    from atom.llm_client.journal import Journal
    from atom.llm_client.runtime import journal_path

    path = journal_path(ServiceConfig(journal=journal), open_store(root))
    accounts = Journal(path).list_accounts() if path.exists() else []
    if not accounts:
        Console().print(f"no answers of a language model in {path}", soft_wrap=True)
        return
    table = Table("name", *right_aligned("answers", "tokens", "US dollars"))
    for name, answers, spent in accounts:
        table.add_row(name, f"{answers:,}", f"{spent.tokens:,}", f"{spent.cost:.4f}")
    Console().print(table)


@store_app.command()
def verify(root: StoreOption = "store") -> None:
    """Verify every byte of all artifacts. Exit status 1 if one is damaged; the next run recomputes it."""
    store = open_store(root)
    artifacts = [(stage, key) for stage in store.stages() for key in store.folders(stage)]
    steps = track(artifacts, "verifying", console=Console(stderr=True))
    damage = {(stage, key): problems for stage, key in steps if (problems := store.find_problems(stage, key))}
    console = Console()
    if not damage:
        console.print(f"{len(artifacts)} artifacts in {root}, none is damaged")
        return
    table = Table("stage", "key", "damage")
    for (stage, key), problems in damage.items():
        table.add_row(stage, key[:12], "\n".join(problems))
    console.print(table)
    console.print(f"{len(damage)} of {len(artifacts)} artifacts are damaged; a run that needs them recomputes them")
    raise typer.Exit(1)


@store_app.command()
def stats(
    root: StoreOption = "store",
    as_json: JsonOption = False,
) -> None:
    """Show size and age of the stages, how many artifacts runs computed and reused, and what gc could free."""
    from storage import compute_statistics

    store = open_store(root)
    figures = compute_statistics(store)
    if as_json:
        print(json.dumps(asdict(figures) | {"bytes": figures.bytes}))
        return
    # Short headers, so that the table fits 80 columns.
    table = Table(
        Column("stage", overflow="fold"),
        *right_aligned("count", "rows", "size", "per\npart", "new", "reused", "set\naside", "damaged"),
        "age",
        box=None,
        padding=(0, 1, 0, 0),
    )
    for stage in figures.stages:
        table.add_row(
            stage.stage,
            str(stage.artifacts),
            f"{stage.rows:,}",
            _format_size(stage.bytes),
            _format_size(stage.part_bytes),
            str(stage.computed),
            str(stage.reused),
            f"{stage.quarantined:,}",
            str(stage.damaged or ""),
            _format_ages(stage.oldest, stage.newest),
        )
    console = Console()
    console.print(table)
    for name, size in figures.besides.items():
        console.print(f"{name}: {decimal(size)}", highlight=False)
    states = ", ".join(f"{count} {state}" for state, count in figures.runs.items()) or "none"
    console.print(f"{decimal(figures.bytes)} in all; runs: {states}", highlight=False)
    for reason, size in figures.freeable.items():
        console.print(f"`atom store gc --unreferenced` would free {decimal(size)}: {reason}", highlight=False)


@store_app.command("compact")
def compact_stages(
    stages: Annotated[list[str] | None, typer.Argument(help="stages; default: all")] = None,
    root: StoreOption = "store",
    all_artifacts: Annotated[bool, typer.Option("--all", help="also artifacts that no completed run uses")] = False,
) -> None:
    """Copy the rows of many small artifacts into few large Parquet parts, for DuckDB, pandas and datasets.

    duckdb -c "select artifact, count(*) from 'store/compact/motions/*.parquet' group by artifact"
    """
    from storage import StoreError, StoreUnreachable, compact
    from storage.references import read_all_manifests

    store = open_store(root)
    existing = store.stages()
    if unknown := sorted(set(stages or []) - set(existing)):
        raise StoreError(f"no stage {', '.join(unknown)} in {root}; it has {', '.join(existing) or 'none'}")
    manifests = read_all_manifests(store)
    table = Table("stage", *right_aligned("artifacts", "rows", "parts", "size"), "")
    steps = track(stages or existing, "compacting", console=Console(stderr=True))
    problems = []
    for stage in steps:
        try:
            done = compact(store, stage, all_artifacts, manifests)
        except StoreUnreachable:
            raise
        except StoreError as error:  # go on with the other stages
            problems.append(str(error))
            continue
        note = "up to date" if done.up_to_date else f"{len(done.damaged)} damaged, left out" if done.damaged else ""
        table.add_row(done.stage, str(done.artifacts), f"{done.rows:,}", str(done.parts), decimal(done.bytes), note)
    Console().print(table)
    if problems:
        raise StoreError("; ".join(problems))


@store_app.command()
def gc(
    root: StoreOption = "store",
    older_than: Annotated[float, typer.Option(min=0, help="hours; younger files stay")] = 1.0,
    keep_runs: Annotated[
        int | None, typer.Option(min=1, help="also delete all but this many of the newest runs")
    ] = None,
    keep: Annotated[
        list[str] | None, typer.Option(help="with --keep-runs: keep all runs of configs of this name; may be repeated")
    ] = None,
    unreferenced: Annotated[bool, typer.Option("--unreferenced", help="also artifacts that no run uses")] = False,
    compacted: Annotated[
        bool, typer.Option("--compacted", help="also the copies that `atom store compact` wrote")
    ] = False,
    abandoned_after: Annotated[
        float, typer.Option(min=0, help="hours without a change after which a running run counts as killed")
    ] = 24.0,
    yes: Annotated[bool, typer.Option("--yes", help="delete; without it gc only lists what it would delete")] = False,
) -> None:
    """Find leftovers of crashed writers and, on request, old runs and unused artifacts; delete them with --yes."""
    from storage import find_garbage, find_runs_in_progress, remove_garbage

    store = open_store(root)
    garbage = find_garbage(
        store, older_than * 3600, keep_runs, unreferenced, keep or (), compacted, abandoned_after * 3600
    )
    console = Console()
    if unreferenced and (in_progress := find_runs_in_progress(store, store.runs(), abandoned_after * 3600)):
        names = ", ".join(run["run_id"] for run in in_progress)
        console.print(f"in progress: {names}; artifacts that no run uses stay until it ends", soft_wrap=True)
    if not garbage:
        console.print(f"nothing to free in {root}")
        return
    table = Table("what", "why", *right_aligned("size"))
    for item in garbage:
        table.add_row(item.path, item.reason, decimal(item.bytes))
    console.print(table)
    size = decimal(sum(item.bytes for item in garbage))
    if yes:
        remove_garbage(store, garbage)
        console.print(f"freed {size}")
    else:
        console.print(f"would free {size}; add --yes to delete")


def _format_size(size: int) -> str:
    return decimal(size, separator="").replace("bytes", "B")


def _format_ages(oldest: str | None, newest: str | None) -> str:
    """The ages of the oldest and the newest artifact, such as "3d–5m"."""
    moments = [datetime.fromisoformat(each) for each in (oldest, newest) if each]
    return "–".join(dict.fromkeys(_format_age(moment) for moment in moments))


def _format_age(moment: datetime) -> str:
    minutes = (datetime.now(UTC) - moment).total_seconds() / 60
    return f"{minutes:.0f}m" if minutes < 60 else f"{minutes / 60:.0f}h" if minutes < 1440 else f"{minutes / 1440:.0f}d"
