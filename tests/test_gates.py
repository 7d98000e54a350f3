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
