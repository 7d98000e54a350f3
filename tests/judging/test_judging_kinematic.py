"""The kinematic judge against motions whose events are known, against tampering, and against bad input."""

import csv
from collections import Counter

import numpy as np
import pytest

from atom.config import JudgingConfig
from atom.corpus.composition import make_motion
from atom.corpus.corpus_shards import draw_events
from atom.errors import AtomError
from atom.events import ACTIONS, Event
from atom.judging.judged_prompt import PlainPrompt
from atom.judging.kinematic_judge import KinematicJudge
from atom.judging.rubric import exact, merge_repeats
from atom.motion.mirroring import mirror_joints

JUDGE = KinematicJudge()
TIRING = {"spin": 3}  # five turns don't fit into a clip


def _perform(action: str, count: int, seed: int) -> tuple[tuple[Event, ...], np.ndarray]:
    before = (Event("sit_down" if seed % 2 else "kneel_down"),) if ACTIONS[action].starts == "low" else ()
    motion = make_motion((*before, Event(action, count)), np.random.default_rng(seed))
    return motion.events, motion.joints


@pytest.fixture(scope="module")
def clips():
    """60 random compositions of 1 to 4 events, as the corpus draws them."""
    rng = np.random.default_rng(2024)
    drawn = []
    while len(drawn) < 60:
        try:
            drawn.append(make_motion(draw_events(rng), rng))
        except AtomError:  # too long for a clip
            continue
    return drawn


def _exact_share(clips, change) -> float:
    return float(np.mean([exact(clip.events, JUDGE.detect(change(clip.joints))) for clip in clips]))


@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_is_seen_as_often_as_it_is_done(action):
    counts = (1, 2, TIRING.get(action, 5)) if ACTIONS[action].countable else (1, 1)
    for seed, count in enumerate(counts):
        expected, joints = _perform(action, count, seed)
        assert merge_repeats(JUDGE.detect(joints)) == merge_repeats(expected)


def test_random_compositions_are_told_exactly(clips):
    assert _exact_share(clips, lambda joints: joints) >= 0.96


def test_seen_events_lie_where_they_were_done(clips):
    for clip in clips:
        seen = JUDGE.detect(clip.joints)
        if exact(clip.events, seen):
            for event, (_, start, end) in zip(seen, clip.spans, strict=True):
                assert start - 3 <= (event.start + event.end) / 2 <= end + 3
                assert 0 <= event.start < event.end <= len(clip.joints) and 0.5 <= event.confidence <= 1


def test_heading_place_and_size_make_no_difference(clips):
    angle = 2.1
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    for clip in clips[:20]:
        plain = merge_repeats(JUDGE.detect(clip.joints))
        assert merge_repeats(JUDGE.detect(clip.joints @ turn.T + [7.0, 0.4, -3.0])) == plain
        assert merge_repeats(JUDGE.detect(clip.joints * 0.8)) == plain


def test_a_mirrored_motion_has_mirrored_sides(clips):
    swap = {"left": "right", "right": "left"}
    for clip in clips[:20]:
        sides = [
            (f"{ACTIONS[a].family}_{swap[ACTIONS[a].side]}" if ACTIONS[a].side else a, count)
            for a, count in merge_repeats(JUDGE.detect(clip.joints))
        ]
        assert merge_repeats(JUDGE.detect(mirror_joints(clip.joints))) == sides


def test_noise_of_a_centimetre_changes_little(clips):
    rng = np.random.default_rng(0)
    assert _exact_share(clips, lambda joints: joints + rng.normal(0, 0.01, joints.shape)) >= 0.93


@pytest.mark.parametrize("speed", [0.9, 1.1])
def test_tempo_changes_little(clips, speed):
    def change(joints):
        at = np.arange(0, len(joints) - 1, speed)
        low, share = at.astype(int), (at % 1)[:, None, None]
        return joints[low] * (1 - share) + joints[low + 1] * share

    assert _exact_share(clips, change) >= 0.93


def test_the_judgement_carries_its_evidence():
    expected = (Event("jump_up", 2), Event("wave_left"))
    joints = make_motion((Event("wave_left"), Event("jump_up", 3)), np.random.default_rng(4)).joints
    judgement = JUDGE.judge(joints, PlainPrompt("", expected, "temporal"))
    jump, wave = judgement.verdicts
    assert not judgement.exact and 3 < judgement.score < 4.5
    assert jump.found and jump.seen_count == 3 and wave.found and jump.in_order != wave.in_order
    assert wave.end <= jump.start
    assert "order" in judgement.rationale and "3 times instead of 2" in judgement.rationale
    assert "Missing: bow" in JUDGE.judge(joints, PlainPrompt("", [Event("bow")], "integrity")).rationale


