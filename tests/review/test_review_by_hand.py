"""Outcomes, ties, limits and orders of votes against values worked out by hand."""

from types import SimpleNamespace

import pandas as pd
import pytest
from review_votes import NO_JUDGE, clip_vote, judge, pair_vote

from atom.review import review_server, vote_results
from atom.review.assignment import Assignment
from atom.review.judge_agreement import compare_with_judges, find_disagreements
from atom.review.review_items import ReviewItem
from atom.review.tally import aggregate_judge_scores, aggregate_pair_votes, aggregate_people_scores, tabulate_pair_votes
from atom.review.vote_results import summarise_voters, summarise_votes
from atom.review.vote_store import VoteStore
from atom.review.voted_preferences import preference_degree
from atom.review.votes import Vote


@pytest.mark.parametrize(
    ("better", "swapped", "outcome", "left"),
    [
        ("tuned", False, 1.0, False),  # tuned is the second motion, which stood on the right
        ("tuned", True, 1.0, True),
        ("base", False, 0.0, True),
        ("base", True, 0.0, False),
        ("tie", True, 0.5, None),
    ],
)
def test_the_outcome_is_that_of_tuned_and_left_that_of_the_screen(better, swapped, outcome, left):
    (row,) = tabulate_pair_votes([pair_vote("ann", 1, better, swapped=swapped)]).to_dict("records")
    assert (row["arm"], row["against"], row["motion_id"], row["other_id"]) == ("tuned", "base", "tuned1", "base1")
    assert row["outcome"] == outcome and row["left"] is left


@pytest.mark.parametrize(("scores", "exact"), [((5,), True), ((5, 4), False), ((5, 5, 1), True), ((5, 4, 4, 5), False)])
def test_a_tie_of_people_is_no_exact_match(scores, exact):
    votes = [clip_vote(f"v{n}", "tuned", 1, score, seconds=float(n)) for n, score in enumerate(scores)]
    (row,) = aggregate_people_scores(votes).to_dict("records")
    assert bool(row["exact"]) is exact and row["score"] == pytest.approx(sum(scores) / len(scores))
    assert (row["voters"], row["judge"], row["arm"]) == (len(scores), "people", "tuned")
    assert row["seconds"] == pytest.approx((len(scores) - 1) / 2)


def test_a_point_apart_is_a_disagreement_and_less_is_none():
    votes = [clip_vote("ann", "tuned", number, 3) for number in range(3)]
    found = find_disagreements(votes, judge({"tuned0": 4.0, "tuned1": 3.99, "tuned2": 2.0}))
    assert [row["motion_ids"] for row in found] == [["tuned0"], ["tuned2"]]
    assert found[1] | {"motion_ids": None} == {
        "judge": "kinematic", "kind": "clip", "motion_ids": None, "arms": ["tuned"], "people": 3.0, "scores": [2.0],
        "prompt_id": "p2", "task": "temporal", "votes": 1,
    }  # fmt: skip


def test_disagreements_are_ordered_by_how_sure_people_are_and_how_far_the_judge_is():
    """Pair 1: all for tuned, the judge half a point for base: 0.5. Pair 2: three of four, two points: 1. Pair 3: all
    for base, one and a half points for tuned: 1.5. Pair 4 is evenly split, and pair 5 as the judge says."""
    votes = [pair_vote("v0", 1, "tuned"), pair_vote("v0", 3, "base"), pair_vote("v0", 5, "tuned")]
    votes += [pair_vote(f"v{n}", 2, "base" if n == 0 else "tuned") for n in range(4)]
    votes += [pair_vote("v0", 4, "base"), pair_vote("v1", 4, "tuned")]
    scores = {"base1": 3.5, "tuned1": 3.0, "base2": 4.0, "tuned2": 2.0, "base3": 2.0, "tuned3": 3.5}
    scores |= {"base4": 1.0, "tuned4": 5.0, "base5": 1.0, "tuned5": 5.0}
    third, second, first = find_disagreements(votes, judge(scores))
    assert (third["motion_ids"], third["arms"], third["people"], third["scores"]) == (
        ["base3", "tuned3"], ["base", "tuned"], 1.0, [2.0, 3.5],
    )  # fmt: skip
    assert (second["motion_ids"], second["people"], second["votes"]) == (["tuned2", "base2"], 0.75, 4)
    assert first["motion_ids"] == ["tuned1", "base1"]
    figures = compare_with_judges(votes, judge(scores))["kinematic"]["pairs"]
    assert (figures["n"], figures["split"], figures["prompts"]) == (4, 1, 4)
    assert figures["pair_accuracy"]["value"] == pytest.approx(1 / 4)


