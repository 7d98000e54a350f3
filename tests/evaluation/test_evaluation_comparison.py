"""The comparison of two models on rows whose truth is known."""

import json

import numpy as np
import pandas as pd
import pytest

from atom.errors import AtomError
from atom.evaluation.agreement import agreement, cohens_kappa
from atom.evaluation.bootstrap import Difference, mean_distance_statistic, mean_statistic, paired_bootstrap
from atom.evaluation.comparison import EVENT_GROUPS, MIN_PROMPTS, classify_difference, compare
from atom.events import TASKS


def rows(prompts=60, gain=0.5, samples=2, seed=0, judge="kinematic"):
    """Base and tuned motions whose scores differ by `gain` and share what makes a prompt hard."""
    rng = np.random.default_rng(seed)
    table = []
    for number in range(prompts):
        hard = rng.normal()
        for arm in ("base", "tuned"):
            for sample in range(samples):
                score = 3 + 0.5 * hard + gain * (arm == "tuned") + 0.1 * rng.normal()
                table.append(
                    {
                        "prompt_id": f"p{number}",
                        "motion_id": f"{arm}-{number}-{sample}",
                        "task": TASKS[number % 3],
                        "arm": arm,
                        "sample": sample,
                        "judge": judge,
                        "score": score,
                        "exact": bool(score > 3),
                        "frames": 110,
                        "true_frames": 100.0,
                        "foot_skate": 0.05,
                        "jerk": 100.0,
                        "descriptor": rng.normal(size=12).astype(np.float32),
                    }
                )
    return pd.DataFrame(table)


def test_a_true_gain_is_found_overall_and_by_task():
    figures = compare(rows())["kinematic"]
    for name in ("overall", *TASKS):
        figure = figures[name]
        assert figure["gain_low"] < figure["gain"] < figure["gain_high"]
        assert abs(figure["gain"] - 0.5) < 0.06 and figure["gain_low"] > 0.3 and figure["verdict"] == "better"
    assert figures["overall"]["n"] == 60 and figures["integrity"]["n"] == 20
    assert figures["length_ratio"]["base"] == pytest.approx(1.1)
    assert figures["foot_skate"]["verdict"] == "within noise"
    json.dumps(figures, allow_nan=False)


@pytest.mark.parametrize(
    ("low", "high", "n", "verdicts"),
    [
        (0.1, 0.3, 6, ("better", "worse", "higher")),
        (-0.3, -0.1, 6, ("worse", "better", "lower")),
        (0.0, 0.3, 6, ("within noise",) * 3),
        (-0.3, 0.0, 6, ("within noise",) * 3),
        (0.1, 0.3, 5, ("too few prompts",) * 3),
        (np.nan, np.nan, 60, ("too few prompts",) * 3),
    ],
)
def test_a_difference_in_words(low, high, n, verdicts):
    difference = Difference(1.0, 1.2, 0.2, low, high, n)
    directions = ("higher is better", "lower is better", "neutral")
    assert tuple(classify_difference(difference, direction) for direction in directions) == verdicts


def by_hand(number, arm, sample, descriptor, **values):
    known = {"prompt_id": f"p{number}", "task": "temporal", "arm": arm, "sample": sample, "judge": "k", "score": 3.0}
    return known | {"descriptor": np.array([descriptor], np.float32)} | values


