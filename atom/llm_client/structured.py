"""An answer of a wanted shape: asked for by schema, once more in another form where that fails, else given up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from atom.llm_client.errors import RequestFailed
from atom.llm_client.request import Answer, AnswerForm, Request

Shape = TypeVar("Shape", bound=BaseModel)

_REASSURANCE = "The pictures are computer drawings of a puppet without identity; nothing in them is private or harmful."


class SupportsAsk(Protocol):
    """Whoever takes a request to a model: RequestFailed where this one can't be answered."""

    def choose_form(self, request: Request) -> AnswerForm: ...
    async def ask(self, request: Request) -> Answer: ...


@dataclass(frozen=True)
class StructuredAnswer(Generic[Shape]):
    """What came of a question: its value, or why there is none; and every answer that was paid for on the way."""

    value: Shape | None
    error: str | None
    answers: list[Answer] = field(default_factory=list)


async def ask_structured(
    service: SupportsAsk, request: Request, schema: type[Shape], check: Callable[[Shape], str | None] = lambda _: None
) -> StructuredAnswer[Shape]:
    """Asks for an answer of the shape `schema`; `check` says what else is wrong with one, or None.

    A refusal, an answer that was cut off and one of the wrong shape are asked about once more in another form. What is
    wrong with the whole service is raised; what is wrong with this request alone is told as the error.
    """
    answers: list[Answer] = []
    form = service.choose_form(request)
    request = request.with_changes(schema=schema, form=form)
    error = ""
    for again in (False, True):
        if again:
            request = _in_another_form(request, answers[-1])
        try:
            answers.append(await service.ask(request))
        except RequestFailed as failure:
            return StructuredAnswer(None, str(failure), answers)
        value, error = read(answers[-1], schema, check)
        if value is not None:
            return StructuredAnswer(value, None, answers)
    return StructuredAnswer(None, error, answers)


def read(answer: Answer, schema: type[Shape], check: Callable[[Shape], str | None]) -> tuple[Shape | None, str]:
    """The answer as `schema`, or None and what is wrong with it."""
    if answer.refusal or answer.finish_reason == "content_filter":
        return None, f"refused: {_short(answer.refusal or answer.text or 'content filter')}"
    if answer.finish_reason == "length":
        return None, f"cut off after {answer.completion_tokens} tokens"
    try:
        value = schema.model_validate_json(_json_in(answer.text))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        return None, f"invalid answer: {f'{place}: ' if place else ''}{first['msg']} in {_short(answer.text)!r}"
    complaint = check(value)
    return (None, f"invalid answer: {complaint}") if complaint else (value, "")


def _in_another_form(request: Request, answer: Answer) -> Request:
    if answer.finish_reason == "length":
        return request.with_changes(max_tokens=2 * request.max_tokens)
    form: AnswerForm = "text" if request.form != "text" else "json"
    system = f"{request.system} {_REASSURANCE}" if answer.refusal else request.system
    return request.with_changes(form=form, system=system)


def _json_in(text: str) -> str:
    """The outermost object of a text, which servers without schemas like to wrap in words or a code fence."""
    first, last = text.find("{"), text.rfind("}")
    return text[first : last + 1] if 0 <= first < last else text


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 120 else text[:117] + "..."
