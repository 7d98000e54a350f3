"""What the live and the batch way of asking share: the journal first, each question once, forms that a server knows."""

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

_WEAKER: dict[AnswerForm, AnswerForm] = {"schema": "json", "json": "text"}
_PICTURE_TOKENS = 1600  # what a picture is taken to cost until an answer tells


class FormRefused(Exception):
    """The server doesn't know this way to ask for an answer's shape."""


class LLMClient(ABC):
    """An OpenAI-compatible service with a journal and a budget; see `ServiceConfig`. One event loop uses it.

    Answers that are in the journal are not asked for again, and what is asked twice at the same time is asked once.
    """

    def __init__(self, settings: ServiceConfig, key: SecretStr | None, journal: Journal, account: str) -> None:
        self.settings, self.journal, self.account = settings, journal, account
        self._key = key
        self._prices = read_prices(settings.prices)
        self._limits = SpendingLimits(settings.budget_tokens, settings.budget_dollars)
        self._form: AnswerForm = "schema"
        self._running: dict[str, asyncio.Future[Answer]] = {}
        self._expected: dict[tuple[str, str], Spending | None] = {}
        self._journal_thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._openai = openai.AsyncOpenAI(
            base_url=settings.base_url,
            api_key=key.get_secret_value() if key else "none",
            max_retries=0,  # every try passes the limits, the budget and the journal
            timeout=settings.timeout,
            http_client=openai.DefaultAsyncHttpxClient(
                limits=httpx2.Limits(
                    max_connections=settings.concurrency + 4, max_keepalive_connections=settings.concurrency + 4
                )
            ),
        )

    def choose_form(self, request: Request) -> AnswerForm:
        """The strictest form that the service has not refused."""
        return self._form

    async def ask(self, request: Request) -> Answer:
        """The journal's answer, or the service's. RequestFailed when this request has none; ServiceError and
        BudgetSpent when no other would have one either."""
        while True:
            try:
                return await self._once(request)
            except FormRefused:
                if self._form == request.form and request.form in _WEAKER:
                    self._form = _WEAKER[request.form]
                if request.form not in _WEAKER:
                    raise RequestFailed("the service refuses every form of answer that was asked for") from None
                request = request.with_changes(form=_WEAKER[request.form])

    async def close(self) -> None:
        await self._openai.close()
        self._journal_thread.shutdown(wait=False)

    @abstractmethod
    async def _fetch(self, request: Request) -> Answer:
        """Gets an answer that is in no journal, and puts it there."""

    async def _once(self, request: Request) -> Answer:
        if running := self._running.get(request.key):
            return await asyncio.shield(running)
        future = asyncio.get_running_loop().create_future()
        self._running[request.key] = future
        try:
            answer = await self._journaled(self.journal.find, request.key) or await self._fetch(request)
        except BaseException as error:
            future.set_exception(error)
            future.exception()  # seen, also when nobody else waits for it
            raise
        finally:
            del self._running[request.key]
        future.set_result(answer)
        return answer

    async def _journaled(self, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Calls the journal without holding up the event loop."""
        return await asyncio.get_running_loop().run_in_executor(
            self._journal_thread, lambda: function(*arguments, **named)
        )

    def _body(self, request: Request) -> dict[str, Any]:
        body: dict[str, Any] = {"model": request.model, "messages": request.messages()}
        body[self.settings.token_limit] = request.max_tokens
        if request.response_format:
            body["response_format"] = request.response_format
        if request.temperature is not None:
            body["temperature"] = request.temperature
        if request.vote or request.refresh:  # so that nobody between here and the model takes it for the same question
            body["user"] = f"vote {request.vote}, refresh {request.refresh}"
        return body

    def _answer(self, completion: dict[str, Any], request: Request, latency: float, discount: float = 1.0) -> Answer:
        usage = completion.get("usage") or {}
        price = find_price(request.model, self._prices)
        cost = price and discount * price.cost(usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0)
        answer = parse_completion(completion, cost, latency)
        known = self._expected.get((request.model, answer_kind(request)))
        took = Spending(answer.tokens, cost or 0.0)
        dearest = took if known is None else Spending(max(known.tokens, took.tokens), max(known.cost, took.cost))
        self._expected[request.model, answer_kind(request)] = dearest
        return answer

    async def _expected_of(self, request: Request, discount: float = 1.0) -> Spending:
        """The most that an answer of this kind took so far; before there was one, a careful guess."""
        place = (request.model, answer_kind(request))
        if place not in self._expected:
            self._expected[place] = await self._journaled(self.journal.max_spending, *place)
        if known := self._expected[place]:
            return known
        texts = [part for part in request.parts if isinstance(part, str)]
        pictures = sum(isinstance(part, Picture) for part in request.parts)
        prompt = sum(map(len, [request.system, *texts])) // 3 + pictures * _PICTURE_TOKENS
        price = find_price(request.model, self._prices)
        return Spending(
            prompt + request.max_tokens, price.cost(prompt, request.max_tokens) * discount if price else 0.0
        )

    def _budget_spent(self) -> BudgetSpent:
        spent = self.journal.get_spending(self.account)
        limits = [f"${self._limits.cost:g}"] if self._limits.cost else []
        limits += [f"{self._limits.tokens:,} tokens"] if self._limits.tokens else []
        return BudgetSpent(
            f"the budget of {' and '.join(limits)} of runs named {self.account!r} can't pay for another request: "
            f"${spent.cost:.4f} and {spent.tokens:,} tokens are spent; raise service.budget_dollars or "
            "service.budget_tokens and run again, every answer so far is kept"
        )

    def _scrubbed(self, text: object) -> str:
        """Text of a service in one short line, without the key should it echo it."""
        line = " ".join(str(text).split())
        if self._key and (secret := self._key.get_secret_value()):
            line = line.replace(secret, "[the key]")
        return line if len(line) <= 300 else line[:297] + "..."

    def _status_error(self, error: openai.APIStatusError) -> Exception:
        """What an error answer that won't pass means."""
        body = error.body if isinstance(error.body, dict) else {}
        said, status = self._scrubbed(body.get("message") or error.message), error.status_code
        where = f"{self._scrubbed(self.settings.base_url)} answered {status}"
        if body.get("code") == "insufficient_quota":
            return ServiceError(f"{where}: {said}; the account has no quota left: add credit, then run again")
        if status in (401, 403):
            return ServiceError(
                f"{where}: {said}; check the key in {self.settings.key_variable} or in the Secret block "
                "service.key_block"
            )
        if status in (402, 404):
            return ServiceError(f"{where}: {said}; check service.base_url and the model's name")
        if "response_format" in (body.get("param") or "") or is_about_form(said):
            return FormRefused(said)
        return RequestFailed(f"refused with {status}: {said}")


def is_about_form(said: str) -> bool:
    """Whether a refusal is about the way in which the answer's shape was asked for."""
    return any(word in said for word in ("response_format", "json_schema", "json_object"))


def answer_kind(request: Request) -> str:
    """What a request is about, to foretell what its answer takes."""
    return request.schema.__name__ if request.schema else "text"


def since(began: float) -> float:
    return time.monotonic() - began