def test_the_right_motion_scores_5_in_every_task():
    expected = (Event("squat", 2), Event("clap", 3))
    joints = make_motion(expected, np.random.default_rng(1)).joints
    for task in ("integrity", "temporal", "frequency"):
        judgement = JUDGE.judge(joints, PlainPrompt("", expected, task))
        assert judgement.exact and judgement.score == 5 and all(v.found and v.in_order for v in judgement.verdicts)


def test_a_sensitive_judge_accepts_smaller_movements():
    joints = make_motion([Event("kick_left")], np.random.default_rng(3)).joints
    small = joints[:1] + 0.62 * (joints - joints[:1])
    judges = [KinematicJudge(JudgingConfig(sensitivity=sensitivity)) for sensitivity in (0.7, 1.8)]
    strict, lenient = (Counter(e.action for e in judge.detect(small)) for judge in judges)
    assert strict["kick_left"] == 0 and lenient["kick_left"] == 1


def test_a_still_body_does_nothing():
    pose = make_motion([Event("bow")], np.random.default_rng(0)).joints[:1]
    assert JUDGE.detect(np.repeat(pose, 80, 0)) == []


@pytest.mark.parametrize("joints", [np.zeros((60, 22, 3)), np.ones((3, 22, 3)), np.zeros((0, 22, 3))])
def test_a_clip_without_a_body_or_time_holds_no_event(joints):
    assert JUDGE.detect(joints) == []
    assert JUDGE.judge(joints, PlainPrompt("", [Event("bow")], "integrity")).score == 1


def test_random_points_do_not_break_the_judge():
    rng = np.random.default_rng(0)
    for scale in (0.01, 1, 1e4):
        JUDGE.detect(rng.normal(0, scale, (90, 22, 3)))


def test_bad_joints_are_refused_in_one_line():
    joints = np.repeat(make_motion([Event("bow")], np.random.default_rng(0)).joints[:1], 40, 0)
    joints[7, 3, 1] = np.nan
    with pytest.raises(AtomError, match="frame 7"):
        JUDGE.detect(joints)
    with pytest.raises(AtomError, match="shape"):
        JUDGE.detect(np.zeros((40, 24, 3)))


REAL = {  # category: action families that answer to it, least share of the clips in which one is seen
    "walk": ({"walk_forward", "walk_backward", "sidestep"}, 0.95),
    "run": ({"run_forward"}, 0.85),
    "jump": ({"jump_up", "jump_forward"}, 1.0),
    "punch": ({"punch"}, 1.0),
    "kick": ({"kick"}, 0.7),
    "turn": ({"turn"}, 1.0),
    "bow": ({"bow"}, 0.6),
    "raise_hand": ({"raise_arm", "raise_arms"}, 0.5),
}


@pytest.mark.parametrize("category", REAL)
def test_real_motion_is_recognised(shared, category):
    families, least = REAL[category]
    folder = shared / "data/real_motion"
    with (folder / "index.csv").open() as file:
        rows = [
            row for row in csv.DictReader(file) if row["category"] == category and row["label_valid_for_crop"] == "1"
        ]
    hits = []
    for row in rows:
        joints = np.load(folder / f"{row['name']}.npz")["joints"][int(row["crop_start"]) : int(row["crop_end"])]
        hits.append(any(ACTIONS[event.action].family in families for event in JUDGE.detect(joints)))
    assert len(hits) >= 3 and np.mean(hits) >= least


@pytest.mark.parametrize("sensitivity", [0.21, 0.5, 2.0, 4.9])
def test_every_sensitivity_that_the_config_allows_works(sensitivity):
    judge, rng = KinematicJudge(JudgingConfig(sensitivity=sensitivity)), np.random.default_rng(8)
    for action in ACTIONS:
        before = [Event("sit_down")] if ACTIONS[action].starts == "low" else []
        joints = make_motion([*before, Event(action)], rng).joints
        assert all(0 <= event.start < event.end <= len(joints) for event in judge.detect(joints))
