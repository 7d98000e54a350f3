"""The rate holds in every minute, concurrency falls and recovers, and the circuit breaker stops requests."""

import asyncio
import time
from itertools import pairwise

import pytest

from atom.llm_client.errors import ServiceError
from atom.llm_client.rate_limit import CircuitBreaker, ConcurrencyLimiter, RateLimiter


@pytest.mark.parametrize("per_minute", [1, 2, 20, 60, 600, 9000])
def test_no_minute_gets_more_than_the_rate(per_minute):
    """The bucket's capacity and its flow bound every window: capacity + 60 s of flow."""
    limiter = RateLimiter(per_minute)._limiter
    flow = limiter.max_rate / limiter.time_period
    most = int(60 * flow) + 1 if per_minute == 1 else limiter.max_rate + 60 * flow
    assert most <= max(per_minute, 2) + 1e-6


def test_a_rate_is_kept_and_used():
    async def measure():
        rate, began, times = RateLimiter(6100), time.monotonic(), []  # 100 a second

        async def one():
            await rate.wait()
            times.append(time.monotonic() - began)

        await asyncio.gather(*(one() for _ in range(300)))
        return times

    times = asyncio.run(measure())
    assert times[-1] >= 1.9  # 100 at once, then 100 a second
    assert times[-1] < 3.5
    for first, last in zip(times, times[205:]):
        assert last - first > 0.98, "no second may see more than its share and the capacity"


def test_units_beyond_the_capacity_go_in_steps():
    async def measure():
        rate, began = RateLimiter(610), time.monotonic()  # capacity 10
        await rate.wait(25)
        return time.monotonic() - began

    assert 1.2 < asyncio.run(measure()) < 3


def test_concurrency_falls_and_recovers():
    async def scenario():
        slots, peak = ConcurrencyLimiter(8), 0

        async def one():
            nonlocal peak
            async with slots:
                peak = max(peak, slots.busy)
                await asyncio.sleep(0.005)

        await asyncio.gather(*(one() for _ in range(50)))
        full, peak = peak, 0
        for _ in range(20):
            slots._last_decrease = 0.0
            slots.slow_down()
        await asyncio.gather(*(one() for _ in range(20)))
        slow, peak = peak, 0
        for _ in range(100):
            slots.speed_up()
        await asyncio.gather(*(one() for _ in range(50)))
        return full, slow, peak, slots.busy

    assert asyncio.run(scenario()) == (8, 1, 8, 0)


def test_refusals_of_one_second_count_once():
    slots = ConcurrencyLimiter(10)
    for _ in range(50):
        slots.slow_down()
    assert slots.allowed == pytest.approx(7)


def test_a_breaker_lets_one_probe_through_and_closes_after_a_success(monkeypatch):
    monkeypatch.setattr(CircuitBreaker, "FIRST_PAUSE", 0.2)

    async def scenario():
        breaker = CircuitBreaker()
        for _ in range(CircuitBreaker.FAILURE_THRESHOLD):
            await breaker.wait_until_ready()
            breaker.record_failure("answered 500")
        began, passed = time.monotonic(), []

        async def one():
            await breaker.wait_until_ready()
            passed.append(time.monotonic() - began)

        waiting = [asyncio.create_task(one()) for _ in range(5)]
        await asyncio.sleep(0.6)
        probes = len(passed)
        breaker.record_success()
        await asyncio.gather(*waiting)
        return probes, passed

    probes, passed = asyncio.run(scenario())
    assert probes == 1 and passed[0] >= 0.19 and len(passed) == 5
    assert all(a <= b for a, b in pairwise(passed))


def test_a_service_that_was_given_up_is_not_asked():
    async def ask():
        breaker = CircuitBreaker()
        breaker.give_up("down")
        await breaker.wait_until_ready()

    with pytest.raises(ServiceError, match="down"):
        asyncio.run(ask())


def test_failures_of_requests_in_flight_count_once_and_failed_probes_end_it(monkeypatch):
    monkeypatch.setattr(CircuitBreaker, "FIRST_PAUSE", 0.0)

    async def scenario():
        breaker = CircuitBreaker()
        for _ in range(64):
            breaker.record_failure("broken")
        for _ in range(CircuitBreaker.MAX_PROBES + 1):
            await breaker.wait_until_ready()
            for _ in range(5):
                breaker.record_failure("broken")

    with pytest.raises(ServiceError, match="the service does not answer: broken"):
        asyncio.run(scenario())
