"""Scores, verdicts and merged events against values worked out by hand from the rubric and the docstrings."""

import hashlib
from types import SimpleNamespace

import numpy as np
import pytest

from atom.config import JudgingConfig, load_config
from atom.corpus.composition import make_motion
from atom.events import Event
from atom.judging import kinematic_judge
from atom.judging.detected_events import DetectedEvent, confidence, sort_and_merge
from atom.judging.detection_quality import measure_detection_quality
from atom.judging.judged_prompt import PlainPrompt
from atom.judging.judgement import explain_open_actions, judge_events
from atom.judging.judges import judge_key_fields
from atom.judging.kinematic_judge import KinematicJudge
from atom.judging.learned_judge import BUILTIN, CLASSES, decode_events
from atom.judging.retrieval_judge import Anchors, RetrievalJudge
from atom.judging.rubric import arrange_groups, exact, match_actions, merge_repeats, score, total_counts
from atom.judging.vision.motion_pictures import sample_frames_by_movement
from atom.judging.vision.questions import EventsAnswer
from atom.judging.vision.vision_judge import _find_fault, to_detected_events


def seen(action, count=1, start=0, end=10, sure=1.0):
    return DetectedEvent(action, count, start, end, sure)


# Merging.


def test_repeats_within_two_seconds_are_one_event_and_later_ones_are_two():
    first = seen("jump_up", 2, 0, 20, 0.6)
    (merged,) = sort_and_merge([first, seen("jump_up", 1, 60, 75, 0.9)])
    assert (merged.count, merged.start, merged.end) == (3, 0, 75)
    assert merged.confidence == pytest.approx((2 * 0.6 + 0.9) / 3)
    assert [event.count for event in sort_and_merge([first, seen("jump_up", 1, 61, 75)])] == [2, 1]


def test_what_is_not_counted_stays_one_and_the_longer_one_gives_the_end():
    (walk,) = sort_and_merge([seen("walk_forward", 1, 0, 60), seen("walk_forward", 1, 35, 50)])
    assert (walk.count, walk.start, walk.end) == (1, 0, 60)


def test_events_are_in_the_order_of_their_middles():
    events = [seen("clap", 1, 20, 30), seen("walk_forward", 1, 10, 60), seen("bow", 1, 15, 34)]
    assert [event.action for event in sort_and_merge(events)] == ["bow", "clap", "walk_forward"]
    equal = [seen("squat", 1, 0, 10), seen("bow", 1, 2, 8)]
    assert [event.action for event in sort_and_merge(equal)] == ["bow", "squat"]
    between = [seen("jump_up", 1, 0, 10), seen("clap", 1, 11, 12), seen("jump_up", 1, 13, 20)]
    assert len(sort_and_merge(between)) == 3


def test_confidence_rises_from_a_half_at_the_threshold_to_one_at_one_and_a_half_times():
    assert [confidence(value, 2.0) for value in (1.0, 2.0, 2.5, 3.0, 9.0)] == [0.5, 0.5, 0.75, 1.0, 1.0]


# The rubric.

JUMP, BOW, CLAP, WALK = (Event(action) for action in ("jump_up", "bow", "clap", "walk_forward"))


@pytest.mark.parametrize(
    ("task", "expected", "detected", "value"),
    [
        ("temporal", [JUMP, BOW, CLAP], [CLAP, BOW, JUMP], 4 - 0.4 * 2 / 3),
        ("temporal", [JUMP, BOW, CLAP], [JUMP, CLAP, BOW], 4 - 0.4 / 3),
        ("temporal", [JUMP, BOW, CLAP], [JUMP, BOW, CLAP, WALK], 5 - 2.5 / 4),
        ("temporal", [JUMP, BOW, CLAP], [JUMP, WALK], 1 + 1 - 2.5 / 6),
        ("temporal", [JUMP, BOW], [BOW, WALK, JUMP], 4 - 0.4 / 2 - 2.5 / 3),
        ("integrity", [JUMP, BOW, CLAP], [JUMP, WALK], 1 + 4 * 2 / 5),
        ("integrity", [JUMP, BOW], [BOW, JUMP, CLAP], 1 + 4 * 4 / 5),
        ("frequency", [Event("jump_up", 2), WALK], [seen("jump_up", 3), BOW], 1 + 4 * (2 / 3) / 2 * 0.75),
        ("frequency", [Event("jump_up", 4)], [seen("jump_up", 1)], 1 + 4 / 4),
        ("frequency", [Event("jump_up", None), Event("clap", 2)], [seen("jump_up", 7), seen("clap", 1)], 1 + 4 * 0.75),
    ],
)
def test_scores_by_hand(task, expected, detected, value):
    assert score(task, expected, detected) == pytest.approx(value)