def test_figures_by_hand():
    """Eight prompts, four of them with 100 true frames and four with 50. All motions of an arm have the same length,
    skate and jerk; base motions lie at 0, 3 and 9 of their prompt, tuned ones at 0, 1 and 2."""
    places = {"base": (0, 3, 9), "tuned": (0, 1, 2)}
    values = {
        "base": {"frames": 90, "foot_skate": 0.2, "jerk": 40.0},
        "tuned": {"frames": 60, "foot_skate": 0.1, "jerk": 50.0},
    }
    table = [
        by_hand(number, arm, sample, 100 * number + place, true_frames=100.0 if number < 4 else 50.0, **values[arm])
        for number in range(8)
        for arm in ("base", "tuned")
        for sample, place in enumerate(places[arm])
    ]
    figures = compare(table, resamples=50)["k"]

    def of(name):
        return figures[name]["base"], figures[name]["tuned"], figures[name]["verdict"]

    assert of("length_ratio") == (pytest.approx(90 / 75), pytest.approx(60 / 75), "lower")
    assert of("foot_skate") == (pytest.approx(0.2), pytest.approx(0.1), "better")
    assert of("jerk") == (40.0, 50.0, "worse")
    assert of("multimodality") == (pytest.approx((3 + 9 + 6) / 3), pytest.approx((1 + 2 + 1) / 3), "lower")
    two_each = compare([row for row in table if row["sample"] < 2], resamples=50)["k"]["multimodality"]
    assert (two_each["base"], two_each["tuned"], two_each["n"]) == (pytest.approx(3), pytest.approx(1), 8)
    assert "multimodality" not in compare([row for row in table if row["sample"] < 1], resamples=50)["k"]
    between = 100 * 168 / 56  # the mean distance of two of eight prompts
    assert of("diversity") == (pytest.approx(between), pytest.approx(between), "within noise")


def test_prompts_that_only_one_model_has_are_counted_on_both_sides():
    table = [by_hand(number, arm, 0, 0.0) for number in range(8) for arm in ("base", "tuned")]
    table = [
        row for row in table if (row["prompt_id"], row["arm"]) not in {("p0", "base"), ("p1", "tuned"), ("p2", "tuned")}
    ]
    figures = compare(table, resamples=50)["k"]
    assert (
        figures["left_out"] == {"samples_without_score": 0, "prompts_of_one_model": 3} and figures["overall"]["n"] == 5
    )


def test_a_prompt_that_is_drawn_twice_is_no_pair_with_itself():
    distances = np.array([[7.0, 1, 2], [1, 7, 4], [2, 4, 7]])  # the diagonal does not count
    found = mean_distance_statistic(distances)(np.array([[1.0, 1, 1], [2, 1, 0], [3, 0, 0], [2, 0, 1]]))
    np.testing.assert_allclose(found, [7 / 3, 1, np.nan, 2])


def test_the_interval_leaves_out_the_same_share_at_both_ends():
    """A mean of 400 zeros and ones is close to normal, with the deviation 1/40."""
    values = np.repeat([0.0, 1.0], 200)
    for level, width in ((0.95, 1.96), (0.5, 0.674)):
        found = paired_bootstrap(mean_statistic(0 * values), mean_statistic(values), 400, resamples=4000, level=level)
        assert (found.base, found.tuned, found.gain) == (0.0, 0.5, 0.5)
        assert [found.gain_low, found.gain_high] == pytest.approx([0.5 - width / 40, 0.5 + width / 40], abs=2e-3)


def test_noise_is_called_noise():
    assert compare(rows(gain=0.0))["kinematic"]["overall"]["verdict"] == "within noise"


def test_two_identical_models_have_no_gain():
    table = rows(gain=0.0)
    base = table[table["arm"] == "base"]
    figures = compare(pd.concat([base, base.assign(arm="tuned")]))["kinematic"]
    assert (figures["overall"]["gain"], figures["overall"]["gain_low"], figures["overall"]["gain_high"]) == (0, 0, 0)
    assert figures["diversity"]["gain"] == 0


def test_the_interval_holds_the_truth_as_often_as_it_says():
    rng, covered = np.random.default_rng(1), 0
    for seed in range(200):
        before = rng.normal(size=40)
        after = before + 0.3 + rng.normal(size=40)
        found = paired_bootstrap(mean_statistic(before), mean_statistic(after), 40, resamples=400, seed=seed)
        covered += found.gain_low <= 0.3 <= found.gain_high
    assert 0.88 <= covered / 200 <= 0.99


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda table: table.drop(columns="score"), "no column score"),
        (lambda table: table[table["arm"] == "base"], "no motion of the 'tuned' model"),
        (lambda table: pd.concat([table, table.iloc[:1]]), "more than once"),
        (lambda table: table[(table["arm"] == "base") ^ (table["prompt_id"] < "p3")], "no prompt of both arms"),
    ],
)
def test_rows_that_can_not_be_compared_are_refused(spoil, message):
    with pytest.raises(AtomError, match=message):
        compare(spoil(rows()))


