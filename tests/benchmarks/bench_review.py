"""How long the review page's server takes for the next item and for a vote, with 5,000 pairs and 10,000 votes.

Run `python tests/benchmarks/bench_review.py`. Motions of 120 frames lie in shards of 160, as a run with 40 prompts a
shard and 4 samples writes them. Each request goes through the whole server but the socket, and brings the 3D view.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from atom.report.run_tables import RunTables
from atom.review.assignment import Assignment
from atom.review.book import VoteBook
from atom.review.items import Item, items_of
from atom.review.serving import make_app
from atom.review.votes import Vote
from storage import Store

sys.path.append(str(Path(__file__).parents[1] / "review"))
from review_run import make_run

TEXTS, SAMPLES, FRAMES = 1250, 4, 120
VOTES, VOTERS, ASKED = 10_000, 10, 200
LIMIT = 0.1  # seconds


def cast_votes(book: VoteBook, items: Sequence[Item]) -> None:
    """Ten people vote on random items; in one transaction, as this is no measure of the disk."""
    chooser = random.Random(0)
    with book.transaction():
        for number in range(VOTERS):
            for item in chooser.sample(items, VOTES // VOTERS):
                book.show(f"voter {number}", item.item_id, swapped=False)
                book.cast(Vote(f"voter {number}", item.item_id, item.prompt_id, item.task, item.motion_ids, item.arms,
                               choice=chooser.choice(["first", "second", "tie"])))  # fmt: skip


def timed(what: str, ask: Callable[[], Any]) -> bool:
    times = []
    for _ in range(ASKED):
        began = time.perf_counter()
        ask()
        times.append(time.perf_counter() - began)
    print(f"{what}: median {1000 * statistics.median(times):.1f} ms, worst {1000 * max(times):.1f} ms of {ASKED}")
    return max(times) < LIMIT


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"{folder}/store")
        tables = RunTables(store, make_run(store, [f"text {number}" for number in range(TEXTS)], SAMPLES, FRAMES))
        began = time.perf_counter()
        items = items_of(tables)
        tables.joints(items[0].motion_ids[0])
        book = VoteBook(f"{folder}/votes.sqlite")
        print(f"{len(items):,} pairs found in {time.perf_counter() - began:.1f} s")
        cast_votes(book, items)
        began = time.perf_counter()
        assignment = Assignment(book, items, people_per_item=3)
        print(f"{VOTES:,} votes read in {time.perf_counter() - began:.1f} s")

        client = TestClient(make_app(assignment, tables.joints, "token"), base_url="http://127.0.0.1:1")
        client.get("/?token=token")
        client.headers["Origin"] = "http://127.0.0.1:1"
        voters = (f"voter {number % (2 * VOTERS)}" for number in range(10**6))  # half of them are new
        shown: dict[str, Any] = {}

        def ask(path: str, voter: str, **what: Any) -> None:
            answer = client.post(path, json={"voter": voter, **what})
            assert answer.status_code == 200, answer.text
            shown.update(answer.json(), voter=voter)

        began = time.perf_counter()
        ask("/next", "somebody")
        print(f"first item after the start: {1000 * (time.perf_counter() - began):.0f} ms")
        sound = timed("the next item", lambda: ask("/next", next(voters)))
        sound &= timed(
            "a vote, and the item after it",
            lambda: ask("/cast", shown["voter"], item=shown["item"]["id"], pressed="left"),
        )
        sound &= timed("taking a vote back", lambda: ask("/undo", shown["voter"]))
    if not sound:
        sys.exit(f"some answer took {1000 * LIMIT:.0f} ms or more")


if __name__ == "__main__":
    main()
