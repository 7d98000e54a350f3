"""Each fault as a client sees it through the SDK, and whether it counts as paid."""

import json
import time

import openai
import pytest
from mock_clients import ask, question, value

from atom.judging.vision.questions import EventsAnswer
from atom.mock_service import FaultRates, MockServiceSettings, run_in_thread


def always(**options):
    fault = options.pop("fault")
    return MockServiceSettings(faults=FaultRates(**{fault: 1.0}), **options)


def test_a_rate_limit_names_how_long_to_wait_and_costs_nothing(motions, index):
    settings = always(fault="rate_limit", retry_after=2.5, retry_after_ms=2500, latency=5)
    with run_in_thread(settings, index) as mock:
        began = time.monotonic()
        with pytest.raises(openai.RateLimitError) as caught:
            ask(mock, question(motions["jumps"]))
        assert time.monotonic() - began < 3  # without the latency
        counts = mock.statistics()
    headers = caught.value.response.headers
    assert (headers["retry-after"], headers["retry-after-ms"]) == ("2.5", "2500")
    assert caught.value.code == "rate_limit_exceeded"
    assert counts["requests"] == 1 and counts["answered"] == 0 and counts["refused"] == {"rate_limit": 1}


@pytest.mark.parametrize(("fault", "status"), [("server_error", 500), ("unavailable", 503)])
def test_a_server_may_be_down(motions, index, fault, status):
    with run_in_thread(always(fault=fault), index) as mock:
        with pytest.raises(openai.InternalServerError) as caught:
            ask(mock, question(motions["jumps"]))
        assert caught.value.status_code == status and caught.value.body["message"]
        assert mock.statistics()["refused"] == {fault: 1}


def test_a_server_without_schemas_still_knows_json(motions, index):
    with run_in_thread(always(fault="no_schema"), index) as mock:
        with pytest.raises(openai.BadRequestError) as caught:
            ask(mock, question(motions["jumps"]))
        assert caught.value.param == "response_format"
        EventsAnswer.model_validate(value(ask(mock, question(motions["jumps"], form="json"))))


def test_a_stalled_answer_comes_late_and_is_paid(motions, index):
    with run_in_thread(always(fault="stall", stall_seconds=0.5), index) as mock:
        began = time.monotonic()
        EventsAnswer.model_validate(value(ask(mock, question(motions["jumps"]))))
        assert time.monotonic() - began >= 0.5
        with pytest.raises(openai.APITimeoutError):
            ask(mock, question(motions["jumps"]), timeout=0.1)
        assert mock.statistics()["answered"] == 2 and mock.statistics()["spoiled"] == {"stall": 2}


def test_a_cut_connection_is_a_connection_error_and_is_paid(motions, index):
    with run_in_thread(always(fault="cut"), index) as mock:
        with pytest.raises(openai.APIConnectionError) as caught:
            ask(mock, question(motions["jumps"]))
        assert not isinstance(caught.value, openai.APITimeoutError)
        assert mock.statistics()["answered"] == 1 and mock.statistics()["spoiled"] == {"cut": 1}


def test_a_refusal_has_no_content(motions, index):
    with run_in_thread(always(fault="refusal"), index) as mock:
        message = ask(mock, question(motions["jumps"])).choices[0].message
    assert message.content is None and "can't" in message.refusal


def test_invalid_json(motions, index):
    with run_in_thread(always(fault="invalid_json"), index) as mock:
        (choice,) = ask(mock, question(motions["jumps"])).choices
    assert choice.finish_reason == "stop"
    with pytest.raises(ValueError):
        json.loads(choice.message.content)


def test_a_wrong_schema_is_json_all_the_same(motions, index):
    with run_in_thread(always(fault="wrong_schema"), index) as mock:
        answer = value(ask(mock, question(motions["jumps"])))
    with pytest.raises(ValueError):
        EventsAnswer.model_validate(answer)


def test_a_truncated_answer_says_so(motions, index):
    with run_in_thread(always(fault="truncated"), index) as mock:
        completion = ask(mock, question(motions["jumps"]))
    assert completion.choices[0].finish_reason == "length"
    with pytest.raises(ValueError):
        value(completion)


def test_rates_are_shares_of_the_requests(motions, index):
    settings = MockServiceSettings(faults=FaultRates(refusal=0.3, wrong_schema=0.5))
    requests = [question(motions["jumps"]).with_changes(model=f"model-{number}") for number in range(200)]
    with run_in_thread(settings, index) as mock:
        ask(mock, *requests)
        spoiled = mock.statistics()["spoiled"]
    assert 40 <= spoiled["refusal"] <= 80
    assert 50 <= spoiled["wrong_schema"] <= 90  # half of what was not refused


def test_requests_over_the_limit_of_a_minute_learn_when_to_retry(motions, index):
    with run_in_thread(MockServiceSettings(requests_per_minute=3), index) as mock:
        ask(mock, *(question(motions["jumps"]) for _ in range(3)))
        with pytest.raises(openai.RateLimitError) as caught:
            ask(mock, question(motions["jumps"]))
        assert 50 <= float(caught.value.response.headers["retry-after"]) <= 60
        counts = mock.statistics()
    assert counts["refused"] == {"requests_per_minute": 1} and counts["answered"] == 3


def test_latency_holds_every_answer(motions, index):
    with run_in_thread(MockServiceSettings(latency=0.3, jitter=0.5), index) as mock:
        began = time.monotonic()
        ask(mock, question(motions["jumps"]))
        assert time.monotonic() - began >= 0.15