def test_a_judge_that_ties_is_half_right():
    votes = [pair_vote("ann", 1, "tuned"), pair_vote("ann", 2, "base")]
    figures = compare_with_judges(votes, judge({"base1": 3, "tuned1": 3, "base2": 4, "tuned2": 3}))["kinematic"]
    assert figures["pairs"]["pair_accuracy"]["value"] == pytest.approx(0.75)


def test_the_error_of_a_judge_is_its_score_less_that_of_people():
    votes = [clip_vote("ann", "tuned", 1, 2), clip_vote("bob", "tuned", 1, 3), clip_vote("ann", "base", 1, 5)]
    figures = compare_with_judges(votes, judge({"tuned1": 4.0, "base1": 4.5, "other": 1.0}))["kinematic"]["clips"]
    assert figures["n"] == 2 and figures["mean_error"]["value"] == pytest.approx((1.5 - 0.5) / 2)


@pytest.mark.parametrize(
    ("outcome", "votes", "degree"),
    [
        (1.0, 3, "Much better"),
        (1.0, 2, "Better"),
        (0.0, 3, "Much better"),
        (5 / 6, 6, "Better"),
        (0.83, 6, "Slightly better"),
        (1 / 6, 6, "Better"),
        (2 / 3, 3, "Slightly better"),
        (0.66, 3, "Negligibly better/unsure"),
        (0.5, 2, "Negligibly better/unsure"),
    ],
)
def test_the_degree_at_its_limits(outcome, votes, degree):
    assert preference_degree(outcome, votes) == degree


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        ((0.5, 0.9), "within noise"),
        ((0.1, 0.5), "within noise"),
        ((0.501, 0.9), "better"),
        ((0.1, 0.499), "worse"),
        (None, "too few prompts"),
    ],
)
def test_an_interval_that_touches_one_half_is_noise(interval, verdict):
    assert vote_results._judge_interval(interval) == verdict


def test_voters_are_told_with_most_votes_first_and_skips_apart():
    votes = [
        pair_vote("ann", 1, "tuned", swapped=True, seconds=2.0),
        pair_vote("ann", 2, "tie", seconds=4.0),
        pair_vote("ann", 3, "skip", seconds=90.0),
        pair_vote("bob", 1, "tuned", seconds=1.0),
        pair_vote("bob", 2, "base", seconds=3.0),
        pair_vote("bob", 4, "base", seconds=8.0),
    ]
    bob, ann = summarise_voters(votes)
    assert (bob["voter"], bob["votes"], bob["skipped"], bob["seconds"]) == ("bob", 3, 0, 3.0)
    assert (ann["voter"], ann["votes"], ann["skipped"], ann["seconds"]) == ("ann", 2, 1, 3.0)
    assert (ann["ties"], ann["left"], ann["agrees"]) == (0.5, 1.0, 0.5)
    assert bob["ties"] == 0.0 and bob["left"] == pytest.approx(2 / 3, abs=1e-4)
    counts = summarise_votes(votes, NO_JUDGE, resamples=100)["votes"]
    assert counts == {"pairs": 5, "clips": 0, "skipped": 1, "voters": 2, "prompts": 4}


def test_pairs_of_several_voters_are_averaged():
    votes = [pair_vote("ann", 1, "tuned"), pair_vote("bob", 1, "tie"), pair_vote("cat", 1, "tuned")]
    (row,) = aggregate_pair_votes(votes).to_dict("records")
    assert row["outcome"] == pytest.approx(2.5 / 3) and row["votes"] == 3


