"""The waits of the client as they are, on a clock that only sleeping moves on, and budgets that are spent whole."""

import asyncio
import time
from types import SimpleNamespace

import pytest

from atom.config import ServiceConfig
from atom.llm_client import live
from atom.llm_client.errors import RequestFailed, ServiceError
from atom.llm_client.journal import Journal, Spending, SpendingLimits, parse_completion
from atom.llm_client.live import LiveClient
from atom.llm_client.prices import Price, find_price
from atom.llm_client.rate_limit import CircuitBreaker, ConcurrencyLimiter
from atom.llm_client.request import Picture, Request


@pytest.fixture
def clock(monkeypatch):
    """A clock that only sleeping moves on; `clock.sleeps` keeps what was waited, in seconds."""
    state = SimpleNamespace(now=1000.0, sleeps=[])

    async def sleep(seconds, result=None):
        state.sleeps.append(seconds)
        state.now += seconds
        return result

    monkeypatch.setattr(asyncio, "sleep", sleep)
    monkeypatch.setattr(time, "monotonic", lambda: state.now)
    return state


def waits_of_a_failing_request(tmp_path, clock, attempts, failures):
    """What a client waits between its attempts when each fails with the next of `failures`."""

    async def work():
        settings = ServiceConfig(base_url="http://127.0.0.1:9/v1", attempts=attempts)
        client = LiveClient(settings, None, Journal(tmp_path / "answers.sqlite"), "test")
        client._breaker.last_success = clock.now + 1e6  # others succeed meanwhile: the fault is this request's
        left = iter(failures)

        async def attempt(request):
            raise live._TransientError("answered 500", next(left))

        client._attempt = attempt
        with pytest.raises(RequestFailed, match=f"no answer after {attempts} tries"):
            await client._fetch(Request("m", "system", ("question",)))
        await client.close()

    asyncio.run(work())
    return clock.sleeps


@pytest.mark.parametrize(("share", "name"), [(0.0, "least"), (1.0, "most")])
def test_the_back_off_doubles_from_half_a_second_up_to_twenty(tmp_path, clock, monkeypatch, share, name):
    monkeypatch.setattr(live.random, "uniform", lambda low, high: low + share * (high - low))
    most = [0.5, 1, 2, 4, 8, 16, 20, 20]
    waits = waits_of_a_failing_request(tmp_path, clock, 9, [None] * 9)
    assert waits == pytest.approx([wait if name == "most" else wait / 2 for wait in most])


@pytest.mark.parametrize(("share", "waits"), [(0.0, [7, 0, 2]), (1.0, [7.8, 0.1, 2.3])])
def test_the_wait_that_the_service_asks_for_is_kept_and_spread_upwards_only(tmp_path, clock, monkeypatch, share, waits):
    monkeypatch.setattr(live.random, "uniform", lambda low, high: low + share * (high - low))
    assert waits_of_a_failing_request(tmp_path, clock, 4, [7.0, 0.0, 2.0, None]) == pytest.approx(waits)


def test_a_request_that_fails_while_no_other_succeeds_gives_the_service_up(tmp_path, clock):
    async def work():
        client = LiveClient(
            ServiceConfig(base_url="http://127.0.0.1:9/v1", attempts=2), None, Journal(tmp_path / "a"), "test"
        )
        client._breaker.last_success = clock.now - 0.01  # before the request began

        async def attempt(request):
            raise live._TransientError("answered 500")

        client._attempt = attempt
        with pytest.raises(ServiceError, match="does not answer: answered 500"):
            await client._fetch(Request("m", "system", ("question",)))
        await client.close()

    asyncio.run(work())


def pauses_of_a_breaker(clock, probes):
    """Seconds from each failed probe until the next one may be sent."""

    async def work():
        breaker, pauses = CircuitBreaker(), []
        for number in range(probes):
            await breaker.wait_until_ready()
            for _ in range(10 if number == 0 else 1):
                breaker.record_failure("broken")
            began = clock.now
            await breaker.wait_until_ready()
            pauses.append(clock.now - began)
            breaker.release_probe()
        return pauses

    return asyncio.run(work())


def test_the_breaker_pauses_for_two_seconds_first_and_doubles_up_to_a_minute(clock):
    assert pauses_of_a_breaker(clock, 6) == pytest.approx([2, 4, 8, 16, 32, 60], abs=0.06)
    with pytest.raises(ServiceError, match="broken"):
        pauses_of_a_breaker(clock, 7)


def test_nine_failures_do_not_open_the_breaker_and_a_success_starts_the_count_again(clock):
    async def work():
        breaker = CircuitBreaker()
        for _ in range(2):
            for _ in range(9):
                breaker.record_failure("broken")
            await breaker.wait_until_ready()
            breaker.record_success()
        assert breaker.last_success == clock.now
        for _ in range(10):
            breaker.record_failure("broken")
        await breaker.wait_until_ready()

    asyncio.run(work())
    assert sum(clock.sleeps) == pytest.approx(2, abs=0.06)


def test_requests_that_were_sent_before_the_pause_do_not_lengthen_it(clock):
    async def work():
        breaker = CircuitBreaker()
        for _ in range(60):
            breaker.record_failure("broken")
        await breaker.wait_until_ready()  # the probe
        for _ in range(2):
            breaker.record_failure("broken")
        await breaker.wait_until_ready()

    asyncio.run(work())
    assert sum(clock.sleeps) == pytest.approx(2 + 4, abs=0.12)


