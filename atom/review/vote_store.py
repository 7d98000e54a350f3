"""The file of votes: an append-only SQLite log, so that no vote is ever lost."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from atom.errors import AtomError
from atom.review.votes import Vote

_SCHEMA_VERSION = 1
_LOCK_TIMEOUT = 60  # seconds to wait for another process that writes
# Old files hold this schema, so its names are fixed: an event of the log is a row of `acts`.
_SCHEMA = f"""
CREATE TABLE acts (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    act TEXT NOT NULL CHECK (act IN ('shown', 'cast', 'undone')),
    voter TEXT NOT NULL,
    item_id TEXT NOT NULL,
    at REAL NOT NULL,  -- seconds since 1970
    detail TEXT NOT NULL  -- JSON: the vote, or how the item was shown
);
CREATE INDEX read_votes ON acts (voter, item_id, number) WHERE act <> 'shown';
CREATE INDEX casts_of ON acts (voter, number) WHERE act = 'cast';
CREATE TRIGGER nothing_changes BEFORE UPDATE ON acts BEGIN SELECT raise(ABORT, 'acts are only added'); END;
CREATE TRIGGER nothing_goes BEFORE DELETE ON acts BEGIN SELECT raise(ABORT, 'acts are only added'); END;
CREATE VIEW votes AS SELECT
    number,
    coalesce((
        SELECT CASE later.act WHEN 'cast' THEN 'replaced' ELSE 'undone' END FROM acts AS later
        WHERE later.voter = acts.voter AND later.item_id = acts.item_id AND later.act <> 'shown'
            AND later.number > acts.number ORDER BY later.number LIMIT 1
    ), 'stands') AS state,
    voter, item_id, json_extract(detail, '$.task') AS task, json_extract(detail, '$.prompt_id') AS prompt_id,
    json_extract(detail, '$.motion_ids') AS motion_ids, json_extract(detail, '$.arms') AS arms,
    json_extract(detail, '$.choice') AS choice, json_extract(detail, '$.score') AS score,
    json_extract(detail, '$.seen') AS seen, json_extract(detail, '$.swapped') AS swapped,
    json_extract(detail, '$.note') AS note, json_extract(detail, '$.seconds') AS seconds,
    json_extract(detail, '$.cast_at') AS cast_at, detail
