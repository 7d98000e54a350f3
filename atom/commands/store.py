"""`atom store`: what the artifact store holds, whether it is whole, and what can go."""

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

from storage import (
    Store,
    StoreError,
    StoreUnreachable,
    compact,
    compute_statistics,
    find_garbage,
    find_runs_in_progress,
    remove_garbage,
)
from storage.references import read_all_manifests

store_app = typer.Typer(help="Look into the artifact store, check it, clean it up.", no_args_is_help=True)
Root = Annotated[str, typer.Option("--store", help="a folder, or an address such as s3://bucket/folder")]


@store_app.command("ls")
def list_stages(root: Root = "store") -> None:
    """Show for each stage how much there is and when the newest was made."""
    store = _existing(root)
    table = Table("stage", *_right("artifacts", "rows", "size"), "newest", *_right("damaged"))
    for stage in store.stages():
        found = store.manifests(stage).values()
        manifests = [manifest for manifest in found if manifest]
        damaged = len(found) - len(manifests)
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
    root: Root = "store",
    journal: Annotated[str | None, typer.Option(help="the file of answers, if service.journal named one")] = None,
) -> None:
    """Show what runs have paid language models, by the runs' names."""
    from atom.config import ServiceConfig
    from atom.llm_client.journal import Journal
    from atom.llm_client.runtime import journal_path

    path = journal_path(ServiceConfig(journal=journal), _existing(root))
    accounts = Journal(path).list_accounts() if path.exists() else []
    if not accounts:
        Console().print(f"no answer of a language model in {path}", soft_wrap=True)
        return
    table = Table("name", *_right("answers", "tokens", "US dollars"))
    for name, answers, spent in accounts:
        table.add_row(name, f"{answers:,}", f"{spent.tokens:,}", f"{spent.cost:.4f}")
    Console().print(table)


@store_app.command()
def verify(root: Root = "store") -> None:
    """Read every byte again. Exit status 1 when an artifact is damaged; the next run makes such ones again."""
    store = _existing(root)
    artifacts = [(stage, key) for stage in store.stages() for key in store.folders(stage)]
    steps = track(artifacts, "verifying", console=Console(stderr=True))
    damage = {(stage, key): problems for stage, key in steps if (problems := store.find_problems(stage, key))}
    console = Console()
    if not damage:
        console.print(f"{len(artifacts)} artifacts in {root}, all whole")
        return
    table = Table("stage", "key", "damage")
    for (stage, key), problems in damage.items():
        table.add_row(stage, key[:12], "\n".join(problems))
    console.print(table)
    console.print(f"{len(damage)} of {len(artifacts)} artifacts are damaged; a run that needs them makes them again")
    raise typer.Exit(1)