def test_of_two_matches_that_are_as_long_the_later_expected_action_is_in_order():
    assert match_actions(["a", "b"], ["b", "a"]) == [(0, 1, False), (1, 0, True)]
    assert match_actions(["a", "b", "a"], ["a", "x", "a"]) == [(0, 0, True), (2, 2, True)]
    assert match_actions(["a"], ["a", "a"]) == [(0, 0, True)]


def test_repeats_add_up_only_where_they_are_counted_and_told():
    jumps = [Event("jump_up", 2), Event("jump_up", None), Event("bow", 1), Event("jump_up", 1)]
    assert merge_repeats(jumps) == [("jump_up", None), ("bow", 1), ("jump_up", 1)]
    assert merge_repeats([WALK, WALK, seen("clap", 2), seen("clap", 3)]) == [("walk_forward", 1), ("clap", 5)]
    assert total_counts([("jump_up", None), ("bow", 2), ("jump_up", 3)]) == {"jump_up": 4, "bow": 2}


def test_events_at_once_take_the_order_in_which_they_are_seen_and_the_others_stay():
    group = [Event("bow"), Event("clap", group=1), Event("wave_left", group=1), Event("squat", group=1)]
    assert arrange_groups(group, [seen("squat"), seen("clap"), seen("bow")]) == [0, 3, 1, 2]
    assert arrange_groups(group, []) == [0, 1, 2, 3]


def test_exact_wants_counts_and_nothing_else():
    assert exact([Event("clap", 2)], [seen("clap", 2)]) and exact([Event("clap", 2)], [seen("clap"), seen("clap")])
    for wrong in ([seen("clap", 3)], [seen("clap", 2), BOW], [], [seen("bow", 2)]):
        assert not exact([Event("clap", 2)], wrong)


# Judgements.


def test_a_verdict_has_the_count_and_the_frames_that_were_seen():
    detected = [seen("bow", 1, 0, 10), seen("jump_up", 3, 12, 40)]
    judgement = judge_events(detected, [Event("jump_up", 2), Event("bow"), Event("clap")], "temporal")
    jump, bow, clap = judgement.verdicts
    assert (jump.seen_count, jump.start, jump.end, jump.found) == (3, 12, 40, True)
    assert (bow.start, bow.end) == (0, 10) and jump.in_order != bow.in_order
    assert (clap.found, clap.seen_count, clap.start, clap.end, clap.in_order) == (False, 0, None, None, False)
    assert judgement.rationale == ("Missing: clap; the order differs: bow, then jump up; jump up 3 times instead of 2.")


def test_a_repetition_elsewhere_is_told_as_not_asked_for():
    detected = [seen("bow", 1, 0, 10), seen("clap", 1, 20, 25), seen("bow", 1, 50, 60)]
    assert judge_events(detected, [Event("bow")], "integrity").rationale == "Not asked for: clap, bow."


def test_only_actions_that_are_not_known_are_an_obstacle_each_once():
    events = [Event("bow"), Event("juggle"), Event("hurl ball"), Event("juggle", 2)]
    assert explain_open_actions("learned", events) == "the learned judge can't see 'juggle', 'hurl ball'"
    assert explain_open_actions("learned", events[:1]) is None


# The kinematic judge.


