"""Events in open words: identity, countability, side, order and task are the same for known and open actions."""

import pytest

from atom.errors import AtomError
from atom.events import (
    Event,
    composition_key,
    get_side,
    infer_task,
    is_countable,
    is_known,
    mirror_action,
    number_groups,
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
