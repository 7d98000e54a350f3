"""Answers of the mock service to each kind of question: what the kinematic judge detects, and the noise."""

import numpy as np
import pytest
from mock_clients import ask, question, value

from atom.corpus.composition import make_motion
from atom.events import Event
from atom.judging.kinematic_judge import KinematicJudge
from atom.judging.vision.questions import (
    SYSTEM,
    ComparisonAnswer,
    EventsAnswer,
    RatingAnswer,
    build_comparison_question,
    build_rating_question,
    list_actions,
    plain_phrase,
)
from atom.judging.vision.vision_judge import FIRST_MOTION, SECOND_MOTION, to_detected_events
from atom.llm_client.request import Picture, Request
from atom.mock_service import MockServiceSettings, MotionIndex, run_in_thread
from atom.prompts.parsing import parse_events
from atom.prompts.writer import LISTS_HEADING, PromptsAnswer
from storage import MOTIONS, PICTURES, Recipe, Store


def pairs(events):
    return [(event.action, event.count) for event in events]


def rating(motion, text, task="integrity"):
    return Request("gpt-4o", SYSTEM, (motion.picture, build_rating_question(text, task)), schema=RatingAnswer)


def comparison(first, second, text, task="integrity"):
    parts = (FIRST_MOTION, first.picture, SECOND_MOTION, second.picture, build_comparison_question(text, task))
    return Request("gpt-4o", SYSTEM, parts, schema=ComparisonAnswer)


LISTS = """1. temporal: bows x3; walks forward x1
2. frequency: jumps x2"""


def prompts(number=0):
    return Request(
        "gpt-4o-mini",
        f"Writer {number}.",
        (f"Rules.\n\n{LISTS_HEADING}\n{LISTS}\n\nAbout 1: no.",),
        schema=PromptsAnswer,
    )


def test_events_are_those_that_the_kinematic_judge_sees(motions, index):
    with run_in_thread(MockServiceSettings(), index) as mock:
        for motion in motions.values():
            answer = EventsAnswer.model_validate(value(ask(mock, question(motion))))
            seen = to_detected_events(answer, list_actions(motion.events), len(motion.joints))
            found = KinematicJudge().detect(motion.joints)
            assert pairs(seen) == pairs(found) == pairs(motion.events)
            assert [(event.start, event.end) for event in seen] == [(event.start, event.end) for event in found]
            assert answer.others == []


def test_what_was_not_listed_is_named_as_other_and_what_is_not_there_has_no_place(motions, index):
    with run_in_thread(MockServiceSettings(), index) as mock:
        answer = value(ask(mock, question(motions["jumps"], [Event("jump_up", 5), Event("kick_left")])))
    places = {entry["number"]: entry["occurrences"] for entry in answer["actions"]}
    assert [place["times"] for place in places[1]] == [2] and places[2] == []
    assert answer["others"] == [plain_phrase("wave_left")]
    assert "jumps" in answer["description"] and "waves" in answer["description"]


def test_an_unknown_picture_shows_nothing(motions):
    with run_in_thread() as mock:
        answer = value(ask(mock, question(motions["jumps"])))
        assert all(not entry["occurrences"] for entry in answer["actions"]) and answer["others"] == []
        assert value(ask(mock, rating(motions["jumps"], "a person jumps twice")))["score"] == 1


def test_ratings_and_comparisons_follow_the_rubric(motions, index):
    text = "a person jumps twice, then waves with the left hand"
    with run_in_thread(MockServiceSettings(), index) as mock:
        assert value(ask(mock, rating(motions["jumps"], text)))["score"] == 5
        assert value(ask(mock, rating(motions["walks"], text)))["score"] == 1
        assert value(ask(mock, comparison(motions["jumps"], motions["walks"], text)))["better"] == "first"
        assert value(ask(mock, comparison(motions["walks"], motions["jumps"], text)))["better"] == "second"
        assert value(ask(mock, comparison(motions["walks"], motions["walks"], text)))["better"] == "neither"
    with run_in_thread(MockServiceSettings(noise=1), index) as mock:
        assert value(ask(mock, rating(motions["jumps"], text)))["score"] == 4
        assert value(ask(mock, rating(motions["walks"], text)))["score"] == 2
        assert value(ask(mock, comparison(motions["jumps"], motions["walks"], text)))["better"] == "second"


def test_prompts_tell_the_listed_events(index):
    with run_in_thread(MockServiceSettings(), index) as mock:
        first, second = PromptsAnswer.model_validate(value(ask(mock, prompts()))).prompts
    assert (first.number, second.number) == (1, 2)
    assert pairs(parse_events(first.text).events) == [("bow", 3), ("walk_forward", 1)]
    assert pairs(parse_events(second.text).events) == [("jump_up", 2)]
    assert pairs(first.events) == [("bows", 3), ("walks forward", 1)]


def test_with_noise_every_prompt_tells_something_else_than_it_claims(index):
    with run_in_thread(MockServiceSettings(noise=1), index) as mock:
        for completion in ask(mock, *(prompts(number) for number in range(8))):
            first, second = PromptsAnswer.model_validate(value(completion)).prompts
            described = pairs(parse_events(first.text).events)
            assert described in (
                [("bow", 2), ("walk_forward", 1)],
                [("bow", 4), ("walk_forward", 1)],
                [("walk_forward", 1), ("bow", 3)],
            )
            assert pairs(parse_events(second.text).events) in ([("jump_up", 1)], [("jump_up", 3)])
            assert pairs(first.events) == [("bows", 3), ("walks forward", 1)]


