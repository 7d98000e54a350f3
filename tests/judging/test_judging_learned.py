"""The learned judge on motions whose events are known, and its training at the smallest size."""

import numpy as np
import pytest
import torch

from atom.config import load_section
from atom.corpus.composition import make_motion
from atom.errors import AtomError
from atom.events import Event
from atom.judging.detection_quality import add_jitter, change_pace, make_known_motions, measure_detection_quality
from atom.judging.kinematic_judge import KinematicJudge
from atom.judging.learned_judge import CLASSES, LearnedJudge, decode_events, to_body_frame
from atom.judging.learned_judge_training import JudgeTrainingConfig, augment, collate, pretrain_judge
from atom.motion.mirroring import mirror_joints


@pytest.fixture(scope="module")
def motions():
    return make_known_motions(60, "test", seed=3)


@pytest.fixture(scope="module")
def judge():
    return LearnedJudge.load()


@pytest.mark.slow
def test_it_sees_the_events_of_compositions_it_never_saw(judge, motions):
    found = measure_detection_quality(judge, motions)
    assert found["event_f1"] >= 0.9 and found["order"] >= 0.9 and found["count"] >= 0.8


def test_it_and_the_kinematic_judge_find_the_same(judge, motions):
    same = [
        [event.action for event in judge.detect(joints)] == [event.action for event in KinematicJudge().detect(joints)]
        for _, joints in motions
    ]
    assert np.mean(same) > 0.85


@pytest.mark.parametrize("worse", [lambda m: add_jitter(m, np.random.default_rng(0)), lambda m: change_pace(m, 1.1)])
@pytest.mark.parametrize("name", ["kinematic", "learned"])
def test_jitter_and_pace_hardly_matter(judge, motions, worse, name):
    judging = judge if name == "learned" else KinematicJudge()
    assert measure_detection_quality(judging, worse(motions))["event_f1"] >= 0.9


def test_a_turn_a_shift_and_another_size_change_nothing(judge, motions):
    angle = 1.1
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    for _, joints in motions[:10]:
        moved = (joints @ turn.T + [3.0, 0.0, -2.0]) * 1.2
        np.testing.assert_allclose(to_body_frame(moved), to_body_frame(joints), atol=1e-3)


def test_the_mirrored_motion_is_told_with_the_other_hand(judge):
    joints = make_motion([Event("wave_left"), Event("kick_right", 2)], np.random.default_rng(0)).joints
    assert [event.action for event in judge.detect(mirror_joints(joints))] == ["wave_right", "kick_left"]


def test_events_are_read_from_chances_and_density():
    classes = [0] * 10 + [CLASSES.index("jump_up")] * 30 + [0] * 2 + [CLASSES.index("jump_up")] * 8 + [0] * 10
    classes += [CLASSES.index("bow")] * 3 + [0] * 7  # too short to be one
    chances = np.full((len(classes), len(CLASSES)), 0.001)
    chances[np.arange(len(classes)), classes] = 0.9
    density = np.where(np.array(classes) == CLASSES.index("jump_up"), 3 / 38, 0.0)
    (event,) = decode_events(chances, density)
    assert (event.action, event.count, event.start, event.end) == ("jump_up", 3, 10, 50)


def test_augmentation_keeps_spans_on_their_events():
    motion = make_motion([Event("raise_arm_left"), Event("bow", 2)], np.random.default_rng(2))
    spans = [(motion.events[i].action, motion.events[i].count, start, end) for i, start, end in motion.spans]
    rng = np.random.default_rng(0)
    for _ in range(20):
        joints, moved = augment((motion.joints, spans), rng)
        side = "r" if moved[0][0] == "raise_arm_right" else "l"
        wrist = joints[:, 20 if side == "l" else 21, 1]
        assert moved[0][2] - 3 <= wrist.argmax() <= moved[0][3] + 3
        frames, mask, labels, counts = collate([(joints, moved)])
        assert frames.shape[:2] == mask.shape == labels.shape
        assert counts == [
            (0, *moved[0][2:], 1),
            (0, *moved[1][2:], 2),
        ]


@pytest.mark.slow
def test_training_writes_a_judge_and_says_how_good_it_is(tmp_path):
    config = load_section(JudgeTrainingConfig, ["clips=250", "workers=1", "judged=3", "steps=2", "width=8", "batch=4"])
    figures = pretrain_judge(tmp_path / "judge", config, tmp_path / "work", lambda *_: None)
    assert set(figures["quality"]) == {"clean", "decoded"}
    assert isinstance(LearnedJudge.load(tmp_path / "judge").detect(np.zeros((20, 22, 3))), list)
    assert torch.load(tmp_path / "work" / "judge.pt", weights_only=True)["step"] == 2


def test_bad_joints_and_a_missing_judge_are_refused(judge, tmp_path):
    with pytest.raises(AtomError, match="shape"):
        judge.detect(np.zeros((10, 21, 3)))
    with pytest.raises(AtomError, match="joint that is not finite"):
        judge.detect(np.full((10, 22, 3), np.nan))
    with pytest.raises(AtomError, match="atom pretrain-judge"):
        LearnedJudge.load(tmp_path)
    assert judge.detect(np.zeros((3, 22, 3))) == []
