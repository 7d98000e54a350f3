"""The votes of a judge on a motion become one score; a tie of votes is no exact match."""

import pytest

from atom.judging.coverage import count_coverage, is_not_judged, sum_coverage
from atom.judging.votes import aggregate_votes


def rows(*exact, score=3.0):
    return [
        {"motion_id": "m", "judge": "vision", "vote": number, "score": score, "exact": each}
        for number, each in enumerate(exact)
    ]


@pytest.mark.parametrize(
    ("votes", "exact"),
    [
        ([True], True),
        ([False], False),
        ([True, False], False),
        ([False, True, True, False], False),
        ([True, False, True], True),
        ([False, True, False], False),
        ([True, True, True, False, False], True),
        ([True, None, None], True),
        ([False, None, True], False),
        ([None, None], None),
    ],
)
def test_exact_is_what_more_than_half_of_those_that_can_tell_say(votes, exact):
    assert aggregate_votes(rows(*votes))["m", "vision"]["exact"] is exact


def test_a_vote_without_a_score_has_no_say_and_the_first_with_one_gives_the_rest():
    unanswered, first, second = rows(True, False, False)
    unanswered["score"] = None
    found = aggregate_votes([unanswered, first | {"score": 2.0}, second | {"score": 5.0}])["m", "vision"]
    assert (found["score"], found["exact"], found["vote"]) == (3.5, False, 1)


def coverage_row(motion_id, judge="auto", score=3.0, model=None, error=None):
    return {"motion_id": motion_id, "judge": judge, "score": score, "exact": None, "model": model, "error": error}


def test_motions_without_a_score_are_counted_by_their_reason():
    shard = [
        coverage_row("a"),
        coverage_row("b", model="gpt"),
        coverage_row("b", model="gpt", score=4.0),
        coverage_row("c", score=None, error="not judged: the kinematic judge can't see 'juggle'"),
        coverage_row("d", score=None, model="gpt", error="refused: no"),
        coverage_row("a", "kinematic"),
    ]
    auto, kinematic = count_coverage([shard])
    assert (auto.judge, auto.motions, auto.scored, auto.not_judged, auto.failed, auto.by_vision) == (
        "auto", 4, 2, 1, 1, 2,
    )  # fmt: skip
    assert (kinematic.motions, kinematic.scored, kinematic.by_vision) == (1, 1, None)
    (both, one) = sum_coverage([auto, kinematic, auto])
    assert (both.motions, both.scored, both.not_judged, both.failed, both.by_vision) == (8, 4, 2, 2, 4)
    assert auto.motions == 4 and one == kinematic, "the parts stay as they were"
    assert not is_not_judged(coverage_row("e", error="not judged: x")), "it has a score"
