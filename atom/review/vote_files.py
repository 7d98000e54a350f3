"""The file of a run's votes: where it is, and how it is read and tabulated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa

from atom.errors import AtomError
from atom.review.votes import Vote
from storage import Store

VOTES_FILE = "votes.sqlite"


def locate_votes_file(store: Store, run_id: str, path: Path | None = None) -> Path:
    """The file that holds the votes on a run.

    Args:
        store: the store that holds the run.
        run_id: the run.
        path: the file, where the user names one; by default it is in the run's folder.

    Raises:
        AtomError: no file is named and the store is not on this machine.
    """
    if path is not None:
        return path
    if not store.files.local:
        raise AtomError(f"{store.root} is not a folder on this machine: name a file for the votes with --votes FILE")
    return Path(store.run_folder(run_id)) / VOTES_FILE


def read_votes(path: Path) -> list[Vote]:
    """The votes in a file, in the order in which they were cast. AtomError where the file does not exist."""
    if not path.is_file():
        raise AtomError(f"nobody has voted yet: {path} does not exist; `atom review RUN` opens the page to vote on")
    from atom.review.vote_store import VoteStore

    return VoteStore(path).votes()


def build_votes_table(votes: Sequence[Vote]) -> pa.Table:
    """One row per vote, in the given order. The columns are the fields of `Vote`: `choice` is null for clips, `score`
    for pairs and skipped clips, `seen` for pairs."""
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
