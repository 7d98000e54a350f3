"""What a vision-language model says becomes events, and events become a score; the question gives nothing away."""

import asyncio
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from atom.config import FramesConfig, VisionConfig
from atom.corpus.composition import make_motion
from atom.events import ACTIONS, Event
from atom.judging.vision import questions
from atom.judging.vision.motion_pictures import draw_pictures, sample_frames_by_movement
from atom.judging.vision.questions import (
    ActionAnswer,
    EventsAnswer,
    Occurrence,
    build_events_question,
    list_actions,
    plain_phrase,
)
from atom.judging.vision.vision_judge import (
    FIRST_MOTION,
    SECOND_MOTION,
    JudgeInput,
    compare_motions,
    judge_motion,
    to_detected_events,
)
from atom.llm_client.request import Answer, Picture
from atom.planning.llm_usage import count_picture_tokens

EVENTS = (Event("jump_up", 2, "jumps twice"), Event("wave_left", 1, "waves with the left hand"))
TEXT = "a person jumps twice, then waves with the left hand"
SUBJECT = JudgeInput((Picture(b"x", "image/png", "Frame 0:"),), 100, TEXT, EVENTS, "temporal")


class Says:
    """A model that always says the same."""

    def __init__(self, value):
        self.value, self.requests = value, []

    def choose_form(self, request):
        return "schema"

    async def ask(self, request):
        self.requests.append(request)
        text = self.value if isinstance(self.value, str) else json.dumps(self.value)
        return Answer(text, None, "stop", "m", 900, 60, 0.01, 0.4, "{}")


def events_answer(*places, others=(), description="jumps, then waves"):
    """places: for each action in the order of the list, (first frame, last frame, times) of each occurrence."""
    return {
        "description": description,
        "actions": [
            {"number": n, "occurrences": [{"first_frame": a, "last_frame": b, "times": t} for a, b, t in found]}
            for n, found in enumerate(places, start=1)
        ],
        "others": list(others),
    }


def judged(value, subject=SUBJECT, **config):
    return asyncio.run(judge_motion(Says(value), subject, VisionConfig(**config), "m"))


def test_the_right_events_in_the_right_order_are_five():
    opinion = judged(events_answer([(4, 40, 2)], [(50, 90, 1)]))
    assert opinion.judgement.score == 5 and opinion.judgement.exact and opinion.error is None
    assert [(seen.action, seen.count, seen.start, seen.end) for seen in opinion.judgement.detected] == [
        ("jump_up", 2, 4, 41),
        ("wave_left", 1, 50, 91),
    ]
    assert "jumps, then waves" in opinion.judgement.rationale


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        (events_answer([(50, 90, 2)], [(4, 40, 1)]), 3.8),  # the other order
        (events_answer([(4, 40, 2)], []), 2.5),  # one of two is missing
        (events_answer([], []), 1.0),
    ],
)
def test_order_and_absence_are_scored_by_the_rubric(answer, score):
    opinion = judged(answer)
    assert opinion.judgement.score == pytest.approx(score, abs=0.05) and not opinion.judgement.exact


def test_other_actions_that_the_lexicon_knows_cost_precision_and_the_rest_does_not():
    extra = judged(events_answer([(4, 40, 2)], [(50, 90, 1)], others=["does a squat"])).judgement
    harmless = judged(events_answer([(4, 40, 2)], [(50, 90, 1)], others=["breathes", "?", "jumps once more"])).judgement
    assert extra.score < 5 and not extra.exact and "squat" in extra.rationale
    assert harmless.score == 5


OPEN_SUBJECT = JudgeInput(
    SUBJECT.pictures,
    100,
    "a person juggles three balls twice, then waves with the left hand",
    (Event("juggle ball", 2, "juggles three balls twice"), Event("wave_left", None, "waves with the left hand")),
    "temporal",
)


def test_open_actions_are_listed_in_plain_words_without_count_or_order():
    events = OPEN_SUBJECT.events
    question = build_events_question(events, 100)
    assert question == build_events_question(events[::-1], 100)
    assert list_actions(events) == ["juggle ball", "wave_left"] and "1. juggle ball\n2. waves" in question
    assert "twice" not in question and "three" not in question
    assert question == build_events_question(
        [replace(event, count=4) if event.count else event for event in events], 100
    )


