"""The votes of a run, as plain rows too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa

from atom.errors import AtomError
from atom.review.votes import Vote
from storage import Store

BOOK = "votes.sqlite"


def locate_votes_file(store: Store, run_id: str, named: Path | None = None) -> Path:
    """Where the votes on a run lie: the file that was named, or the one in the run's folder. AtomError where the store
    is of another machine and no file was named."""
    if named is not None:
        return named
    if not store.files.local:
        raise AtomError(f"{store.root} is no folder of this machine: name a file for the votes with --votes FILE")
    return Path(store.run_folder(run_id)) / BOOK


def read_votes(path: Path) -> list[Vote]:
    """The votes of a book in the order they were cast. AtomError where there is none."""
    if not path.is_file():
        raise AtomError(f"nobody has voted yet, there is no {path}: `atom review RUN` asks people")
    from atom.review.vote_store import VoteStore

    return VoteStore(path).votes()


def build_votes_table(votes: Sequence[Vote]) -> pa.Table:
    """A row a vote, in their order: voter, item_id, prompt_id, task, motion_ids (one or two), arms (as many), choice
    (first, second, tie, skip; null of clips), score (1 to 5; null of pairs and skipped clips), seen (a flag an asked
    event; null of pairs), swapped (the second motion was shown on the left), note, seconds (from the showing to the
    vote), cast_at (UTC)."""
    fields = {
        "voter": pa.string(),
        "item_id": pa.string(),
        "prompt_id": pa.string(),
        "task": pa.string(),
        "motion_ids": pa.list_(pa.string()),
        "arms": pa.list_(pa.string()),
        "choice": pa.string(),
        "score": pa.int8(),
        "seen": pa.list_(pa.bool_()),
        "swapped": pa.bool_(),
        "note": pa.string(),
        "seconds": pa.float64(),
        "cast_at": pa.string(),
    }
    return pa.Table.from_pylist([asdict(vote) for vote in votes], pa.schema(fields))
