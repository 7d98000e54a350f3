"""What votes say, on votes whose answer is known, and on votes that say nothing."""

import json

import numpy as np
import pytest
from review_votes import NO_JUDGE, clip_vote, judge, noisy_people, pair_vote

from atom.evaluation.agreement import krippendorff_alpha
from atom.review.tally import (
    aggregate_judge_scores,
    aggregate_pair_votes,
    aggregate_people_scores,
    tabulate_pair_votes,
)
from atom.review.vote_results import summarise_votes


def found_in(votes, judged=NO_JUDGE, prompts=None):
    found = summarise_votes(votes, judged, prompts, resamples=300)
    json.dumps(found, allow_nan=False)
    return found


def test_the_win_rate_counts_ties_as_half_whichever_motion_was_first_or_on_the_left():
    votes = [pair_vote("a", n, "tuned", arms=("tuned", "base"), swapped=n % 2 == 0) for n in range(6)]
    votes += [pair_vote("a", n, "tuned") for n in range(6, 9)]
    votes += [pair_vote("a", 9, "tie"), pair_vote("a", 10, "base"), pair_vote("a", 11, "skip")]
    (row,) = found_in(votes)["win_rates"]
    overall = row["overall"]
    assert (row["arm"], row["against"]) == ("tuned", "base")
    assert [overall[name] for name in ("votes", "prompts", "wins", "ties", "losses")] == [11, 11, 9, 1, 1]
    assert overall["win_rate"]["value"] == pytest.approx(9.5 / 11, abs=1e-4)
    assert {name: share["value"] for name, share in overall["shares"].items()} == pytest.approx(
        {"wins": 9 / 11, "ties": 1 / 11, "losses": 1 / 11}, abs=1e-4
    )
    low, high = overall["win_rate"]["interval"]
    assert 0.5 < low < 9.5 / 11 < high <= 1 and overall["verdict"] == "better"


def test_a_prompt_counts_once_however_many_voted_on_it():
    votes = [pair_vote(voter, 0, "tuned") for voter in "abcdefgh"] + [pair_vote("a", 1, "base")]
    (row,) = found_in(votes)["win_rates"]
    assert row["overall"]["win_rate"]["value"] == 0.5 and row["overall"]["wins"] == 8


def test_tasks_stand_beside_the_whole_and_other_arms_by_themselves():
    votes = [pair_vote("a", n, "tuned", task="frequency") for n in range(7)]
    votes += [pair_vote("a", n, "base", task="temporal") for n in range(7, 14)]
    votes += [pair_vote("a", n, "rejected", arms=("rejected", "chosen")) for n in range(7)]
    first, second = found_in(votes)["win_rates"]
    assert set(first) == {"arm", "against", "overall", "temporal", "frequency"}
    verdicts = [first[name]["verdict"] for name in ("overall", "temporal", "frequency")]
    assert verdicts == ["within noise", "worse", "better"]
    assert (second["arm"], second["against"], second["overall"]["verdict"]) == ("chosen", "rejected", "worse")


@pytest.mark.slow
def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    covered = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        votes = [pair_vote("a", n, "tuned" if rng.random() < 0.7 else "base") for n in range(40)]
        low, high = found_in(votes)["win_rates"][0]["overall"]["win_rate"]["interval"]
        covered += low <= 0.7 <= high
    assert covered >= 51  # of 60; 57 are expected


def test_of_several_votes_of_one_person_on_one_item_the_last_counts():
    votes = [pair_vote("a", n, "base") for n in range(3)] + [pair_vote("a", n, "tuned") for n in range(2)]
    votes += [pair_vote("a", 2, "skip")]
    found = found_in(votes)
    assert found["votes"] == {"pairs": 2, "clips": 0, "skipped": 1, "voters": 1, "prompts": 3}
    assert found["win_rates"][0]["overall"]["wins"] == 2


def test_scores_of_people_are_compared_as_those_of_a_judge():
    votes = [clip_vote(voter, "base", n, 3) for n in range(8) for voter in "ab"]
    votes += [clip_vote("a", "tuned", n, 5) for n in range(8)] + [clip_vote("b", "tuned", n, 4) for n in range(8)]
    scores = found_in(votes)["scores"]
    assert scores["overall"]["base"] == 3 and scores["overall"]["tuned"] == 4.5
    assert scores["overall"]["gain_low"] == scores["overall"]["gain_high"] == 1.5
    assert scores["overall"]["verdict"] == "better" and scores["exact_match"]["tuned"] == 0, "half is no majority"
    assert found_in([clip_vote("a", "base", n, 3) for n in range(8)])["scores"] is None


