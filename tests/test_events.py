"""Events in open words: identity, countability, side, order and task are the same for known and open actions."""

import hashlib

import pytest

from atom.errors import AtomError
from atom.events import (
    Event,
    assign_split,
    composition_key,
    counts_repetitions,
    get_side,
    infer_task,
    is_countable,
    is_known,
    mirror_action,
    number_groups,
    postures_fit,
)


def test_an_open_action_is_an_event_like_others():
    event = Event("hurl ball with left hand", None, "hurls a ball with his left hand")
    assert not is_known(event.action) and is_countable(event.action) and get_side(event.action) == "left"
    assert mirror_action(event.action) == "hurl ball with right hand"
    assert event == Event("hurl ball with left hand", None, "other words")
    assert Event.from_dict(event.to_dict()) == event


@pytest.mark.parametrize(
    ("action", "countable"),
    [("jump", True), ("cartwheel", True), ("step forward", True), ("walk in circle", False), ("play violin", False)],
)
def test_what_can_be_counted_follows_from_the_words(action, countable):
    assert is_countable(action) is countable


def test_a_row_of_an_earlier_version_has_no_group():
    assert Event.from_dict({"action": "bow", "count": 2, "phrase": "bows twice"}) == Event("bow", 2)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (lambda: Event(" "), "1 to 200 characters"),
        (lambda: Event("jump " * 100), "1 to 200 characters"),
        (lambda: Event("jump_up", 0), "less than 1"),
        (lambda: Event("walk_forward", 2), "can't be counted"),
    ],
)
def test_a_senseless_event_is_refused(event, reason):
    with pytest.raises(AtomError, match=reason):
        event()


def test_counts_above_those_of_the_grammar_are_events():
    assert Event("jump_up", 12).count == 12


def test_the_key_names_open_counts_and_what_happens_at_once():
    walk, wave = Event("walk_forward", None, group=4), Event("wave_left", 1, group=4)
    jump = Event("jump_up", 3)
    assert composition_key([walk, wave, jump]) == "walk_forward*?&wave_left*1>jump_up*3"
    assert composition_key([wave, walk, jump]) == composition_key([walk, wave, jump])
    assert composition_key([Event("walk_forward"), jump]) == "walk_forward*1>jump_up*3"  # as in all earlier stores


def test_groups_are_numbered_in_order_and_need_two_events():
    events = number_groups([Event("bow", group=9), Event("jump", group=5), Event("clap", group=5)])
    assert [event.group for event in events] == [None, 0, 0]


@pytest.mark.parametrize(
    ("events", "task"),
    [
        ([Event("bow", None)], "integrity"),
        ([Event("bow", None), Event("jump", None)], "temporal"),
        ([Event("bow", None, group=0), Event("jump", None, group=0)], "integrity"),
        ([Event("bow", None, group=0), Event("jump", None, group=0), Event("sit down", None)], "temporal"),
        ([Event("bow", 2), Event("jump", None)], "frequency"),
    ],
)
def test_the_task_follows_from_the_events(events, task):
    assert infer_task(events) == task


def test_the_split_of_a_composition_is_fixed_for_ever():
    """By sha256 of its key: the first four bytes modulo ten, of which 0 is test and 1 is val."""
    events = [Event("jump_up", count) for count in range(1, 6)]
    for first in events:
        for second in (Event("bow"), Event("clap", 2), Event("walk_forward")):
            key = composition_key([first, second])
            bucket = int(hashlib.sha256(key.encode()).hexdigest()[:8], 16) % 10
            assert assign_split([first, second]) == {0: "test", 1: "val"}.get(bucket, "train")
    assert {assign_split([event]) for event in events} == {"train"}
    assert len({assign_split([Event(f"act {n}")], divide_single_events=True) for n in range(60)}) == 3


@pytest.mark.parametrize(
    ("actions", "fits"),
    [
        (["walk_forward", "sit_down", "clap", "get_up", "bow"], True),
        (["sit_down", "walk_forward"], False),
        (["get_up"], False),
        (["kneel_down", "wave_left", "jump_up"], False),
        (["wave_left", "jump_up"], True),
    ],
)
def test_who_sits_gets_up_before_walking(actions, fits):
    assert postures_fit(map(Event, actions)) is fits


def test_one_count_is_below_frequency_and_counts_of_open_actions_are_judged():
    assert infer_task([Event("jump_up", 1), Event("bow")]) == "temporal"
    assert counts_repetitions("skip") and counts_repetitions("jump_up") and not counts_repetitions("walk_forward")
    assert mirror_action("turn_left") == "turn_right" and mirror_action("walk_forward") == "walk_forward"
    with pytest.raises(AtomError, match="1 to 200 characters, not 201"):
        Event("a" * 201)
    assert Event("a" * 200).count == 1 and Event("bow", 1, "x") == Event("bow", 1, "y") != Event("bow", 1, group=0)


def test_an_event_can_not_be_changed_and_equal_ones_are_one_in_a_set():
    event = Event("jump_up", 2, "jumps twice")
    with pytest.raises(AttributeError):
        event.count = 3
    assert len({event, Event("jump_up", 2, "two jumps"), Event("jump_up", 3)}) == 2
