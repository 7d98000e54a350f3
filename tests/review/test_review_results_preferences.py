"""Votes become pairs: by people alone, or a judge's pairs with what people overruled."""

import json

import pytest
from small_run import EVENTS, RUN, small_run

from atom.errors import AtomError
from atom.preferences.exporting import export_preferences
from atom.preferences.importing import import_preferences
from atom.preferences.labels import read_labels
from atom.report.run_tables import RunTables
from atom.review.voted_preferences import annotations_from_votes, preference_degree, preferences_from_votes
from atom.review.votes import Vote


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    store = small_run(tmp_path_factory.mktemp("store"))
    return RunTables(store, store.run(RUN))


def vote(voter, chosen, rejected, better, **fields):
    """On two candidates; `better` is one of them, tie or skip."""
    ids = f"{chosen}", f"{rejected}"
    choice = ("first", "second")[ids.index(better)] if better in ids else better
    return Vote(voter, "-".join(ids), chosen.split("-")[0], "frequency", ids, ("chosen", "rejected"), choice, **fields)


VOTES = [
    *(vote(voter, "t0-2", "t0-1", "t0-1") for voter in "abc"),  # overruled
    *(vote(voter, "t0-1", "t0-0", better) for voter, better in zip("ab", ("t0-1", "t0-0"))),  # evenly split
    *(vote(voter, "t1-2", "t1-0", better) for voter, better in zip("abc", ("t1-2", "t1-2", "tie"))),  # agreed
]


def sides(rows):
    return [(row["chosen_motion_id"], row["rejected_motion_id"]) for row in rows]


def test_pairs_of_people_are_what_most_prefer(tables):
    rows = preferences_from_votes("human", VOTES, tables)
    assert sides(rows) == [("t0-1", "t0-2"), ("t1-2", "t1-0")]
    assert rows[0] == {
        "prompt_id": "t0",
        "prompt": "a person waves",
        "task": "frequency",
        "split": "train",
        "events": EVENTS,
        "chosen_tokens": [1, 7],
        "rejected_tokens": [2, 7],
        "chosen_score": None,
        "rejected_score": None,
        "margin": None,
        "degree": "Much better",
        "decided_by": "annotator",
        "chosen_motion_id": "t0-1",
        "rejected_motion_id": "t0-2",
    }
    assert rows[1]["degree"] == "Better", "two of three and a tie"


def test_people_s_own_scores_make_the_margin(tables):
    clips = [
        Vote("a", name, "t0", "frequency", (name,), ("candidate",), score=score)
        for name, score in (("t0-1", 4), ("t0-2", 2))
    ]
    row = preferences_from_votes("human", [*VOTES, *clips], tables)[0]
    assert (row["chosen_score"], row["rejected_score"], row["margin"]) == (4.0, 2.0, 2.0)


def test_the_judge_s_pairs_are_those_of_the_run(tables):
    assert preferences_from_votes("judge", VOTES, tables) == tables.preferences


def test_corrected_pairs_are_turned_round_kept_or_left_out(tables):
    turned, kept = preferences_from_votes("corrected", VOTES, tables)
    before = {(row["chosen_motion_id"], row["rejected_motion_id"]): row for row in tables.preferences}
    assert kept == before["t1-2", "t1-0"]
    assert sides([turned]) == [("t0-1", "t0-2")] and turned["decided_by"] == "annotator"
    assert (turned["chosen_tokens"], turned["rejected_tokens"]) == ([1, 7], [2, 7])
    assert (turned["chosen_score"], turned["rejected_score"], turned["margin"]) == (2.0, 3.0, -1.0)
    assert preferences_from_votes("corrected", [], tables) == tables.preferences


@pytest.mark.parametrize(
    ("outcome", "votes", "degree"),
    [
        (1, 3, "Much better"),
        (1, 2, "Better"),
        (0, 1, "Better"),
        (5 / 6, 3, "Better"),
        (2 / 3, 3, "Slightly better"),
        (0.4, 5, "Negligibly better/unsure"),
    ],
)
def test_the_degree_is_how_far_people_agree(outcome, votes, degree):
    assert preference_degree(outcome, votes) == degree


def test_votes_on_motions_of_another_run_are_refused(tables):
    with pytest.raises(AtomError, match=f"prompt x, which run {RUN} does not have"):
        preferences_from_votes("human", [vote("a", "x-1", "x-0", "x-1")], tables)


@pytest.mark.parametrize("form", ["atom", "datasets", "trl"])
@pytest.mark.parametrize("decided_as", ["human", "corrected"])
def test_what_is_exported_is_imported_again(tables, tmp_path, form, decided_as):
    rows = preferences_from_votes(decided_as, VOTES, tables)
    export_preferences(rows, tmp_path / "out", form, about={}, annotations=annotations_from_votes(VOTES))
    found = import_preferences(tmp_path / "out")
    assert found.rows == rows and not found.quarantined


def test_the_labels_hold_what_each_person_said_before_what_counts(tables, tmp_path):
    rows = preferences_from_votes("human", VOTES, tables)
    export_preferences(rows, tmp_path / "out", "atom", about={}, annotations=annotations_from_votes(VOTES))
    first, second = read_labels(tmp_path / "out").pairs
    choices = [(each["user"], each["choice"]) for each in first.line["chosen"]]
    assert choices == [(user, first.choice) for user in (*"abc", "annotator")]
    assert first.line["atom"]["motion_ids"][int(first.choice[-1]) - 1] == "t0-1"
    tied = second.line["chosen"][2]
    assert (tied["user"], tied["choice"], tied["degree of preference"]) == ("c", "skipped", "skipped")
    assert second.degree == "Better" and json.dumps(second.line)
