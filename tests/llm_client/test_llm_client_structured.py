"""An answer is taken only in the wanted shape; a bad one is asked about once more in another form, then given up."""

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
    """Answers in turn with what it was given; an exception is raised. `asked` keeps the requests."""

    def __init__(self, *answers, form="schema"):
        self.answers, self.form, self.asked = list(answers), form, []

    def choose_form(self, request):
        return self.form

    async def ask(self, request):
        self.asked.append(request)
        said = self.answers.pop(0)
        if isinstance(said, Exception):
            raise said
        return said


def told(service, check=lambda _: None):
    return asyncio.run(ask_structured(service, Request("m", "system", ("how many?",), max_tokens=50), Shape, check))


@pytest.mark.parametrize(
    "text", ['{"number": 3}', '```json\n{"number": 3}\n```', 'Sure! {"number": 3} I hope this helps.']
)
def test_an_object_is_found_in_what_is_around_it(text):
    found = told(Scripted(answer(text)))
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
def test_a_bad_answer_is_asked_about_once_more_in_another_form(bad, changed):
    service = Scripted(bad, answer('{"number": 3}'))
    found = told(service)
    assert found.value == Shape(number=3) and len(found.answers) == 2
    first, second = service.asked
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
def test_a_second_bad_answer_is_told_with_its_reason_and_both_are_kept(bad, reason):
    found = told(Scripted(bad, bad))
    assert found.value is None and reason in found.error and "\n" not in found.error and len(found.answers) == 2


def test_a_check_can_refuse_what_has_the_right_shape():
    found = told(Scripted(answer('{"number": 9}'), answer('{"number": 2}')), lambda v: "too many" * (v.number > 5))
    assert found.value == Shape(number=2)


def test_a_request_that_failed_is_told_and_what_concerns_all_is_raised():
    assert told(Scripted(RequestFailed("too large"))).error == "too large"
    late = told(Scripted(answer("bad"), RequestFailed("gone")))
    assert late.error == "gone" and len(late.answers) == 1
    with pytest.raises(BudgetSpent):
        told(Scripted(BudgetSpent("spent")))


def test_a_server_without_schemas_is_asked_in_its_own_form():
    service = Scripted(answer(json.dumps({"number": 1})), form="json")
    told(service)
    assert service.asked[0].response_format == {"type": "json_object"}
