"""Answers of the mock service to each kind of question: what the kinematic judge detects, and the noise."""

import json
import re

import numpy as np
import pytest
from mock_clients import ask, put_motion, question, value

from atom.captions import read_caption
from atom.corpus.composition import make_motion
from atom.errors import AtomError
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
from atom.mock_service import MockServiceSettings, MotionIndex, hash_joints, read_shown_events, run_in_thread
from atom.prompts.llm_reading import CAPTIONS_HEADING, CaptionsAnswer, format_captions
from atom.prompts.parsing import parse_events
from atom.prompts.reading import read_text
from atom.prompts.writer import LISTS_HEADING, PromptsAnswer
from storage import ArtifactRef, Store


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


@pytest.mark.slow
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
            put_motion(store, name, motion, number)
            answer = value(ask(mock, question(motion)))
            assert any(entry["occurrences"] for entry in answer["actions"]), name
        stray = Picture(b"nobody knows it", "image/png")
        motion = motions["jumps"]
        request = question(motion)
        assert not value(ask(mock, request.with_changes(parts=(stray, request.parts[-1]))))["others"]


def test_a_damaged_artifact_leaves_the_others_known(motions, tmp_path):
    store = Store(str(tmp_path / "store"))
    for number, (name, motion) in enumerate(motions.items()):
        put_motion(store, name, motion, number)
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


CAPTIONS = ["a man juggles three balls, then bows twice", 'someone "waves" his left hand while walking']


def captions(form="schema", number=0):
    text = f"Rules.\n\n{CAPTIONS_HEADING}\n{format_captions(CAPTIONS)}"
    return Request("gpt-4o-mini", f"Reader {number}.", (text,), schema=CaptionsAnswer, form=form)


@pytest.mark.parametrize("form", ["schema", "json", "text"])
def test_captions_are_read_by_the_offline_reader(form):
    with run_in_thread() as mock:
        content = ask(mock, captions(form)).choices[0].message.content
    content = content.removeprefix("```json").removesuffix("```")
    for caption, text in zip(CaptionsAnswer.model_validate_json(content).captions, CAPTIONS, strict=True):
        expected = read_caption(text)
        assert [(event.phrase, event.action, event.side, event.count) for event in caption.events] == [
            (event.phrase, event.action, event.side, event.count) for event in expected.events
        ]
        groups = [event.together for event in caption.events]
        assert [group is not None for group in groups] == [bool(expected.together)] * len(groups)


def test_with_noise_no_caption_is_read_right():
    kinds = set()
    with run_in_thread(MockServiceSettings(noise=1)) as mock:
        for completion in ask(mock, *(captions(number=number) for number in range(8))):
            answer = CaptionsAnswer.model_validate(value(completion))
            kinds.add("missing" if len(answer.captions) < 2 else "present")
            for caption in answer.captions:
                text = CAPTIONS[caption.number - 1]
                odd = {"phrase" for event in caption.events if event.phrase not in text}
                odd |= {"count" for event in caption.events if event.count == 0}
                assert odd
                kinds |= odd
    assert kinds == {"missing", "present", "phrase", "count"}


def test_prompts_tell_open_events_too():
    lists = "1. temporal: juggle ball with left hand x1; bows x3; be pushed from behind\n2. frequency: do cartwheel x2"
    request = Request("gpt-4o-mini", "Writer.", (f"{LISTS_HEADING}\n{lists}",), schema=PromptsAnswer)
    with run_in_thread() as mock:
        first, second = PromptsAnswer.model_validate(value(ask(mock, request))).prompts
    read = [(event.action, event.count) for event in read_text(first.text).events]
    assert read == [("juggle ball with left hand", None), ("bow", 3), ("be pushed from behind", None)]
    assert [(event.action, event.count) for event in read_text(second.text).events] == [("do cartwheel", 2)]


OPEN = (Event("hurl ball", None), Event("do cartwheel", 2), Event("bow", 1))


def test_a_motion_of_an_open_prompt_shows_the_events_of_the_prompt(motions, tmp_path):
    motion, store = motions["jumps"], Store(str(tmp_path))
    put_motion(store, "m", motion, 0, OPEN)
    request = question(motion, [Event("do cartwheel"), Event("hurl ball"), Event("kick_left")])
    with run_in_thread(MockServiceSettings(), MotionIndex(store=store)) as mock:
        answer = value(ask(mock, request))
        assert value(ask(mock, rating(motion, "a person hurls a ball, does two cartwheels and bows")))["score"] == 5
    places = {entry["number"]: entry["occurrences"] for entry in answer["actions"]}
    third = len(motion.joints) / 3
    (cartwheel,), (hurl,), kick = places[1], places[2], places[3]
    assert hurl["last_frame"] < cartwheel["first_frame"] and abs(cartwheel["first_frame"] - third) <= 1
    assert (hurl["times"], cartwheel["times"], kick) == (1, 2, [])
    assert answer["others"] == [plain_phrase("bow")]
    with run_in_thread(MockServiceSettings(noise=1), MotionIndex(store=store)) as mock:
        noisy = {entry["number"]: entry["occurrences"] for entry in value(ask(mock, request))["actions"]}
    assert noisy[1] == noisy[2] == [] and noisy[3]


