"""The live client with a service that fails as real ones do: transient errors are retried, no answer is paid twice."""

import asyncio
import socket
import time

import pytest
from pydantic import BaseModel, SecretStr

from atom.config import ServiceConfig
from atom.errors import AtomError
from atom.llm_client import live, rate_limit
from atom.llm_client.errors import BudgetSpent, RequestFailed, ServiceError
from atom.llm_client.request import Picture, Request
from atom.llm_client.runtime import check_service, gather_settled, read_api_key
from atom.llm_client.structured import ask_structured


def question(number=0, **fields):
    return Request("atom-double", "system", (f"question {number}",), max_tokens=200, **fields)


def all_of(number):
    return lambda service: gather_settled([service.ask(question(n)) for n in range(number)])


def test_an_answer_is_paid_for_once_whoever_asks_again(start_mock, ask):
    mock = start_mock()
    first = ask(mock.address, all_of(5))
    again = ask(mock.address, all_of(5))
    assert [answer.text for answer in first] == [answer.text for answer in again]
    assert not any(answer.journaled for answer in first) and all(answer.journaled for answer in again)
    assert mock.statistics()["requests"] == 5
    assert first[0].cost == pytest.approx((first[0].prompt_tokens + 4 * first[0].completion_tokens) / 1e6)


def test_the_same_question_at_the_same_time_is_asked_once(start_mock, ask):
    mock = start_mock(latency=0.2)
    answers = ask(mock.address, lambda service: gather_settled([service.ask(question()) for _ in range(20)]))
    assert len({answer.raw for answer in answers}) == 1 and mock.statistics()["requests"] == 1


def test_another_vote_and_another_refresh_are_new_requests(start_mock, ask):
    mock = start_mock()
    requests = [question(), question(vote=1), question(refresh=1), question()]
    ask(mock.address, lambda service: gather_settled([service.ask(request) for request in requests]))
    assert mock.statistics()["distinct"] == 3 == mock.statistics()["answered"]


@pytest.mark.parametrize("fault", ["rate_limit", "server_error", "unavailable", "cut"])
def test_transient_errors_are_retried(start_mock, ask, monkeypatch, fault):
    monkeypatch.setattr(live, "_backoff", lambda state: 0.01)
    mock = start_mock(seed=3, **{fault: 0.4})
    answers = ask(mock.address, all_of(30), attempts=30, concurrency=4)
    counts = mock.statistics()
    assert len(answers) == 30 and all(answer.text for answer in answers)
    assert counts["requests"] > 30
    assert counts["repeated_answers"] == counts["spoiled"].get("cut", 0)  # computed, but never received


def test_retry_after_is_waited_for(start_mock, ask):
    mock = start_mock(seed=1, rate_limit=0.5, retry_after=None, retry_after_ms=700)
    began = time.monotonic()
    ask(mock.address, all_of(4), attempts=20)
    assert mock.statistics()["refused"]["rate_limit"] >= 1
    assert time.monotonic() - began > 0.65


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
    ],
)
def test_every_form_of_retry_after_is_read(headers, seconds):
    assert live._parse_retry_after(headers) == seconds


def test_a_stalled_request_times_out_and_is_retried(start_mock, ask):
    mock = start_mock(seed=2, stall=0.3, stall_seconds=30)
    answers = ask(mock.address, all_of(8), timeout=0.5, attempts=20)
    counts = mock.statistics()
    assert len(answers) == 8 and counts["repeated_answers"] == counts["spoiled"]["stall"] > 0


def test_a_request_that_fails_alone_says_so_and_the_others_go_on(start_mock, ask, monkeypatch):
    monkeypatch.setattr(live, "_backoff", lambda state: 0.01)
    mock = start_mock(seed=5, server_error=0.6)

    async def work(service):
        return await asyncio.gather(*(service.ask(question(n)) for n in range(20)), return_exceptions=True)

    results = ask(mock.address, work, attempts=2)
    failed = [result for result in results if isinstance(result, RequestFailed)]
    assert 0 < len(failed) < 20 and all("no answer after 2 tries: answered 500" in str(error) for error in failed)


def test_a_service_that_is_down_is_given_up_in_one_line(ask, monkeypatch):
    monkeypatch.setattr(live, "_backoff", lambda state: 0.01)
    monkeypatch.setattr(rate_limit.CircuitBreaker, "FIRST_PAUSE", 0.01)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{nobody.getsockname()[1]}/v1"
        with pytest.raises(ServiceError, match="does not answer") as caught:
            ask(address, all_of(50), attempts=3)
    assert "\n" not in str(caught.value)