@store_app.command()
def stats(
    root: Root = "store",
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Show what takes the room, how old it is, what runs made or found, and what gc could free."""
    store = _existing(root)
    figures = compute_statistics(store)
    if as_json:
        print(json.dumps(asdict(figures) | {"bytes": figures.bytes}))
        return
    table = Table(
        Column("stage", overflow="fold"),
        *_right("count", "rows", "size", "a part", "made", "found", "aside", "damaged"),
        "age",
        box=None,
        padding=(0, 1, 0, 0),
    )
    for stage in figures.stages:
        table.add_row(
            stage.stage,
            str(stage.artifacts),
            f"{stage.rows:,}",
            _size(stage.bytes),
            _size(stage.part_bytes),
            str(stage.computed),
            str(stage.reused),
            f"{stage.quarantined:,}",
            str(stage.damaged or ""),
            _ages(stage.oldest, stage.newest),
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
    stages: Annotated[list[str] | None, typer.Argument(help="stages; all when none is named")] = None,
    root: Root = "store",
    all_artifacts: Annotated[bool, typer.Option("--all", help="also artifacts that no completed run needs")] = False,
) -> None:
    """Copy the rows of many small artifacts into few large Parquet parts, for DuckDB, pandas and datasets.

    duckdb -c "select artifact, count(*) from 'store/compact/motions/*.parquet' group by artifact"
    """
    store = _existing(root)
    known = store.stages()
    if unknown := sorted(set(stages or []) - set(known)):
        raise StoreError(f"no stage {', '.join(unknown)} in {root}; it has {', '.join(known) or 'none'}")
    manifests = read_all_manifests(store)
    table = Table("stage", *_right("artifacts", "rows", "parts", "size"), "")
    steps = track(stages or known, "compacting", console=Console(stderr=True))
    problems = []
    for stage in steps:
        try:
            done = compact(store, stage, all_artifacts, manifests)
        except StoreUnreachable:
            raise
        except StoreError as error:  # the other stages can still be done
            problems.append(str(error))
            continue
        note = "up to date" if done.up_to_date else f"{len(done.damaged)} damaged left out" if done.damaged else ""
        table.add_row(done.stage, str(done.artifacts), f"{done.rows:,}", str(done.parts), decimal(done.bytes), note)
    Console().print(table)
    if problems:
        raise StoreError("; ".join(problems))


@store_app.command()
def gc(
    root: Root = "store",
    older_than: Annotated[float, typer.Option(min=0, help="hours; younger things stay")] = 1.0,
    keep_runs: Annotated[int | None, typer.Option(min=1, help="also all runs but the newest so many")] = None,
    keep: Annotated[list[str] | None, typer.Option(help="and but all runs of a config of this name")] = None,
    unreferenced: Annotated[bool, typer.Option("--unreferenced", help="also artifacts that no run used")] = False,
    compacted: Annotated[bool, typer.Option("--compacted", help="also what `compact` wrote")] = False,
    abandoned_after: Annotated[
        float, typer.Option(min=0, help="hours of silence until a run that calls itself running counts as killed")
    ] = 24.0,
    yes: Annotated[bool, typer.Option("--yes", help="delete; without it only say what would go")] = False,
) -> None:
    """Find what crashed writers left, and old runs or unused artifacts if asked; delete it with --yes."""
    store = _existing(root)
    garbage = find_garbage(
        store, older_than * 3600, keep_runs, unreferenced, keep or (), compacted, abandoned_after * 3600
    )
    console = Console()
    if unreferenced and (working := find_runs_in_progress(store, store.runs(), abandoned_after * 3600)):
        names = ", ".join(run["run_id"] for run in working)
        console.print(f"in progress: {names}; until it ends, artifacts that no run used stay", soft_wrap=True)
    if not garbage:
        console.print(f"nothing to free in {root}")
        return
    table = Table("what", "why", *_right("size"))
    for item in garbage:
        table.add_row(item.path, item.reason, decimal(item.bytes))
    console.print(table)
    size = decimal(sum(item.bytes for item in garbage))
    if yes:
        remove_garbage(store, garbage)
        console.print(f"freed {size}")
    else:
        console.print(f"would free {size}; add --yes to delete")


def _existing(root: str) -> Store:
    store = Store(root)
    if not store.exists():
        raise StoreError(f"no store at {root!r}; `atom run` makes one, --store ROOT names another")
    return store


def _right(*names: str) -> list[Column]:
    return [Column(name, justify="right") for name in names]


def _size(size: int) -> str:
    return decimal(size, separator="").replace("bytes", "B")


def _ages(oldest: str | None, newest: str | None) -> str:
    """How long ago, from the oldest to the newest."""
    moments = [datetime.fromisoformat(each) for each in (oldest, newest) if each]
    return "–".join(dict.fromkeys(_ago(moment) for moment in moments))


def _ago(moment: datetime) -> str:
    minutes = (datetime.now(UTC) - moment).total_seconds() / 60
    return f"{minutes:.0f}m" if minutes < 60 else f"{minutes / 60:.0f}h" if minutes < 1440 else f"{minutes / 1440:.0f}d"
