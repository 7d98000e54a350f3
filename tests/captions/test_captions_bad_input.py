"""Text that can't be read gives no events and a reason, never an exception, and time stays linear."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atom.captions import read_caption
from atom.captions.tokens import _is_form


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "\n",
        "...",
        "12345",
        "!?",
        "a red table",
        "I don't know",
        "nothing to see here",
        "Ein Mensch geht langsam nach vorne und dreht sich um",
        "une personne marche vers la gauche",
        "Ein Mann geht",
        "Die Frau springt",
        "Un homme saute",
        "un hombre camina hacia adelante",
        "Un uomo salta",
        "Een man loopt naar voren",
        "人が前に歩いて止まる",
        "человек идёт вперёд",
        None,
        7,
    ],
)
def test_unreadable(text):
    caption = read_caption(text)
    assert not caption.readable
    assert caption.events == ()
    assert caption.remarks
    assert all("\n" not in remark for remark in caption.remarks)
    assert caption.task == "integrity"


@pytest.mark.parametrize(("text", "action"), [("a human geht up", "stand up"), ("the person ist jumping", "jump")])
def test_a_foreign_word_is_no_obstacle(text, action):
    assert [event.action for event in read_caption(text).events][:1] == [action]


def test_html_is_no_obstacle():
    caption = read_caption("<p>A person <b>jumps</b> &amp; turns left</p>")
    assert [event.action for event in caption.events][:1] == ["jump"]


def test_very_long_text_is_cut_with_a_remark():
    caption = read_caption("A person walks and then turns. " * 400)
    assert caption.readable
    assert "characters" in caption.remarks[0]


def test_thirty_events():
    caption = read_caption("A person " + ", ".join(["jumps", "turns left", "squats"] * 10))
    assert len(caption.events) == 30


def test_time_is_linear():
    def seconds(repeats: int) -> float:
        text = ("a person and his hand and " * repeats)[:1990]
        start = time.perf_counter()
        for _ in range(20):
            read_caption(text)
        return time.perf_counter() - start

    seconds(20)
    short, long = seconds(15), seconds(75)
    assert long < 25 * max(short, 0.002)


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_text_gives_a_reading(text):
    caption = read_caption(text)
    assert all(text[e.start : e.end] == e.phrase and e.phrase for e in caption.events)


_WORDS = st.sampled_from(
    """a the person his left right hand foot walks walking walked turn turns to by from with on in up down and then
    while before after as like , . forward back 3 two times steps step is gets being pushed kick kicks raise raises not
    does do again it first one of degree 90 circle that because starting using""".split()  # noqa: SIM905
)


@given(
    st.lists(_WORDS, max_size=40), st.lists(st.tuples(_WORDS, st.sampled_from(["VERB", "NOUN", "ADV"])), max_size=10)
)
@settings(max_examples=400, deadline=None)
def test_any_order_of_words_gives_a_reading(words, tags):
    text = " ".join(words)
    caption = read_caption(text, tags)
    places = set(range(len(caption.events)))
    assert all(set(group) <= places and len(group) > 1 for group in caption.together)
    assert all(text[e.start : e.end] == e.phrase and e.phrase for e in caption.events)
    assert all(e.side in (None, "left", "right") for e in caption.events)


@pytest.mark.parametrize(
    ("word", "lemma", "fits"),
    [
        ("walks", "walk", True),
        ("grobbled", "grobble", True),
        ("went", "go", True),
        ("sat", "sit", True),
        ("hops", "jump", False),
        ("bows", "clap", False),
    ],
)
def test_a_given_lemma_belongs_to_a_word_that_begins_alike_or_is_its_form(word, lemma, fits):
    assert _is_form(word, lemma) is fits
