"""Where votes are kept: one SQLite file to which is only ever added, so that nothing anybody said is lost."""

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

_VERSION = 1
_WAIT = 60  # seconds for another process that writes
_SCHEMA = f"""
CREATE TABLE acts (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    act TEXT NOT NULL CHECK (act IN ('shown', 'cast', 'undone')),
    voter TEXT NOT NULL,
    item_id TEXT NOT NULL,
    at REAL NOT NULL,  -- seconds since 1970
    detail TEXT NOT NULL  -- JSON: the vote, or how the item was shown
);
CREATE INDEX votes_of ON acts (voter, item_id, number) WHERE act <> 'shown';
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
PRAGMA user_version = {_VERSION};
"""


@dataclass(frozen=True)
class Act:
    """A row of the file. `vote` is that of a cast; `swapped` says how an item was shown."""

    number: int
    act: Literal["shown", "cast", "undone"]
    voter: str
    item_id: str
    at: float
    vote: Vote | None
    swapped: bool


class VoteBook:
    """The votes in one file, made if need be. Safe for threads and processes; AtomError when it can't be used.

    What a method wrote is on the disk when it returns. A voter's later vote on an item replaces the earlier one, and an
    undone vote counts no more; both stay in the file, where the view `votes` tells their `state`: stands, replaced or
    undone. So `sqlite3 votes.sqlite "select * from votes where state = 'stands'"` shows those that count.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = threading.RLock()
        try:
            self._connection = sqlite3.connect(self.path, timeout=_WAIT, isolation_level=None, check_same_thread=False)
            self._in_turn("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")  # a vote outlives a power cut too
            with self.transaction():
                version = self._version()
                if version == 0 and not self._connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                    for statement in _statements(_SCHEMA):
                        self._connection.execute(statement)
        except (OSError, sqlite3.Error, AtomError) as error:
            raise AtomError(f"can't use {path} as the file of votes: {error}; name another with --votes") from None
        if self._version() != _VERSION:
            raise AtomError(f"{path} is no file of votes of this version of atom; name another with --votes")

    def cast(self, vote: Vote) -> None:
        """Keeps a vote; one without `cast_at` gets the time of now."""
        vote = vote if vote.cast_at else replace(vote, cast_at=datetime.now(UTC).isoformat(timespec="milliseconds"))
        self._add("cast", vote.voter, vote.item_id, asdict(vote))

    def undo(self, voter: str, item_id: str | None = None) -> Vote | None:
        """Takes back the voter's latest standing vote, or the one on that item, and gives it; None if there is none.

        The item is open again, also where the vote had replaced an earlier one.
        """
        with self.transaction() as run:
            row = run(
                "SELECT detail FROM votes WHERE voter = ? AND (? IS NULL OR item_id = ?) AND state = 'stands' "
                "ORDER BY number DESC LIMIT 1",
                (voter, item_id, item_id),
            ).fetchone()
            if row is None:
                return None
            vote = _vote(json.loads(row[0]))
            self._add("undone", voter, vote.item_id, {})
        return vote

    def votes(self) -> list[Vote]:
        """Those that stand, in the order in which they were cast."""
        with self._lock:
            rows = self._connection.execute("SELECT detail FROM votes WHERE state = 'stands' ORDER BY number")
            return [_vote(json.loads(detail)) for (detail,) in rows]

    def show(self, voter: str, item_id: str, swapped: bool, at: float | None = None) -> None:
        """Notes that a voter has an item before them."""
        self._add("shown", voter, item_id, {"swapped": swapped}, at)

    def acts(self, after: int = 0) -> Iterator[Act]:
        """What was done, in order, from the act after number `after` on."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT number, act, voter, item_id, at, detail FROM acts WHERE number > ? ORDER BY number", (after,)
            ).fetchall()
        for number, act, voter, item_id, at, detail in rows:
            told = json.loads(detail)
            vote = _vote(told) if act == "cast" else None
            yield Act(number, act, voter, item_id, at, vote, told.get("swapped", False))

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        """Nobody else writes while the block runs, and all that it writes is kept, or nothing if it fails."""
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

    def _add(self, act: str, voter: str, item_id: str, detail: dict[str, Any], at: float | None = None) -> None:
        with self.transaction() as run:
            run(
                "INSERT INTO acts (act, voter, item_id, at, detail) VALUES (?, ?, ?, ?, ?)",
                (act, voter, item_id, time.time() if at is None else at, json.dumps(detail, ensure_ascii=False)),
            )

    def _version(self) -> int:
        with self._lock:
            return self._connection.execute("PRAGMA user_version").fetchone()[0]

    def _in_turn(self, statement: str) -> None:
        """SQLite does not wait by itself where two processes turn a new file to WAL at once."""
        deadline = time.monotonic() + _WAIT
        while True:
            try:
                self._connection.execute(statement)
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)


def _statements(script: str) -> Iterator[str]:
    """One after the other: `executescript` would end the transaction that it runs in."""
    statement = ""
    for line in script.strip().splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _vote(told: dict[str, Any]) -> Vote:
    lists = {name: tuple(value) for name, value in told.items() if isinstance(value, list)}
    return Vote(**{**told, **lists})
