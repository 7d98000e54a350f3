"""The journal keeps every answer and all spending, with several processes and after a crash."""

import multiprocessing
import os
import signal
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import BaseModel

from atom.errors import AtomError
from atom.llm_client.errors import ServiceError
from atom.llm_client.journal import Journal, Spending, SpendingLimits, parse_completion
from atom.llm_client.request import Picture, Request


def answered(text="yes", prompt=100, completion=20, cost=0.25):
    return parse_completion(
        {
            "model": "m",
            "choices": [{"message": {"content": text}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": prompt, "completion_tokens": completion},
        },
        cost,
        0.5,
    )


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "journal" / "answers.sqlite")


def test_an_answer_comes_back_as_it_was_and_says_where_from(journal):
    journal.add("nightly", "k1", "text", "m", answered("läuft", cost=None))
    found = journal.find("k1")
    assert (found.text, found.tokens, found.cost, found.journaled) == ("läuft", 120, None, True)
    assert journal.find("k2") is None


def test_what_is_open_counts_as_spent_until_it_is_refused_or_answered(journal):
    ample = SpendingLimits(cost=99.0)
    calls = [journal.open_call("a", f"k{i}", Spending(100, 1.0), ample, i) for i in range(3)]
    assert journal.get_spending("a") == Spending(300, 3.0)
    journal.close_call(calls[0])
    journal.add("a", "k1", "text", "m", answered(cost=0.5), calls[1])
    assert journal.get_spending("a") == Spending(100 + 120, 1.5)
    assert journal.get_spending("b") == Spending(0, 0.0)


@pytest.mark.parametrize("limits", [SpendingLimits(cost=2.5), SpendingLimits(tokens=250)])
def test_a_call_that_would_not_fit_waits_for_open_ones_or_is_refused(journal, limits):
    calls = [journal.open_call("a", f"k{i}", Spending(100, 1.0), limits, i) for i in range(2)]
    assert journal.open_call("a", "k2", Spending(100, 1.0), limits, 2) == "wait"
    assert journal.open_call("a", "k2", Spending(100, 1.0), limits, 0) == "spent"  # another process's calls
    journal.add("a", "k0", "text", "m", answered(prompt=10, completion=10, cost=0.1), calls[0])
    assert journal.open_call("a", "k2", Spending(100, 1.0), limits, 1).startswith("call-")


def test_many_threads_and_two_connections_never_pass_the_limit(tmp_path):
    journals = [Journal(tmp_path / "answers.sqlite") for _ in range(2)]
    limits = SpendingLimits(cost=50.0)

    def ask(number):
        journal = journals[number % 2]
        call = journal.open_call("a", f"k{number}", Spending(1, 1.0), limits, 0)
        if call != "spent":
            journal.add("a", f"k{number}", "text", "m", answered(cost=1.0), call)
        return call != "spent"

    with ThreadPoolExecutor(8) as pool:
        granted = sum(pool.map(ask, range(120)))
    assert granted == 50 and journals[0].get_spending("a").cost == pytest.approx(50) and len(journals[1]) == 50


def write_until_killed(path, pipe):
    journal = Journal(path)
    number = 0
    while True:
        journal.add("a", f"k{number}", "text", "m", answered(f"answer {number}"))
        pipe.send(number)
        number += 1


def test_a_kill_loses_no_answer_that_was_added(tmp_path):
    context = multiprocessing.get_context("spawn")
    for round_ in range(3):
        path = tmp_path / f"answers-{round_}.sqlite"
        receiver, sender = context.Pipe()
        process = context.Process(target=write_until_killed, args=(path, sender))
        process.start()
        last = -1
        while last < 20 + 7 * round_:
            last = receiver.recv()
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        while receiver.poll():
            last = receiver.recv()
        journal = Journal(path)
        assert all(journal.find(f"k{number}").text == f"answer {number}" for number in range(last + 1))
        assert len(journal) in (last + 1, last + 2)


def test_batches_are_known_until_they_are_collected(journal):
    journal.record_batch("a", "tag", ["k1", "k2"])
    assert journal.pending_batches("a") == [("tag", None, ["k1", "k2"])]
    journal.record_batch("a", "tag", ["k1", "k2"], "batch-7")
    assert journal.pending_batches("a") == [("tag", "batch-7", ["k1", "k2"])] and journal.pending_batches("b") == []
    journal.delete_batch("tag")
    assert journal.pending_batches("a") == []


def test_a_place_that_is_no_database_is_named(tmp_path):
    (tmp_path / "file").write_text("no database, and long enough to be taken for one if nobody looked" * 20)
    for path in (tmp_path / "file", tmp_path / "file" / "answers.sqlite"):
        with pytest.raises(AtomError, match=r"service\.journal"):
            Journal(path)


def test_a_full_disk_is_said_so_and_the_journal_stays_usable(journal):
    journal.add("a", "k0", "text", "m", answered())
    pages = journal._connection.execute("PRAGMA page_count").fetchone()[0]
    journal._connection.execute(f"PRAGMA max_page_count = {pages + 1}")  # SQLite's own way to have no space left
    with pytest.raises(ServiceError, match="full"):
        journal.add("a", "k1", "text", "m", answered("x" * 100_000))
    journal._connection.execute("PRAGMA max_page_count = 1000000")
    journal.add("a", "k1", "text", "m", answered())
    assert journal.find("k0") and journal.find("k1") and journal.get_spending("a").tokens == 240
    assert sqlite3.connect(journal.path).execute("PRAGMA integrity_check").fetchone() == ("ok",)


class Shape(BaseModel):
    reason: str


BASE = Request("m", "system", ("text", Picture(b"picture", "image/png", "Frame 0:")), Shape, temperature=0.0)


@pytest.mark.parametrize(
    "change",
    [
        {"model": "n"},
        {"system": "other"},
        {"parts": ("text", Picture(b"other", "image/png", "Frame 0:"))},
        {"parts": ("text", Picture(b"picture", "image/png", "Frame 8:"))},
        {"parts": (Picture(b"picture", "image/png", "Frame 0:"), "text")},
        {"form": "text"},
        {"schema": None},
        {"max_tokens": 7},
        {"temperature": None},
        {"detail": "low"},
        {"vote": 1},
        {"refresh": 1},
    ],
)
def test_whatever_decides_the_answer_changes_the_key(change):
    assert BASE.with_changes(**change).key != BASE.key
    assert BASE.with_changes().key == BASE.key


def test_a_schema_is_strict_all_the_way_down():
    class Inner(BaseModel):
        number: int = 3

    class Outer(BaseModel):
        inner: list[Inner]
        name: str = "x"

    schema = Request("m", "s", ("t",), Outer).response_format["json_schema"]["schema"]
    for node in (schema, schema["$defs"]["Inner"]):
        assert node["additionalProperties"] is False and node["required"] == list(node["properties"])
    assert "default" not in str(schema)


def test_a_form_without_schema_says_the_shape_in_words():
    content = BASE.with_changes(form="text").messages()[1]["content"]
    assert BASE.with_changes(form="text").response_format is None
    assert "JSON" in content[-1]["text"] and "reason" in content[-1]["text"]
