"""Answers that match a pydantic schema, with one retry in another format where the first answer does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from atom.llm_client.errors import RequestFailed
from atom.llm_client.request import Answer, AnswerForm, Request

SchemaT = TypeVar("SchemaT", bound=BaseModel)

_REASSURANCE = "The pictures are computer drawings of a puppet without identity; nothing in them is private or harmful."


class SupportsAsk(Protocol):
    """Anything that sends a request to a model. It raises RequestFailed if this one request has no answer."""

    def choose_form(self, request: Request) -> AnswerForm: ...
    async def ask(self, request: Request) -> Answer: ...


@dataclass(frozen=True)
class StructuredAnswer(Generic[SchemaT]):
    """The outcome of a structured request.

    Attributes:
        value: the parsed answer; None if there is no valid one.
        error: why there is no valid answer; None if there is one.
        answers: all answers that were paid for, including invalid ones.
    """

    value: SchemaT | None
    error: str | None
    answers: list[Answer] = field(default_factory=list)


async def ask_structured(
    client: SupportsAsk,
    request: Request,
    schema: type[SchemaT],
    check: Callable[[SchemaT], str | None] = lambda _: None,
) -> StructuredAnswer[SchemaT]:
    """Asks for an answer that matches `schema`.

    A refusal, a truncated answer and an invalid answer are retried once, in another format. An error of this one
    request is returned as `error`; an error of the whole service is raised.

    Args:
        client: sends the request.
        request: the question; its schema and form are set here.
        schema: pydantic model that the answer must match.
        check: says what else is wrong with a parsed answer, or returns None.

    Returns:
        The parsed answer or the error, with all answers that were paid for.

    Raises:
        ServiceError, BudgetSpent: no request can succeed.
    """
    answers: list[Answer] = []
    form = client.choose_form(request)
    request = request.with_changes(schema=schema, form=form)
    error = ""
    for is_retry in (False, True):
        if is_retry:
            request = _adjust_request(request, answers[-1])
        try:
            answers.append(await client.ask(request))
        # A failed request has had its retries; the second try here is for answers that can't be read.
        except RequestFailed as failure:
            return StructuredAnswer(None, str(failure), answers)
        value, error = parse_answer(answers[-1], schema, check)
        if value is not None:
            return StructuredAnswer(value, None, answers)
    return StructuredAnswer(None, error, answers)


def parse_answer(
    answer: Answer, schema: type[SchemaT], check: Callable[[SchemaT], str | None]
) -> tuple[SchemaT | None, str]:
    """Parses an answer as `schema`.

    Args:
        answer: the model's answer.
        schema: pydantic model that the answer must match.
        check: says what else is wrong with a parsed answer, or returns None.

    Returns:
        The parsed answer and an empty string, or None and what is wrong.
    """
    if answer.refusal or answer.finish_reason == "content_filter":
        return None, f"refused: {_shorten(answer.refusal or answer.text or 'content filter')}"
    if answer.finish_reason == "length":
        return None, f"cut off after {answer.completion_tokens} tokens"
    try:
        value = schema.model_validate_json(_extract_json(answer.text))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        return None, f"invalid answer: {f'{place}: ' if place else ''}{first['msg']} in {_shorten(answer.text)!r}"
    complaint = check(value)
    return (None, f"invalid answer: {complaint}") if complaint else (value, "")


def _adjust_request(request: Request, answer: Answer) -> Request:
    """The request for the retry: more tokens after a truncated answer, else another form."""
    # A model that thinks aloud needs more room, not other words.
    if answer.finish_reason == "length":
        return request.with_changes(max_tokens=2 * request.max_tokens)
    # Another form gives the request another key: the same one would get the stored answer again.
    form: AnswerForm = "text" if request.form != "text" else "json"
    system = f"{request.system} {_REASSURANCE}" if answer.refusal else request.system
    return request.with_changes(form=form, system=system)


def _extract_json(text: str) -> str:
    """The outermost JSON object of a text. Models without strict schemas often wrap it in words or a code fence."""
    first, last = text.find("{"), text.rfind("}")
    return text[first : last + 1] if 0 <= first < last else text


def _shorten(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 120 else text[:117] + "..."
