"""The journal: an SQLite file of all answers that were paid for, and of what each account has spent.

An answer is stored as soon as it arrives. The write-ahead log lets several processes use one journal, and a `kill -9`
at any moment loses no stored answer. Where there is a budget, each call is recorded as open before it is sent. A call
whose answer never arrives stays open and counts as spent, because the service may have charged for it.
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

from atom.errors import AtomError
from atom.llm_client.errors import ServiceError
from atom.llm_client.request import Answer

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
class SpendingLimits:
    """The most that an account may spend, in tokens and in US dollars; None means no limit."""

    tokens: int | None = None
    cost: float | None = None

    def allow(self, spending: Spending) -> bool:
        # The tolerance absorbs the rounding errors of sums of dollars.
        return (self.tokens is None or spending.tokens <= self.tokens) and (
            self.cost is None or spending.cost <= self.cost + 1e-9
        )


class Journal:
    """A file of answers, safe to use from several threads and processes. An unusable file is an AtomError."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self.path, timeout=60, isolation_level=None, check_same_thread=False)
            # Readers, such as `atom store spending`, don't wait for the writer.
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")  # a stored answer survives a power cut
            self._connection.executescript(_TABLES)
        except (OSError, sqlite3.Error) as error:
            raise AtomError(
                f"can't use {path} as the journal of answers: {error}; set service.journal to a writable file"
            ) from None

    def find(self, key: str) -> Answer | None:
        """The stored answer to the request with this key, or None."""
        with self._lock:
            row = self._connection.execute("SELECT raw, cost, latency FROM answers WHERE key = ?", (key,)).fetchone()
        return parse_completion(json.loads(row[0]), row[1], row[2], journaled=True) if row else None

    def open_call(
        self,
        account: str,
        key: str,
        expected: Spending,
        limits: SpendingLimits,
        caller_open_calls: int,
        call: str | None = None,
    ) -> str | Literal["wait", "spent"]:
        """Records a call that is about to be sent, if the budget allows it.

        Args:
            account: name under which the spending is booked.
            key: key of the request.
            expected: what the call may cost at most.
            limits: budget of the account.
            caller_open_calls: how many calls the caller itself has open.
            call: id of the call; None for a new id.

        Returns:
            The id of the call. Or "wait" if the call would fit should the caller's open calls turn out cheaper than
            expected, and "spent" if it would not fit even then.

        Raises:
            ServiceError: the journal can't be written.
        """
        call = call or f"call-{uuid.uuid4().hex}"
        # One transaction reads the totals and reserves the amount, so that processes can't overspend together.
        with self._transaction() as execute:
            paid, reserved = self._sum_paid(account), self._sum_open_calls(account)
            if not limits.allow(paid + reserved + expected):
                # Reserved amounts are estimates on the safe side: when the caller's own calls close, there may be room
                # again.
                return "wait" if caller_open_calls and limits.allow(paid + expected) else "spent"
            execute(
                "INSERT OR REPLACE INTO open_calls VALUES (?, ?, ?, ?, ?, ?)",
                (call, account, key, expected.tokens, expected.cost, time.time()),
            )
        return call

    def add(self, account: str, key: str, kind: str, model: str, answer: Answer, call: str | None = None) -> None:
        """Stores an answer, books its cost and closes its call.

        Args:
            account: name under which the cost is booked.
            key: key of the request.
            kind: what the request is about; see `answer_kind`.
            model: model that was requested.
            answer: the answer.
            call: id of the open call, if one was recorded.

        Raises:
            ServiceError: the journal can't be written.
        """
        with self._transaction() as execute:
            execute(
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
            execute(
                "INSERT INTO spending VALUES (?, ?, ?) ON CONFLICT (account) DO UPDATE SET "
                "tokens = tokens + excluded.tokens, cost = cost + excluded.cost",
                (account, answer.tokens, answer.cost or 0.0),
            )
            # In the transaction that stores the answer: the amount is either reserved or spent, never both or none.
            if call:
                execute("DELETE FROM open_calls WHERE call = ?", (call,))

    def close_call(self, call: str) -> None:
        """Removes an open call that the service refused and did not charge for."""
        if not call:
            return
        with self._transaction() as execute:
            execute("DELETE FROM open_calls WHERE call = ?", (call,))

    def get_spending(self, account: str) -> Spending:
        """The cost of the account's answers, plus the expected cost of its open calls."""
        with self._lock:
            return self._sum_paid(account) + self._sum_open_calls(account)

    def list_accounts(self) -> list[tuple[str, int, Spending]]:
        """Lists (account, number of answers, spending including open calls) of all accounts."""
        with self._lock:
            rows = self._connection.execute("SELECT account, count(*) FROM answers GROUP BY account ORDER BY account")
            return [(name, count, self._sum_paid(name) + self._sum_open_calls(name)) for name, count in rows.fetchall()]

    def max_spending(self, model: str, kind: str) -> Spending | None:
        """Finds the largest number of tokens and the highest cost of one answer so far.

        Args:
            model: model that was requested.
            kind: what the requests were about; see `answer_kind`.

        Returns:
            The maxima, which may come from different answers; None if there is no such answer.
        """
        with self._lock:
            tokens, cost = self._connection.execute(
                "SELECT max(prompt_tokens + completion_tokens), max(cost) FROM answers WHERE model = ? AND kind = ?",
                (model, kind),
            ).fetchone()
        return None if tokens is None else Spending(tokens, cost or 0.0)

    def record_batch(self, account: str, tag: str, keys: list[str], batch: str | None = None) -> None:
        """Records a batch before it is sent, and once more when the service has given it an id.

        Args:
            account: name under which the batch is paid.
            tag: our own id, which the batch carries as metadata.
            keys: keys of the requests in the batch.
            batch: the service's id of the batch; None while it is unknown.

        Raises:
            ServiceError: the journal can't be written.
        """
        with self._transaction() as execute:
            execute(
                "INSERT OR REPLACE INTO batches VALUES (?, ?, ?, ?, ?)",
                (tag, account, batch, json.dumps(keys), time.time()),
            )

    def delete_batch(self, tag: str) -> None:
        with self._transaction() as execute:
            execute("DELETE FROM batches WHERE tag = ?", (tag,))

    def pending_batches(self, account: str) -> list[tuple[str, str | None, list[str]]]:
        """Lists (tag, the service's id or None, keys) of the batches whose answers are not collected yet."""
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

    def _sum_paid(self, account: str) -> Spending:
        row = self._connection.execute("SELECT tokens, cost FROM spending WHERE account = ?", (account,)).fetchone()
        return Spending(*row) if row else Spending(0, 0.0)

    def _sum_open_calls(self, account: str) -> Spending:
        tokens, cost = self._connection.execute(
            "SELECT sum(tokens), sum(cost) FROM open_calls WHERE account = ?", (account,)
        ).fetchone()
        return Spending(tokens or 0, cost or 0.0)

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        with self._lock:
            try:
                # IMMEDIATE: a transaction that reads before it writes would otherwise fail when another process writes
                # in between.
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


def parse_completion(completion: dict[str, Any], cost: float | None, latency: float, journaled: bool = False) -> Answer:
    """Reads the answer out of a chat completion.

    Args:
        completion: the JSON object that the service sent.
        cost: US dollars; None where the price is unknown.
        latency: seconds from the request to the answer.
        journaled: whether the completion comes from the journal.

    Returns:
        The answer.

    Raises:
        ValueError: the completion has no choices.
    """
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
