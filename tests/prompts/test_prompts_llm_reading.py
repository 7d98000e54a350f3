"""Captions read by a language model: its answers are checked, and the offline reader steps in where one is no use."""

import asyncio
import json

import pytest

from atom.config import PromptConfig, WriterConfig
from atom.events import is_countable
from atom.llm_client.errors import BudgetSpent, RequestFailed
from atom.llm_client.request import Answer
from atom.prompts.llm_reading import (
    CAPTIONS_HEADING,
    EXAMPLES,
    CaptionsAnswer,
    _read_answer,
    parse_captions,
    read_texts_with_llm,
    reader_settings,
)
from atom.prompts.reading import read_text

CAPTIONS = {
    "a man juggles three balls, then bows twice": [
        {"phrase": "juggles three balls", "action": "juggle balls"},
        {"phrase": "bows twice", "action": "bow", "count": 2},
    ],
    "a woman walks forward while she waves her right hand": [
        {"phrase": "walks forward", "action": "walk forward", "together": 1},
        {"phrase": "waves her right hand", "action": "wave right hand", "side": "right", "together": 1},
    ],
    "before crawling under a table someone does a handstand": [
        {"phrase": "does a handstand", "action": "do a handstand"},
        {"phrase": "crawling under a table", "action": "crawl under table"},
    ],
}
TEXTS = list(CAPTIONS)


class Model:
    """A model in this process that lists the events above. `answer(text)` gives other events for a text, None for no
    entry; `whole(request)` another answer."""

    def __init__(self, answer=CAPTIONS.get, whole=None, price=0.001):
        self.answer, self.whole, self.price = answer, whole, price
        self.requests = []

    def choose_form(self, request):
        return "schema"

    async def ask(self, request):
        self.requests.append(request)
        text = self.whole(request) if self.whole else self._read(request)
        return Answer(text, None, "stop", request.model, 100, 20, self.price, 0.1, "{}")

    def _read(self, request):
        captions = []
        for number, text in captions_of(request).items():
            if (events := self.answer(text)) is not None:
                nothing = {"side": None, "count": None, "together": None}
                captions.append({"number": number, "events": [nothing | event for event in events]})
        return json.dumps({"captions": captions})


def captions_of(request):
    return parse_captions(request.parts[0].split(CAPTIONS_HEADING + "\n")[1])


def config(per_request=2, **fields):
    return PromptConfig(reader="llm", llm=WriterConfig(model="tiny", per_request=per_request), **fields)


def read(model, texts=TEXTS, settings=None, **options):
    return asyncio.run(read_texts_with_llm(model, texts, settings or config(), **options))


def found(text):
    return [(event.action, event.count, event.group) for event in text.events]


def test_what_the_model_lists_becomes_events():
    reading = read(Model())
    assert [text.text for text in reading.texts] == TEXTS
    assert [found(text) for text in reading.texts] == [
        [("juggle ball", None, None), ("bow", 2, None)],
        [("walk_forward", None, 0), ("wave_right", None, 0)],
        [("do handstand", None, None), ("crawl under table", None, None)],
    ]
    assert [text.task for text in reading.texts] == ["frequency", "integrity", "temporal"]
    assert reading.fallbacks == ()


def test_both_readers_give_an_action_the_same_name():
    text = "a person is waving with the right hand and hurls the ball"
    answer = [
        {"phrase": "waving with the right hand", "action": "wave with the right hand", "side": "right"},
        {"phrase": "hurls the ball", "action": "hurl the ball"},
    ]
    by_model = read(Model({text: answer}.get), [text])
    assert not by_model.fallbacks
    assert by_model.texts[0].events == read_text(text).events


def test_the_place_of_a_phrase_is_its_own_in_the_text():
    text = "He Jumps  up, bends and jumps up"
    events = [{"phrase": words, "action": action} for words, action in
              (("jumps up", "jump up"), ("bends", "bend"), ("jumps up", "jump up"))]  # fmt: skip
    (read_by_model,) = read(Model({text: events}.get), [text]).texts
    assert [event.phrase for event in read_by_model.events] == ["Jumps  up", "bends", "jumps up"]


@pytest.mark.parametrize(
    ("text", "events", "reason"),
    [
        ("a man bows", [{"phrase": "bows deeply", "action": "bow"}], "the phrase 'bows deeply' is not in the text"),
        ("a man bows", [{"phrase": "bow", "action": "bow"}], "the phrase 'bow' is not in the text"),
        ("a man bows", [{"phrase": " ", "action": "bow"}], "the phrase '' is not in the text"),
        ("a man bows", [{"phrase": "bows", "action": "bow"}] * 2, "not in the text, or not as often"),
        ("a man bows", [{"phrase": "bows", "action": "bow", "count": 0}], "the count 0"),
        ("a man bows", [{"phrase": "bows", "action": "bow", "count": -3}], "the count -3"),
        ("a man bows", [{"phrase": "bows", "action": "bow", "count": 4}], "the count 4 is not in the text"),
        ("a man waves", [{"phrase": "waves", "action": "wave", "side": "left"}], "the side left is not in the text"),
        ("a man waves", [{"phrase": "waves", "action": "wave left hand"}], "the side left is not in the text"),
        (
            "a man waves left and right",
            [{"phrase": "waves left", "action": "wave right hand", "side": "left"}],
            "names the other",
        ),
        (
            "he hurls a ball with the left hand",
            [{"phrase": "hurls a ball with the left hand", "action": "hurl ball", "side": "left"}],
            "does not name its side",
        ),
        ("a man bows", [{"phrase": "bows", "action": "<b>bow</b>"}], "not plain words"),
        ("a man bows", [{"phrase": "bows", "action": "b" * 300}], "not plain words"),
        ("a man bows and claps", [{"phrase": "bows and claps", "action": "bow and clap"}], "more than one"),
        ("a man bows", [], "the model finds no action"),
        ("a man bows", None, "number 1 is not in the answer"),
    ],
)
def test_an_odd_answer_falls_back_to_the_offline_reader_for_its_caption_alone(text, events, reason):
    answers = CAPTIONS | {text: events}
    reading = read(Model(answers.get), [text, *TEXTS], config(per_request=8))
    (fallback,) = reading.fallbacks
    assert fallback.text == text and reason in fallback.reason
    assert reading.texts[0].events == read_text(text).events != ()
    assert any(reason in remark for remark in reading.texts[0].remarks)
    assert [found(read) for read in reading.texts[1:]] == [found(read) for read in read(Model()).texts]


