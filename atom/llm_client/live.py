"""Client of the chat-completions API: each request at once, with rate limits, retries and a circuit breaker."""

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
from atom.llm_client.client import LLMClient, answer_kind, elapsed_since
from atom.llm_client.errors import RequestFailed, ServiceError
from atom.llm_client.journal import Journal, SpendingLimits
from atom.llm_client.rate_limit import CircuitBreaker, ConcurrencyLimiter, RateLimiter
from atom.llm_client.request import Answer, Request

MAX_RETRY_AFTER = 600.0  # seconds; a service that asks for a longer wait ends the run


class _TransientError(Exception):
    """A failure that a retry may not meet. `retry_after` is the wait that the service asked for, in seconds."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class _NotBilledError(Exception):
    """Wraps the error of a request that the service has not charged for."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


class LiveClient(LLMClient):
    """Client that sends each request to the chat-completions API at once."""

    def __init__(self, settings: ServiceConfig, key: SecretStr | None, journal: Journal, account: str) -> None:
        super().__init__(settings, key, journal, account)
        self._request_rate = RateLimiter(settings.requests_per_minute)
        self._token_rate = RateLimiter(settings.tokens_per_minute)
        self._concurrency = ConcurrencyLimiter(settings.concurrency)
        self._breaker = CircuitBreaker(self._scrub(settings.base_url))
        self._open_calls = 0
        self._call_closed = asyncio.Condition()

    async def _fetch(self, request: Request) -> Answer:
        began = time.monotonic()
        retrying = AsyncRetrying(
            stop=stop_after_attempt(self.settings.attempts),
            wait=_backoff,
            retry=retry_if_exception_type(_TransientError),
            reraise=True,
        )
        try:
            return await retrying(self._attempt, request)
        except _TransientError as failure:
            # No request at all succeeded meanwhile, so the fault is the service's and not this request's.
            if self._breaker.last_success < began:
                raise self._breaker.give_up(failure) from None
            raise RequestFailed(f"no answer after {self.settings.attempts} tries: {failure}") from None

    async def _attempt(self, request: Request) -> Answer:
        async with self._concurrency:
            await self._breaker.wait_until_ready()
            try:
                # Waits outside of the budget: a call that only waits reserves nothing.
                await self._token_rate.wait((await self._estimate_spending(request)).tokens)
                await self._request_rate.wait()
                return await self._send_within_budget(request)
            finally:
                self._breaker.release_probe()

    async def _send_within_budget(self, request: Request) -> Answer:
        call = await self._open_call(request)
        try:
            answer = await self._send(request)
            await self._run_in_journal_thread(
                self.journal.add, self.account, request.key, answer_kind(request), request.model, answer, call
            )
            return answer
        # Any other failure leaves the call open: the service may have answered, and billed, what never arrived.
        except _NotBilledError as refusal:
            await self._run_in_journal_thread(self.journal.close_call, call)
            raise refusal.error from None
        finally:
            if call:
                async with self._call_closed:
                    self._open_calls -= 1
                    self._call_closed.notify_all()

    async def _open_call(self, request: Request) -> str:
        """Records the call in the journal once the budget allows it. Open calls may turn out cheaper, so it waits."""
        if self._limits == SpendingLimits():
            return ""
        async with self._call_closed:
            while True:
                expected = await self._estimate_spending(request)
                call = await self._run_in_journal_thread(
                    self.journal.open_call, self.account, request.key, expected, self._limits, self._open_calls
                )
                if call == "spent":
                    raise self._make_budget_error()
                if call != "wait":
                    self._open_calls += 1
                    return call
                await self._call_closed.wait()

    async def _send(self, request: Request) -> Answer:
        """Sends the request once. An error that is not a _NotBilledError leaves open whether the service charged."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(self.settings.timeout):
                # The SDK's typed method would validate every part of the messages, pictures included, and would not
                # return the completion as it was sent.
                response = await self._openai.post(
                    "/chat/completions", cast_to=httpx2.Response, body=self._build_body(request)
                )
            answer = self._read_completion(response.json(), request, elapsed_since(began))
        except openai.APIStatusError as error:
            raise _NotBilledError(self._classify_status_error(error)) from None
        except (TimeoutError, openai.APITimeoutError) as error:
            failure = _TransientError(f"no answer within {self.settings.timeout:g} s")
            self._breaker.record_failure(failure)
            raise (_NotBilledError(failure) if _is_never_sent(error) else failure) from None
        except openai.APIConnectionError as error:
            failure = _TransientError(self._scrub(f"the connection broke: {error.__cause__ or error}"))
            self._breaker.record_failure(failure)
            raise (_NotBilledError(failure) if _is_never_sent(error) else failure) from None
        except (openai.APIResponseValidationError, ValueError, AttributeError) as error:
            failure = _TransientError(self._scrub(f"the answer is not a chat completion: {error}"))
            self._breaker.record_failure(failure)
            raise failure from None
        self._breaker.record_success()
        self._concurrency.speed_up()
        return answer

    def _classify_status_error(self, error: openai.APIStatusError) -> Exception:
        """Decides whether a retry may help, and updates the circuit breaker and the concurrency."""
        body = error.body if isinstance(error.body, dict) else {}
        reason = f"answered {error.status_code}: {self._scrub(body.get('message') or error.message)}"
        # OpenAI also answers 429 when the account has no credit left, which no wait repairs.
        if error.status_code == 429 and body.get("code") != "insufficient_quota":
            self._breaker.reset()
            self._concurrency.slow_down()
            retry_after = _parse_retry_after(error.response.headers)
            if retry_after is not None and retry_after > MAX_RETRY_AFTER:
                return ServiceError(
                    f"the service asks to wait {retry_after:.0f} s; run again later, every answer is kept"
                )
            return _TransientError(reason, retry_after)
        if error.status_code in (408, 409) or error.status_code >= 500:
            self._breaker.record_failure(reason)
            return _TransientError(reason, _parse_retry_after(error.response.headers))
        self._breaker.reset()
        return self._explain_status_error(error)


def _backoff(state: RetryCallState) -> float:
    """Seconds before the next attempt: the service's Retry-After, else exponential, both with jitter."""
    failure = state.outcome.exception() if state.outcome else None
    retry_after = failure.retry_after if isinstance(failure, _TransientError) else None
    # A little later than Retry-After says, and not all requests at once.
    if retry_after is not None:
        return retry_after + random.uniform(0, 0.1 + 0.1 * retry_after)
    return random.uniform(0.5, 1.0) * min(0.5 * 2 ** (state.attempt_number - 1), 20.0)


def _parse_retry_after(headers: httpx2.Headers) -> float | None:
    """Seconds to wait by `retry-after-ms` or by `retry-after`, which holds seconds or an HTTP date."""
    try:
        if milliseconds := headers.get("retry-after-ms"):
            return max(0.0, float(milliseconds) / 1000)
        value = headers.get("retry-after")
        if not value:
            return None
        if value.strip().replace(".", "", 1).isdigit():
            return float(value)
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError):
        return None


def _is_never_sent(error: BaseException) -> bool:
    """Whether the request failed before it could reach the service."""
    return isinstance(error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)
