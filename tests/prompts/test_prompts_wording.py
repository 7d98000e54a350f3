"""Captions: few words, a known order, and exactly the given events."""

import numpy as np
import pytest

from atom.errors import AtomError
from atom.events import ACTIONS, MAX_COUNT, TASKS, Event
from atom.prompts.grammar import sample_events
from atom.prompts.lexicon import PHRASINGS, phrasings
from atom.prompts.wording import SUBJECTS, caption, vocabulary


def test_every_family_has_three_to_five_phrasings():
    assert set(PHRASINGS) == {action.family for action in ACTIONS.values()}
    assert all(3 <= len(set(said)) <= 5 for said in PHRASINGS.values())


def test_no_phrasing_belongs_to_two_actions():
    said = [phrasing.once for action in ACTIONS for phrasing in phrasings(action)]
    assert len(said) == len(set(said))


def test_captions_stay_within_a_small_vocabulary():
    words = vocabulary()
    assert len(words) < 300
    rng = np.random.default_rng(0)
    for number in range(1500):
        text, _ = caption(sample_events(rng), rng, [*TASKS, None][number % 4])
        assert set(text.replace(",", "").split()) <= words


def test_phrases_stand_in_the_text_in_the_order_of_the_events():
    rng = np.random.default_rng(1)
    for _ in range(500):
        events = sample_events(rng)
        text, worded = caption(events, rng)
        assert worded == events
        assert text.startswith(SUBJECTS)
        assert text == text.lower()
        at = 0
        for event in worded:
            at = text.index(event.phrase, at) + len(event.phrase)
        assert at == len(text)


def test_sides_and_counts_are_said():
    rng = np.random.default_rng(2)
    for _ in range(200):
        _, (event,) = caption([Event("kick_left", 3)], rng)
        assert "left" in event.phrase
        assert "three" in event.phrase


@pytest.mark.parametrize("count", range(1, MAX_COUNT + 1))
def test_no_slot_is_left_open(count):
    rng = np.random.default_rng(count)
    for action in ACTIONS:
        if count == 1 or ACTIONS[action].countable:
            texts = {caption([Event(action, count)], rng, "frequency")[0] for _ in range(40)}
            assert not any("{" in text for text in texts)


def test_temporal_captions_always_say_the_order():
    rng = np.random.default_rng(3)
    for _ in range(300):
        events = sample_events(rng, "temporal")
        text, _ = caption(events, rng, "temporal")
        said = text.count("then") + text.count("after that") + text.count("finally")
        assert said == len(events) - 1


def test_the_same_generator_state_gives_the_same_caption():
    events = (Event("bow"), Event("clap", 2))
    assert caption(events, np.random.default_rng(5)) == caption(events, np.random.default_rng(5))


def test_no_events_is_an_error():
    with pytest.raises(AtomError, match="at least one event"):
        caption([], np.random.default_rng(0))
