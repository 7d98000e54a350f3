"""Free wording of known actions: the share that is read right, and what a wrong reading may claim."""

import sys
from pathlib import Path

import pytest

from atom.events import ACTIONS, is_known
from atom.prompts.reading import read_text

sys.path.append(str(Path(__file__).parent))
from free_wording import MORE_PROMPTS, PROMPTS


def read(text):
    return [(event.action, event.count) for event in read_text(text).events]


@pytest.mark.parametrize(("prompts", "share"), [(PROMPTS, 0.98), (MORE_PROMPTS, 0.95)], ids=["first", "more"])
def test_the_share_read_right(prompts, share):
    wrong = [(text, read(text)) for text, events in prompts if read(text) != events]
    assert 1 - len(wrong) / len(prompts) >= share, wrong


@pytest.mark.parametrize(("text", "events"), PROMPTS + MORE_PROMPTS, ids=lambda value: str(value)[:40])
def test_a_wrong_reading_leaves_out_but_invents_nothing(text, events):
    known = {action for action, _ in events if is_known(action)}
    counts = {count for _, count in events} | {None}
    reading = read(text)
    assert reading
    assert {action for action, _ in reading if is_known(action)} <= known
    assert {count for _, count in reading} <= counts
    assert all(event.phrase in text for event in read_text(text).events)


def test_every_known_action_is_covered():
    assert {action for _, events in PROMPTS for action, _ in events} >= set(ACTIONS)
