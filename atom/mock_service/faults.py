"""What goes wrong: which fault a request meets, and what each does to its answer."""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import dataclass
from random import Random

from atom.mock_service.chat_request import CHARACTERS, Asked
from atom.mock_service.errors import ApiError
from atom.mock_service.settings import FaultRates, MockServiceSettings

_LIVE_ONLY = {"rate_limit", "stall", "cut"}  # a batch knows no hurry and no connection
_OVERLOADED = "The server is overloaded or not ready yet."


@dataclass(frozen=True)
class Said:
    """What a model gives back: a text or a refusal, and why it stopped."""

    text: str | None
    refusal: str | None = None
    finish_reason: str = "stop"


class Faults:
    """Draws for each request in turn which fault it meets, if any."""

    def __init__(self, settings: MockServiceSettings) -> None:
        self._settings = settings
        self._chance = Random(f"faults {settings.seed}")

    def draw(self, asked: Asked, batched: bool) -> str | None:
        """The fault that befalls a request; raises ApiError when it is one that leaves it without an answer."""
        for fault in FaultRates.model_fields:
            hit = self._chance.random() < getattr(self._settings.faults, fault)
            fits = not (batched and fault in _LIVE_ONLY) and (fault != "no_schema" or asked.form == "json_schema")
            if hit and fits:
                if error := self._error(fault):
                    raise error
                return fault
        return None

    def _error(self, fault: str) -> ApiError | None:
        if fault == "rate_limit":
            seconds, milliseconds = self._settings.retry_after, self._settings.retry_after_ms
            headers = {} if seconds is None else {"retry-after": f"{seconds:g}"}
            return too_many(headers | ({} if milliseconds is None else {"retry-after-ms": f"{milliseconds:g}"}), fault)
        if fault == "server_error":
            return ApiError(
                500,
                "The server had an error while processing your request. Sorry about that!",
                kind="server_error",
                reason=fault,
            )
        if fault == "unavailable":
            return ApiError(503, _OVERLOADED, kind="service_unavailable", code="overloaded", reason=fault)
        if fault == "no_schema":
            return ApiError(
                400,
                "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.",
                param="response_format",
                reason=fault,
            )
        return None


def spoiled(text: str, fault: str | None, asked: Asked) -> Said:
    """The text as it comes out under a fault and within the request's token limit."""
    if fault == "refusal":
        return Said(None, refusal="I'm sorry, I can't help with identifying people in pictures.")
    if fault == "invalid_json":
        text = text[: 2 * len(text) // 3]
    if fault == "wrong_schema":
        text = '{"verdict": "fine", "confidence": 0.9}'
    most = len(text) // 2 if fault == "truncated" else CHARACTERS * (asked.most_tokens or len(text))
    return Said(text) if len(text) <= most else Said(text[:most], finish_reason="length")


class RateLimit:
    """Lets at most so many requests through in any minute; `None` sets no limit."""

    def __init__(self, per_minute: int | None) -> None:
        self._per_minute = per_minute
        self._passed: deque[float] = deque()

    def pass_through(self) -> None:
        """Raises ApiError 429 that tells when there is room again."""
        if self._per_minute is None:
            return
        now = time.monotonic()
        while self._passed and self._passed[0] <= now - 60:
            self._passed.popleft()
        if len(self._passed) >= self._per_minute:
            wait = self._passed[0] + 60 - now
            headers = {"retry-after": str(math.ceil(wait)), "retry-after-ms": str(math.ceil(1000 * wait))}
            raise too_many(headers, "requests_per_minute")
        self._passed.append(now)


def too_many(headers: dict[str, str], reason: str) -> ApiError:
    return ApiError(
        429,
        "Rate limit reached for requests per min (RPM). Please try again later.",
        kind="requests",
        code="rate_limit_exceeded",
        headers=headers,
        reason=reason,
    )