FROM acts WHERE act = 'cast';
PRAGMA user_version = {_SCHEMA_VERSION};
"""


@dataclass(frozen=True)
class VoteEvent:
    """One row of the log."""

    number: int  # rises with every event of the file
    kind: Literal["shown", "cast", "undone"]
    voter: str
    item_id: str
    at: float  # seconds since 1970
    vote: Vote | None  # of "cast" only
    swapped: bool  # of "shown": the second motion is on the left


class VoteStore:
    """The log of votes in one SQLite file. Threads and processes may share the file.

    Each method commits to disk before it returns. A later vote of the same voter on the same item replaces the earlier
    one, and an undone vote no longer counts. Both stay in the file: the view `votes` gives each vote the `state`
    stands, replaced or undone, so `sqlite3 votes.sqlite "select * from votes where state = 'stands'"` lists the votes
    that count.

    Args:
        path: the file, created where it does not exist.

    Raises:
        AtomError: the file can't be opened, or is not a file of votes.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = threading.RLock()
        try:
            self._connection = sqlite3.connect(
                self.path, timeout=_LOCK_TIMEOUT, isolation_level=None, check_same_thread=False
            )
            self._execute_when_unlocked("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")  # a vote survives a power cut
            with self.transaction():
                version = self._schema_version()
                if version == 0 and not self._connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                    for statement in _split_statements(_SCHEMA):
                        self._connection.execute(statement)
        except (OSError, sqlite3.Error, AtomError) as error:
            raise AtomError(f"can't use {path} as the file of votes: {error}; name another file with --votes") from None
        if self._schema_version() != _SCHEMA_VERSION:
            raise AtomError(f"{path} is not a file of votes of this version of atom; name another file with --votes")

    def cast(self, vote: Vote) -> None:
        """Stores a vote. A vote without `cast_at` gets the current time."""
        vote = vote if vote.cast_at else replace(vote, cast_at=datetime.now(UTC).isoformat(timespec="milliseconds"))
        self._append("cast", vote.voter, vote.item_id, asdict(vote))

    def undo(self, voter: str, item_id: str | None = None) -> Vote | None:
        """Undoes a vote that stands. The item is open again, even if the vote had replaced an earlier one.

        Args:
            voter: who cast the vote.
            item_id: the item of the vote; without it, the voter's latest vote is undone.

        Returns:
            The vote that was undone, None if no vote stands.
        """
        with self.transaction() as execute:
            row = execute(
                "SELECT detail FROM votes WHERE voter = ? AND (? IS NULL OR item_id = ?) AND state = 'stands' "
                "ORDER BY number DESC LIMIT 1",
                (voter, item_id, item_id),
            ).fetchone()
            if row is None:
                return None
            vote = _parse_vote(json.loads(row[0]))
            self._append("undone", voter, vote.item_id, {})
        return vote

    def votes(self) -> list[Vote]:
        """The votes that stand, in the order in which they were cast."""
        with self._lock:
            rows = self._connection.execute("SELECT detail FROM votes WHERE state = 'stands' ORDER BY number")
            return [_parse_vote(json.loads(detail)) for (detail,) in rows]

    def record_shown(self, voter: str, item_id: str, swapped: bool, at: float | None = None) -> None:
        """Records that the review page shows an item to a voter.

        Args:
            voter: who sees the item.
            item_id: the item.
            swapped: whether its second motion is on the left.
            at: seconds since 1970; by default now.
        """
        self._append("shown", voter, item_id, {"swapped": swapped}, at)

    def events(self, after: int = 0) -> Iterator[VoteEvent]:
        """All events with a number above `after`, in order."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT number, act, voter, item_id, at, detail FROM acts WHERE number > ? ORDER BY number", (after,)
            ).fetchall()
        for number, kind, voter, item_id, at, detail in rows:
            fields = json.loads(detail)
            vote = _parse_vote(fields) if kind == "cast" else None
            yield VoteEvent(number, kind, voter, item_id, at, vote, fields.get("swapped", False))

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        """A write transaction: no other process writes while the block runs, and a block that fails writes nothing."""
        with self._lock:
            if self._connection.in_transaction:
                yield self._connection.execute
                return
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection.execute
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                raise AtomError(f"can't write to the file of votes {self.path}: {error}") from error
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _append(self, kind: str, voter: str, item_id: str, detail: dict[str, Any], at: float | None = None) -> None:
        with self.transaction() as execute:
            execute(
                "INSERT INTO acts (act, voter, item_id, at, detail) VALUES (?, ?, ?, ?, ?)",
                (kind, voter, item_id, time.time() if at is None else at, json.dumps(detail, ensure_ascii=False)),
            )

    def _schema_version(self) -> int:
        with self._lock:
            return self._connection.execute("PRAGMA user_version").fetchone()[0]

    def _execute_when_unlocked(self, statement: str) -> None:
        """Retries while the file is locked: SQLite's own timeout does not cover two processes that switch a new file to
        WAL at the same time."""
        deadline = time.monotonic() + _LOCK_TIMEOUT
        while True:
            try:
                self._connection.execute(statement)
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)


def _split_statements(script: str) -> Iterator[str]:
    """The statements one by one, because `executescript` would commit the transaction that it runs in."""
    statement = ""
    for line in script.strip().splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _parse_vote(fields: dict[str, Any]) -> Vote:
    tuples = {name: tuple(value) for name, value in fields.items() if isinstance(value, list)}
    return Vote(**{**fields, **tuples})