def test_a_motion_is_exact_by_people_when_more_than_half_gave_it_five():
    rows = aggregate_people_scores([clip_vote(voter, "base", 0, score) for voter, score in zip("abc", (5, 5, 2))])
    assert rows[["score", "exact", "voters", "judge"]].to_dict("records") == [
        {"score": 4.0, "exact": True, "voters": 3, "judge": "people"}
    ]


def test_agreement_among_people_is_that_of_their_ratings():
    votes = noisy_people(seed=1)
    pairs = found_in(votes)["among_people"]["pairs"]
    rows = tabulate_pair_votes(votes)
    ratings = rows.pivot(index="voter", columns="item_id", values="outcome").to_numpy()
    assert pairs["krippendorff_alpha"]["value"] == pytest.approx(krippendorff_alpha(ratings, "nominal"), abs=1e-4)
    low, high = pairs["krippendorff_alpha"]["interval"]
    assert low < pairs["krippendorff_alpha"]["value"] < high
    fleiss, raters = pairs["fleiss_kappa"], rows.groupby("item_id").size()
    assert (fleiss["raters"], fleiss["items"]) == (3, (raters == 3).sum())
    assert fleiss["left_out"] == (raters == 2).sum() > 0 and fleiss["value"] is not None
    assert pairs["items"] == fleiss["items"] + fleiss["left_out"]


def test_scores_that_lie_near_agree_better_than_those_that_lie_far():
    def alpha(shift):
        votes = [clip_vote("a", "base", n, 1 + n % 4) for n in range(12)]
        votes += [clip_vote("b", "base", n, 1 + (n % 4 + shift) % 4) for n in range(12)]
        return found_in(votes)["among_people"]["clips"]["krippendorff_alpha"]["value"]

    assert alpha(0) == 1.0 and alpha(1) < 0.5 and found_in([])["among_people"]["clips"]["items"] == 0


def test_people_against_a_judge_on_pairs():
    """The judge agrees on four pairs, is tied on two, says otherwise on two; on one people are evenly split."""
    votes = [pair_vote(voter, n, "tuned") for n in range(8) for voter in "ab"]
    votes += [pair_vote("a", 8, "tuned"), pair_vote("b", 8, "base")]
    scores = {f"base{n}": 3.0 for n in range(9)}
    scores |= {f"tuned{n}": 5.0 if n < 4 else 3.0 if n < 6 else 2.0 for n in range(9)}
    found = found_in(votes, judge(scores), {"p6": "a person jumps"})
    pairs = found["judges"]["kinematic"]["pairs"]
    assert (pairs["n"], pairs["prompts"], pairs["split"]) == (8, 8, 1)
    assert pairs["pair_accuracy"]["value"] == pytest.approx(5 / 8) and pairs["pair_accuracy"]["interval"]
    assert [row["motion_ids"] for row in found["disagreements"]] == [["tuned6", "base6"], ["tuned7", "base7"]]
    assert found["disagreements"][0] == {
        "judge": "kinematic",
        "kind": "pair",
        "motion_ids": ["tuned6", "base6"],
        "arms": ["tuned", "base"],
        "people": 1.0,
        "scores": [2.0, 3.0],
        "prompt_id": "p6",
        "task": "temporal",
        "votes": 2,
        "prompt": "a person jumps",
    }


def test_people_against_a_judge_on_clips():
    people = {n: 1 + n % 5 for n in range(10)}
    votes = [clip_vote("a", arm, n, people[n]) for n in people for arm in ("base",)]
    same = found_in(votes, judge({f"base{n}": score for n, score in people.items()}))["judges"]["kinematic"]["clips"]
    assert same["weighted_kappa"]["value"] == same["spearman"]["value"] == 1 and same["mean_error"]["value"] == 0
    assert same["n"] == same["prompts"] == 10 and same["pair_accuracy"]["value"] is None, "a prompt has one motion"
    turned = found_in(votes, judge({f"base{n}": 6.0 - score for n, score in people.items()}))
    assert turned["judges"]["kinematic"]["clips"]["spearman"]["value"] == -1
    apart = [abs(row["people"] - row["scores"][0]) for row in turned["disagreements"]]
    assert apart == sorted(apart, reverse=True) and len(apart) == 8 and apart[0] == 4


def test_a_judge_that_scored_nothing_people_saw_is_not_told_of():
    assert found_in([pair_vote("a", 0, "base")], judge({"unknown": 3.0}))["judges"] == {}
    assert found_in([pair_vote("a", 0, "base")], judge({"base0": np.nan, "tuned0": 2.0}))["judges"] == {}


