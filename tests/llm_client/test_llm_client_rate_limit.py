"""Rates hold in every minute, concurrency gives way and recovers, a dead service is left alone."""

import asyncio
import time
from itertools import pairwise

import pytest

from atom.llm_client.errors import ServiceError
from atom.llm_client.rate_limit import CircuitBreaker, ConcurrencyLimiter, RateLimiter


@pytest.mark.parametrize("per_minute", [1, 2, 20, 60, 600, 9000])
def test_what_a_rate_lets_through_in_a_minute_is_never_more_than_it_says(per_minute):
    """The bucket's capacity and its flow bound every window: capacity + 60 s of flow."""
    limiter = RateLimiter(per_minute)._limiter
    flow = limiter.max_rate / limiter.time_period
    most = int(60 * flow) + 1 if per_minute == 1 else limiter.max_rate + 60 * flow
    assert most <= max(per_minute, 2) + 1e-6


def test_a_rate_is_kept_and_used():
    async def through():
        rate, began, times = RateLimiter(6100), time.monotonic(), []  # 100 a second

        async def one():
            await rate.wait()
            times.append(time.monotonic() - began)

        await asyncio.gather(*(one() for _ in range(300)))
        return times

    times = asyncio.run(through())
    assert times[-1] >= 1.9  # 100 at once, then 100 a second
    assert times[-1] < 3.5
    for first, last in zip(times, times[205:]):
        assert last - first > 0.98, "no second may see more than its share and the capacity"


def test_units_beyond_the_capacity_go_in_steps():
    async def through():
        rate, began = RateLimiter(610), time.monotonic()  # capacity 10
        await rate.wait(25)
        return time.monotonic() - began

    assert 1.2 < asyncio.run(through()) < 3


def test_concurrency_gives_way_and_recovers():
    async def story():
        slots, peak = ConcurrencyLimiter(8), 0

        async def one():
            nonlocal peak
            async with slots:
                peak = max(peak, slots.busy)
                await asyncio.sleep(0.005)

        await asyncio.gather(*(one() for _ in range(50)))
        full, peak = peak, 0
        for _ in range(20):
            slots._slowed = 0.0
            slots.slow_down()
        await asyncio.gather(*(one() for _ in range(20)))
        slow, peak = peak, 0
        for _ in range(100):
            slots.speed_up()
        await asyncio.gather(*(one() for _ in range(50)))
        return full, slow, peak, slots.busy

    assert asyncio.run(story()) == (8, 1, 8, 0)


def test_refusals_of_one_second_count_once():
    slots = ConcurrencyLimiter(10)
    for _ in range(50):
        slots.slow_down()
    assert slots.allowed == pytest.approx(7)


def test_a_breaker_lets_one_probe_through_and_closes_after_a_success(monkeypatch):
    monkeypatch.setattr(CircuitBreaker, "PAUSE", 0.2)

    async def story():
        breaker = CircuitBreaker()
        for _ in range(CircuitBreaker.FAILURES):
            await breaker.ready()
            breaker.failed("answered 500")
        began, passed = time.monotonic(), []

        async def one():
            await breaker.ready()
            passed.append(time.monotonic() - began)

        waiting = [asyncio.create_task(one()) for _ in range(5)]
        await asyncio.sleep(0.6)
        probes = len(passed)
        breaker.succeeded()
        await asyncio.gather(*waiting)
        return probes, passed

    probes, passed = asyncio.run(story())
    assert probes == 1 and passed[0] >= 0.19 and len(passed) == 5
    assert all(a <= b for a, b in pairwise(passed))


def test_a_service_that_was_given_up_is_not_asked():
    async def ask():
        breaker = CircuitBreaker()
        breaker.give_up("down")
        await breaker.ready()

    with pytest.raises(ServiceError, match="down"):
        asyncio.run(ask())


def test_failures_of_what_was_under_way_count_once_and_failed_tries_end_it(monkeypatch):
    monkeypatch.setattr(CircuitBreaker, "PAUSE", 0.0)

    async def story():
        breaker = CircuitBreaker()
        for _ in range(64):
            breaker.failed("broken")
        for _ in range(CircuitBreaker.TRIES + 1):
            await breaker.ready()
            for _ in range(5):
                breaker.failed("broken")

    with pytest.raises(ServiceError, match="the service does not answer: broken"):
        asyncio.run(story())
