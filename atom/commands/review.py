"""`atom review`: a page on which people judge the motions of a run."""

from __future__ import annotations

from typing import Annotated

import typer

from atom.commands.default_command import default_command_group
from atom.commands.options import RunArgument, StoreOption, VotesFileOption
from atom.commands.review_results import export, results
from atom.review.review_items import ItemKind

review_app = typer.Typer(
    cls=default_command_group("serve"),
    no_args_is_help=True,
    help="Let people judge the motions of a run (`atom review RUN`).",
)


@review_app.command()
def serve(
    run: RunArgument = "latest",
    root: StoreOption = "store",
    what: Annotated[
        ItemKind,
        typer.Option(help="pairs: base and tuned; training: chosen and rejected; clips: single motions to score"),
    ] = "pairs",
    task: Annotated[list[str] | None, typer.Option(help="only items of this task; may be repeated")] = None,
    most: Annotated[int | None, typer.Option(min=1, help="maximum number of items per task")] = None,
    people_per_item: Annotated[int, typer.Option(min=1, help="number of people who judge each item")] = 1,
    shared: Annotated[float, typer.Option(min=0, max=1, help="fraction of the items that everybody judges")] = 0.2,
    seed: Annotated[int, typer.Option(help="seed for the choice of items, their order and their sides")] = 0,
    votes_file: VotesFileOption = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="port of the page; 0 takes a free one")] = 4290,
) -> None:
    """Serve a page on this machine on which people judge motions without knowing which model made them.

    Each vote is stored at once. After a restart everybody continues where they stopped.
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
    vote_store = VoteStore(locate_votes_file(store, record["run_id"], votes_file))
    tables.joints(items[0].motion_ids[0])  # builds the index of motions now, so that the first page need not wait
    print(f"run {record['run_id']}: {len(items):,} {what} to judge; votes are in {vote_store.path}", flush=True)
    run_server(Assignment(vote_store, items, people_per_item, shared, seed), tables.joints, port)


review_app.command()(results)
review_app.command()(export)


if __name__ == "__main__":
    review_app()