def test_what_is_told_of_each_voter():
    votes = [pair_vote("lefty", n, "tuned" if n % 2 else "base", swapped=n % 2 == 1, seconds=4.0) for n in range(8)]
    votes += [pair_vote("other", n, "base", seconds=2.0 + n) for n in range(6)]
    votes += [pair_vote("other", 6, "tie", seconds=30.0), pair_vote("other", 7, "skip")]
    votes += [clip_vote(voter, "base", n, 1 + n % 5, seconds=4.0) for n in range(5) for voter in ("lefty", "other")]
    lefty, other = found_in(votes)["voters"]
    assert (lefty["voter"], lefty["votes"], lefty["left"], lefty["ties"]) == ("lefty", 13, 1.0, 0.0)
    assert (other["votes"], other["skipped"], other["left"]) == (12, 1, 1.0)
    assert other["ties"] == pytest.approx(1 / 7, abs=1e-4) and other["seconds"] == 4.0
    assert lefty["agrees"] == other["agrees"] == pytest.approx(3 / 7, abs=1e-4), "on the seven that both voted on"
    assert lefty["kappa"] == other["kappa"] == 1.0


def test_votes_on_the_same_two_motions_are_one_decision():
    votes = [pair_vote("a", 0, "tuned"), pair_vote("b", 0, "base", arms=("tuned", "base"))]
    votes += [pair_vote("c", 0, "tuned")]
    (row,) = aggregate_pair_votes(votes).to_dict("records")
    assert (row["motion_id"], row["outcome"], row["votes"]) == ("tuned0", pytest.approx(2 / 3), 3)


NOTHING = {
    "no votes": [],
    "one vote": [pair_vote("a", 0, "tuned")],
    "one voter": [pair_vote("a", n, "tuned") for n in range(9)],
    "all ties": [pair_vote(voter, n, "tie") for n in range(9) for voter in "ab"],
    "all skips": [pair_vote("a", n, "skip") for n in range(9)] + [clip_vote("a", "base", n, None) for n in range(9)],
    "one score": [clip_vote(voter, arm, n, 3) for voter in "ab" for arm in ("base", "tuned") for n in range(9)],
    "two of the same arm": [pair_vote("a", n, "tie", arms=("candidate", "candidate")) for n in range(9)],
}


@pytest.mark.parametrize("votes", NOTHING.values(), ids=NOTHING)
@pytest.mark.parametrize("judged", [NO_JUDGE, judge({f"{arm}{n}": 3.0 for arm in ("base", "tuned") for n in range(9)})])
def test_what_is_undefined_is_null(votes, judged):
    found = found_in(votes, judged)
    assert found["among_people"]["pairs"]["krippendorff_alpha"] == {"value": None, "interval": None}
    assert found["among_people"]["pairs"]["fleiss_kappa"]["value"] is None
    assert found["verdict"] and not any("nan" in sentence for sentence in found["verdict"])
    for judge_ in found["judges"].values():
        assert judge_["clips"]["weighted_kappa"]["value"] is None


def test_too_few_prompts_have_no_interval_and_no_verdict():
    overall = found_in([pair_vote("a", n, "tuned") for n in range(5)])["win_rates"][0]["overall"]
    assert overall["win_rate"] == {"value": 1.0, "interval": None} and overall["verdict"] == "too few prompts"


def test_the_verdict_says_who_wins_and_how_sure_that_is():
    sure = found_in([pair_vote("a", n, "tuned") for n in range(8)])["verdict"][0]
    assert sure.startswith("Tuned wins against base in 100% of the votes") and "people find tuned better" in sure
    few = found_in([pair_vote("a", 0, "base")])["verdict"][0]
    assert "1 vote on 1 prompt" in few and "can't tell that from chance" in few


def test_scores_of_judges_settle_votes_and_sum_what_they_took():
    row = {"motion_id": "m", "prompt_id": "p", "task": "temporal", "judge": "vision", "exact": True, "latency": 2.0}
    rows = [row | {"score": 2.0, "cost": 0.1}, row | {"score": 4.0, "cost": 0.2}]
    (settled,) = aggregate_judge_scores(rows).to_dict("records")
    assert (settled["score"], settled["seconds"]) == (3.0, 4.0) and settled["cost"] == pytest.approx(0.3)
    assert np.isnan(aggregate_judge_scores([*rows, row | {"score": 4.0, "cost": None}])["cost"][0])
    assert aggregate_judge_scores([]).empty