def test_costs_and_seconds_of_a_judge_are_summed_and_an_unknown_cost_stays_unknown():
    def row(motion, cost, latency, score=3.0):
        return {
            "motion_id": motion, "prompt_id": "p", "task": "temporal", "judge": "vision", "score": score,
            "exact": None, "cost": cost, "latency": latency,
        }  # fmt: skip

    table = aggregate_judge_scores(
        [row("a", 0.25, 1.0), row("a", 0.5, 2.0, 4.0), row("b", None, 4.0), row("b", 1.0, 1.0)]
    )
    assert list(table["score"]) == [3.5, 3.0] and list(table["seconds"]) == [3.0, 5.0]
    assert table["cost"][0] == 0.75 and pd.isna(table["cost"][1])


# Who gets which item.


class Clock:
    now = 1e9

    def __call__(self):
        return self.now


def assignment(tmp_path, clock, count=1, **options):
    items = [
        ReviewItem(f"p{n}", "temporal", "text", ("bows",), (f"base{n}", f"tuned{n}"), ("base", "tuned"))
        for n in range(count)
    ]
    return Assignment(VoteStore(tmp_path / "votes.sqlite"), items, clock=clock, **options)


def test_an_item_on_a_screen_is_kept_for_ten_minutes(tmp_path):
    clock = Clock()
    dealing = assignment(tmp_path, clock, shared=0.0)
    assert dealing.next("ann") is not None
    for seconds, is_free in ((599, False), (600, True)):
        clock.now = 1e9 + seconds
        assert (dealing.progress("bob").open == 1) is is_free
    assert dealing.next("bob") is not None


def test_two_people_judge_an_item_that_needs_two_and_a_skip_does_not_count(tmp_path):
    dealing = assignment(tmp_path, Clock(), shared=0.0, people_per_item=2)
    for voter, pressed, judged in (("ann", "left", 0), ("bob", "skip", 0), ("cat", "right", 1)):
        shown = dealing.next(voter)
        dealing.cast(voter, shown.item.item_id, pressed)
        assert dealing.progress(voter).judged == judged
    assert dealing.next("dan") is None and dealing.next("ann") is None


def test_the_shared_part_is_rounded_and_goes_to_everybody(tmp_path):
    for share, number in ((0.0, 0), (0.24, 2), (0.26, 3), (1.0, 10)):
        assert len(assignment(tmp_path, Clock(), 10, shared=share).shared) == number


def test_the_pressed_side_names_the_motion_that_stood_there(tmp_path):
    clock = Clock()
    dealing = assignment(tmp_path, clock, 12, shared=0.0)
    sides = set()
    for number in range(12):
        shown = dealing.next("ann")
        clock.now += 1.25
        dealing.cast("ann", shown.item.item_id, ("left", "right")[number % 2])
        vote = dealing.store.votes()[-1]
        on_the_left = "second" if shown.swapped else "first"
        assert (vote.choice == on_the_left) is (number % 2 == 0) and vote.swapped is shown.swapped
        assert vote.seconds == 1.25
        sides.add(shown.swapped)
    assert sides == {False, True}


def test_a_skip_is_a_vote_without_a_judgement():
    assert Vote("a", "i", "p", "t", ("m", "n"), ("x", "y"), "skip").is_skip
    assert Vote("a", "i", "p", "t", ("m",), ("x",)).is_skip
    assert not Vote("a", "i", "p", "t", ("m", "n"), ("x", "y"), "tie").is_skip
    assert not Vote("a", "i", "p", "t", ("m",), ("x",), score=1).is_skip


@pytest.mark.parametrize(("swapped", "order"), [(False, ["a", "b"]), (True, ["b", "a"])])
def test_a_swapped_pair_shows_both_motions_the_other_way_round(monkeypatch, swapped, order):
    monkeypatch.setattr(review_server, "render_viewer", lambda motions: [(each.label, each.joints) for each in motions])
    item = SimpleNamespace(motion_ids=("a", "b"), is_pair=True)
    shown = review_server._render_view(SimpleNamespace(item=item, swapped=swapped), str)
    assert shown == list(zip("12", order))
