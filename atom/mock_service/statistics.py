"""Counts of the requests and answers, by which tests check how a client behaves."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class PeakCounter:
    """The largest amount in any window of so many seconds: a peak rate."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._events: deque[tuple[float, int]] = deque()
        self._total = 0
        self.peak = 0

    def add(self, amount: int = 1) -> None:
        now = time.monotonic()
        self._events.append((now, amount))
        self._total += amount
        while self._events[0][0] <= now - self._seconds:
            self._total -= self._events.popleft()[1]
        self.peak = max(self.peak, self._total)


class RequestStatistics:
    """Counts of chat requests. An answer counts as paid once it is computed, even if the client never receives it."""

    def __init__(self) -> None:
        self._in_flight = 0
        self.reset()

    def reset(self) -> None:
        self._requests = self._batch_lines = 0
        self._prompt_tokens = self._completion_tokens = 0
        self._max_in_flight = self._in_flight
        self._refused: Counter[str] = Counter()
        self._spoiled: Counter[str] = Counter()
        self._answered: Counter[str] = Counter()
        self._requests_in_second, self._requests_in_minute = PeakCounter(1), PeakCounter(60)
        self._tokens_in_minute = PeakCounter(60)

    @contextmanager
    def request(self) -> Iterator[None]:
        """Counts a live request, from its arrival to its answer."""
        self._requests += 1
        self._requests_in_second.add()
        self._requests_in_minute.add()
        self._in_flight += 1
        self._max_in_flight = max(self._max_in_flight, self._in_flight)
        try:
            yield
        finally:
            self._in_flight -= 1

    def record_refusal(self, reason: str) -> None:
        self._refused[reason] += 1

    def record_answer(self, key: str, usage: dict[str, int], fault: str | None, batched: bool) -> None:
        """Counts an answer.

        Args:
            key: key of the request.
            usage: tokens, as in the completion.
            fault: the fault that spoiled the answer, if any.
            batched: whether the request is a line of a batch.
        """
        self._answered[key] += 1
        self._prompt_tokens += usage["prompt_tokens"]
        self._completion_tokens += usage["completion_tokens"]
        if fault:
            self._spoiled[fault] += 1
        if batched:
            self._batch_lines += 1
        else:
            self._tokens_in_minute.add(usage["total_tokens"])

    def to_dict(self) -> dict[str, Any]:
        """All counts, as GET /statistics returns them.

        `requests` and `most_...` count live requests only. `spoiled` counts the paid answers by the fault that hit
        them. `repeated` counts the distinct requests that were answered more than once, and `repeated_answers` their
        answers beyond the first.
        """
        answers = self._answered.values()
        return {
            "requests": self._requests,
            "answered": sum(answers),
            "answered_in_batches": self._batch_lines,
            "refused": dict(self._refused),
            "spoiled": dict(self._spoiled),
            "distinct": len(answers),
            "repeated": sum(count > 1 for count in answers),
            "repeated_answers": sum(answers) - len(answers),
            "prompt_tokens": self._prompt_tokens,
            "completion_tokens": self._completion_tokens,
            "tokens": self._prompt_tokens + self._completion_tokens,
            "most_in_a_second": self._requests_in_second.peak,
            "most_in_a_minute": self._requests_in_minute.peak,
            "most_tokens_in_a_minute": self._tokens_in_minute.peak,
            "most_in_flight": self._max_in_flight,
            "in_flight": self._in_flight,
        }
