"""Votes outlive whatever happens to the process that stored them."""

import sqlite3
import subprocess
import sys
import threading
import time

import pytest

from atom.errors import AtomError
from atom.review.vote_store import VoteStore
from atom.review.votes import Vote, normalise_voter_name

CASTING = """
import sys
from atom.review.vote_store import VoteStore
from atom.review.votes import Vote
store = VoteStore(sys.argv[1])
for number in range(int(sys.argv[3])):
    store.cast(Vote(sys.argv[2], f"item{number}", "p", "temporal", ("a", "b"), ("base", "tuned"), "first"))
    print(number, flush=True)
"""


def vote(item="i", voter="ann", **more):
    return Vote(voter, item, "p", "temporal", ("a", "b"), ("base", "tuned"), **{"choice": "first", **more})


def casting(path, voter, votes, **options):
    return subprocess.Popen([sys.executable, "-c", CASTING, str(path), voter, str(votes)], **options)


@pytest.fixture
def store(tmp_path):
    return VoteStore(tmp_path / "votes.sqlite")


def test_votes_come_back_as_they_were_cast(store):
    pair = vote(swapped=True, note="<b>ä\n", seconds=2.5, cast_at="2026-01-01T00:00:00+00:00")
    clip = Vote("bob", "j", "q", "frequency", ("a",), ("tuned",), score=4, seen=(True, False), cast_at="2026-01-02")
    store.cast(pair)
    store.cast(clip)
    assert store.votes() == VoteStore(store.path).votes() == [pair, clip]


def test_a_vote_gets_the_time_when_it_was_cast(store):
    store.cast(vote())
    assert store.votes()[0].cast_at.startswith("20")


def test_the_later_vote_replaces_and_undo_opens_the_item(store):
    for cast in (vote("i", choice="first"), vote("j"), vote("i", choice="tie"), vote("i", "bob", choice="second")):
        store.cast(cast)
    assert [(cast.voter, cast.item_id, cast.choice) for cast in store.votes()] == [
        ("ann", "j", "first"),
        ("ann", "i", "tie"),
        ("bob", "i", "second"),
    ]
    assert (store.undo("ann").item_id, store.undo("ann").item_id, store.undo("ann")) == ("i", "j", None)
    assert store.undo("nobody") is None
    assert [cast.voter for cast in store.votes()] == ["bob"]
    store.cast(vote("i", choice="second"))
    assert store.undo("ann", "j") is None and store.undo("ann", "i").choice == "second"


def test_the_whole_history_stays_in_the_file_and_cannot_be_changed(store):
    store.cast(vote("i", choice="first"))
    store.cast(vote("i", choice="tie"))
    store.undo("ann")
    store.cast(vote("i", choice="second"))
    with sqlite3.connect(store.path) as file:
        rows = file.execute("SELECT voter, choice, state, json_extract(arms, '$[1]') FROM votes ORDER BY number")
        assert rows.fetchall() == [
            ("ann", "first", "replaced", "tuned"),
            ("ann", "tie", "undone", "tuned"),
            ("ann", "second", "stands", "tuned"),
        ]
        for change in ("DELETE FROM acts", "UPDATE acts SET voter = 'bob'"):
            with pytest.raises(sqlite3.IntegrityError, match="only added"):
                file.execute(change)


def test_a_transaction_is_kept_whole_or_not_at_all(store):
    with pytest.raises(ZeroDivisionError), store.transaction():
        store.cast(vote())
        _ = 1 / 0
    assert store.votes() == [] and list(store.events()) == []


def test_acts_tell_what_is_new(store):
    store.record_shown("ann", "i", swapped=True, at=5.0)
    store.cast(vote())
    first, second = store.events()
    assert (first.kind, first.swapped, first.at, first.vote) == ("shown", True, 5.0, None)
    assert second.vote.choice == "first" and [event.number for event in store.events(first.number)] == [second.number]


@pytest.mark.slow
def test_processes_and_threads_write_at_once(tmp_path):
    path = tmp_path / "votes.sqlite"  # which they make at once, too
    processes = [casting(path, f"process {number}", 20, stdout=subprocess.DEVNULL) for number in range(3)]
    store = VoteStore(path)

    def cast(voter):
        for number in range(20):
            store.cast(vote(f"item{number}", voter))

    threads = [threading.Thread(target=cast, args=(f"thread {number}",)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert {(cast.voter, cast.item_id) for cast in store.votes()} == {
        (f"{kind} {number}", f"item{item}")
        for kind in ("process", "thread")
        for number in range(3)
        for item in range(20)
    }


def test_what_was_acknowledged_outlives_kill_9(tmp_path):
    path = tmp_path / "votes.sqlite"
    process = casting(path, "ann", 100_000, stdout=subprocess.PIPE, text=True)
    acknowledged = [int(process.stdout.readline()) for _ in range(30)]
    time.sleep(0.05)
    process.kill()
    acknowledged += [int(line) for line in process.stdout.read().splitlines() if line]
    store = VoteStore(path)
    stored = [int(cast.item_id.removeprefix("item")) for cast in store.votes()]
    assert stored == list(range(len(stored))) and len(acknowledged) <= len(stored) <= len(acknowledged) + 1
    store.cast(vote("after"))
    assert store.votes()[-1].item_id == "after"


def test_a_file_that_cannot_be_used_is_told(tmp_path):
    (tmp_path / "text").write_text("no database, but a long text" * 100)
    with sqlite3.connect(tmp_path / "other.sqlite") as file:
        file.execute("CREATE TABLE things (name)")
    for name in ("text", "other.sqlite", "missing/votes.sqlite", ""):
        with pytest.raises(AtomError, match="--votes"):
            VoteStore(tmp_path / name)


@pytest.mark.parametrize("name", ["Ann", "J\u00f6rg 2", "a._-", "x" * 40, "  two   spaces "])
def test_names(name):
    assert normalise_voter_name(name) == " ".join(name.split())


@pytest.mark.parametrize("name", ["", "   ", "x" * 41, "<b>", "a/b", "a\nb", "a\tb", "a\u202eb", "a'b"])
def test_what_is_no_name(name):
    with pytest.raises(AtomError, match="1 to 40 letters"):
        normalise_voter_name(name)
