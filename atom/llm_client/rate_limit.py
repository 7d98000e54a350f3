"""Limits on how fast and how many requests are sent: rate limiter, adaptive concurrency and circuit breaker."""

from __future__ import annotations

import asyncio
import time

from aiolimiter import AsyncLimiter

from atom.llm_client.errors import ServiceError


class RateLimiter:
    """Lets at most `per_minute` units through in any 60 seconds; None means no limit."""

    def __init__(self, per_minute: int | None) -> None:
        self._limiter: AsyncLimiter | None = None
        if per_minute is not None:
            # A leaky bucket lets its full capacity through at once, on top of the steady flow. The capacity is about
            # one second's worth, and the flow is lower by as much, so that any minute stays within the limit. One
            # percent is held back, because requests that leave apart may arrive together.
            self._capacity = max(1.0, per_minute / 61)
            flow_per_minute = 0.99 * per_minute - self._capacity if per_minute > 1 else 0.99
            self._limiter = AsyncLimiter(self._capacity, 60 * self._capacity / flow_per_minute)

    async def wait(self, units: float = 1.0) -> None:
        """Waits until so many units may pass. The bucket can't hold more than its capacity, so they pass in parts."""
        while self._limiter and units > 0:
            await self._limiter.acquire(min(units, self._capacity))
            units -= self._capacity


class ConcurrencyLimiter:
    """Lets at most `maximum` requests run at once: fewer after each 429, slowly more again with each success.

    This is additive increase, multiplicative decrease (AIMD), as in TCP.
    """

    def __init__(self, maximum: int) -> None:
        self.maximum, self.allowed, self.busy = maximum, float(maximum), 0
        self._condition = asyncio.Condition()
        self._last_decrease = 0.0

    async def __aenter__(self) -> None:
        async with self._condition:
            await self._condition.wait_for(lambda: self.busy < max(1, int(self.allowed)))
            self.busy += 1

    async def __aexit__(self, *_: object) -> None:
        async with self._condition:
            self.busy -= 1
            self._condition.notify(max(1, int(self.allowed) - self.busy))

    def slow_down(self) -> None:
        """Allows fewer requests. Requests sent together are refused together, so a second counts as one refusal."""
        if time.monotonic() - self._last_decrease > 1.0:
            self._last_decrease = time.monotonic()
            # Fast down, slowly up: additive increase and multiplicative decrease, as in TCP.
            self.allowed = max(1.0, 0.7 * self.allowed)

    def speed_up(self) -> None:
        self.allowed = min(float(self.maximum), self.allowed + 0.2)


class CircuitBreaker:
    """Stops sending to a service that only fails, and probes it with one request after each pause.

    The breaker opens after `FAILURE_THRESHOLD` failures in a row. Each failed probe doubles the pause, up to
    `MAX_PAUSE` seconds. After `MAX_PROBES` failed probes the service is given up.
    """

    FAILURE_THRESHOLD, FIRST_PAUSE, MAX_PAUSE, MAX_PROBES = 10, 2.0, 60.0, 6

    def __init__(self, name: str = "the service") -> None:
        self.last_success = -1.0
        self._name = name
        self._failures = self._pauses = 0
        self._paused_until = 0.0
        self._is_probing = False
        self._final_error = ""

    async def wait_until_ready(self) -> None:
        """Waits until a request may be sent. A service that was given up is a ServiceError."""
        while True:
            if self._final_error:
                # A new exception for each caller: a shared one would collect the tracebacks of all of them.
                raise ServiceError(self._final_error)
            wait = self._paused_until - time.monotonic()
            if not self._pauses or (wait <= 0 and not self._is_probing):
                # After a pause a single request tries whether the service is back; the others wait for its outcome.
                self._is_probing = bool(self._pauses)
                return
            await asyncio.sleep(min(max(wait, 0.05), 1.0))

    def record_success(self) -> None:
        self.last_success = time.monotonic()
        self.reset()

    def reset(self) -> None:
        """Closes the breaker: the service responds, even if not with an answer."""
        self._failures, self._pauses, self._is_probing = 0, 0, False

    def record_failure(self, reason: object) -> None:
        """Counts a failure; during a pause only the failure of the probe counts, not of requests sent earlier."""
        self._failures += 1
        if self._failures >= self.FAILURE_THRESHOLD and (self._is_probing or not self._pauses):
            self._paused_until = time.monotonic() + min(self.FIRST_PAUSE * 2**self._pauses, self.MAX_PAUSE)
            self._pauses, self._is_probing = self._pauses + 1, False
            if self._pauses > self.MAX_PROBES:
                self.give_up(reason)

    def release_probe(self) -> None:
        """Lets another request probe the service. Called whenever a request ends, however it ended."""
        self._is_probing = False

    def give_up(self, reason: object) -> ServiceError:
        """Makes all further requests fail, and returns the error that they raise."""
        self._final_error = (
            f"{self._name} does not answer: {reason}; check that it is up, then run again: every answer so far is kept"
        )
        return ServiceError(self._final_error)
