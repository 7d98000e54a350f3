"""`atom review`: people judge the motions of a run in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atom.commands.default_command import default_command_group
from atom.commands.review_results import export, results
from atom.review.review_items import ItemKind

review_app = typer.Typer(
    cls=default_command_group("serve"),
    no_args_is_help=True,
    help="Let people judge the motions of a run (`atom review RUN`).",
)
Run = Annotated[str, typer.Argument(metavar="RUN", help="a run, or 'latest'")]
Root = Annotated[str, typer.Option("--store", help="folder or fsspec address of the artifacts")]
Votes = Annotated[Path | None, typer.Option(help="the file of votes; by default votes.sqlite in the run's folder")]


@review_app.command()
def serve(
    run: Run = "latest",
    root: Root = "store",
    what: Annotated[
        ItemKind, typer.Option(help="pairs of base and tuned, training: chosen and rejected, or clips to be scored")
    ] = "pairs",
    task: Annotated[list[str] | None, typer.Option(help="only this task; may be given several times")] = None,
    most: Annotated[int | None, typer.Option(min=1, help="items of one task")] = None,
    people_per_item: Annotated[int, typer.Option(min=1, help="how many people judge an item")] = 1,
    shared: Annotated[float, typer.Option(min=0, max=1, help="share of the items that everybody gets")] = 0.2,
    seed: Annotated[int, typer.Option(help="draws items, their order and sides")] = 0,
    votes: Votes = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one")] = 4290,
) -> None:
    """Open a page on this machine on which people judge motions without knowing who made them.

    Votes are stored as they are cast; started again, it goes on where everybody was.
    """
    from atom.report.run_tables import RunTables
    from atom.review.assignment import Assignment
    from atom.review.review_items import collect_review_items
    from atom.review.review_server import serve as run_server
    from atom.review.vote_files import locate_votes_file
    from atom.review.vote_store import VoteStore
    from storage import Store

    store = Store(root)
    record = store.run(run)
    tables = RunTables(store, record)
    items = collect_review_items(tables, what, task or (), most, seed)
    book = VoteStore(locate_votes_file(store, record["run_id"], votes))
    tables.joints(items[0].motion_ids[0])  # so that nobody waits until it is known where all motions lie
    print(f"run {record['run_id']}: {len(items):,} {what} to judge; votes are in {book.path}", flush=True)
    run_server(Assignment(book, items, people_per_item, shared, seed), tables.joints, port)


review_app.command()(results)
review_app.command()(export)


if __name__ == "__main__":
    review_app()
