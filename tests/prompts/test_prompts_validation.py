"""A text is accepted for its own events only, and only once."""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from atom.events import ACTIONS, MAX_COUNT, TASKS, Event
from atom.judging.vision.questions import plain_phrase
from atom.prompts.grammar import sample_events
from atom.prompts.parsing import parse_events
from atom.prompts.validation import (
    MAX_CHARACTERS,
    DuplicateFilter,
    assign_phrases,
    find_claim_mismatch,
    find_fault,
    format_events,
)
from atom.prompts.wording import caption

JUMP_AND_WAVE = (Event("jump_up", 2), Event("wave_left"))
THREE = (Event("bow"), Event("clap", 3), Event("turn_right"))
seeds, tasks = st.integers(0, 2**32 - 1), st.sampled_from(TASKS)


@dataclass(frozen=True)
class Claim:
    action: str
    count: int


def written(seed, task):
    rng = np.random.default_rng(seed)
    events = sample_events(rng, task)
    return caption(events, rng, task)[0], events


@settings(max_examples=300, deadline=None)
@given(seeds, tasks)
def test_every_caption_of_the_grammar_is_accepted(seed, task):
    text, events = written(seed, task)
    assert find_fault(text, events, task) is None
    assert find_fault(text[0].upper() + text[1:] + ".", events, task) is None


@settings(max_examples=300, deadline=None)
@given(seeds, tasks, st.data())
def test_a_caption_is_refused_for_other_events(seed, task, data):
    text, events = written(seed, task)
    place = data.draw(st.integers(0, len(events) - 1))
    change = data.draw(st.sampled_from(["left out", "put in", "counted otherwise", "swapped", "another action"]))
    if change == "left out":
        assume(len(events) > 1)
        other = events[:place] + events[place + 1 :]
        # Without what stood between them, neighbours that are one action would be one event.
        assume(all(first.action != second.action for first, second in pairwise(other)))
    elif change == "put in":
        other = (*events, Event(data.draw(st.sampled_from(sorted(set(ACTIONS) - {events[-1].action})))))
    elif change == "counted otherwise":
        assume(ACTIONS[events[place].action].countable)
        other = list(events)
        other[place] = replace(other[place], count=other[place].count % MAX_COUNT + 1)
    elif change == "swapped":
        other = tuple(reversed(events))
        assume(other != events)
    else:
        other = list(events)
        other[place] = Event(data.draw(st.sampled_from(sorted(set(ACTIONS) - {event.action for event in events}))))
    reason = find_fault(text, tuple(other), task)
    assert reason
    expected = {
        "left out": ["not asked for"],
        "put in": ["missing"],
        "counted otherwise": ["wrong count"],
        "swapped": ["wrong order", "wrong count"],
        "another action": ["missing"],
    }
    assert any(kind in reason for kind in expected[change]), reason


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80))
def test_any_text_gets_a_verdict_and_no_exception(text):
    assert find_fault(text, JUMP_AND_WAVE, "temporal")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("  \n ", "empty"),
        ("...", "empty"),
        ("a person " + "slowly " * 50 + "jumps twice and then waves with the left hand", f"at most {MAX_CHARACTERS}"),
        ("a person jumps twice,\nthen waves with the left hand", "more than one line"),
        ("a person does jump_up twice, then waves with the left hand", "'_'"),
        ("a person jumps {twice}, then waves with the left hand", "'{' '}'"),
        ("**A person** jumps twice, then waves with the left hand", "'*'"),
        ("- a person jumps twice, then waves with the left hand", "'-'"),
        ("a person jumps x2, then waves with the left hand", "'x2'"),
        ("a person jumps 2x, then waves with the left hand", "'2x'"),
        ("a person jumps x 2, then waves with the left hand", "'x 2'"),
        ("a person jumps twice — then waves with the left hand", "'—'"),
        ("una persona salta dos veces, después saluda", "'é'"),
        ("1. a person jumps twice, then waves with the left hand", "not plain words: '1.'"),
    ],
)
def test_what_is_no_plain_sentence_is_refused(text, reason):
    assert reason in find_fault(text, JUMP_AND_WAVE, "integrity")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "a person jumps twice, then waves",
            "missing: waves with the left hand; not asked for: wave",
        ),
        ("a person jumps twice", "missing: waves with the left hand"),
        (
            "a person jumps twice, then waves with the right hand",
            "missing: waves with the left hand; not asked for: waves with the right hand",
        ),
        ("a person jumps twice, bows, then waves with the left hand", "not asked for: bows"),
        ("a person jumps three times, then waves with the left hand", "wrong count: jumps x3 instead of x2"),
        (
            "a person waves with the left hand, then jumps twice",
            "wrong order: waves with the left hand; jumps instead of jumps; waves with the left hand",
        ),
        ("a person moonwalks, jumps twice, then waves with the left hand", "not asked for: moonwalk"),
        (
            "a person jumps six times, then waves with the left hand",
            "wrong count: jumps x6 instead of x2",
        ),
    ],
)
def test_the_reason_says_what_to_mend(text, reason):
    assert find_fault(text, JUMP_AND_WAVE, "integrity") == reason


