"""Texts to events: known actions where the lexicon has the words, open actions everywhere else."""

import pytest

from atom.config import PromptConfig
from atom.prompts.grammar import write_prompts
from atom.prompts.reading import find_known_action, read_text


def pairs(text):
    return [(event.action, event.count) for event in read_text(text).events]


@pytest.mark.parametrize(
    ("text", "events"),
    [
        ("a person jumps twice, then waves with the left hand", [("jump_up", 2), ("wave_left", None)]),
        ("someone is pushed from behind and stumbles", [("be pushed from behind", None), ("stumble", None)]),
        ("a man raises his left hand and waves", [("raise_arm_left", None), ("wave_left", None)]),
        ("a woman takes four steps forward and turns around", [("step forward", 4), ("turn_around", None)]),
        ("before sitting down, he claps three times", [("clap", 3), ("sit_down", None)]),
        ("he bends down to pick something up and bows", [("pick_up", None), ("bow", None)]),
        ("she turns to face the other way", [("turn_around", None)]),
        ("a person does a cartwheel", [("do cartwheel", None)]),
        ("a person turns on the left foot", [("turn", None)]),
        ("a person turns with the left foot", [("turn", None)]),
        ("a person kicks with the left hand", [("kick with left hand", None)]),
        ("he turns around and walks back", [("turn_around", None), ("walk back", None)]),
        ("he steps back", [("walk_backward", None)]),
        ("a person jumps up three times, then bows", [("jump_up", 3), ("bow", None)]),
    ],
)
def test_a_text_is_read_as_events(text, events):
    assert pairs(text) == events


def test_what_happens_at_once_is_a_group():
    events = read_text("a person walks forward while waving the right hand, then bows").events
    assert [(event.action, event.group) for event in events] == [("walk_forward", 0), ("wave_right", 0), ("bow", None)]


def test_every_prompt_of_the_grammar_is_read_back():
    for prompt in write_prompts(PromptConfig(train_per_task=60, test_per_task=20), seed=3):
        read = [(action, count or 1) for action, count in pairs(prompt.text)]
        assert read == [(event.action, event.count) for event in prompt.events], prompt.text


def test_a_phrase_is_a_piece_of_the_text():
    text = "The man bends down to pick something up, then hurls a ball."
    assert all(event.phrase in text for event in read_text(text).events)


@pytest.mark.parametrize("text", ["", "...", "12345", "<b></b>", "hello there", "x" * 10_000])
def test_a_text_without_motion_has_a_reason(text):
    read = read_text(text)
    assert read.events == () and read.remarks


def test_a_known_action_of_another_side_is_none():
    assert find_known_action("wave right hand", "right") == "wave_right"
    assert find_known_action("wave right hand", "left") is None
    assert find_known_action("jumps and claps") is None
