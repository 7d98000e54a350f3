"""The journal: every answer that was paid for, kept from the moment it arrives; and what each account has spent.

SQLite with a write-ahead log, so that several processes may use one journal and a `kill -9` at any moment loses nothing
that had arrived. Where there is a budget, a call is noted as open before it is sent. One whose answer never came stays
open: it may have been paid for, so it counts as spent.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from atom.chat.errors import ServiceError
from atom.chat.request import Answer
from atom.errors import AtomError

_TABLES = """
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, account TEXT NOT NULL, model TEXT NOT NULL, kind TEXT NOT NULL, arrived REAL NOT NULL,
    prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, cost REAL, latency REAL NOT NULL,
    raw TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS answers_by_kind ON answers (model, kind);
CREATE TABLE IF NOT EXISTS spending (account TEXT PRIMARY KEY, tokens INTEGER NOT NULL, cost REAL NOT NULL);
CREATE TABLE IF NOT EXISTS open_calls (
    call TEXT PRIMARY KEY, account TEXT NOT NULL, key TEXT NOT NULL, tokens INTEGER NOT NULL, cost REAL NOT NULL,
    sent REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS open_calls_by_account ON open_calls (account);
CREATE TABLE IF NOT EXISTS batches (
    tag TEXT PRIMARY KEY, account TEXT NOT NULL, batch TEXT, keys TEXT NOT NULL, made REAL NOT NULL
);
"""


@dataclass(frozen=True)
class Spending:
    """Tokens and US dollars."""

    tokens: int
    cost: float

    def __add__(self, other: Spending) -> Spending:
        return Spending(self.tokens + other.tokens, self.cost + other.cost)


@dataclass(frozen=True)
class Limits:
    """The most that an account may spend; None: no limit."""

    tokens: int | None = None
    cost: float | None = None

    def allow(self, spending: Spending) -> bool:
        return (self.tokens is None or spending.tokens <= self.tokens) and (
            self.cost is None or spending.cost <= self.cost + 1e-9
        )


class Journal:
    """One file of answers. Safe for several threads; AtomError when the file can't be used."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self.path, timeout=60, isolation_level=None, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")  # an answer outlives a power cut too
            self._connection.executescript(_TABLES)
        except (OSError, sqlite3.Error) as error:
            raise AtomError(
                f"can't use {path} as the journal of answers: {error}; set service.journal to a writable file"
            ) from None

    def find(self, key: str) -> Answer | None:
        """The answer to the request of this key, if there is one."""
        with self._lock:
            row = self._connection.execute("SELECT raw, cost, latency FROM answers WHERE key = ?", (key,)).fetchone()
        return answer_of(json.loads(row[0]), row[1], row[2], journaled=True) if row else None

    def open_call(
        self, account: str, key: str, expected: Spending, limits: Limits, own: int, call: str | None = None
    ) -> str | Literal["wait", "spent"]:
        """Notes a call that is about to be sent and gives its name; or why it must not be sent.

        "wait": it would fit if the `own` calls that the caller has open came out cheaper than expected. "spent": it
        would not.
        """
        call = call or f"call-{uuid.uuid4().hex}"
        with self._transaction() as run:
            spent, waiting = self._spent(account), self._open(account)
            if not limits.allow(spent + waiting + expected):
                return "wait" if own and limits.allow(spent + expected) else "spent"
            run(
                "INSERT OR REPLACE INTO open_calls VALUES (?, ?, ?, ?, ?, ?)",
                (call, account, key, expected.tokens, expected.cost, time.time()),
            )
        return call

    def add(self, account: str, key: str, kind: str, model: str, answer: Answer, call: str | None = None) -> None:
        """Keeps an answer, books what it cost and closes its call."""
        with self._transaction() as run:
            run(
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    key,
                    account,
                    model,
                    kind,
                    time.time(),
                    answer.prompt_tokens,
                    answer.completion_tokens,
                    answer.cost,
                    answer.latency,
                    answer.raw,
                ),
            )
            run(
                "INSERT INTO spending VALUES (?, ?, ?) ON CONFLICT (account) DO UPDATE SET "
                "tokens = tokens + excluded.tokens, cost = cost + excluded.cost",
                (account, answer.tokens, answer.cost or 0.0),
            )
            if call:
                run("DELETE FROM open_calls WHERE call = ?", (call,))

    def close_call(self, call: str) -> None:
        """The service refused the call, so it costs nothing."""
        if not call:
            return
        with self._transaction() as run:
            run("DELETE FROM open_calls WHERE call = ?", (call,))

    def spent(self, account: str) -> Spending:
        """What the account's answers cost, and its calls without an answer at their expected cost."""
        with self._lock:
            return self._spent(account) + self._open(account)

    def accounts(self) -> list[tuple[str, int, Spending]]:
        """Each account with its answers and what it spent, as `spent` tells it."""
        with self._lock:
            rows = self._connection.execute("SELECT account, count(*) FROM answers GROUP BY account ORDER BY account")
            return [(name, count, self._spent(name) + self._open(name)) for name, count in rows.fetchall()]

    def dearest(self, model: str, kind: str) -> Spending | None:
        """The most that an answer of this kind took so far."""
        with self._lock:
            tokens, cost = self._connection.execute(
                "SELECT max(prompt_tokens + completion_tokens), max(cost) FROM answers WHERE model = ? AND kind = ?",
                (model, kind),
            ).fetchone()
        return None if tokens is None else Spending(tokens, cost or 0.0)

    def note_batch(self, account: str, tag: str, keys: list[str], batch: str | None = None) -> None:
        """Notes a batch under our own tag before it is sent, and again with the service's name for it."""
        with self._transaction() as run:
            run(
                "INSERT OR REPLACE INTO batches VALUES (?, ?, ?, ?, ?)",
                (tag, account, batch, json.dumps(keys), time.time()),
            )

    def forget_batch(self, tag: str) -> None:
        with self._transaction() as run:
            run("DELETE FROM batches WHERE tag = ?", (tag,))

    def batches(self, account: str) -> list[tuple[str, str | None, list[str]]]:
        """Batches that were sent, or were about to be, and not collected yet: (tag, the service's name, keys)."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT tag, batch, keys FROM batches WHERE account = ? ORDER BY made", (account,)
            ).fetchall()
        return [(tag, batch, json.loads(keys)) for tag, batch, keys in rows]

    def __len__(self) -> int:
        with self._lock:
            return self._connection.execute("SELECT count(*) FROM answers").fetchone()[0]

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _spent(self, account: str) -> Spending:
        row = self._connection.execute("SELECT tokens, cost FROM spending WHERE account = ?", (account,)).fetchone()
        return Spending(*row) if row else Spending(0, 0.0)

    def _open(self, account: str) -> Spending:
        tokens, cost = self._connection.execute(
            "SELECT sum(tokens), sum(cost) FROM open_calls WHERE account = ?", (account,)
        ).fetchone()
        return Spending(tokens or 0, cost or 0.0)

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection.execute
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                raise ServiceError(
                    f"can't write to the journal of answers {self.path}: {error}; free some space, then run again"
                ) from error
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")


def answer_of(completion: dict[str, Any], cost: float | None, latency: float, journaled: bool = False) -> Answer:
    """An answer from a chat completion as it came. ValueError when there is none in it."""
    if not completion.get("choices"):
        raise ValueError("the completion has no choices")
    choice, usage = completion["choices"][0], completion.get("usage") or {}
    message = choice.get("message") or {}
    return Answer(
        text=message.get("content") or "",
        refusal=message.get("refusal"),
        finish_reason=choice.get("finish_reason") or "",
        model=completion.get("model") or "",
        prompt_tokens=usage.get("prompt_tokens") or 0,
        completion_tokens=usage.get("completion_tokens") or 0,
        cost=cost,
        latency=latency,
        raw=json.dumps(completion, ensure_ascii=False),
        journaled=journaled,
    )