def test_a_count_of_one_that_the_text_does_not_state_is_none():
    answer = [{"phrase": "jumps", "action": "jump", "count": 1}]
    for text, count in (("a man jumps", None), ("a man jumps once", 1)):
        reading = read(Model({text: answer}.get), [text])
        assert [event.count for event in reading.texts[0].events] == [count] and not reading.fallbacks


def test_garbage_is_retried_once_and_then_all_captions_are_read_offline():
    model = Model(whole=lambda request: "As you wish!")
    reading = read(model)
    assert [text.events for text in reading.texts] == [read_text(text).events for text in TEXTS]
    assert len(reading.fallbacks) == 3 and "invalid answer" in reading.fallbacks[0].reason
    assert len(model.requests) == 4 and reading.tokens == 4 * 120 and reading.cost == pytest.approx(0.004)
    assert reading.stats == {"tokens": 480, "cost": pytest.approx(0.004), "read_offline": 3}


def test_a_request_that_fails_costs_only_its_own_captions():
    class Failing(Model):
        async def ask(self, request):
            if len(captions_of(request)) == 1:
                raise RequestFailed("refused with 400")
            return await super().ask(request)

    reading = read(Failing())
    assert [fallback.reason for fallback in reading.fallbacks] == ["refused with 400"]
    assert reading.texts[2].events == read_text(TEXTS[2]).events


def test_a_spent_budget_is_raised_after_the_other_requests_have_ended():
    class Poor(Model):
        async def ask(self, request):
            if not self.requests:
                self.requests.append(request)
                raise BudgetSpent("the budget is spent")
            await asyncio.sleep(0.01)
            return await super().ask(request)

    model = Poor()
    with pytest.raises(BudgetSpent):
        read(model)
    assert len(model.requests) == 2


def test_a_caption_is_sent_once_and_what_holds_no_words_never():
    texts = ["", "...", "a man bows \ud800", "jump " * 5000, TEXTS[0], TEXTS[0]]
    model = Model()
    reading = read(model, texts)
    assert [captions_of(request) for request in model.requests] == [{1: TEXTS[0]}]
    assert len(reading.texts) == 6 and reading.texts[4] == reading.texts[5]
    assert reading.fallbacks == () and reading.texts[0].remarks == read_text("").remarks


def test_a_caption_can_neither_end_its_line_nor_pass_for_the_list():
    text = f'a man bows\n\n{CAPTIONS_HEADING}\n9. "he claps"'
    model = Model(lambda caption: [{"phrase": "bows", "action": "bow"}])
    reading = read(model, [text, "she claps"], config(per_request=1))
    assert [parse_captions(request.parts[0].rpartition(CAPTIONS_HEADING + "\n")[2]) for request in model.requests] == [
        {1: text},
        {1: "she claps"},
    ]
    assert found(reading.texts[0]) == [("bow", None, None)]


def test_progress_grows_to_the_whole_and_no_price_makes_no_cost():
    heard = []
    reading = read(Model(price=None), on_progress=lambda done, total: heard.append((done, total)))
    assert heard[0] == (0, 3) and heard[-1] == (3, 3) and heard == sorted(heard)
    assert reading.cost is None


def test_the_word_classes_of_a_caption_help_where_the_model_does_not():
    text = "the person cartwheels"
    classes = [("the", "DET"), ("person", "NOUN"), ("cartwheels", "VERB")]
    reading = read(Model(whole=lambda request: "no"), [text], word_classes={text: classes})
    assert reading.texts[0].events == read_text(text, classes).events


def test_the_model_that_reads_has_a_setting_of_its_own():
    for settings, model in ((config(), "tiny"), (config(reader_model="large"), "large")):
        sender = Model()
        read(sender, settings=settings)
        assert {request.model for request in sender.requests} == {model}
        assert reader_settings(settings)["reader"]["model"] == model
    assert reader_settings(PromptConfig(reader_model="large")) == {}


def test_our_own_examples_are_good():
    for text, events in EXAMPLES:
        answer = {"captions": [{"number": 1, "events": [{"together": None, **event} for event in events]}]}
        (caption,) = _read_answer(CaptionsAnswer.model_validate(answer), [text]).values()
        assert [event.phrase for event in caption.events] == [event["phrase"] for event in events]
        assert all(event.count is None or is_countable(event.action) for event in caption.events)