def test_a_wrong_key_stops_everything_and_is_not_repeated_in_the_message(start_mock, ask):
    secret = "sk-marked-0123456789"
    mock = start_mock(key=SecretStr("another"))
    with pytest.raises(ServiceError, match="answered 401") as caught:
        ask(mock.address, all_of(3), key=SecretStr(secret))
    assert secret not in str(caught.value) and "OPENAI_API_KEY" in str(caught.value)
    chain = caught.value
    while chain is not None:
        assert secret not in repr(chain)
        chain = chain.__cause__


def test_an_unknown_model_stops_everything(start_mock, ask):
    with pytest.raises(ServiceError, match="404"):
        ask(start_mock(models=("other",)).address, all_of(3))


class Sentence(BaseModel):
    sentence: str


def test_a_server_without_schemas_gets_the_json_form(start_mock, ask):
    mock = start_mock(no_schema=1.0)

    async def work(service):
        await service.ask(question(schema=Sentence))
        return service.choose_form(question())

    assert ask(mock.address, work) == "json"
    assert mock.statistics()["refused"] == {"no_schema": 1}


@pytest.mark.parametrize("fault", ["refusal", "invalid_json", "wrong_schema", "truncated"])
def test_bad_answers_are_kept_and_end_as_an_error_with_its_reason(start_mock, ask, fault):
    mock = start_mock(**{fault: 1.0})
    result = ask(mock.address, lambda service: ask_structured(service, question(), Sentence))
    assert result.value is None and result.error and len(result.answers) == 2
    assert mock.statistics()["answered"] == 2
    again = ask(mock.address, lambda service: ask_structured(service, question(), Sentence))
    assert again.error == result.error and mock.statistics()["answered"] == 2


def test_no_second_sees_more_than_its_share(start_mock, ask):
    mock = start_mock()
    ask(mock.address, all_of(120), requests_per_minute=2400, concurrency=64)
    # requests sent apart may arrive together on a busy core; without the limiter all 120 arrive within one second
    assert mock.statistics()["most_in_a_second"] <= 2.5 * 2400 / 60


def test_the_budget_stops_below_its_limit_and_goes_on_when_raised(start_mock, ask):
    mock = start_mock(latency=0.02)
    one = ask(mock.address, all_of(1), account="other")[0].cost
    limit = 20.5 * one
    with pytest.raises(BudgetSpent, match="budget_dollars or"):
        ask(mock.address, all_of(60), budget_dollars=limit, concurrency=16)
    before = mock.statistics()["answered"] - 1
    assert 18 <= before <= 21  # the question's number takes a token or two more
    answers = ask(mock.address, all_of(60), budget_dollars=70 * one)
    assert len(answers) == 60 and mock.statistics()["repeated"] == 0
    assert sum(not answer.journaled for answer in answers) == 60 - before - 1  # one is the other account's


def test_a_budget_in_tokens_holds_without_a_price(start_mock, ask):
    mock = start_mock()

    def work(service):
        return gather_settled([service.ask(question(n).with_changes(model="unheard-of")) for n in range(50)])

    tokens = ask(mock.address, lambda s: s.ask(question(99).with_changes(model="unheard-of"))).tokens
    with pytest.raises(BudgetSpent, match="tokens are spent"):
        ask(mock.address, work, budget_tokens=10 * tokens, account="tokens")
    assert 9 <= mock.statistics()["answered"] <= 12


def test_pictures_arrive_as_they_are(start_mock, ask):
    mock = start_mock()
    request = Request("atom-double", "s", (Picture(bytes(range(256)) * 40, "image/png", "Frame 0:"), "what is it?"))
    assert ask(mock.address, lambda service: service.ask(request)).prompt_tokens > 200


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"base_url": "ftp://x"}, "service.base_url"),
        ({"base_url": "https://user:secret@host/v1"}, "service.base_url holds"),
        ({}, "there is no key"),
        ({"base_url": "http://127.0.0.1:1/v1", "budget_dollars": 1}, "no price for unheard-of"),
    ],
)
def test_bad_settings_are_an_error_before_the_first_request(settings, message, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    service = ServiceConfig(**settings)
    with pytest.raises(AtomError, match=message) as caught:
        check_service(service, ["unheard-of"], read_api_key(service))
    assert "secret" not in str(caught.value)


def test_an_unknown_price_is_remarked():
    service = ServiceConfig(base_url="http://127.0.0.1:1/v1")
    assert check_service(service, ["unheard-of", "gpt-4o"], None) == [
        "no price is known for unheard-of: only its tokens are counted"
    ]
