"""What the double counts, so that a client's manners can be checked."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Window:
    """The most of something in any window of so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._within: deque[tuple[float, int]] = deque()
        self._total = 0
        self.most = 0

    def add(self, amount: int = 1) -> None:
        now = time.monotonic()
        self._within.append((now, amount))
        self._total += amount
        while self._within[0][0] <= now - self._seconds:
            self._total -= self._within.popleft()[1]
        self.most = max(self.most, self._total)


class Statistics:
    """Counts of chat requests. An answer counts, and is paid, from when it is made, whether it arrives or not."""

    def __init__(self) -> None:
        self._in_flight = 0
        self.reset()

    def reset(self) -> None:
        self._requests = self._batch_lines = 0
        self._prompt_tokens = self._completion_tokens = 0
        self._most_in_flight = self._in_flight
        self._refused: Counter[str] = Counter()
        self._spoiled: Counter[str] = Counter()
        self._answered: Counter[str] = Counter()
        self._second, self._minute, self._minute_tokens = Window(1), Window(60), Window(60)

    @contextmanager
    def request(self) -> Iterator[None]:
        """Around a live request, from its arrival to its answer."""
        self._requests += 1
        self._second.add()
        self._minute.add()
        self._in_flight += 1
        self._most_in_flight = max(self._most_in_flight, self._in_flight)
        try:
            yield
        finally:
            self._in_flight -= 1

    def refused(self, reason: str) -> None:
        self._refused[reason] += 1

    def answered(self, key: str, usage: dict[str, int], fault: str | None, batched: bool) -> None:
        self._answered[key] += 1
        self._prompt_tokens += usage["prompt_tokens"]
        self._completion_tokens += usage["completion_tokens"]
        if fault:
            self._spoiled[fault] += 1
        if batched:
            self._batch_lines += 1
        else:
            self._minute_tokens.add(usage["total_tokens"])

    def to_dict(self) -> dict[str, Any]:
        """requests, most_...: live ones alone. spoiled: paid answers by the fault that hit them. repeated: distinct
        requests that were answered more than once, repeated_answers: their answers beyond the first."""
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
            "most_in_a_second": self._second.most,
            "most_in_a_minute": self._minute.most,
            "most_tokens_in_a_minute": self._minute_tokens.most,
            "most_in_flight": self._most_in_flight,
            "in_flight": self._in_flight,
        }
