"""Simulated faults: which one hits a request, and how it changes the answer. And the limit of requests a minute."""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import dataclass
from random import Random

from atom.mock_service.chat_request import CHARACTERS_PER_TOKEN, ChatRequest
from atom.mock_service.errors import ApiError
from atom.mock_service.settings import FaultRates, MockServiceSettings

_LIVE_ONLY = {"rate_limit", "stall", "cut"}  # they concern a connection, which a batch line does not have
_OVERLOADED = "The server is overloaded or not ready yet."


@dataclass(frozen=True)
class ModelOutput:
    """Output of the model: a text or a refusal, and the reason why it stopped."""

    text: str | None
    refusal: str | None = None
    finish_reason: str = "stop"


class FaultSampler:
    """Draws the fault of each request, in the order in which the requests arrive."""

    def __init__(self, settings: MockServiceSettings) -> None:
        self._settings = settings
        self._random = Random(f"faults {settings.seed}")

    def draw(self, request: ChatRequest, batched: bool) -> str | None:
        """Draws the fault of a request.

        Args:
            request: the request.
            batched: whether it is a line of a batch, which no fault of the connection can hit.

        Returns:
            Name of the fault, or None.

        Raises:
            ApiError: the fault leaves the request without an answer.
        """
        for fault in FaultRates.model_fields:
            is_hit = self._random.random() < getattr(self._settings.faults, fault)
            applies = not (batched and fault in _LIVE_ONLY) and (fault != "no_schema" or request.form == "json_schema")
            if is_hit and applies:
                if error := self._make_error(fault):
                    raise error
                return fault
        return None

    def _make_error(self, fault: str) -> ApiError | None:
        if fault == "rate_limit":
            seconds, milliseconds = self._settings.retry_after, self._settings.retry_after_ms
            headers = {} if seconds is None else {"retry-after": f"{seconds:g}"}
            return make_rate_limit_error(
                headers | ({} if milliseconds is None else {"retry-after-ms": f"{milliseconds:g}"}), fault
            )
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


def apply_fault(text: str, fault: str | None, request: ChatRequest) -> ModelOutput:
    """Spoils an answer by a fault, and cuts it at the request's token limit.

    Args:
        text: the correct answer.
        fault: name of the fault, or None.
        request: the request.

    Returns:
        The output of the model.
    """
    if fault == "refusal":
        return ModelOutput(None, refusal="I'm sorry, I can't help with identifying people in pictures.")
    if fault == "invalid_json":
        text = text[: 2 * len(text) // 3]
    if fault == "wrong_schema":
        text = '{"verdict": "fine", "confidence": 0.9}'
    limit = len(text) // 2 if fault == "truncated" else CHARACTERS_PER_TOKEN * (request.max_tokens or len(text))
    return ModelOutput(text) if len(text) <= limit else ModelOutput(text[:limit], finish_reason="length")


class SlidingWindowLimit:
    """Lets at most `per_minute` requests through in any minute; None means no limit."""

    def __init__(self, per_minute: int | None) -> None:
        self._per_minute = per_minute
        self._times: deque[float] = deque()

    def admit(self) -> None:
        """Counts a request. One over the limit is an ApiError 429 that says when to retry."""
        if self._per_minute is None:
            return
        now = time.monotonic()
        while self._times and self._times[0] <= now - 60:
            self._times.popleft()
        if len(self._times) >= self._per_minute:
            wait = self._times[0] + 60 - now
            headers = {"retry-after": str(math.ceil(wait)), "retry-after-ms": str(math.ceil(1000 * wait))}
            raise make_rate_limit_error(headers, "requests_per_minute")
        self._times.append(now)


def make_rate_limit_error(headers: dict[str, str], reason: str) -> ApiError:
    """Makes OpenAI's error for too many requests.

    Args:
        headers: headers that say when to retry.
        reason: name under which the statistics count it.

    Returns:
        The error, with status 429.
    """
    return ApiError(
        429,
        "Rate limit reached for requests per min (RPM). Please try again later.",
        kind="requests",
        code="rate_limit_exceeded",
        headers=headers,
        reason=reason,
    )
