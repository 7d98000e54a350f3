"""The Batch API: half the price, and a restart at any point neither loses nor pays twice."""

import asyncio
import time

import pytest

from atom.llm_client import batch as batches
from atom.llm_client.errors import BudgetSpent, RequestFailed
from atom.llm_client.journal import Journal
from atom.llm_client.request import Request
from atom.llm_client.runtime import gather_settled


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(batches, "FLUSH_DELAY", 0.05)


def question(number=0):
    return Request("atom-double", "system", (f"question {number}",), max_tokens=200)


def all_of(number):
    return lambda service: gather_settled([service.ask(question(n)) for n in range(number)])


def test_a_batch_costs_half_and_is_asked_once(start_mock, ask):
    there = start_mock()
    live = ask(there.address, all_of(3), account="live")
    answers = ask(there.address, lambda s: gather_settled([s.ask(question(n)) for n in range(10, 30)]), mode="batch")
    assert all(answer.text for answer in answers)
    assert answers[0].cost == pytest.approx(live[0].cost / 2, rel=0.2)
    seen = there.statistics()
    assert seen["answered_in_batches"] == 20 and seen["requests"] == 3
    again = ask(there.address, lambda s: gather_settled([s.ask(question(n)) for n in range(10, 30)]), mode="batch")
    assert all(answer.journaled for answer in again) and there.statistics()["answered_in_batches"] == 20


def test_files_keep_within_the_services_limits(start_mock, ask, monkeypatch):
    monkeypatch.setattr(batches, "MAX_REQUESTS", 4)
    there = start_mock()
    assert len(ask(there.address, all_of(10), mode="batch")) == 10
    assert there.statistics()["answered_in_batches"] == 10
    monkeypatch.setattr(batches, "MAX_BYTES", 600)
    wanted = [question(n) for n in range(20, 26)]
    assert len(ask(there.address, lambda s: gather_settled([s.ask(r) for r in wanted]), mode="batch")) == 6


def test_a_run_that_is_cut_off_is_taken_up_where_it_was(start_mock, ask, tmp_path):
    there = start_mock(batch_lines_per_second=20)

    async def cut_off(service):
        work = asyncio.create_task(all_of(30)(service))
        while not any(batch for _, batch, _ in service.journal.pending_batches("test")):
            await asyncio.sleep(0.02)
        work.cancel()
        for task in list(service._tasks):
            task.cancel()

    ask(there.address, cut_off, mode="batch", budget_tokens=10**6)
    answers = ask(there.address, all_of(30), mode="batch", budget_tokens=10**6)
    assert len(answers) == 30
    seen = there.statistics()
    assert seen["answered_in_batches"] == 30 and seen["repeated"] == 0
    journal = Journal(tmp_path / "answers.sqlite")
    assert journal.pending_batches("test") == [] and journal.get_spending("test").tokens == sum(
        a.tokens for a in answers
    )


def test_a_batch_whose_name_was_never_heard_is_found_by_its_tag(start_mock, ask, tmp_path):
    there = start_mock(batch_lines_per_second=30)

    async def name_lost(service):
        work = asyncio.create_task(all_of(12)(service))
        while not (noted := [row for row in service.journal.pending_batches("test") if row[1]]):
            await asyncio.sleep(0.02)
        work.cancel()
        for task in list(service._tasks):
            task.cancel()
        tag, _, keys = noted[0]
        service.journal.record_batch("test", tag, keys)  # as if we had crashed before we heard it

    ask(there.address, name_lost, mode="batch")
    assert len(ask(there.address, all_of(12), mode="batch")) == 12
    assert there.statistics()["answered_in_batches"] == 12


def test_a_batch_that_was_noted_but_never_sent_is_sent(start_mock, ask, tmp_path):
    there = start_mock()
    Journal(tmp_path / "answers.sqlite").record_batch("test", "lost", [question(n).key for n in range(5)])
    assert len(ask(there.address, all_of(5), mode="batch")) == 5
    assert Journal(tmp_path / "answers.sqlite").pending_batches("test") == []


def test_lines_that_fail_are_told_one_by_one(start_mock, ask):
    there = start_mock(seed=4, server_error=0.4)

    async def work(service):
        return await asyncio.gather(*(service.ask(question(n)) for n in range(20)), return_exceptions=True)

    results = ask(there.address, work, mode="batch", budget_tokens=10**6)
    failed = [result for result in results if isinstance(result, RequestFailed)]
    assert 0 < len(failed) < 20 and all("500" in str(error) for error in failed)


def test_a_batch_beyond_the_budget_is_not_sent(start_mock, ask):
    there = start_mock()
    with pytest.raises(BudgetSpent):
        ask(there.address, all_of(50), mode="batch", budget_tokens=100)
    assert there.statistics()["answered_in_batches"] == 0


def test_a_service_that_comes_late_is_waited_for(start_mock, ask):
    there = start_mock(batch_lines_per_second=20, batch_state_seconds=0.3)
    began = time.monotonic()
    assert len(ask(there.address, all_of(6), mode="batch")) == 6
    assert time.monotonic() - began > 0.8