def test_concurrency_falls_by_three_tenths_once_a_second_and_rises_by_a_fifth(clock):
    slots = ConcurrencyLimiter(10)
    slots.slow_down()
    clock.now += 1.0
    slots.slow_down()  # a second has not passed yet
    assert slots.allowed == pytest.approx(7)
    clock.now += 0.1
    slots.slow_down()
    assert slots.allowed == pytest.approx(4.9)
    for allowed in (5.1, 5.3):
        slots.speed_up()
        assert slots.allowed == pytest.approx(allowed)
    for _ in range(100):
        slots.speed_up()
    assert slots.allowed == 10


def test_a_service_that_asks_to_wait_ten_minutes_is_waited_for_and_no_longer(tmp_path):
    async def classify(seconds):
        client = LiveClient(ServiceConfig(base_url="http://127.0.0.1:9/v1"), None, Journal(tmp_path / "a"), "test")
        response = SimpleNamespace(headers={"retry-after": str(seconds)})
        error = SimpleNamespace(status_code=429, body={}, message="slow down", response=response)
        found = client._classify_status_error(error)
        await client.close()
        return found

    waited = asyncio.run(classify(600))
    assert isinstance(waited, live._TransientError) and waited.retry_after == 600
    assert isinstance(asyncio.run(classify(601)), ServiceError)


@pytest.mark.parametrize(("status", "is_transient"), [(408, True), (409, True), (499, False), (500, True), (503, True)])
def test_errors_of_the_server_are_retried_and_those_of_the_request_are_not(tmp_path, status, is_transient):
    async def classify():
        client = LiveClient(ServiceConfig(base_url="http://127.0.0.1:9/v1"), None, Journal(tmp_path / "a"), "test")
        error = SimpleNamespace(status_code=status, body={}, message="no", response=SimpleNamespace(headers={}))
        found = client._classify_status_error(error)
        await client.close()
        return found, client._breaker._failures

    found, failures = asyncio.run(classify())
    assert isinstance(found, live._TransientError if is_transient else RequestFailed)
    assert failures == int(is_transient)


def answered(prompt, completion, cost):
    usage = {"prompt_tokens": prompt, "completion_tokens": completion}
    return parse_completion({"choices": [{"message": {"content": "yes"}}], "usage": usage}, cost, 0.5)


@pytest.mark.parametrize(
    ("limits", "fits", "too_much"),
    [
        (SpendingLimits(tokens=250), Spending(50, 9.0), Spending(51, 0.0)),
        (SpendingLimits(cost=2.5), Spending(9999, 0.5), Spending(0, 0.500001)),
        (SpendingLimits(tokens=250, cost=2.5), Spending(50, 0.5), Spending(50, 0.6)),
        (SpendingLimits(tokens=250, cost=2.5), Spending(50, 0.5), Spending(51, 0.5)),
    ],
)
def test_a_budget_may_be_spent_to_the_last_token_and_cent_and_no_further(tmp_path, limits, fits, too_much):
    journal = Journal(tmp_path / "answers.sqlite")
    journal.add("a", "k0", "text", "m", answered(60, 40, 1.0))
    journal.open_call("a", "k1", Spending(100, 1.0), SpendingLimits(), 0)
    assert journal.open_call("a", "k2", too_much, limits, 0) == "spent"
    assert journal.open_call("a", "k2", fits, limits, 0).startswith("call-")
    assert journal.open_call("a", "k3", Spending(1, 0.01), limits, 0) == "spent"


def test_a_call_waits_where_it_would_fit_exactly_without_the_open_ones(tmp_path):
    journal, limits = Journal(tmp_path / "answers.sqlite"), SpendingLimits(tokens=250)
    journal.add("a", "k0", "text", "m", answered(60, 40, 1.0))
    journal.open_call("a", "k1", Spending(100, 1.0), limits, 0)
    assert journal.open_call("a", "k2", Spending(150, 0.0), limits, 1) == "wait"
    assert journal.open_call("a", "k2", Spending(151, 0.0), limits, 1) == "spent"


def test_the_largest_answer_of_a_model_and_kind_is_what_the_next_may_cost(tmp_path):
    journal = Journal(tmp_path / "answers.sqlite")
    journal.add("a", "k0", "text", "m", answered(60, 40, 0.1))
    journal.add("b", "k1", "text", "m", answered(30, 10, 0.3))
    journal.add("a", "k2", "Rating", "m", answered(900, 10, 2.0))
    assert journal.max_spending("m", "text") == Spending(100, 0.3)
    assert journal.max_spending("m", "Rating") == Spending(910, 2.0) and journal.max_spending("n", "text") is None
    assert journal.list_accounts() == [("a", 2, Spending(1010, 2.1)), ("b", 1, Spending(40, 0.3))]


def test_a_price_is_for_a_million_tokens_and_the_longest_name_decides():
    assert Price(input=2.0, output=8.0).cost(500_000, 250_000) == pytest.approx(1.0 + 2.0)
    prices = {"gpt-4": Price(input=1, output=1), "gpt-4-2024": Price(input=2, output=2)}
    assert find_price("gpt-4-2024-05-01", prices) == prices["gpt-4-2024"]
    assert find_price("gpt-4-0613", prices) == prices["gpt-4"]


def test_the_first_request_of_a_kind_is_estimated_on_the_high_side(tmp_path):
    """Three characters a token, 1,600 tokens a picture, and all tokens that the answer may have."""

    async def work():
        client = LiveClient(ServiceConfig(base_url="http://127.0.0.1:9/v1"), None, Journal(tmp_path / "a"), "test")
        picture = Picture(b"data", "image/png", "Frame 0:")
        request = Request("gpt-4o", "s" * 30, ("t" * 60, picture, picture), max_tokens=100)
        price, found = client._prices["gpt-4o"], await client._estimate_spending(request, 0.5)
        await client.close()
        return price, found

    price, found = asyncio.run(work())
    assert found.tokens == 30 + 3200 + 100
    assert found.cost == pytest.approx((3230 * price.input + 100 * price.output) / 1e6 / 2)
