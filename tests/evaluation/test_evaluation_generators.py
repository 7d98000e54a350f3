"""Generators compared in memory."""

import numpy as np
import pandas as pd
import pytest

from atom.config import GenerationConfig
from atom.corpus.composition import make_motion
from atom.errors import AtomError
from atom.evaluation.comparison import compare, tabulate_gains
from atom.evaluation.generator_evaluation import compare_generators, evaluate, measure_motion
from atom.events import Event
from atom.generation.generator import Generator
from atom.judging.kinematic_judge import KinematicJudge
from atom.motion.physics import foot_skate, mean_jerk
from atom.prompts.text_prompts import make_prompts

SAMPLING = GenerationConfig(evaluation_samples=2)
TEXTS = ["a person jumps up twice", "a person claps", "a person walks forward, then bows"]


class HeightJudge:
    """Scores how high the pelvis gets; it judges no motion of a prompt that claps."""

    def find_obstacle(self, prompt):
        return "clapping is not its business" if "claps" in prompt.text else None

    def judge(self, joints, prompt):
        judgement = KinematicJudge().judge(joints, prompt)
        return type(judgement)(min(5.0, 1 + float(joints[:, 0, 1].max())), None, [], [], "by height")


@pytest.fixture(scope="module")
def generator():
    return Generator.load()


@pytest.fixture(scope="module")
def rows(generator):
    judges = {"kinematic": KinematicJudge(), "height": HeightJudge()}
    return evaluate(generator, make_prompts(TEXTS), judges, SAMPLING, arm="base", seed=5)


def test_a_row_for_each_motion_and_judge(rows):
    assert len(rows) == 3 * 2 * 2 and set(rows["arm"]) == {"base"}
    assert not rows.duplicated(["prompt_id", "sample", "judge"]).any()
    assert rows["events"].tolist() == [1] * 8 + [2] * 4
    kinematic = rows[rows["judge"] == "kinematic"]
    assert kinematic["score"].between(1, 5).all() and kinematic["exact"].notna().all()
    assert (kinematic["frames"] % 4 == 0).all() and kinematic["true_frames"].gt(20).all()


def test_a_prompt_that_a_judge_cannot_judge_has_no_score(rows):
    height = rows[rows["judge"] == "height"].set_index("task")
    claps = rows[(rows["judge"] == "height") & (rows["prompt_id"] == make_prompts(TEXTS)[1].prompt_id)]
    assert claps["score"].isna().all() and height["score"].notna().sum() == 4


def test_equal_generators_have_no_gain_and_a_worse_one_loses(generator, rows):
    prompts, judges = make_prompts(TEXTS), {"kinematic": KinematicJudge()}
    same = compare_generators(generator, generator, prompts, judges, SAMPLING, seed=5, resamples=100)
    assert same["kinematic"]["overall"]["gain"] == 0 and same["kinematic"]["overall"]["n"] == 3

    class Still(Generator):
        """Motions that stand still."""

        def __init__(self, other):
            self.__dict__ |= other.__dict__

        def decode(self, tokens):
            return [np.repeat(joints[:1], len(joints), axis=0) for joints in super().decode(tokens)]

    gains = tabulate_gains(
        compare_generators(generator, Still(generator), prompts, judges, SAMPLING, seed=5, resamples=100)
    ).set_index("figure")
    assert gains.loc["overall", "gain"] < -1 and gains.loc["jerk", "tuned"] == 0
    base = rows[rows["judge"] == "kinematic"].groupby("prompt_id")["score"].mean().mean()
    assert gains.loc["overall", "base"] == pytest.approx(base)


def test_judges_that_can_judge_nothing_are_an_error(generator):
    with pytest.raises(AtomError, match="none of the judges height can judge"):
        compare_generators(generator, generator, make_prompts(["a person claps"]), {"height": HeightJudge()}, SAMPLING)


def test_the_table_of_gains_leaves_baselines_out(rows):
    arms = [rows[rows["judge"] == "kinematic"].assign(arm=arm) for arm in ("base", "tuned", "sft")]
    comparison = compare(pd.concat(arms), resamples=100)
    table = tabulate_gains(comparison)
    assert list(table.columns[:5]) == ["judge", "figure", "base", "tuned", "gain"]
    assert "overall" in set(table["figure"]) and not {"baselines", "left_out"} & set(table["figure"])
    assert table.loc[table["figure"] == "overall", "gain_low"].item() == comparison["kinematic"]["overall"]["gain_low"]
    assert tabulate_gains({}).empty and "gain" in tabulate_gains({}).columns


def test_measures_of_a_motion():
    joints = make_motion([Event("walk_forward")], np.random.default_rng(0)).joints
    measured = measure_motion(joints)
    assert measured["foot_skate"] == pytest.approx(float(foot_skate(joints)))
    assert measured["jerk"] == pytest.approx(float(mean_jerk(joints))) and measured["descriptor"].shape == (360,)
    assert measure_motion(joints[:4]) == {"foot_skate": None, "jerk": None, "descriptor": None}
