"""Motions scored in memory, and the pairs and rows that follow from them."""

import numpy as np
import pytest

from atom.config import GenerationConfig, PreferenceConfig
from atom.corpus.composition import make_motion
from atom.errors import AtomError
from atom.events import Event
from atom.generation.generator import Generator
from atom.judging.kinematic_judge import KinematicJudge
from atom.preferences.exporting import export_preferences
from atom.preferences.importing import import_preferences
from atom.preferences.pairs import build_pairs
from atom.preferences.scoring import score_motion, score_samples
from atom.prompts.text_prompts import make_prompts
from atom.tuning.pairs import TrainingPair

TEXT = "a person jumps up twice"


@pytest.fixture(scope="module")
def jumps():
    """A motion with one jump, and one with two."""
    return [make_motion([Event("jump_up", count)], np.random.default_rng(count)).joints for count in (1, 2)]


def test_prompts_of_texts_have_events_tasks_and_ids():
    jump, both = make_prompts([TEXT, "a person walks forward, then waves with the left hand", TEXT], split="val")
    assert jump.events == (Event("jump_up", 2),) and jump.task == "frequency"
    assert [event.action for event in both.events] == ["walk_forward", "wave_left"] and both.task == "temporal"
    assert jump.split == both.split == "val" and jump.prompt_id != both.prompt_id
    assert make_prompts([TEXT])[0].prompt_id == jump.prompt_id


def test_a_text_without_events_is_an_error():
    with pytest.raises(AtomError, match="'the weather is fine' has no events"):
        make_prompts([TEXT, "the weather is fine"])


def test_scores_become_pairs_rows_and_training_pairs(jumps, tmp_path):
    (prompt,) = make_prompts([TEXT])
    judge = KinematicJudge()
    scored = [
        score_motion(judge, prompt, joints, name, tokens=tokens)
        for joints, name, tokens in zip(jumps, ("once", "twice"), ([1, 2], [3, 4, 5]), strict=True)
    ]
    assert [motion.exact for motion in scored] == [False, True] and scored[1].score == 5.0 > scored[0].score
    assert [motion.frames for motion in scored] == [len(joints) for joints in jumps]
    (pair,) = build_pairs(scored, PreferenceConfig())
    assert (pair.chosen_id, pair.rejected_id) == ("twice", "once")
    assert TrainingPair.from_preference(pair) == TrainingPair(TEXT, (3, 4, 5), (1, 2), pair.degree)
    export_preferences([pair.to_row(prompt.events)], tmp_path / "pairs", "datasets", about={"name": "pairs"})
    (row,) = import_preferences(tmp_path / "pairs").rows
    assert row["chosen_tokens"] == [3, 4, 5] and row["prompt"] == TEXT and row["margin"] == pytest.approx(pair.margin)
    assert [(event["action"], event["count"]) for event in row["events"]] == [("jump_up", 2)]


def test_a_motion_without_frames_scores_one():
    (prompt,) = make_prompts([TEXT])
    scored = score_motion(KinematicJudge(), prompt, np.zeros((0, 22, 3)), "empty", stop_reason="empty")
    assert (scored.score, scored.exact, scored.frames) == (1.0, False, 0)


def test_a_prompt_that_the_judge_cannot_judge_is_an_error(jumps):
    (prompt,) = make_prompts(["a person juggles three balls"])
    with pytest.raises(AtomError, match=r"has no score: the kinematic judge can't see 'juggle ball'"):
        score_motion(KinematicJudge(), prompt, jumps[0], "one")


def test_samples_have_the_seeds_of_the_pipeline_and_do_not_depend_on_each_other():
    generator, judge = Generator.load(), KinematicJudge()
    prompts = make_prompts([TEXT, "a person claps"])
    sampling = GenerationConfig(candidates=2)
    both = score_samples(generator, judge, prompts, sampling, seed=3)
    assert [motion.motion_id for motion in both] == [f"{p.prompt_id}-{n}" for p in prompts for n in range(2)]
    assert score_samples(generator, judge, prompts[1:], sampling, seed=3) == both[2:]
    assert score_samples(generator, judge, prompts[1:], sampling, seed=4) != both[2:]
    for motion in both:
        (joints,) = generator.decode([motion.tokens])
        prompt = next(prompt for prompt in prompts if prompt.prompt_id == motion.prompt_id)
        assert motion.score == judge.judge(joints, prompt).score and motion.frames == 4 * len(motion.tokens)