def test_noise_drops_and_invents_and_miscounts(motions, index):
    request = question(motions["jumps"], [Event("jump_up", 2), Event("kick_left")])
    with run_in_thread(MockServiceSettings(noise=1), index) as mock:
        actions = value(ask(mock, request))["actions"]
        assert actions[0]["occurrences"] == [] and [o["times"] for o in actions[1]["occurrences"]] == [1]
        for place in actions[1]["occurrences"]:
            assert 0 <= place["first_frame"] <= place["last_frame"] < len(motions["jumps"].joints)
    with run_in_thread(MockServiceSettings(count_noise=1), index) as mock:
        answer = value(ask(mock, question(motions["jumps"])))
        assert [o["times"] for entry in answer["actions"] for o in entry["occurrences"]] in ([1, 1], [3, 1])


def test_the_same_request_always_gets_the_same_answer_and_another_one_its_own(motions, index):
    requests = [
        question(motions["jumps"], max_tokens=number).with_changes(model=f"model-{number}") for number in range(30)
    ]

    def answers(seed):
        with run_in_thread(MockServiceSettings(noise=0.5, seed=seed), index) as mock:
            return [completion.choices[0].message.content for completion in ask(mock, *requests)]

    first = answers(0)
    assert first == answers(0)
    assert len(set(first)) > 2 and first != answers(1)


@pytest.mark.parametrize("form", ["schema", "json", "text"])
def test_each_form_of_answer(motions, index, form):
    with run_in_thread(MockServiceSettings(), index) as mock:
        content = ask(mock, question(motions["jumps"], form=form)).choices[0].message.content
    assert content.startswith("```json") == (form == "text")
    assert EventsAnswer.model_validate_json(content.removeprefix("```json").removesuffix("```")).others == []


def test_other_questions_learn_that_this_is_a_mock_service():
    with run_in_thread() as mock:
        completion = ask(mock, Request("gpt-4o", "Be kind.", ("Hello!",)))
        assert "mock judge service" in completion.choices[0].message.content
        assert completion.system_fingerprint == "atom-double" and completion.model == "gpt-4o"


def test_usage_counts_characters_and_tiles(motions, index):
    plain = Request("gpt-4o", "x" * 40, ("y" * 80,))
    with run_in_thread(MockServiceSettings(), index) as mock:
        assert ask(mock, plain).usage.prompt_tokens == 10 + 20
        large, small = (ask(mock, question(motions["jumps"], detail=detail)).usage for detail in ("high", "low"))
        assert (large.prompt_tokens - small.prompt_tokens) % 170 == 0 and large.prompt_tokens > small.prompt_tokens
        assert large.total_tokens == large.prompt_tokens + large.completion_tokens


@pytest.mark.parametrize("name", ["max_completion_tokens", "max_tokens"])
def test_a_long_answer_is_cut_at_the_token_limit(motions, index, name):
    with run_in_thread(MockServiceSettings(), index) as mock:
        completion = ask(mock, question(motions["jumps"]), **{name: 10})
    (choice,) = completion.choices
    assert choice.finish_reason == "length" and len(choice.message.content) == 40
    assert completion.usage.completion_tokens == 10


def test_pictures_of_a_store_are_known_as_soon_as_they_are_there(motions, tmp_path):
    store = Store(str(tmp_path / "store"))
    with run_in_thread(MockServiceSettings(), MotionIndex(store=store)) as mock:
        for number, (name, motion) in enumerate(motions.items()):
            _put(store, name, motion, number)
            answer = value(ask(mock, question(motion)))
            assert any(entry["occurrences"] for entry in answer["actions"]), name
        stray = Picture(b"nobody knows it", "image/png")
        motion = motions["jumps"]
        request = question(motion)
        assert not value(ask(mock, request.with_changes(parts=(stray, request.parts[-1]))))["others"]


def test_a_damaged_artifact_leaves_the_others_known(motions, tmp_path):
    store = Store(str(tmp_path / "store"))
    for number, (name, motion) in enumerate(motions.items()):
        _put(store, name, motion, number)
    damaged = store.keys("pictures")[0]
    (part,) = (tmp_path / "store" / "pictures" / damaged).glob("*.parquet")
    part.write_bytes(b"x" * part.stat().st_size)
    index = MotionIndex(store=store)
    index.refresh(since=0.0)
    assert len(index) == 1


def test_findings_are_computed_once(motions, monkeypatch):
    calls = []
    monkeypatch.setattr(KinematicJudge, "detect", lambda self, joints: calls.append(joints) or [])
    index = MotionIndex([(b"picture", motions["jumps"].joints)])
    picture = Picture(b"picture", "image/png").sha256
    assert index.find(["unknown", picture]).events == index.find([picture]).events == ()
    assert len(calls) == 1


def test_a_still_body_does_nothing():
    joints = np.repeat(make_motion([Event("bow")], np.random.default_rng(0)).joints[:1], 40, axis=0)
    index = MotionIndex([(b"still", joints)])
    assert index.find([Picture(b"still", "image/png").sha256]).events == ()


def _put(store, name, motion, number):
    row = {
        "motion_id": name,
        "prompt_id": "p",
        "sample": 0,
        "seed": number,
        "tokens": [],
        "frames": len(motion.joints),
        "joints": motion.joints,
        "stop_reason": "end",
    }
    with store.write(Recipe("motions", 1, MOTIONS, seed=number)) as writer:
        writer.rows([row])
    picture = {"label": motion.picture.label, "media_type": "image/jpeg", "frames": [0], "data": motion.picture.data}
    with store.write(Recipe("pictures", 1, PICTURES, inputs=[writer.ref.key])) as written:
        written.rows([{"motion_id": name, "prompt_id": "p", "shown": [picture]}])
