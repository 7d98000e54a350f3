"""Events beside a text are taken as they are, and one that contradicts itself has a reason."""

import json

import pytest

from atom.config import PromptConfig
from atom.errors import AtomError
from atom.events import Event
from atom.prompts.given_events import parse_given_events
from atom.prompts.grammar import write_prompts
from atom.prompts.reading import read_text


@pytest.mark.parametrize(
    ("row", "event"),
    [
        ({"action": "wave_left"}, Event("wave_left", None)),
        ({"action": "wave left"}, Event("wave_left", None)),
        ({"action": "wave left hand", "side": "left", "count": 1}, Event("wave_left", 1)),
        ({"action": "wave left hand", "count": 3}, Event("wave left hand", 3)),  # the known one can't be counted
        ({"action": "jump up", "count": 2.0}, Event("jump_up", 2)),
        ({"action": "hurl ball", "side": "left"}, Event("hurl ball", None)),
        ({"action": "walk in circle", "side": "right", "countable": False}, Event("walk in circle", None)),
    ],
)
def test_an_action_in_words_gets_its_name(row, event):
    assert parse_given_events([row]) == parse_given_events(json.dumps([row])) == (event,)


def test_what_happens_at_once_is_given_by_places_or_by_numbers():
    rows = [{"action": "run_forward"}, {"action": "juggle"}, {"action": "bow"}]
    expected = (Event("run_forward", None, group=0), Event("juggle", None, group=0), Event("bow", None))
    assert parse_given_events(rows, [[0, 1]]) == expected
    assert parse_given_events([{**rows[0], "group": 7}, {**rows[1], "group": 7}, rows[2]]) == expected


@pytest.mark.parametrize(
    ("rows", "together", "reason"),
    [
        ([], None, "are no list"),
        ("[", None, "are not JSON"),
        ([{"phrase": "bows"}], None, "needs the name of an action"),
        ([{"action": " "}], None, "an action has 1 to"),
        ([{"action": "kick with left leg", "side": "right"}], None, "given as right, and its words name left"),
        ([{"action": "kick_left", "side": "right"}], None, "given as right, and its words name left"),
        ([{"action": "bow", "side": "up"}], None, "is not left, right or null"),
        ([{"action": "walk_forward", "count": 3, "countable": False}], None, "3 times and as what can't be counted"),
        ([{"action": "bow", "count": True}], None, "no whole number"),
        ([{"action": "bow", "count": 10**400}], None, "no whole number"),
        ([{"action": "bow"}, {"action": "clap"}], [[0, 2]], "does not list places from 0 to 1"),
        ([{"action": "bow"}, {"action": "clap"}], [[0, 1], [1, 0]], "into two groups"),
        ([{"action": "bow"}, {"action": "clap"}], 3, "no list of lists"),
        ([{"action": "bow", "phrase": "x" * 5000, "count": "many"}], None, "no whole number"),
    ],
)
def test_events_that_contradict_themselves_have_a_reason(rows, together, reason):
    with pytest.raises(AtomError, match=reason) as raised:
        parse_given_events(rows, together)
    assert len(str(raised.value)) < 300 and "\n" not in str(raised.value)


def test_what_is_printed_can_be_corrected_and_given_back():
    texts = [prompt.text for prompt in write_prompts(PromptConfig(train_per_task=20, test_per_task=5), 1)]
    texts += ["a man takes four steps back while juggling, turns around to the left and does a cartwheel twice"]
    for text in texts:
        read = read_text(text)
        row = read.to_json()
        assert parse_given_events(row["events"], row["together"]) == read.events, text


def test_real_captions_come_back_as_they_were_read(shared):
    path = shared / "data" / "captions" / "captions.jsonl"
    if not path.is_file():
        pytest.skip("no labelled captions here")
    labelled = [json.loads(line) for line in path.read_text().splitlines()]
    for label in labelled:
        if label["events"]:
            parse_given_events(label["events"], label["together"])
        if (read := read_text(label["text"])).events:
            row = read.to_json()
            assert parse_given_events(row["events"], row["together"]) == read.events, label["text"]
