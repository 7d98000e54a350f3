"""How fast and how many at once: rates that hold in every minute, concurrency that gives way, a breaker."""

from __future__ import annotations

import asyncio
import time

from aiolimiter import AsyncLimiter

from atom.chat.errors import ServiceError


class Rate:
    """At most `per_minute` units in any 60 seconds; None: no limit.

    A leaky bucket lets its capacity through at once on top of the steady flow, so the capacity is about one second's
    worth and the flow that much slower; and one in a hundred less, as what is sent apart may arrive together.
    """

    def __init__(self, per_minute: int | None) -> None:
        self._limiter: AsyncLimiter | None = None
        if per_minute is not None:
            self._most = max(1.0, per_minute / 61)
            steady = 0.99 * per_minute - self._most if per_minute > 1 else 0.99  # units a minute beside the capacity
            self._limiter = AsyncLimiter(self._most, 60 * self._most / steady)

    async def wait(self, units: float = 1.0) -> None:
        """Returns when so many units may go; more than a second's worth goes in several steps."""
        while self._limiter and units > 0:
            await self._limiter.acquire(min(units, self._most))
            units -= self._most


class Concurrency:
    """At most `most` at once; fewer after the service asked for patience, slowly more again with each success."""

    def __init__(self, most: int) -> None:
        self.most, self.allowed, self.busy = most, float(most), 0
        self._condition = asyncio.Condition()
        self._slowed = 0.0

    async def __aenter__(self) -> None:
        async with self._condition:
            await self._condition.wait_for(lambda: self.busy < max(1, int(self.allowed)))
            self.busy += 1

    async def __aexit__(self, *_: object) -> None:
        async with self._condition:
            self.busy -= 1
            self._condition.notify(max(1, int(self.allowed) - self.busy))

    def slow_down(self) -> None:
        """Requests that were sent together are refused together, so a second counts as one refusal."""
        if time.monotonic() - self._slowed > 1.0:
            self._slowed = time.monotonic()
            self.allowed = max(1.0, 0.7 * self.allowed)

    def speed_up(self) -> None:
        self.allowed = min(float(self.most), self.allowed + 0.2)


class Breaker:
    """Stops asking a service that only fails: after so many failures in a row everyone waits, then one tries again.

    Each such try that fails too doubles the wait, up to a limit, and after so many of them the service is given up.
    """

    FAILURES, PAUSE, LONGEST, TRIES = 10, 2.0, 60.0, 6

    def __init__(self, name: str = "the service") -> None:
        self.last_success = -1.0
        self._name = name
        self._failures = self._pauses = 0
        self._until = 0.0
        self._trying = False
        self._gone = ""

    async def ready(self) -> None:
        """Returns when a request may be sent; raises ServiceError once the service is given up."""
        while True:
            if self._gone:
                raise ServiceError(self._gone)  # anew for each, or they would share one endless traceback
            wait = self._until - time.monotonic()
            if not self._pauses or (wait <= 0 and not self._trying):
                self._trying = bool(self._pauses)
                return
            await asyncio.sleep(min(max(wait, 0.05), 1.0))

    def succeeded(self) -> None:
        self.last_success = time.monotonic()
        self.alive()

    def alive(self) -> None:
        """The service is there, though it did not give what was asked for."""
        self._failures, self._pauses, self._trying = 0, 0, False

    def failed(self, reason: object) -> None:
        """What was under way when the waiting began fails too, and counts no more."""
        self._failures += 1
        if self._failures >= self.FAILURES and (self._trying or not self._pauses):
            self._until = time.monotonic() + min(self.PAUSE * 2**self._pauses, self.LONGEST)
            self._pauses, self._trying = self._pauses + 1, False
            if self._pauses > self.TRIES:
                self.give_up(reason)

    def left(self) -> None:
        """A request is over, however it ended: if it was the one that tried again, another may."""
        self._trying = False

    def give_up(self, reason: object) -> ServiceError:
        """Everyone else stops too; gives the error."""
        self._gone = (
            f"{self._name} does not answer: {reason}; check that it is up, then run again: every answer so far is kept"
        )
        return ServiceError(self._gone)
