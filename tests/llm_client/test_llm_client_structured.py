"""An answer must match its schema; an invalid one is retried once in another form."""

import asyncio
import json

import pytest
from pydantic import BaseModel

from atom.llm_client.errors import BudgetSpent, RequestFailed
from atom.llm_client.request import Answer, Request
from atom.llm_client.structured import ask_structured


class Shape(BaseModel):
    number: int


def answer(text, finish_reason="stop", refusal=None):
    return Answer(text, refusal, finish_reason, "m", 10, 5, 0.1, 0.2, "{}")


class Scripted:
    """A client that returns the given answers in turn, or raises those that are exceptions, and keeps the requests."""

    def __init__(self, *answers, form="schema"):
        self.answers, self.form, self.requests = list(answers), form, []

    def choose_form(self, request):
        return self.form

    async def ask(self, request):
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def ask(client, check=lambda _: None):
    return asyncio.run(ask_structured(client, Request("m", "system", ("how many?",), max_tokens=50), Shape, check))


@pytest.mark.parametrize(
    "text", ['{"number": 3}', '```json\n{"number": 3}\n```', 'Sure! {"number": 3} I hope this helps.']
)
def test_an_object_is_found_in_what_is_around_it(text):
    found = ask(Scripted(answer(text)))
    assert found.value == Shape(number=3) and found.error is None and len(found.answers) == 1


@pytest.mark.parametrize(
    ("bad", "changed"),
    [
        (answer("no idea"), {"form": "text"}),
        (answer('{"count": 3}'), {"form": "text"}),
        (answer('{"number": 3', "length"), {"max_tokens": 100}),
        (answer("", refusal="I can't help with that"), {"form": "text"}),
        (answer("", "content_filter"), {"form": "text"}),
    ],
)
def test_a_bad_answer_is_retried_once_in_another_form(bad, changed):
    client = Scripted(bad, answer('{"number": 3}'))
    found = ask(client)
    assert found.value == Shape(number=3) and len(found.answers) == 2
    first, second = client.requests
    assert first.key != second.key
    assert {name: getattr(second, name) for name in changed} == changed
    assert (second.system == first.system) == (bad.refusal is None)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (answer("no idea"), "invalid answer"),
        (answer('{"number": "many"}'), "number"),
        (answer("x", "length"), "cut off after 5 tokens"),
        (answer("", refusal="I can't\nhelp"), "refused: I can't help"),
    ],
)
def test_a_second_bad_answer_is_an_error_with_its_reason_and_both_are_kept(bad, reason):
    found = ask(Scripted(bad, bad))
    assert found.value is None and reason in found.error and "\n" not in found.error and len(found.answers) == 2


def test_a_check_can_refuse_what_has_the_right_shape():
    found = ask(Scripted(answer('{"number": 9}'), answer('{"number": 2}')), lambda v: "too many" * (v.number > 5))
    assert found.value == Shape(number=2)


def test_a_failed_request_is_an_error_and_a_failed_service_is_raised():
    assert ask(Scripted(RequestFailed("too large"))).error == "too large"
    late = ask(Scripted(answer("bad"), RequestFailed("gone")))
    assert late.error == "gone" and len(late.answers) == 1
    with pytest.raises(BudgetSpent):
        ask(Scripted(BudgetSpent("spent")))


def test_a_server_without_schemas_is_asked_in_its_own_form():
    client = Scripted(answer(json.dumps({"number": 1})), form="json")
    ask(client)
    assert client.requests[0].response_format == {"type": "json_object"}
