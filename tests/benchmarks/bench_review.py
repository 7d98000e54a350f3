"""How long the review page's server takes for the next item and for a vote, with 5,000 pairs and 10,000 votes.

Run `python tests/benchmarks/bench_review.py`. Motions of 120 frames lie in shards of 160, as a run with 40 prompts a
shard and 4 samples writes them. Each request goes through the whole server but the socket, and brings the 3D view.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient
from measuring import Figure, main

from atom.report.run_tables import RunTables
from atom.review.assignment import Assignment
from atom.review.review_items import ReviewItem, collect_review_items
from atom.review.review_server import make_app
from atom.review.vote_store import VoteStore
from atom.review.votes import Vote
from storage import Store

sys.path.append(str(Path(__file__).parents[1] / "review"))
from review_run import make_run

TEXTS, SAMPLES, FRAMES = 1250, 4, 120
VOTES, VOTERS, ASKED = 10_000, 10, 200
WANTED = 10  # answers a second, of the slowest


def cast_votes(book: VoteStore, items: Sequence[ReviewItem]) -> None:
    """Ten people vote on random items; in one transaction, as this is no measure of the disk."""
    chooser = random.Random(0)
    with book.transaction():
        for number in range(VOTERS):
            for item in chooser.sample(items, VOTES // VOTERS):
                book.record_shown(f"voter {number}", item.item_id, swapped=False)
                book.cast(
                    Vote(
                        f"voter {number}",
                        item.item_id,
                        item.prompt_id,
                        item.task,
                        item.motion_ids,
                        item.arms,
                        choice=chooser.choice(["first", "second", "tie"]),
                    )
                )


def slowest(what: str, ask: Callable[[], Any]) -> Figure:
    times = []
    for _ in range(ASKED):
        began = time.perf_counter()
        ask()
        times.append(time.perf_counter() - began)
    return Figure(
        f"review page, 5,000 pairs and 10,000 votes: {what}, slowest of {ASKED}",
        "answers/s",
        1 / max(times),
        wanted=WANTED,
    )


def measure(_device: str) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"{folder}/store")
        tables = RunTables(store, make_run(store, [f"text {number}" for number in range(TEXTS)], SAMPLES, FRAMES))
        items = collect_review_items(tables)
        book = VoteStore(f"{folder}/votes.sqlite")
        cast_votes(book, items)
        assignment = Assignment(book, items, people_per_item=3)
        client = TestClient(make_app(assignment, tables.joints, "token"), base_url="http://127.0.0.1:1")
        client.get("/?token=token")
        client.headers["Origin"] = "http://127.0.0.1:1"
        voters = (f"voter {number % (2 * VOTERS)}" for number in range(10**6))  # half of them are new
        shown: dict[str, Any] = {}

        def ask(path: str, voter: str, **what: Any) -> None:
            answer = client.post(path, json={"voter": voter, **what})
            assert answer.status_code == 200, answer.text
            shown.update(answer.json(), voter=voter)

        ask("/next", "somebody")
        yield slowest("the next item", lambda: ask("/next", next(voters)))
        yield slowest(
            "a vote and the next item", lambda: ask("/cast", shown["voter"], item=shown["item"]["id"], pressed="left")
        )
        yield slowest("taking a vote back", lambda: ask("/undo", shown["voter"]))


if __name__ == "__main__":
    main(measure, __doc__)
