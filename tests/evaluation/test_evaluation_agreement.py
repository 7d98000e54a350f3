"""Measures of agreement against published examples, identities and what chance gives."""

import warnings
from functools import partial

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from atom.errors import AtomError
from atom.evaluation.agreement import (
    agreement,
    cohens_kappa,
    confusion_matrix,
    krippendorff_alpha,
    pair_accuracy,
    round_to_levels,
    share,
    spearman,
    weighted_kappa,
)
from atom.evaluation.comparison import MIN_PROMPTS
from atom.evaluation.resampling import PromptBootstrap

NAN = np.nan
# Four observers and twelve units: Krippendorff (2011), Computing Krippendorff's Alpha-Reliability, example E.
FOUR_OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
    [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
]


def two_judges(units=300, noise=1.0, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(1, 6, units).astype(float)
    return truth, np.clip(truth + noise * rng.normal(size=units), 1, 5)


@pytest.mark.parametrize(("metric", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_is_that_of_the_published_example_with_missing_values(metric, published):
    assert krippendorff_alpha(FOUR_OBSERVERS, metric) == pytest.approx(published, abs=5e-4)


def test_alpha_is_that_of_the_published_examples_of_two_observers():
    """Examples A and C of the same paper: yes and no, and five categories."""
    binary = [[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]]
    assert krippendorff_alpha(binary, "nominal") == pytest.approx(0.095, abs=5e-4)
    named = [[ord(letter) for letter in letters] for letters in ("aabbdcccedda", "babbbccceddd")]
    assert krippendorff_alpha(named, "nominal") == pytest.approx(0.692, abs=5e-4)


def test_an_unknown_metric_is_refused():
    with pytest.raises(AtomError, match="known metrics: nominal, ordinal, interval"):
        krippendorff_alpha(FOUR_OBSERVERS, "ratio")


def test_weighted_kappa_with_two_levels_is_cohens_kappa():
    """The worked example of Cohen's kappa on Wikipedia."""
    first, second = np.repeat([[1, 1, 2, 2], [1, 2, 1, 2]], [20, 5, 10, 15], axis=1)
    assert weighted_kappa(first, second, levels=2) == pytest.approx(0.4)
    assert cohens_kappa(first == 2, second == 2) == pytest.approx(0.4)


def test_weighted_kappa_is_the_correlation_that_also_punishes_a_shift():
    """Quadratic weights make it 2 cov / (var + var + (difference of means)^2), see Fleiss and Cohen 1973."""
    first, second = (round_to_levels(scores) for scores in two_judges())
    covariance = np.cov(first, second, ddof=0)[0, 1]
    shift = (first.mean() - second.mean()) ** 2
    assert weighted_kappa(first, second) == pytest.approx(2 * covariance / (first.var() + second.var() + shift))


def test_scores_are_rounded_with_halves_up_and_kept_within_the_levels():
    assert round_to_levels([0.2, 1.5, 2.4999, 2.5, 4.5, 7]).tolist() == [1, 2, 2, 3, 5, 5]
    assert confusion_matrix([1.5, 2.5, 2.5], [1, 3, 5], levels=5)[1:3].tolist() == [[1, 0, 0, 0, 0], [0, 0, 1, 0, 1]]


def test_spearman_is_that_of_scipy():
    truth, judged = two_judges()
    assert spearman(truth, judged) == pytest.approx(spearmanr(truth, judged).statistic)
    assert spearman(truth, round_to_levels(judged)) == pytest.approx(
        spearmanr(truth, round_to_levels(judged)).statistic
    )


def test_pair_accuracy_counts_pairs_of_one_group_whose_truth_differs():
    truth, groups = [1, 3, 5, 2, 4, 1], ["a", "a", "a", "b", "b", "c"]
    assert pair_accuracy(truth, [1, 3, 5, 2, 4, 5], groups) == 1
    assert pair_accuracy(truth, [5, 3, 1, 4, 2, 5], groups) == 0
    assert pair_accuracy(truth, [2, 2, 5, 1, 1, 5], groups) == (0.5 + 1 + 1 + 0.5) / 4
    assert np.isnan(pair_accuracy([3, 3], [1, 5], ["a", "a"]))


def test_judges_that_say_the_same_agree_fully_and_strangers_not_at_all():
    truth, _ = two_judges(2000)
    groups = np.arange(2000) // 4
    stranger = np.random.default_rng(3).permutation(truth)
    for measure in (weighted_kappa, spearman, lambda a, b: krippendorff_alpha([a, b])):
        assert measure(truth, truth) == pytest.approx(1)
        assert measure(truth, stranger) == pytest.approx(0, abs=0.06)
    assert pair_accuracy(truth, truth, groups) == 1
    assert pair_accuracy(truth, stranger, groups) == pytest.approx(0.5, abs=0.03)


MEASURES = {
    "weighted_kappa": lambda truth, judged, groups, **w: weighted_kappa(truth, judged, **w),
    "spearman": lambda truth, judged, groups, **w: spearman(truth, judged, **w),
    "share": lambda truth, judged, groups, **w: share(truth - judged, **w),
    "pair_accuracy": lambda truth, judged, groups, **w: pair_accuracy(truth, judged, groups, **w),
    **{
        metric: lambda truth, judged, groups, metric=metric, **w: krippendorff_alpha([truth, judged], metric, **w)
        for metric in ("nominal", "ordinal", "interval")
    },
}


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_a_weight_is_how_often_a_unit_is_there(measure):
    truth, judged = two_judges(40)
    judged = np.round(judged, 1)
    groups = np.arange(40) // 4
    drawn = np.random.default_rng(1).multinomial(10, np.full(10, 0.1), size=6)
    figures = measure(truth, judged, groups, weights=drawn[:, groups])
    assert figures.shape == (6,)
    for times, figure in zip(drawn, figures):
        picked = np.concatenate([np.arange(4 * g, 4 * g + 4) for g in np.repeat(np.arange(10), times)])
        copies = np.arange(len(picked)) // 4  # a group drawn twice is two groups
        assert figure == pytest.approx(measure(truth[picked], judged[picked], copies))


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_what_the_units_dont_define_is_nan_without_a_warning(measure):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(measure(np.array([]), np.array([]), np.array([])))
        if measure is not MEASURES["share"]:
            assert np.isnan(measure(np.full(3, 4.0), np.full(3, 4.0), np.zeros(3)))


@pytest.mark.parametrize("judged", [[1, 2], [1, 2, NAN]])
def test_scores_that_dont_fit_each_other_are_refused(judged):
    for measure in (weighted_kappa, spearman, confusion_matrix, lambda a, b: pair_accuracy(a, b, [0, 0, 0])):
        with pytest.raises(AtomError, match="equally long"):
            measure([1, 2, 3], judged)


def test_judges_are_compared_on_the_motions_that_both_scored():
    exact = [False, False, False, True, True, False, False, None]
    one = pd.DataFrame({"judge": "one", "motion_id": range(8), "prompt_id": [0, 0, 1, 1, 2, 2, 3, 3], "exact": exact})
    one["score"] = [1, 2, 3, 4, 5, 1, 2, None]
    other = one.assign(judge="other", score=[1, 2, 3, 4, None, 1, 2, 5])
    constant = one.assign(judge="constant", score=3.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = agreement(pd.concat([one, other, constant]), resamples=20)
    assert [row["n"] for row in found] == [6, 7, 7]
    assert found[0]["spearman"] == pytest.approx(1) and found[1]["spearman"] is None


@pytest.mark.parametrize(("prompts", "has_interval"), [(MIN_PROMPTS - 1, False), (MIN_PROMPTS, True)])
def test_a_figure_has_an_interval_from_six_prompts_on(prompts, has_interval):
    """Units count as often as their prompt was drawn, and one of another prompt than asked for not at all."""
    prompt_ids = [f"p{number}" for number in range(prompts) for _ in range(2)] + ["other"]
    bootstrap = PromptBootstrap(prompt_ids, resamples=400)
    units = np.arange(2 * prompts)
    figure = bootstrap.figure(partial(share, units % 2), units)
    assert figure == {"value": 0.5, "interval": [0.5, 0.5] if has_interval else None}
    assert bootstrap.prompts == prompts + 1 and bootstrap.count(units) == prompts and bootstrap.count([0, 1]) == 1
    assert bootstrap.figure(partial(share, np.array([])), np.array([], int)) == {"value": None, "interval": None}
