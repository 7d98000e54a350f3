"""Asking one request at a time, many at once: limits, retries, breaker, budget."""

from __future__ import annotations

import asyncio
import email.utils
import random
import time

import httpx2
import openai
from pydantic import SecretStr
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt

from atom.config import ServiceConfig
from atom.llm_client.client import LLMClient, answer_kind, since
from atom.llm_client.errors import RequestFailed, ServiceError
from atom.llm_client.journal import Journal, SpendingLimits
from atom.llm_client.rate_limit import CircuitBreaker, ConcurrencyLimiter, RateLimiter
from atom.llm_client.request import Answer, Request

LONGEST_PATIENCE = 600.0  # seconds of Retry-After that are waited for


class _MayPass(Exception):
    """A failure that the next try may not meet. `wait` is what the service asked for, in seconds."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class LiveClient(LLMClient):
    """Requests by the chat-completions API."""

    def __init__(self, settings: ServiceConfig, key: SecretStr | None, journal: Journal, account: str) -> None:
        super().__init__(settings, key, journal, account)
        self._requests, self._tokens = (
            RateLimiter(settings.requests_per_minute),
            RateLimiter(settings.tokens_per_minute),
        )
        self._concurrency, self._breaker = (
            ConcurrencyLimiter(settings.concurrency),
            CircuitBreaker(self._scrubbed(settings.base_url)),
        )
        self._sent = 0  # calls that wait for their answer
        self._settled = asyncio.Condition()

    async def _fetch(self, request: Request) -> Answer:
        began = time.monotonic()
        retrying = AsyncRetrying(
            stop=stop_after_attempt(self.settings.attempts),
            wait=_backoff,
            retry=retry_if_exception_type(_MayPass),
            reraise=True,
        )
        try:
            return await retrying(self._try, request)
        except _MayPass as failure:
            if self._breaker.last_success < began:
                raise self._breaker.give_up(failure) from None
            raise RequestFailed(f"no answer after {self.settings.attempts} tries: {failure}") from None

    async def _try(self, request: Request) -> Answer:
        async with self._concurrency:
            await self._breaker.ready()
            try:
                await self._tokens.wait((await self._expected_of(request)).tokens)
                await self._requests.wait()
                return await self._paid_for(request)
            finally:
                self._breaker.left()

    async def _paid_for(self, request: Request) -> Answer:
        call = await self._open_call(request)
        try:
            answer = await self._send(request)
            await self._journaled(
                self.journal.add, self.account, request.key, answer_kind(request), request.model, answer, call
            )
            return answer
        except _NotPaid as refusal:
            await self._journaled(self.journal.close_call, call)
            raise refusal.error from None
        finally:
            if call:
                async with self._settled:
                    self._sent -= 1
                    self._settled.notify_all()

    async def _open_call(self, request: Request) -> str:
        """Notes the call in the journal once the budget allows it; waits while calls under way may turn out cheaper."""
        if self._limits == SpendingLimits():
            return ""
        async with self._settled:
            while True:
                expected = await self._expected_of(request)
                call = await self._journaled(
                    self.journal.open_call, self.account, request.key, expected, self._limits, self._sent
                )
                if call == "spent":
                    raise self._budget_spent()
                if call != "wait":
                    self._sent += 1
                    return call
                await self._settled.wait()

    async def _send(self, request: Request) -> Answer:
        """One try. _NotPaid wraps what is wrong where the service has not made an answer; else it may have cost."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(self.settings.timeout):
                # The plain way in of the SDK: the typed one walks through every part of the messages first, and would
                # not give the answer as it came.
                response = await self._openai.post(
                    "/chat/completions", cast_to=httpx2.Response, body=self._body(request)
                )
            answer = self._answer(response.json(), request, since(began))
        except openai.APIStatusError as error:
            raise _NotPaid(self._judged(error)) from None
        except (TimeoutError, openai.APITimeoutError) as error:
            failure = _MayPass(f"no answer within {self.settings.timeout:g} s")
            self._breaker.failed(failure)
            raise (_NotPaid(failure) if _never_sent(error) else failure) from None
        except openai.APIConnectionError as error:
            failure = _MayPass(self._scrubbed(f"the connection broke: {error.__cause__ or error}"))
            self._breaker.failed(failure)
            raise (_NotPaid(failure) if _never_sent(error) else failure) from None
        except (openai.APIResponseValidationError, ValueError, AttributeError) as error:
            failure = _MayPass(self._scrubbed(f"what came is no chat completion: {error}"))
            self._breaker.failed(failure)
            raise failure from None
        self._breaker.succeeded()
        self._concurrency.speed_up()
        return answer

    def _judged(self, error: openai.APIStatusError) -> Exception:
        """Whether an error answer may pass, and what it tells about the service."""
        body = error.body if isinstance(error.body, dict) else {}
        reason = f"answered {error.status_code}: {self._scrubbed(body.get('message') or error.message)}"
        if error.status_code == 429 and body.get("code") != "insufficient_quota":
            self._breaker.alive()
            self._concurrency.slow_down()
            wait = _parse_retry_after(error.response.headers)
            if wait is not None and wait > LONGEST_PATIENCE:
                return ServiceError(f"the service asks to wait {wait:.0f} s; run again later, every answer is kept")
            return _MayPass(reason, wait)
        if error.status_code in (408, 409) or error.status_code >= 500:
            self._breaker.failed(reason)
            return _MayPass(reason, _parse_retry_after(error.response.headers))
        self._breaker.alive()
        return self._status_error(error)


class _NotPaid(Exception):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


def _backoff(state: RetryCallState) -> float:
    """Seconds before the next try: what the service asked for, else doubling; spread, so that not all come at once."""
    failure = state.outcome.exception() if state.outcome else None
    asked = failure.wait if isinstance(failure, _MayPass) else None
    if asked is not None:
        return asked + random.uniform(0, 0.1 + 0.1 * asked)
    return random.uniform(0.5, 1.0) * min(0.5 * 2 ** (state.attempt_number - 1), 20.0)


def _parse_retry_after(headers: httpx2.Headers) -> float | None:
    """Seconds to wait by `retry-after-ms` or `retry-after` (seconds, or an HTTP date)."""
    try:
        if milliseconds := headers.get("retry-after-ms"):
            return max(0.0, float(milliseconds) / 1000)
        said = headers.get("retry-after")
        if not said:
            return None
        if said.strip().replace(".", "", 1).isdigit():
            return float(said)
        return max(0.0, email.utils.parsedate_to_datetime(said).timestamp() - time.time())
    except (ValueError, TypeError):
        return None


def _never_sent(error: BaseException) -> bool:
    """Whether the request can't have reached the service."""
    return isinstance(error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)