def test_a_motion_of_a_known_prompt_shows_what_the_kinematic_judge_sees(motions, tmp_path):
    store = Store(str(tmp_path))
    put_motion(store, "m", motions["jumps"], 0, (Event("kick_left", 3),))
    with run_in_thread(MockServiceSettings(), MotionIndex(store=store)) as mock:
        answer = value(ask(mock, question(motions["jumps"], [Event("kick_left", 3), Event("jump_up")])))
    assert [len(entry["occurrences"]) for entry in answer["actions"]] == [1, 0]  # in alphabetical order


SHOWN = [
    {"action": "hurl ball", "count": 2, "start": 5, "end": 20},
    {"action": "wave left hand", "start": 30, "end": 40},
]


@pytest.mark.parametrize("key", ["motion_id", "prompt_id", "sample", "joints", "picture"])
def test_a_file_says_what_a_motion_shows(motions, tmp_path, key):
    motion, store = motions["walks"], Store(str(tmp_path / "store"))
    names = {
        "motion_id": {"motion_id": "m"},
        "prompt_id": {"prompt_id": "p"},
        "sample": {"prompt_id": "p", "sample": 0},
        "joints": {"joints": hash_joints(motion.joints)},
        "picture": {"picture": motion.picture.sha256},
    }
    (tmp_path / "shows.jsonl").write_text(json.dumps({**names[key], "events": SHOWN}) + "\n")
    put_motion(store, "m", motion, 0, OPEN)
    put_motion(store, "other", motions["jumps"], 1, OPEN, prompt_id="q")
    index = MotionIndex(store=store, shows=read_shown_events(tmp_path / "shows.jsonl"))
    with run_in_thread(MockServiceSettings(), index) as mock:
        answer = value(ask(mock, question(motion, [Event("hurl ball"), Event("wave_left")])))
        other = value(ask(mock, question(motions["jumps"], [Event("hurl ball"), Event("jump_up")])))
    assert [entry["occurrences"] for entry in answer["actions"]] == [
        [{"first_frame": 5, "last_frame": 19, "times": 2}],
        [{"first_frame": 30, "last_frame": 39, "times": 1}],
    ]
    assert answer["others"] == []
    assert [len(entry["occurrences"]) for entry in other["actions"]] == [0, 1]  # the file does not name it


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "is not JSON"),
        ("[]", "valid dictionary"),
        ('{"motion_id": "a"}', "events: Field required"),
        ('{"events": []}', "name the motion by one of"),
        ('{"motion_id": "a", "joints": "b", "events": []}', "name the motion by one of"),
        ('{"motion_id": "a", "sample": 1, "events": []}', "sample goes with prompt_id"),
        ('{"motion_id": "a", "event": [], "events": []}', "event: Extra inputs"),
        ('{"motion_id": "a", "events": [{"action": ""}]}', "events.0.action"),
        ('{"motion_id": "a", "events": [{"action": "bow", "count": 0}]}', "events.0.count"),
        ('{"motion_id": "a", "events": [{"action": "bow", "start": 4}]}', "both start and end"),
        ('{"motion_id": "a", "events": [{"action": "bow", "start": 4, "end": 4}]}', "end is not after start"),
        ('{"motion_id": "ok", "events": []}', "is in the file twice"),
    ],
)
def test_a_faulty_line_of_the_file_is_named(tmp_path, line, reason):
    path = tmp_path / "shows.jsonl"
    path.write_text('{"motion_id": "ok", "events": []}\n\n' + line + "\n")
    with pytest.raises(AtomError, match=f"shows.jsonl, line 3: .*{re.escape(reason)}") as raised:
        read_shown_events(path)
    assert "\n" not in str(raised.value)


def test_a_file_that_can_not_be_read_or_is_empty_is_an_error(tmp_path):
    (tmp_path / "empty.jsonl").write_text("\n")
    (tmp_path / "latin.jsonl").write_bytes(b'{"motion_id": "\xe9"}')
    for name, reason in (("empty", "names no motion"), ("latin", "not UTF-8"), ("none", "No such file")):
        with pytest.raises(AtomError, match=reason):
            read_shown_events(tmp_path / f"{name}.jsonl")


def test_joints_have_one_hash_before_and_after_they_are_stored(motions, tmp_path):
    store = Store(str(tmp_path))
    put_motion(store, "m", motions["walks"], 0)
    (stored,) = store.read(ArtifactRef("motions", store.keys("motions")[0], 0))["joints"].to_pylist()
    assert not np.array_equal(np.float32(stored), motions["walks"].joints.ravel())
    assert hash_joints(np.reshape(stored, (-1, 22, 3))) == hash_joints(motions["walks"].joints)
    assert hash_joints(motions["jumps"].joints) != hash_joints(motions["walks"].joints)