def test_open_actions_are_scored_as_known_ones_are():
    right = judged(events_answer([(4, 40, 2)], [(50, 90, 1)]), OPEN_SUBJECT).judgement
    assert right.score == 5 and right.exact and right.detected[0].action == "juggle ball"
    missing = judged(events_answer([], [(50, 90, 1)]), OPEN_SUBJECT).judgement
    assert missing.score == 2.5 and "Missing: juggle ball" in missing.rationale
    others = ["does a cartwheel", "kicks with the right leg twice", "stands still at the end", "juggle ball"]
    extra = judged(events_answer([(4, 40, 2)], [(50, 90, 1)], others=others), OPEN_SUBJECT).judgement
    assert [(seen.action, seen.count) for seen in extra.detected[2:]] == [("do cartwheel", 1), ("kick_right", 2)]
    assert extra.score < 4 and not extra.exact


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("I can't see any pictures.", "invalid answer"),
        (events_answer([(4, 40, 2)]), "actions 1 to 2"),
        (events_answer([(40, 4, 2)], []), "from frame 40 to 4"),
        (events_answer([(-3, 4, 2)], []), "from frame -3"),
        (events_answer([(400, 410, 2)], []), "frame 400 of 100"),
        (events_answer([(4, 40, 0)], []), "0 times"),
        (events_answer([(4, 40, 9999)], []), "9999 times"),
    ],
)
def test_an_answer_that_makes_no_sense_gives_no_score_and_says_why(answer, reason):
    opinion = judged(answer)
    assert opinion.judgement is None and reason in opinion.error and len(opinion.answers) == 2


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(sorted(ACTIONS)), min_size=1, max_size=4, unique=True),
    st.data(),
)
def test_any_sensible_answer_becomes_events_of_the_motion_in_order(actions, data):
    frames = 120
    listed = sorted(actions, key=plain_phrase)
    action_answers = []
    for number in range(1, len(listed) + 1):
        places = data.draw(st.lists(st.tuples(st.integers(0, 119), st.integers(0, 200), st.integers(1, 5)), max_size=3))
        action_answers.append(
            ActionAnswer(
                number=number,
                occurrences=[Occurrence(first_frame=a, last_frame=max(a, b), times=t) for a, b, t in places],
            )
        )
    seen = to_detected_events(EventsAnswer(description="", actions=action_answers, others=["?"]), listed, frames)
    assert all(event.action in listed and 0 <= event.start < event.end <= frames for event in seen)
    assert {event.action for event in seen} == {listed[t.number - 1] for t in action_answers if t.occurrences}
    assert all(event.count == 1 for event in seen if not ACTIONS[event.action].countable)


def test_the_question_tells_neither_counts_nor_order():
    ahead = (Event("jump_up", 3), Event("squat", 2), Event("bow"))
    assert build_events_question(ahead, 80) == build_events_question(
        (Event("bow", 2), Event("squat"), Event("jump_up")), 80
    )
    assert list_actions((Event("squat"), Event("bow"), Event("squat"))) == ["bow", "squat"]


def test_a_rating_is_taken_as_it_is_and_only_from_one_to_five():
    opinion = judged({"reason": "the wave is missing", "score": 3}, question="rating")
    assert opinion.judgement.score == 3 and opinion.judgement.rationale == "the wave is missing"
    assert judged({"reason": "", "score": 5}, question="rating").judgement.exact
    assert "not one of 1 to 5" in judged({"reason": "", "score": 7}, question="rating").error


def test_the_paper_rule_and_the_text_stand_in_a_rating_but_not_in_decomposed_questions():
    for question, there in (("rating", True), ("events", False)):
        model = Says("{}")
        asyncio.run(judge_motion(model, SUBJECT, VisionConfig(question=question), "m"))
        question_text = " ".join(part for part in model.requests[0].parts if isinstance(part, str))
        assert (TEXT in question_text) == there


def test_a_comparison_shows_both_motions_in_the_order_asked():
    other = JudgeInput((Picture(b"y", "image/png", "Frame 0:"),), 100, TEXT, EVENTS, "temporal")
    model = Says({"reason": "the first waves", "better": "first"})
    found = asyncio.run(compare_motions(model, SUBJECT, other, VisionConfig(), "m"))
    assert found.better == "first" and found.rationale == "the first waves"
    parts = model.requests[0].parts
    assert [
        parts.index(FIRST_MOTION),
        parts.index(SUBJECT.pictures[0]),
        parts.index(SECOND_MOTION),
        parts.index(other.pictures[0]),
    ] == [0, 1, 2, 3]


