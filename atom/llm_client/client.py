"""The client that the live and the batch client extend: journal, prices, budget and answer formats."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

import httpx2
import openai
from pydantic import SecretStr

from atom.config import ServiceConfig
from atom.llm_client.errors import BudgetSpent, RequestFailed, ServiceError
from atom.llm_client.journal import Journal, Spending, SpendingLimits, parse_completion
from atom.llm_client.prices import find_price, read_prices
from atom.llm_client.request import Answer, AnswerForm, Picture, Request

T = TypeVar("T")
P = ParamSpec("P")

_WEAKER_FORM: dict[AnswerForm, AnswerForm] = {"schema": "json", "json": "text"}
_PICTURE_TOKENS = 1600  # assumed for a picture until the first answer reports its usage


class FormRefused(Exception):
    """The server does not support this form of `response_format`."""


class LLMClient(ABC):
    """Client of an OpenAI-compatible service, with a journal and a budget; see `ServiceConfig`.

    A request whose answer is in the journal is not sent, and equal requests at the same time are sent once. All calls
    must come from one event loop.
    """

    def __init__(self, settings: ServiceConfig, key: SecretStr | None, journal: Journal, account: str) -> None:
        self.settings, self.journal, self.account = settings, journal, account
        self._key = key
        self._prices = read_prices(settings.prices)
        self._limits = SpendingLimits(settings.budget_tokens, settings.budget_dollars)
        self._form: AnswerForm = "schema"
        self._in_flight: dict[str, asyncio.Future[Answer]] = {}
        self._max_spending: dict[tuple[str, str], Spending | None] = {}  # by model and kind of answer
        # A thread, so that a slow disk does not stop the event loop; one, so that writes keep their order.
        self._journal_thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._openai = openai.AsyncOpenAI(
            base_url=settings.base_url,
            api_key=key.get_secret_value() if key else "none",
            max_retries=0,  # the SDK's own retries would bypass the rate limits, the budget and the journal
            timeout=settings.timeout,
            http_client=openai.DefaultAsyncHttpxClient(
                limits=httpx2.Limits(
                    max_connections=settings.concurrency + 4, max_keepalive_connections=settings.concurrency + 4
                )
            ),
        )

    def choose_form(self, request: Request) -> AnswerForm:
        """Returns the strictest answer format that the service has not refused so far."""
        return self._form

    async def ask(self, request: Request) -> Answer:
        """Returns the answer from the journal, else from the service.

        Raises RequestFailed if this request has no answer, ServiceError and BudgetSpent if no request can have one.
        """
        while True:
            try:
                return await self._ask_once(request)
            except FormRefused:
                # Requests that were in flight together are all refused: only the first of them lowers the form for all.
                if self._form == request.form and request.form in _WEAKER_FORM:
                    self._form = _WEAKER_FORM[request.form]
                if request.form not in _WEAKER_FORM:
                    raise RequestFailed(
                        "the service refuses every answer format: json_schema, json_object and text"
                    ) from None
                request = request.with_changes(form=_WEAKER_FORM[request.form])

    async def close(self) -> None:
        await self._openai.close()
        self._journal_thread.shutdown(wait=False)

    @abstractmethod
    async def _fetch(self, request: Request) -> Answer:
        """Gets the answer from the service and adds it to the journal."""

    async def _ask_once(self, request: Request) -> Answer:
        # Two equal requests at the same time are paid for once.
        if in_flight := self._in_flight.get(request.key):
            return await asyncio.shield(in_flight)  # one waiter's cancellation must not cancel the shared request
        future = asyncio.get_running_loop().create_future()
        self._in_flight[request.key] = future
        try:
            answer = await self._run_in_journal_thread(self.journal.find, request.key) or await self._fetch(request)
        except BaseException as error:
            future.set_exception(error)
            future.exception()  # marks it as retrieved: asyncio logs unretrieved exceptions
            raise
        finally:
            del self._in_flight[request.key]
        future.set_result(answer)
        return answer

    async def _run_in_journal_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Calls a method of the journal without blocking the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._journal_thread, lambda: function(*args, **kwargs))

    def _build_body(self, request: Request) -> dict[str, Any]:
        body: dict[str, Any] = {"model": request.model, "messages": request.messages()}
        body[self.settings.token_limit] = request.max_tokens
        if request.response_format:
            body["response_format"] = request.response_format
        if request.temperature is not None:
            body["temperature"] = request.temperature
        if request.vote or request.refresh:  # a cache between here and the model must not return the earlier answer
            body["user"] = f"vote {request.vote}, refresh {request.refresh}"
        return body

    def _read_completion(
        self, completion: dict[str, Any], request: Request, latency: float, discount: float = 1.0
    ) -> Answer:
        usage = completion.get("usage") or {}
        price = find_price(request.model, self._prices)
        cost = price and discount * price.cost(usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0)
        answer = parse_completion(completion, cost, latency)
        spent = Spending(answer.tokens, cost or 0.0)
        largest = self._max_spending.get((request.model, answer_kind(request))) or spent
        self._max_spending[request.model, answer_kind(request)] = Spending(
            max(largest.tokens, spent.tokens), max(largest.cost, spent.cost)
        )
        return answer

    async def _estimate_spending(self, request: Request, discount: float = 1.0) -> Spending:
        """The maximum over the earlier answers of this kind; before the first one, an estimate on the high side."""
        kind = (request.model, answer_kind(request))
        if kind not in self._max_spending:
            self._max_spending[kind] = await self._run_in_journal_thread(self.journal.max_spending, *kind)
        # The dearest answer of this kind so far, so that a budget is not overspent by a cheap guess.
        if largest := self._max_spending[kind]:
            return largest
        texts = [part for part in request.parts if isinstance(part, str)]
        pictures = sum(isinstance(part, Picture) for part in request.parts)
        # English has about four characters a token; three is on the safe side.
        prompt_tokens = sum(map(len, [request.system, *texts])) // 3 + pictures * _PICTURE_TOKENS
        price = find_price(request.model, self._prices)
        cost = price.cost(prompt_tokens, request.max_tokens) * discount if price else 0.0
        return Spending(prompt_tokens + request.max_tokens, cost)

    def _make_budget_error(self) -> BudgetSpent:
        spent = self.journal.get_spending(self.account)
        limits = [f"${self._limits.cost:g}"] if self._limits.cost else []
        limits += [f"{self._limits.tokens:,} tokens"] if self._limits.tokens else []
        return BudgetSpent(
            f"the budget of {' and '.join(limits)} of the runs named {self.account!r} can't pay for another request: "
            f"${spent.cost:.4f} and {spent.tokens:,} tokens are spent; raise service.budget_dollars or "
            "service.budget_tokens and run again, every answer so far is kept"
        )

    def _scrub(self, text: object) -> str:
        """Shortens a text of the service to one line, and removes the key in case the service repeats it."""
        line = " ".join(str(text).split())
        if self._key and (secret := self._key.get_secret_value()):
            # Some services quote the key in their errors, and errors stand in logs and artifacts.
            line = line.replace(secret, "[the key]")
        return line if len(line) <= 300 else line[:297] + "..."

    def _explain_status_error(self, error: openai.APIStatusError) -> Exception:
        """Turns a permanent error status into the exception that says what to do."""
        body = error.body if isinstance(error.body, dict) else {}
        message, status = self._scrub(body.get("message") or error.message), error.status_code
        where = f"{self._scrub(self.settings.base_url)} answered {status}"
        if body.get("code") == "insufficient_quota":
            return ServiceError(f"{where}: {message}; the account has no quota left: add credit, then run again")
        # No other request would fare better, so these end the run; the rest fails this request alone.
        if status in (401, 403):
            return ServiceError(
                f"{where}: {message}; check the key in {self.settings.key_variable} or in the Secret block "
                "service.key_block"
            )
        if status in (402, 404):
            return ServiceError(f"{where}: {message}; check service.base_url and the model's name")
        if "response_format" in (body.get("param") or "") or is_about_form(message):
            return FormRefused(message)
        return RequestFailed(f"refused with {status}: {message}")


def is_about_form(message: str) -> bool:
    """Whether an error message complains about the `response_format` of the request."""
    return any(word in message for word in ("response_format", "json_schema", "json_object"))


def answer_kind(request: Request) -> str:
    """Name of the kind of request, under which the spending of later answers is estimated."""
    return request.schema.__name__ if request.schema else "text"


def elapsed_since(began: float) -> float:
    """Seconds since a reading of `time.monotonic()`."""
    return time.monotonic() - began
