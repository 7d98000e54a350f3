"""Agreement among raters is what well-known packages say, on random and on degenerate ratings.

Where the packages are not installed their recorded numbers stand in: krippendorff 0.9.0, statsmodels 0.15.0 and
scikit-learn 1.9.1, with NumPy 2.4.6.
"""

import numpy as np
import pytest

from atom.errors import AtomError
from atom.evaluation.agreement import fleiss_kappa, krippendorff_alpha, weighted_kappa

# seed: Fleiss' kappa (statsmodels), alpha nominal and ordinal (krippendorff), quadratic kappa (scikit-learn, and
# statsmodels says the same)
RECORDED = {
    0: (0.3023961177, 0.4761259226, 0.4593919292, 0.3046357616),
    1: (0.2619553129, 0.2738018483, 0.2752409615, 0.4497095689),
    2: (0.2886484320, 0.3183856502, 0.3124425380, 0.4669690955),
}


def ratings(seed, raters, units, levels, noise, missing):
    """(raters, units) of 1..levels around one truth, nan where missing."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(1, levels + 1, units)
    drawn = rng.random((raters, units)) < noise
    given = np.where(drawn, rng.integers(1, levels + 1, (raters, units)), truth).astype(float)
    given[rng.random(given.shape) < missing] = np.nan
    return given


def counts(given, levels):
    return (given[..., None] == np.arange(1, levels + 1)).sum(0)


@pytest.mark.parametrize("seed", RECORDED)
def test_the_recorded_numbers_of_the_packages(seed):
    full, some = ratings(seed, 4, 25, 3, 0.5, 0), ratings(seed, 4, 25, 5, 0.4, 0.3)
    found = (
        fleiss_kappa(counts(full, 3)),
        krippendorff_alpha(some, "nominal"),
        krippendorff_alpha(some, "ordinal"),
        weighted_kappa(*ratings(seed, 2, 40, 5, 0.5, 0)),
    )
    assert found == pytest.approx(RECORDED[seed], abs=1e-9)


def test_fleiss_kappa_is_that_of_the_published_example():
    """Fourteen raters, ten units, five categories: the worked example of Wikipedia, 0.210."""
    table = [[0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
             [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7]]  # fmt: skip
    assert fleiss_kappa(table) == pytest.approx(0.210, abs=5e-4)


def test_a_weight_counts_a_unit_as_often():
    table, times = counts(ratings(3, 3, 12, 3, 0.5, 0), 3), np.arange(12) % 4
    assert fleiss_kappa(table, weights=times) == pytest.approx(fleiss_kappa(np.repeat(table, times, axis=0)))


@pytest.mark.parametrize("table", [np.zeros((0, 3)), [[3, 0]], [[3, 0], [3, 0]]])
def test_without_two_categories_fleiss_kappa_is_undefined(table):
    assert np.isnan(fleiss_kappa(table))


@pytest.mark.parametrize("table", [[[1, 2], [1, 1]], [[1, 0], [0, 1]], [[0, 0]]])
def test_unequal_or_single_raters_are_refused(table):
    with pytest.raises(AtomError, match="the same number of raters for every unit, two at least"):
        fleiss_kappa(table)


def settings():
    """Random ones, and degenerate ones: one level, one unit, all agree, all at random."""
    rng = np.random.default_rng(7)
    for seed in range(60):
        yield seed, int(rng.integers(2, 6)), int(rng.integers(1, 40)), int(rng.integers(1, 6)), rng.choice([0, 0.5, 1])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # theirs, where they divide by nothing
def test_fleiss_and_weighted_kappa_are_those_of_statsmodels():
    theirs = pytest.importorskip("statsmodels.stats.inter_rater", reason="statsmodels is missing")
    for seed, raters, units, levels, noise in settings():
        given = ratings(seed, raters, units, levels, noise, 0)
        table = counts(given, levels)
        assert fleiss_kappa(table) == pytest.approx(theirs.fleiss_kappa(table), abs=1e-12, nan_ok=True), seed
        confusion = np.histogram2d(*given[:2], bins=[np.arange(0.5, 6)] * 2)[0]
        expected = theirs.cohens_kappa(confusion, wt="quadratic", return_results=False)
        assert weighted_kappa(*given[:2]) == pytest.approx(expected, abs=1e-12, nan_ok=True), seed


def test_alpha_is_that_of_the_package_krippendorff():
    theirs = pytest.importorskip("krippendorff", reason="krippendorff is missing")
    undefined = 0
    for seed, raters, units, levels, noise in settings():
        given = ratings(seed, raters, units, levels, noise, 0.3)
        for metric in ("nominal", "ordinal", "interval"):
            try:
                expected = theirs.alpha(given, level_of_measurement=metric)
            except ValueError:  # it refuses what has fewer than two values, or no pair
                expected, undefined = np.nan, undefined + 1
            assert krippendorff_alpha(given, metric) == pytest.approx(expected, abs=1e-12, nan_ok=True), seed
    assert 0 < undefined < 90
