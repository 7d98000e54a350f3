"""The parser reads back every caption, understands free wording, and reports what it doesn't know."""

import numpy as np
import pytest

from atom.errors import AtomError
from atom.events import ACTIONS, MAX_COUNT, TASKS, Event
from atom.prompts.grammar import sample_events
from atom.prompts.lexicon import LOOKALIKES, SYNONYMS, phrasings
from atom.prompts.parsing import _STOP_WORDS, _base_forms, parse_events
from atom.prompts.wording import caption


def read(text):
    parsed = parse_events(text)
    return [(event.action, event.count) for event in parsed.events], parsed.unknown


@pytest.mark.parametrize("task", [*TASKS, None])
def test_every_caption_reads_back_as_its_events(task):
    rng = np.random.default_rng(0)
    for _ in range(1000):
        events = sample_events(rng, task)
        text, _ = caption(events, rng, task)
        parsed = parse_events(text)
        assert (parsed.events, parsed.unknown) == (events, []), text


def test_every_phrasing_reads_back_with_every_count():
    for name, action in ACTIONS.items():
        for phrasing in phrasings(name):
            assert read(phrasing.once) == ([(name, 1)], [])
            for count in range(2, MAX_COUNT + 1) if action.countable else ():
                often = phrasing.often.format(times=f"{count} times", n=count)
                assert read(often) == ([(name, count)], []), often


@pytest.mark.parametrize("form", ["jump forward", "jumps forward", "jumping forward", "jumped forwards", "jump ahead"])
def test_verb_forms(form):
    assert read(f"a person {form} twice") == ([("jump_forward", 2)], [])


@pytest.mark.parametrize(
    ("text", "events"),
    [
        ("he sat down", [("sit_down", 1)]),
        ("she knelt on her left knee, then stood up", [("kneel_down", 1), ("get_up", 1)]),
        ("someone spun around", [("spin", 1)]),
        ("he threw a ball with his right arm", [("throw_right", 1)]),
        ("She ran forward and leapt ahead!", [("run_forward", 1), ("jump_forward", 1)]),
        ("hopping on the left foot x3", [("hop_left", 3)]),
        ("does 3 jumping-jacks", [("jumping_jack", 3)]),
        ("squats 3x", [("squat", 3)]),
        ("claps his hands a couple of times", [("clap", 2)]),
        ("bows thrice", [("bow", 3)]),
        ("jumps one time", [("jump_up", 1)]),
        ("takes three quick steps to his left", [("sidestep_left", 3)]),
        ("takes two big leaps forward", [("jump_forward", 2)]),
        ("with his left hand he waves", [("wave_left", 1)]),
        ("waves hello with the right hand", [("wave_right", 1)]),
        ("slowly raises his left arm above his head and lowers it four times", [("raise_arm_left", 4)]),
        ("makes a left turn and then turns 180 degrees", [("turn_left", 1), ("turn_around", 1)]),
        ("a person jumps twice, then waves with the left hand", [("jump_up", 2), ("wave_left", 1)]),
        ("bends down and picks up a box from the floor", [("pick_up", 1)]),
    ],
)
def test_free_wording(text, events):
    assert read(text) == (events, [])


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("he bows before clapping", ["bow", "clap"]),
        ("before clapping, he bows", ["bow", "clap"]),
        ("a man, before clapping and squatting, bows. Then he jumps", ["bow", "clap", "squat", "jump_up"]),
        ("he claps after bowing", ["bow", "clap"]),
        ("after bowing, he claps", ["bow", "clap"]),
        ("he claps after bowing and squatting, then jumps", ["bow", "squat", "clap", "jump_up"]),
        ("he bows. After that he claps", ["bow", "clap"]),
        ("he bows, after which he claps", ["bow", "clap"]),
        ("he claps. Before that he bows", ["bow", "clap"]),
        ("first he bows, next he claps and finally squats", ["bow", "clap", "squat"]),
        ("he bows while clapping", ["bow", "clap"]),
    ],
)
def test_order_words(text, order):
    events, unknown = read(text)
    assert [action for action, _ in events] == order
    assert unknown == []


@pytest.mark.parametrize(
    ("text", "events", "unknown"),
    [
        ("he moonwalks and bows", [("bow", 1)], ["moonwalks"]),
        ("he waves", [], ["waves (left or right?)"]),
        ("he turns, then kicks", [], ["turns (left or right?)", "kicks (left or right?)"]),
        ("he jumps six times", [("jump_up", 1)], ["jumps six times (only 1 to 5 can be counted)"]),
        ("he jumps 0 times", [("jump_up", 1)], ["jumps 0 times (only 1 to 5 can be counted)"]),
        ("he walks forward twice", [("walk_forward", 1)], ["walks forward twice (can't be counted)"]),
        ("he jumps several times", [("jump_up", 1)], ["several times"]),
        ("he doesn't jump but bows", [("bow", 1)], ["doesn't jump"]),
        ("he bows without clapping", [("bow", 1)], ["without clapping"]),
        ("walks up stairs", [], ["walks up stairs"]),
        ("a person", [], []),
    ],
)
def test_what_is_not_understood_is_reported_and_not_guessed(text, events, unknown):
    assert read(text) == (events, unknown)


@pytest.mark.parametrize("text", ["", "  ", "...", "12"])
def test_a_text_without_words_is_an_error(text):
    with pytest.raises(AtomError, match="empty"):
        parse_events(text)


def test_events_carry_their_words():
    events = parse_events("A man jumps up twice, then waves with his left hand.").events
    assert [event.phrase for event in events] == ["jumps up twice", "waves with his left hand"]
    assert events == (Event("jump_up", 2), Event("wave_left"))


def test_patterns_use_only_words_that_reach_them():
    patterns = [*LOOKALIKES, *(pattern for patterns in SYNONYMS.values() for pattern in patterns)]
    words = {word for pattern in patterns for slot in pattern.split() for word in slot.rstrip("?").split("|")}
    assert not words & _STOP_WORDS
    assert all(_base_forms().get(word, word) == word for word in words)


def test_the_example_prompts_of_the_authors(shared):
    found = {}
    for path in sorted((shared / "data").glob("atom_example_*.txt")):
        for text in path.read_text().splitlines():
            found[text.strip().lower()] = read(text)
    assert len(found) == 12
    assert found["a person jumps forward one time"] == ([("jump_forward", 1)], [])
    assert found["a person steps back, jumps up , and walks forward"] == (
        [("walk_backward", 1), ("jump_up", 1), ("walk_forward", 1)],
        [],
    )
    assert all(events or unknown for events, unknown in found.values())
    events, unknown = found["a person takes a seat, appears to make a throwing motion, and then stands up"]
    assert events == [("sit_down", 1), ("get_up", 1)]
    assert unknown == ["make a throwing motion (left or right?)"]
    hands_and_knees = next(read for text, read in found.items() if "crawling" in text)
    assert hands_and_knees == ([], ["bends down", "gets on their hands and knees", "crawling to the left"])


def test_getting_down_after_a_squat_is_an_event_of_its_own():
    assert read("a person squats down and gets down on one knee") == ([("squat", 1), ("kneel_down", 1)], [])
    assert read("a person squats and gets back up") == ([("squat", 1)], [])
