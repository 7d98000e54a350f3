"""What the rubrics promise: bounds, 5 for exactly right only, falling scores, and no reward for doing everything."""

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atom.errors import AtomError
from atom.events import ACTIONS, TASKS, Event
from atom.judging.rubric import exact, match_actions, merge_repeats, score

NAMES = ["jump_up", "walk_forward", "wave_left", "squat", "clap"]


@dataclass(frozen=True)
class Detected:
    action: str
    count: int = 1
    group: int | None = None


def _event(action: str, count: int) -> Event:
    return Event(action, count if ACTIONS[action].countable else 1)


events = st.builds(_event, st.sampled_from(NAMES), st.integers(1, 5))
expected_lists = st.lists(events, min_size=1, max_size=4)
detected_lists = st.lists(events, max_size=8)
different = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True).map(
    lambda n: [Detected(a) for a in n]
)


@given(st.sampled_from(TASKS), expected_lists, detected_lists)
def test_scores_stay_between_1_and_5(task, expected, detected):
    assert 1 <= score(task, expected, detected) <= 5


@given(st.sampled_from(TASKS), expected_lists)
def test_exactly_what_was_asked_scores_5(task, expected):
    assert exact(expected, expected) and score(task, expected, expected) == 5


def totals(events):
    """How often each action is done, wherever it is."""
    found = Counter()
    for action, count in merge_repeats(events):
        found[action] += count
    return found


@given(expected_lists, detected_lists)
def test_5_only_if_the_matter_of_the_task_is_right(expected, detected):
    names = [[action for action, _ in merge_repeats(side)] for side in (expected, detected)]
    if score("temporal", expected, detected) == 5:
        assert names[0] == names[1]
    if score("integrity", expected, detected) == 5:
        assert sorted(names[0]) == sorted(names[1])
    if score("frequency", expected, detected) == 5:
        assert totals(expected) == totals(detected)


def test_walking_in_two_places_is_more_often_than_in_one():
    walks = [Event("walk_forward"), Event("jump_up"), Event("walk_forward")]
    assert score("frequency", walks, walks) == 5
    assert score("frequency", walks, walks[1:]) == 4  # half of the walks, every jump


@given(st.sampled_from(TASKS), expected_lists)
def test_nothing_seen_scores_1(task, expected):
    assert score(task, expected, []) == 1


@given(st.sampled_from(TASKS), different, st.data())
def test_a_missing_event_costs(task, expected, data):
    place = data.draw(st.integers(0, len(expected) - 1))
    assert score(task, expected, expected[:place] + expected[place + 1 :]) < score(task, expected, expected)


@given(st.sampled_from(TASKS), different, st.integers(1, 4), st.data())
def test_every_extra_event_costs(task, expected, extras, data):
    place = data.draw(st.integers(0, len(expected)))
    strangers = [Detected("bow"), Detected("lunge_left"), Detected("bow"), Detected("lunge_left")]
    scores = [score(task, expected, expected[:place] + strangers[:n] + expected[place:]) for n in range(extras + 1)]
    assert all(more < fewer for fewer, more in pairwise(scores))


@given(st.integers(1, 5))
def test_frequency_falls_with_the_distance_from_the_told_count(count):
    expected = [Detected("jump_up", count), Detected("walk_forward")]
    scores = {n: score("frequency", expected, [Detected("jump_up", n), expected[1]]) for n in range(1, 12)}
    above = [scores[n] for n in range(count, 12)]
    below = [scores[n] for n in range(count, 0, -1)]
    for side in (above, below):
        assert all(near > far for near, far in pairwise(side))


@pytest.mark.parametrize("task", TASKS)
def test_doing_everything_does_not_win(task):
    expected = [Detected("jump_up"), Detected("bow"), Detected("clap")]
    everything = [Detected(name) for name in ACTIONS]
    assert score(task, expected, everything) < score(task, expected, expected[:2])
    assert score(task, expected, everything + everything + everything) < 3.3


def test_temporal_follows_the_rule_of_the_paper():
    a, b, c = Detected("jump_up"), Detected("bow"), Detected("clap")
    expected = [a, b, c]
    assert score("temporal", expected, [a, b, c]) == 5
    assert 3.5 < score("temporal", expected, [c, b, a]) < score("temporal", expected, [a, c, b]) <= 4
    assert score("temporal", expected, [a, c]) == 3
    assert score("temporal", expected, [b]) == 2
    assert score("temporal", expected, [Detected("squat")]) == 1


def test_repeats_in_a_row_are_one_event():
    assert merge_repeats(
        [Detected("jump_up", 2), Detected("jump_up", 1), Detected("walk_forward"), Detected("walk_forward")]
    ) == [
        ("jump_up", 3),
        ("walk_forward", 1),
    ]


@given(st.lists(st.sampled_from("abc"), max_size=6), st.lists(st.sampled_from("abc"), max_size=6))
def test_matching_pairs_every_action_as_often_as_both_have_it(expected, detected):
    pairs = match_actions(expected, detected)
    assert len(pairs) == sum(min(expected.count(x), detected.count(x)) for x in "abc")
    assert len({i for i, _, _ in pairs}) == len({j for _, j, _ in pairs}) == len(pairs)
    ordered = [j for _, j, in_order in pairs if in_order]
    assert ordered == sorted(ordered) and all(expected[i] == detected[j] for i, j, _ in pairs)


def test_unknown_task_and_nothing_asked_are_refused():
    with pytest.raises(AtomError, match="known tasks"):
        score("beauty", [Detected("bow")], [])
    with pytest.raises(AtomError, match="at least one"):
        score("integrity", [], [Detected("bow")])


def test_what_happens_at_once_has_no_order():
    walk, wave, bow = Event("walk_forward", group=0), Event("wave_left", group=0), Event("bow")
    for seen in (["walk_forward", "wave_left", "bow"], ["wave_left", "walk_forward", "bow"]):
        detected = [Event(action) for action in seen]
        assert score("temporal", [walk, wave, bow], detected) == 5 and exact([walk, wave, bow], detected)
    late = [Event(action) for action in ("bow", "walk_forward", "wave_left")]
    assert score("temporal", [walk, wave, bow], late) < 5 and not exact([walk, wave, bow], late)


def test_a_count_that_the_text_does_not_give_is_right_whatever_it_is():
    for times in (1, 2, 7):
        assert exact([Event("jump_up", None)], [Event("jump_up", times)])
        assert (
            score("frequency", [Event("jump_up", None), Event("bow", 2)], [Event("jump_up", times), Event("bow", 2)])
            == 5
        )
    assert score("frequency", [Event("jump_up", None)], []) < 5


def test_open_actions_are_scored_like_known_ones():
    expected = [Event("hurl ball with left hand"), Event("do cartwheel", 2)]
    assert score("frequency", expected, [Event("hurl ball with left hand"), Event("do cartwheel", 2)]) == 5
    assert score("frequency", expected, [Event("hurl ball with left hand"), Event("do cartwheel", 1)]) < 5
    assert score("integrity", expected, [Event("hurl ball with right hand"), Event("do cartwheel", 2)]) < 5


def test_a_stated_count_of_an_open_action_is_judged_even_if_the_action_is_rarely_counted():
    expected = [Event("skip", 4), Event("bow", None)]
    right, wrong = ([Detected("skip", count), Detected("bow")] for count in (4, 1))
    assert score("frequency", expected, right) == 5 and exact(expected, right)
    assert score("frequency", expected, wrong) < 4 and not exact(expected, wrong)