def test_an_action_counts_at_a_higher_strictness_only_if_the_judge_itself_sees_it(monkeypatch):
    seen_at = {"bow": (0.25, 0.8, 1.5), "clap": (1.0, 1.8), "squat": (2.2,), "kick_left": (0.5, 1.0)}

    def detect(signals, strictness):
        return [seen(action) for action, at in seen_at.items() if any(abs(strictness / 2 - a) < 1e-9 for a in at)]

    monkeypatch.setattr(kinematic_judge, "_detect_events", detect)
    joints = make_motion([Event("bow")], np.random.default_rng(0)).joints
    judge = KinematicJudge(JudgingConfig(sensitivity=0.5))  # twice as strict
    assert judge.max_strictness(joints) == {"bow": 0.8, "clap": 1.8, "kick_left": 1.0}
    assert judge.max_strictness(joints[:7]) == {}


def test_what_an_event_explains_is_passed_on(monkeypatch):
    passed = {}
    found = {
        "find_jacks": [seen("jumping_jack", 1, 0, 9)],
        "find_walks": [seen("run_forward", 1, 10, 20), seen("walk_forward", 1, 21, 30)],
        "find_jumps": [seen("jump_up", 1, 100, 110)],
        "find_kicks": [seen("kick_left", 1, 120, 130)],
        "find_dips": [seen("squat", 1, 140, 150)],
    }
    for name in ("find_flights", "find_unexplained_flights", "find_turns", "find_bows", "find_sidesteps",
                 "find_arm_events", *found):  # fmt: skip
        monkeypatch.setattr(
            kinematic_judge, name, lambda *given, name=name: passed.update({name: given}) or list(found.get(name, []))
        )
    events = kinematic_judge._detect_events("signals", 2.0)
    assert [event.action for event in events] == [event.action for rows in found.values() for event in rows]
    assert passed["find_unexplained_flights"][1] == [found["find_jacks"][0], found["find_walks"][0]]
    in_place = [(0, 9), (100, 110), (120, 130), (140, 150)]
    assert passed["find_sidesteps"] == ("signals", in_place, 2.0)
    assert passed["find_arm_events"] == ("signals", [(0, 9)], [(4, 26), (94, 116)], 2.0)
    assert all(given[-1] == 2.0 for name, given in passed.items() if name != "find_unexplained_flights")


# The other judges.


class FixedDistance:
    """An evaluator in whose space every motion lies 3 beside every text."""

    name = "fixed"

    def embed_texts(self, texts):
        return np.zeros((len(texts), 2))

    def embed_motions(self, features):
        return np.array([[3.0, 0.0]] * len(features))


def test_the_retrieval_judge_needs_five_frames_and_scores_between_its_anchors():
    joints = make_motion([Event("bow")], np.random.default_rng(0)).joints
    prompt = PlainPrompt("a person bows", [Event("bow")], "integrity")
    for near, far, expected in ((1, 5, 3.0), (2, 6, 4.0), (3, 4, 5.0), (3.5, 4, 5.0), (1, 3, 1.0), (1, 2.5, 1.0)):
        judge = RetrievalJudge(FixedDistance(), Anchors(near, far))
        assert judge.judge(joints[:5], prompt).score == pytest.approx(expected)
    assert judge.judge(joints[:4], prompt).score == 1 and "too short" in judge.judge(joints[:4], prompt).rationale
    assert judge.judge(joints[:5], prompt).exact is None


def events_answer(first=0, last=5, times=1, number=1, others=()):
    occurrence = {"first_frame": first, "last_frame": last, "times": times}
    actions = [{"number": number, "occurrences": [occurrence]}]
    return EventsAnswer.model_validate({"description": "", "actions": actions, "others": list(others)})


@pytest.mark.parametrize(
    ("answer", "is_fault"),
    [
        ({}, False),
        ({"times": 30}, False),
        ({"times": 31}, True),
        ({"times": 0}, True),
        ({"first": 39, "last": 39}, False),
        ({"first": 40, "last": 40}, True),
        ({"first": 39, "last": 99}, False),
        ({"first": 6, "last": 5}, True),
        ({"first": -1}, True),
        ({"number": 2}, True),
    ],
)
def test_an_answer_is_at_fault_beyond_its_list_its_frames_and_thirty_repetitions(answer, is_fault):
    assert bool(_find_fault(events_answer(**answer), 1, 40)) is is_fault


