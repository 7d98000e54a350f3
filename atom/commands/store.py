"""`atom store`: what the artifact store holds, whether it is whole, and what can go."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.progress import track
from rich.table import Column, Table

from storage import Store, StoreError, find_garbage, remove_garbage

store_app = typer.Typer(help="Look into the artifact store, check it, clean it up.", no_args_is_help=True)
Root = Annotated[str, typer.Option("--store", help="a folder, or an address such as s3://bucket/folder")]


@store_app.command("ls")
def list_stages(root: Root = "store") -> None:
    """Show for each stage how much there is and when the newest was made."""
    store = _existing(root)
    table = Table("stage", *_right("artifacts", "rows", "size"), "newest", *_right("damaged"))
    for stage in store.stages():
        manifests, damaged = [], 0
        for key in store.keys(stage):
            try:
                manifests.append(store.manifest(stage, key))
            except StoreError:
                damaged += 1
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
    from atom.chat.journal import Journal
    from atom.chat.running import journal_of
    from atom.config import ServiceConfig

    path = journal_of(ServiceConfig(journal=journal), _existing(root))
    accounts = Journal(path).accounts() if path.exists() else []
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
    damage = {(stage, key): problems for stage, key in steps if (problems := store.problems(stage, key))}
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
def gc(
    root: Root = "store",
    older_than: Annotated[float, typer.Option(min=0, help="hours; younger things stay")] = 1.0,
    keep_runs: Annotated[int | None, typer.Option(min=1, help="also all runs but the newest so many")] = None,
    unreferenced: Annotated[bool, typer.Option("--unreferenced", help="also artifacts that no run used")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="delete; without it only say what would go")] = False,
) -> None:
    """Find what crashed writers left, and old runs or unused artifacts if asked; delete it with --yes."""
    store = _existing(root)
    garbage = find_garbage(store, older_than * 3600, keep_runs, unreferenced)
    console = Console()
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
