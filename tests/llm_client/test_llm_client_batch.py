"""The batch client: half the price, and a restart at any point neither loses an answer nor pays for one twice."""

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
    mock = start_mock()
    live = ask(mock.address, all_of(3), account="live")
    answers = ask(mock.address, lambda s: gather_settled([s.ask(question(n)) for n in range(10, 30)]), mode="batch")
    assert all(answer.text for answer in answers)
    assert answers[0].cost == pytest.approx(live[0].cost / 2, rel=0.2)
    counts = mock.statistics()
    assert counts["answered_in_batches"] == 20 and counts["requests"] == 3
    again = ask(mock.address, lambda s: gather_settled([s.ask(question(n)) for n in range(10, 30)]), mode="batch")
    assert all(answer.journaled for answer in again) and mock.statistics()["answered_in_batches"] == 20


def test_files_keep_within_the_services_limits(start_mock, ask, monkeypatch):
    monkeypatch.setattr(batches, "MAX_REQUESTS", 4)
    mock = start_mock()
    assert len(ask(mock.address, all_of(10), mode="batch")) == 10
    assert mock.statistics()["answered_in_batches"] == 10
    monkeypatch.setattr(batches, "MAX_BYTES", 600)
    requests = [question(n) for n in range(20, 26)]
    assert len(ask(mock.address, lambda s: gather_settled([s.ask(r) for r in requests]), mode="batch")) == 6


def test_an_interrupted_run_is_resumed(start_mock, ask, tmp_path):
    mock = start_mock(batch_lines_per_second=20)

    async def interrupt(service):
        work = asyncio.create_task(all_of(30)(service))
        while not any(batch for _, batch, _ in service.journal.pending_batches("test")):
            await asyncio.sleep(0.02)
        work.cancel()
        for task in list(service._tasks):
            task.cancel()

    ask(mock.address, interrupt, mode="batch", budget_tokens=10**6)
    answers = ask(mock.address, all_of(30), mode="batch", budget_tokens=10**6)
    assert len(answers) == 30
    counts = mock.statistics()
    assert counts["answered_in_batches"] == 30 and counts["repeated"] == 0
    journal = Journal(tmp_path / "answers.sqlite")
    assert journal.pending_batches("test") == [] and journal.get_spending("test").tokens == sum(
        a.tokens for a in answers
    )


def test_a_batch_without_a_known_id_is_found_by_its_tag(start_mock, ask, tmp_path):
    mock = start_mock(batch_lines_per_second=30)

    async def lose_batch_id(service):
        work = asyncio.create_task(all_of(12)(service))
        while not (recorded := [row for row in service.journal.pending_batches("test") if row[1]]):
            await asyncio.sleep(0.02)
        work.cancel()
        for task in list(service._tasks):
            task.cancel()
        tag, _, keys = recorded[0]
        service.journal.record_batch("test", tag, keys)  # as after a crash before the service returned the id

    ask(mock.address, lose_batch_id, mode="batch")
    assert len(ask(mock.address, all_of(12), mode="batch")) == 12
    assert mock.statistics()["answered_in_batches"] == 12


def test_a_recorded_batch_that_was_never_submitted_is_submitted(start_mock, ask, tmp_path):
    mock = start_mock()
    Journal(tmp_path / "answers.sqlite").record_batch("test", "lost", [question(n).key for n in range(5)])
    assert len(ask(mock.address, all_of(5), mode="batch")) == 5
    assert Journal(tmp_path / "answers.sqlite").pending_batches("test") == []


def test_each_failed_line_fails_its_own_request(start_mock, ask):
    mock = start_mock(seed=4, server_error=0.4)

    async def work(service):
        return await asyncio.gather(*(service.ask(question(n)) for n in range(20)), return_exceptions=True)

    results = ask(mock.address, work, mode="batch", budget_tokens=10**6)
    failed = [result for result in results if isinstance(result, RequestFailed)]
    assert 0 < len(failed) < 20 and all("500" in str(error) for error in failed)


def test_a_batch_beyond_the_budget_is_not_sent(start_mock, ask):
    mock = start_mock()
    with pytest.raises(BudgetSpent):
        ask(mock.address, all_of(50), mode="batch", budget_tokens=100)
    assert mock.statistics()["answered_in_batches"] == 0


def test_a_slow_batch_is_waited_for(start_mock, ask):
    mock = start_mock(batch_lines_per_second=20, batch_state_seconds=0.3)
    began = time.monotonic()
    assert len(ask(mock.address, all_of(6), mode="batch")) == 6
    assert time.monotonic() - began > 0.8