def test_the_places_of_an_answer_end_with_the_motion():
    for given, frames in (((0, 5), (0, 6)), ((-3, 99), (0, 40)), ((44, 50), (39, 40))):
        (event,) = to_detected_events(events_answer(*given, times=2), ["jump_up"], 40)
        assert (event.start, event.end, event.count) == (*frames, 2)
    (walk,) = to_detected_events(events_answer(times=4), ["walk_forward"], 40)
    assert walk.count == 1
    others = to_detected_events(events_answer(others=["claps twice", "jumps", "stands still"]), ["jump_up"], 40)
    assert [(event.action, event.count, event.start, event.confidence) for event in others] == [
        ("jump_up", 1, 0, 1.0),
        ("clap", 2, 40, 0.5),
    ]


def test_the_key_of_a_judge_names_what_decides_its_scores():
    fields, weights = judge_key_fields("kinematic", load_config(overrides=["judging.sensitivity=1.5"]))
    assert (fields, weights) == ({"judge": "kinematic", "sensitivity": 1.5}, {})
    fields, weights = judge_key_fields("learned", load_config(overrides=["judging.sensitivity=1.5"]))
    digest = hashlib.sha256((BUILTIN / "segmenter.safetensors").read_bytes()).hexdigest()
    assert (fields, weights) == ({"judge": "learned"}, {"judge": digest})


def frames_of(*parts):
    """Class probabilities (T, classes) and a density, from (action or None, frames, count) each."""
    classes = [place for action, frames, _ in parts for place in [CLASSES.index(action) if action else 0] * frames]
    density = [share for _, frames, count in parts for share in [count / frames] * frames]
    probabilities = np.full((len(classes), len(CLASSES)), 0.2 / (len(CLASSES) - 1))
    probabilities[np.arange(len(classes)), classes] = 0.8
    return probabilities, np.array(density)


def test_the_output_of_the_segmenter_is_read_as_events():
    found = decode_events(*frames_of((None, 30, 0), ("jump_up", 40, 2.6), (None, 30, 0), ("walk_forward", 30, 3)))
    assert [(event.action, event.count, event.start, event.end) for event in found] == [
        ("jump_up", 3, 30, 70),
        ("walk_forward", 1, 100, 130),
    ]
    assert found[0].confidence == pytest.approx(0.8)
    (faint,) = decode_events(*frames_of((None, 30, 0), ("clap", 30, 0.1), (None, 30, 0)))
    (many,) = decode_events(*frames_of((None, 30, 0), ("clap", 30, 40), (None, 30, 0)))
    assert (faint.count, many.count) == (1, 10)


def test_detection_is_measured_over_all_motions():
    answers = iter([[seen("jump_up", 2), BOW], [BOW, seen("jump_up", 3), WALK], [CLAP]])
    motions = [
        ((Event("jump_up", 2), Event("bow")), None),
        ((Event("jump_up", 2), Event("bow")), None),
        ((Event("walk_forward"),), None),
    ]
    judge = SimpleNamespace(detect=lambda joints: next(answers))
    assert measure_detection_quality(judge, motions) == {
        "clips": 3,
        "event_f1": round(2 * 4 / (5 + 6), 4),
        "order": 0.75,
        "count": 0.75,
        "exact_match": round(1 / 3, 4),
    }


def test_frames_are_closer_where_more_moves():
    joints = np.zeros((101, 22, 3))
    assert sample_frames_by_movement(joints, 4) == pytest.approx([0, 25, 50, 75], abs=1)
    joints[81:, :, 0] = np.arange(1, 21)[:, None]  # the last fifth moves
    # 0.4 of the frames are spread evenly: the first 80 hold 0.32 of the way, and the last 20 hold 0.08 + 0.6, so that
    # a quarter of the way ends at 62.5, a half at 80 + 0.18 / 0.034, and three quarters at 80 + 0.43 / 0.034
    assert sample_frames_by_movement(joints, 4) == pytest.approx([0, 62.5, 85.3, 92.6], abs=1)