@pytest.fixture(scope="module")
def joints():
    return make_motion([Event("walk_forward"), Event("jump_up", 2)], np.random.default_rng(3)).joints


@pytest.mark.parametrize("form", ["frames", "sheet", "sheet and path"])
@pytest.mark.parametrize("encoding", ["jpeg", "png"])
def test_pictures_show_every_nth_frame_once_and_are_the_same_each_time(joints, form, encoding):
    sight = FramesConfig(form=form, encoding=encoding, size=64, every=8, every_frequency=4, cells=6)
    for task in ("temporal", "frequency"):
        pictures = draw_pictures(joints, sight, task)
        frames = [frame for picture in pictures for frame in picture.frames]
        if task == "temporal":
            assert frames == list(range(0, len(joints), 8))
        else:
            assert frames == sorted(set(frames)) and frames[0] == 0
            assert 0.8 * len(joints) / 4 <= len(frames) <= len(joints) / 4 + 1 and np.diff(frames).max() <= 11
        assert all(len(picture.frames) <= (1 if form == "frames" else 6) for picture in pictures)
        assert all(picture.media_type == f"image/{encoding}" for picture in pictures)
        magic = b"\xff\xd8" if encoding == "jpeg" else b"\x89PNG"
        assert all(picture.data.startswith(magic) for picture in pictures)
        again = draw_pictures(joints, sight, task)
        assert [picture.sha256 for picture in pictures] == [picture.sha256 for picture in again]


def test_frames_lie_closer_where_more_moves(joints):
    still_first = np.concatenate([np.repeat(joints[:1], 60, axis=0), joints])
    frames = np.array(sample_frames_by_movement(still_first, len(still_first) // 4))
    assert np.diff(frames[frames < 60]).mean() > 1.5 * np.diff(frames[frames >= 60]).mean()
    still = sample_frames_by_movement(np.repeat(joints[:1], 40, axis=0), 10)
    assert still == list(range(0, 40, 4)) and sample_frames_by_movement(joints[:1], 1) == [0]


@pytest.mark.parametrize("tiles", [1, 2, 4])
def test_pictures_are_as_large_as_they_cost(joints, tiles):
    """By the rule for GPT-4o, which shrinks a picture's short side to 768 pixels and charges by tiles of 512."""
    for cells in (4, 9, 16):
        for picture in draw_pictures(joints, FramesConfig(tiles=tiles, cells=cells), "temporal"):
            width, height = Image.open(io.BytesIO(picture.data)).size
            assert min(width, height) <= 768 and max(width, height) <= 2048
            assert count_picture_tokens(width, height)[1] <= 85 + 170 * tiles
    (frame, *_) = draw_pictures(joints, FramesConfig(form="frames"), "temporal")
    width, height = Image.open(io.BytesIO(frame.data)).size
    assert 440 < width <= 512 and 490 < height <= 512


def test_the_path_from_above_keeps_left_on_the_left():
    """A walk, a left turn and a walk end to the left of where a straight walk would."""
    from atom.rendering.path_map import PATH_COLOUR, render_path_map

    for turn, side in (("turn_left", -1), ("turn_right", 1)):
        events = [Event("walk_forward"), Event(turn), Event("walk_forward")]
        picture = np.asarray(render_path_map(make_motion(events, np.random.default_rng(1)).joints, 300), int)
        rows, columns = np.nonzero(np.abs(picture - np.array(PATH_COLOUR)).sum(2) < 60)
        start = columns[rows > np.quantile(rows, 0.95)].mean()
        end = columns[rows < np.quantile(rows, 0.1)].mean()
        assert np.sign(end - start) == side, turn
    assert isinstance(
        render_path_map(np.repeat(make_motion([Event("bow")], np.random.default_rng(0)).joints[:1], 9, 0)), Image.Image
    )


def test_the_questions_name_what_the_model_looks_for():
    """The words of a question are a part of what the answers, and the keys of the scores, rest on."""
    events = questions.build_events_question([Event("jump_up", 2), Event("wave_left"), Event("jump_up")], 41)
    first, listed, asked = events.split("\n\n")[0].split("\n")[0], events.split("\n")[1:3], events.split("\n\n")[1]
    assert first == "Actions to look for:" and [line[:3] for line in listed] == ["1. ", "2. "]
    assert asked.startswith("The motion has the frames 0 to 40 at 20 a second;")
    rating = questions.build_rating_question("he jumps", "temporal")
    assert rating.startswith("Description: he jumps\n\nRate by this rule, from 1 to 5, for temporal:\n")