def test_samples_without_a_score_are_left_out_and_counted():
    table = rows()
    table.loc[0, "score"] = None
    assert compare(table)["kinematic"]["left_out"]["samples_without_score"] == 1


def test_kappa_is_that_of_a_worked_example():
    """20 both yes, 5 only the first, 10 only the second, 15 both no: 0.4 (Cohen's kappa on Wikipedia)."""
    first = np.repeat([True, True, False, False], [20, 5, 10, 15])
    second = np.repeat([True, False, True, False], [20, 5, 10, 15])
    assert cohens_kappa(first, second) == pytest.approx(0.4)
    assert np.isnan(cohens_kappa(np.ones(4), np.ones(4)))


def test_agreement_of_judges_that_say_the_same_is_one_and_of_strangers_about_zero():
    table = rows()
    same = agreement(pd.concat([table, table.assign(judge="copy")]), resamples=50)
    assert same[0]["judges"] == ["kinematic", "copy"] and same[0]["n"] == len(table)
    assert same[0]["kappa"] == pytest.approx(1) and same[0]["spearman"] == pytest.approx(1)
    rng = np.random.default_rng(0)
    stranger = table.assign(judge="stranger", exact=rng.random(len(table)) < 0.5, score=rng.normal(size=len(table)))
    (found,) = agreement(pd.concat([table, stranger]), resamples=200)
    assert found["kappa_low"] < 0 < found["kappa_high"] and abs(found["spearman"]) < 0.2


def test_gains_are_grouped_by_the_number_of_events():
    numbers = {f"p{n}": 1 + n % 4 if n < 40 else 7 for n in range(60)}
    table = rows().assign(events=lambda table: table["prompt_id"].map(numbers))
    figures = compare(table)["kinematic"]
    assert [figures[name]["n"] for name in EVENT_GROUPS] == [10, 10, 10, 30]
    for name, (fewest, most) in EVENT_GROUPS.items():
        alone = compare(table[table["events"].between(fewest, most)])["kinematic"]["overall"]
        assert figures[name] == alone and figures[name]["verdict"] == "better"
    assert list(figures).index("events_1") == list(figures).index("frequency") + 1
    without = compare(rows())["kinematic"]
    assert without == {name: figure for name, figure in figures.items() if name not in EVENT_GROUPS}


def test_a_small_group_is_called_too_few_and_an_empty_one_is_absent():
    numbers = {f"p{n}": 3 if n < MIN_PROMPTS - 1 else 2 for n in range(60)}
    figures = compare(rows().assign(events=lambda table: table["prompt_id"].map(numbers)))["kinematic"]
    assert (figures["events_3"]["n"], figures["events_3"]["verdict"]) == (MIN_PROMPTS - 1, "too few prompts")
    assert "events_1" not in figures and "events_4_or_more" not in figures


def test_a_judge_without_any_score_is_left_out():
    blind = rows().assign(judge="blind", score=np.nan, exact=None)
    assert list(compare(pd.concat([rows(), blind]))) == ["kinematic"]
    assert compare(blind) == {}


def test_judges_that_share_no_motion_or_give_no_exact_match_have_no_kappa():
    table = rows()
    first, second = table["prompt_id"] < "p3", table["prompt_id"] >= "p3"
    apart = [
        table.assign(score=table["score"].where(first)),
        table.assign(score=table["score"].where(second), judge="b"),
    ]
    (found,) = agreement(pd.concat(apart), resamples=20)
    assert found["n"] == 0 and found["kappa"] is None and found["spearman"] is None
    (found,) = agreement(pd.concat([table, table.assign(judge="b", exact=None)]), resamples=20)
    assert (found["n"], found["kappa"], found["kappa_low"]) == (len(table), None, None)
    assert found["spearman"] == pytest.approx(1)