def test_counts_of_one_action_in_two_places_are_told_apart():
    events = (Event("jump_up"), Event("bow"), Event("jump_up", 2))
    assert find_fault("he jumps, bows and jumps twice", events, "integrity") is None
    reason = find_fault("he jumps twice, bows and jumps", events, "integrity")
    assert reason == "wrong count: jumps x2 and x1 instead of x1 and x2"


def test_repeats_in_a_row_are_one_event():
    text = "a person jumps, then jumps again and finally waves with the left hand"
    assert find_fault(text, JUMP_AND_WAVE, "temporal") is None
    worded = assign_phrases(text, JUMP_AND_WAVE)
    assert worded == JUMP_AND_WAVE
    assert [event.phrase for event in worded] == ["jumps, jumps again", "waves with the left hand"]


@pytest.mark.parametrize(
    "text",
    [
        "a person bows, then claps three times and after that turns right",
        "first he bows, then he claps three times and turns right",
        "after bowing, he claps three times before turning right",
        "he bows before he claps three times, and finally turns right",
    ],
)
def test_a_temporal_text_tells_the_order_in_words(text):
    assert find_fault(text, THREE, "temporal") is None


@pytest.mark.parametrize(
    "text", ["he bows, claps three times and turns right", "he bows, claps three times, then turns right"]
)
def test_an_order_by_commas_alone_is_not_told(text):
    assert find_fault(text, THREE, "integrity") is None
    assert find_fault(text, THREE, "temporal").startswith("order not told")


@pytest.mark.parametrize("text", ["he bows while clapping", "as he bows, he claps", "he bows and claps simultaneously"])
def test_events_that_happen_at_once_are_no_sequence(text):
    assert "at once" in find_fault(text, (Event("bow"), Event("clap")), "integrity")


@pytest.mark.parametrize("action", ACTIONS)
def test_claims_are_read_in_the_words_of_the_list(action):
    count = 2 if ACTIONS[action].countable else 1
    assert find_claim_mismatch([Claim(plain_phrase(action), count)], (Event(action, count),)) is None
    assert plain_phrase(action) in find_claim_mismatch([], (Event(action, count),))


@pytest.mark.parametrize(
    ("claimed", "reason"),
    [
        ([("jumps", 2)], "missing: waves with the left hand"),
        ([("jumps", 3), ("waves with the left hand", 1)], "jumps x3 instead of x2"),
        ([("jumps", 1000), ("waves with the left hand", -1)], "jumps x1000 instead of x2"),
        ([("waves with the left hand", 1), ("jumps", 2)], "wrong order"),
        ([("jumps", 2), ("juggles", 1)], "not in the list: juggles"),
        ([("jumps", 2), ("", 1)], "not in the list"),
        ([("jumps and bows", 2)], "not in the list: jumps and bows"),
    ],
)
def test_other_claims_are_a_fault(claimed, reason):
    assert reason in find_claim_mismatch([Claim(*claim) for claim in claimed], JUMP_AND_WAVE)


def test_events_are_listed_in_plain_words():
    assert format_events(JUMP_AND_WAVE) == "jumps x2; waves with the left hand x1"


@settings(max_examples=100, deadline=None)
@given(seeds, tasks)
def test_events_get_their_words_from_the_text(seed, task):
    text, events = written(seed, task)
    worded = assign_phrases(text, events)
    assert worded == events
    assert [event.phrase for event in worded] == [event.phrase for event in parse_events(text).events]


FIRST = "A person jumps twice, then waves with the left hand."


@pytest.mark.parametrize(
    "text",
    [
        "a person jumps twice then  waves with the LEFT hand",
        "The woman jumps twice and after that she waves with her left hand.",
        "Someone quickly jumps twice, and finally waves with the left hand",
        "First a person jumps twice, then waves with the left hand.",
    ],
)
def test_a_text_that_is_nearly_another_is_its_twin(text):
    accepted = DuplicateFilter()
    assert accepted.find_duplicate(text, JUMP_AND_WAVE) is None
    accepted.add(FIRST, JUMP_AND_WAVE)
    assert accepted.find_duplicate(text, JUMP_AND_WAVE) == FIRST


def test_many_common_rows_of_words_make_a_twin():
    events = (Event("pick_up"), Event("wave_left"), Event("sit_down"), Event("get_up"))
    text = "a man picks something up from the floor, then waves with the left hand, then sits down on a chair, then {}"
    accepted = DuplicateFilter()
    accepted.add(text.format("stands up"), events)
    assert accepted.find_duplicate(text.format("gets up"), events) == text.format("stands up")


def test_other_words_and_other_events_are_no_twin():
    accepted = DuplicateFilter()
    accepted.add(FIRST, JUMP_AND_WAVE)
    assert accepted.find_duplicate("Before waving the left hand, a man does two jumps in place.", JUMP_AND_WAVE) is None
    right = (Event("jump_up", 2), Event("wave_right"))
    assert accepted.find_duplicate(FIRST.replace("left", "right"), right) is None
