"""What must not reach the next stage, and that what is sound does."""

import numpy as np
import pytest

from atom import gates
from atom.config import GateConfig, PromptConfig
from atom.corpus.composition import make_motion
from atom.errors import AtomError
from atom.events import Event
from atom.prompts.grammar import write_prompts
from storage import MOTIONS


def prompts():
    written = write_prompts(PromptConfig(train_per_task=3, test_per_task=2), 0)
    return [prompt.to_dict() | {"rejected": None, "answer": None} for prompt in written]


def motions(*joints, prompt_ids=None):
    rows = [
        {
            "motion_id": str(i),
            "prompt_id": (prompt_ids or ["p"] * len(joints))[i],
            "sample": i,
            "seed": 0,
            "tokens": [],
            "frames": len(each),
            "joints": each,
            "stop_reason": "end",
        }
        for i, each in enumerate(joints)
    ]
    return [MOTIONS.from_rows(rows)]


def walk(seed):
    return make_motion((Event("walk_forward"),), np.random.default_rng(seed)).joints


EMPTY = np.zeros((0, 22, 3), np.float32)


def test_sound_rows_pass():
    gates.require_passed("prompts", gates.check_prompts(prompts()))
    gates.require_passed("motions", gates.check_motions(motions(walk(0), walk(1), walk(2)), GateConfig()))
    gates.require_passed("scores", gates.check_scores([{"score": 1.0}, {"score": 5.0}, {"score": None}]))


def test_prompts_twice_and_in_both_splits_are_refused():
    rows = prompts()
    with pytest.raises(AtomError, match="texts that occur twice"):
        gates.require_passed("prompts", gates.check_prompts([*rows, rows[0] | {"prompt_id": "other"}]))
    with pytest.raises(AtomError, match="compositions in training and test"):
        gates.require_passed("prompts", gates.check_prompts([*rows, rows[0] | {"text": "another", "split": "test"}]))
    rejected = rows[0] | {"rejected": "not understood"}
    gates.require_passed("prompts", gates.check_prompts([*rows, rejected]))


@pytest.mark.parametrize(
    ("joints", "fault"),
    [
        ((EMPTY, EMPTY, walk(0)), "answers without a motion"),
        ((walk(0) * 100, walk(1)), "no human body"),
        ((np.full((60, 22, 3), np.nan, np.float32), walk(1)), "no human body"),
        ((walk(0),) * 20, "equal to another"),
    ],
)
def test_motions_with_a_fault_are_refused_in_one_line_that_says_what_to_do(joints, fault):
    with pytest.raises(AtomError, match=fault) as caught:
        gates.require_passed("motions", gates.check_motions(motions(*joints), GateConfig()))
    assert "\n" not in str(caught.value) and "motions can't be built on" in str(caught.value)


def test_the_limits_are_the_configs():
    rows = motions(EMPTY, walk(0), walk(1))
    gates.require_passed("motions", gates.check_motions(rows, GateConfig(empty_motions=0.34)))
    with pytest.raises(AtomError):
        gates.require_passed("motions", gates.check_motions(rows, GateConfig(empty_motions=0.33)))


def test_the_same_motion_for_two_prompts_is_no_repetition():
    checks = gates.check_motions(motions(walk(0), walk(0), prompt_ids=["p", "q"]), GateConfig(repeated_motions=0))
    gates.require_passed("motions", checks)


def pair(**changes):
    return {
        "chosen_motion_id": "a",
        "rejected_motion_id": "b",
        "split": "train",
        "decided_by": "score",
        "margin": 1.0,
        **changes,
    }


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"margin": -0.5}, "wrong way round"),
        ({"rejected_motion_id": "a"}, "with itself"),
        ({"split": "test"}, "test prompts"),
    ],
)
def test_wrong_pairs_are_refused(changes, fault):
    with pytest.raises(AtomError, match=fault):
        gates.require_passed("preferences", gates.check_preferences([pair(), pair(**changes)]))
    gates.require_passed("preferences", gates.check_preferences([pair(), pair(margin=-0.2, decided_by="comparison")]))


@pytest.mark.parametrize(("score", "passes"), [(1.0, True), (5.0, True), (0.99, False), (5.01, False), (None, True)])
def test_scores_are_from_1_to_5(score, passes):
    (check,) = gates.check_scores([{"score": score}])
    assert check.passed is passes and check.share == float(not passes)


def test_the_shares_of_motions_are_of_all_of_them():
    repeated = [walk(0)] * 3
    rows = motions(EMPTY, walk(0) * 100, *repeated, walk(1), walk(2), walk(3))
    empty, broken, equal = gates.check_motions(rows, GateConfig())
    assert (empty.share, broken.share, equal.share) == (1 / 8, 1 / 8, 2 / 8)
    assert [check.limit for check in (empty, broken, equal)] == [0.2, 0.1, 0.9]


@pytest.mark.parametrize(("size", "is_human"), [(0.2, False), (0.3, True), (2.1, True), (2.6, False)])
def test_a_body_of_human_size_has_a_leg_of_human_length(size, is_human):
    (_, broken, _) = gates.check_motions(motions(walk(0) * np.float32(size)), GateConfig())
    assert (broken.share == 0) is is_human


def test_texts_that_occur_twice_and_compositions_in_both_splits_are_shares_of_their_own():
    rows = [
        {"text": text, "split": split, "rejected": None, "events": [{"action": action, "count": 1}]}
        for text, split, action in (
            ("a", "train", "bow"), ("a", "train", "bow"), ("a", "test", "bow"), ("b", "train", "clap"),
        )
    ]  # fmt: skip
    texts, compositions = gates.check_prompts(rows)
    assert (texts.share, compositions.share) == (2 / 4, 1 / 2)
    assert all(check.share == 0 for check in gates.check_prompts([]))


def test_a_share_at_its_limit_passes():
    assert gates.Check("faults", 0.2, 0.2, "").passed and not gates.Check("faults", 0.2001, 0.2, "").passed
