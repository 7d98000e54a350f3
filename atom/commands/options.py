"""Options and arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atom.commands.completion import complete_run

if TYPE_CHECKING:
    from storage import Store

RunArgument = Annotated[str, typer.Argument(help="a run's id, or 'latest'", autocompletion=complete_run)]
StoreOption = Annotated[str, typer.Option("--store", help="folder or fsspec address of the artifact store")]
VotesFileOption = Annotated[
    Path | None, typer.Option("--votes", help="the file of votes; default: votes.sqlite in the run's folder")
]
JsonOption = Annotated[bool, typer.Option("--json", help="print one JSON object")]


def open_store(root: str) -> Store:
    """Open the store of `--store`; raises StoreError if it does not exist."""
    from storage import Store, StoreError

    store = Store(root)
    if not store.exists():
        raise StoreError(f"no store at {root!r}; `atom run` makes one, --store ROOT names another")
    return store
