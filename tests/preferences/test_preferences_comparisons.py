"""Near ties that a comparison decides, and pairs about which a second judge disagrees."""

from dataclasses import replace

import pytest

from atom.config import PreferenceConfig
from atom.judging.votes import aggregate_votes
from atom.preferences.pairs import ScoredMotion, build_pairs, find_decided_pairs, near_ties

CONFIG = PreferenceConfig(min_gap=0.5, length_tolerance=None)


def motion(name, score, second=None, stop_reason="end"):
    tokens = tuple(ord(letter) for letter in name)
    return ScoredMotion(name, "p", "text", "temporal", "train", tokens, stop_reason, score, score == 5, second)


A, B, C = motion("a", 4.0), motion("b", 4.2), motion("c", 2.0)


def test_near_ties_are_the_best_motions_that_are_too_close_to_make_a_pair():
    assert near_ties([A, B, C, motion("d", 2.1)], CONFIG, 5) == [("a", "b"), ("c", "d")]
    assert near_ties([A, B, C, motion("d", 2.1)], CONFIG, 1) == [("a", "b")]
    assert near_ties([A, replace(B, stop_reason="length")], CONFIG, 5) == []
    assert near_ties([A, B], CONFIG, 0) == []


@pytest.mark.parametrize(("score", "is_pair"), [(4.5, True), (4.5 - 3e-7, True), (4.5 - 3e-6, False)])
def test_two_motions_are_either_a_pair_or_a_near_tie(score, is_pair):
    """At the smallest gap, rounded to float32 or not, they are a pair."""
    motions = [A, motion("e", score)]
    assert (build_pairs(motions, CONFIG) != []) == is_pair == (near_ties(motions, CONFIG, 5) == [])


def comparison(first, second, better):
    return {"first_motion_id": first, "second_motion_id": second, "better": better}


@pytest.mark.parametrize(
    ("rows", "decided"),
    [
        ([comparison("a", "b", "first"), comparison("b", "a", "second")], {("a", "b"): "a"}),
        ([comparison("b", "a", "first"), comparison("a", "b", "second")], {("a", "b"): "b"}),
        ([comparison("a", "b", "first"), comparison("b", "a", "first")], {}),  # it prefers whatever comes first
        ([comparison("a", "b", "neither"), comparison("b", "a", "neither")], {}),
        ([comparison("a", "b", "first"), comparison("b", "a", None)], {}),
        ([comparison("a", "b", "first")], {}),
    ],
)
def test_only_the_same_motion_in_both_orders_decides(rows, decided):
    assert find_decided_pairs(rows) == decided


def test_a_decided_near_tie_becomes_a_pair_also_against_the_scores():
    (pair,) = build_pairs([A, B], CONFIG, {("a", "b"): "a"})
    assert (pair.chosen_id, pair.rejected_id, pair.decided_by) == ("a", "b", "comparison")
    assert pair.margin == pytest.approx(-0.2) and pair.degree == "Slightly better"
    assert build_pairs([A, B], CONFIG) == []
    by_score = [pair for pair in build_pairs([A, B, C], CONFIG, {("a", "b"): "a"}) if pair.decided_by == "score"]
    assert {(pair.chosen_id, pair.rejected_id) for pair in by_score} == {("a", "c"), ("b", "c")}


def test_a_pair_on_whose_order_the_second_judge_disagrees_is_left_out():
    def ids(second_a, second_c):
        pairs = build_pairs([replace(A, second_score=second_a), replace(C, second_score=second_c)], CONFIG)
        return [(pair.chosen_id, pair.rejected_id) for pair in pairs]

    assert ids(4.0, 3.0) == ids(3.0, 3.0) == ids(None, 5.0) == [("a", "c")]
    assert ids(2.0, 3.0) == []


def vote(motion_id, score, exact=False, judge="vision", vote=0, error=None):
    return {"motion_id": motion_id, "judge": judge, "score": score, "exact": exact, "vote": vote, "error": error}


def test_votes_become_the_mean_of_those_that_gave_a_score():
    rows = [
        vote("m", 5.0, True),
        vote("m", 2.0),
        vote("m", None, None, error="refused"),
        vote("m", 5.0, True),
        vote("n", None, None, error="cut off"),
        vote("m", 1.0, judge="kinematic"),
    ]
    found = aggregate_votes(rows)
    assert found["m", "vision"]["score"] == pytest.approx(4.0) and found["m", "vision"]["exact"] is True
    assert found["n", "vision"]["score"] is None and found["n", "vision"]["error"] == "cut off"
    assert found["m", "kinematic"]["score"] == 1.0
    assert aggregate_votes([vote("m", 5.0, True), vote("m", 4.0)])["m", "vision"]["exact"] is False
