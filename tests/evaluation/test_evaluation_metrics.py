"""The metrics of text-to-motion: the peers' numbers, and what must hold for sets whose truth is known."""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from atom.errors import AtomError
from atom.evaluation.metrics import (
    Interval,
    diversity,
    euclidean_distances,
    fit_gaussian,
    frechet_distance,
    multimodality,
    r_precision,
    retrieval_ranks,
    text_to_motion_metrics,
)

METRICS = {"r_precision_1", "r_precision_2", "r_precision_3", "matching", "fid", "diversity"}


@pytest.fixture(scope="module")
def peer(shared):
    return np.load(shared / "parity/metrics.npz", allow_pickle=False)


@pytest.fixture(scope="module")
def pools(peer):
    """Distances in the fixture's four pools of 32."""
    return np.stack(
        [euclidean_distances(peer["text"][i : i + 32], peer["motion"][i : i + 32]) for i in range(0, 128, 32)]
    )


def test_distances_and_retrieval_are_the_peers(peer, pools):
    np.testing.assert_allclose(pools, peer["dist"], atol=1e-5)
    ranks = retrieval_ranks(pools)
    np.testing.assert_array_equal(ranks[..., None] < [1, 2, 3], peer["top_k"])
    np.testing.assert_array_equal(r_precision(ranks), peer["r_precision"])
    matching = np.diagonal(pools, axis1=1, axis2=2)
    np.testing.assert_allclose(matching.ravel(), peer["matching_per_pair"], atol=1e-5)
    assert matching.mean() == pytest.approx(float(peer["matching_score_trace"]), abs=1e-5)


def test_nan_distances_are_ranked_as_in_the_peers_and_ours_have_none(peer):
    """In single precision the peers get nan between equal rows, which their sort puts last."""
    ours = euclidean_distances(peer["same"], peer["same"])
    assert not np.diagonal(ours).any() and (retrieval_ranks(ours) == 0).all()
    theirs = ours.copy()
    np.fill_diagonal(theirs, peer["same_dist_diagonal"])
    assert np.isnan(theirs).any()
    np.testing.assert_array_equal(retrieval_ranks(theirs)[:, None] < [1, 2, 3], peer["same_top_k"])


def test_frechet_distances_are_the_peers(peer):
    sets = {"real": peer["real"], "fake": peer["fake"], "few": peer["fake"][: int(peer["few_rows"])]}
    found = {name: fit_gaussian(rows) for name, rows in sets.items()}
    for name, (mean, covariance) in found.items():
        np.testing.assert_allclose(mean, peer[f"{name}_mu"], atol=1e-6)
        np.testing.assert_allclose(covariance, peer[f"{name}_cov"], atol=1e-6)
    for pair in ("real_fake", "fake_real", "real_real", "real_few"):
        one, other = pair.split("_")
        assert frechet_distance(*found[one], *found[other]) == pytest.approx(float(peer[f"fid_{pair}"]), abs=1e-4)


def test_diversity_and_multimodality_are_the_peers(peer):
    rng = np.random.RandomState(int(peer["diversity_seed"]))
    assert diversity(peer["real"], 300, rng) == pytest.approx(float(peer["diversity_300"]), abs=1e-5)
    rng = np.random.RandomState(int(peer["multimodality_seed"]))
    found = multimodality(peer["multimodality_input"], 10, rng)
    assert found == pytest.approx(float(peer["multimodality_10"]), abs=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(2, 30), st.integers(2, 30))
def test_the_frechet_distance_is_a_distance(seed, size, rows, other_rows):
    """Fewer rows than numbers in a row give singular covariances."""
    rng = np.random.default_rng(seed)
    one, other = (fit_gaussian(rng.normal(size=(n, size)) @ rng.normal(size=(size, size))) for n in (rows, other_rows))
    found = frechet_distance(*one, *other)
    assert found == pytest.approx(frechet_distance(*other, *one), abs=1e-9, rel=1e-9)
    assert found >= np.sum((one[0] - other[0]) ** 2) - 1e-9
    assert frechet_distance(*one, *one) == pytest.approx(0, abs=1e-9 * max(1, np.trace(one[1])))
    turn = scipy.linalg.qr(rng.normal(size=(size, size)))[0]
    turned = [(mean @ turn, turn.T @ covariance @ turn) for mean, covariance in (one, other)]
    assert frechet_distance(*turned[0], *turned[1]) == pytest.approx(found, abs=1e-8, rel=1e-8)


def test_the_frechet_distance_has_its_closed_forms():
    rng = np.random.default_rng(0)
    mean, covariance = fit_gaussian(rng.normal(size=(200, 8)) @ rng.normal(size=(8, 8)))
    shift = rng.normal(size=8)
    assert frechet_distance(mean, covariance, mean + shift, covariance) == pytest.approx(shift @ shift)
    one, other = np.array([4.0, 0, 9, 0]), np.array([1.0, 4, 0, 0])  # deviations 2 0 3 0 and 1 2 0 0
    assert frechet_distance(np.zeros(4), np.diag(one), np.zeros(4), np.diag(other)) == pytest.approx(1 + 4 + 9)
    assert frechet_distance(np.zeros(4), np.zeros((4, 4)), np.zeros(4), np.diag(other)) == pytest.approx(5)
    root = scipy.linalg.sqrtm(covariance @ np.diag(np.arange(1.0, 9)))
    expected = np.trace(covariance) + 36 - 2 * np.trace(root).real
    assert frechet_distance(mean, covariance, mean, np.diag(np.arange(1.0, 9))) == pytest.approx(expected, abs=1e-8)


def test_few_rows_of_many_numbers_add_no_noise():
    """Of 200 directions 160 are empty. The rows themselves are a root of their covariance, free of rounding."""
    rng = np.random.default_rng(6)
    rows, deviations = 100 * rng.normal(size=(41, 200)), np.linspace(1, 1000, 200)
    centred = (rows - rows.mean(0)) / np.sqrt(40)
    overlap = np.linalg.norm(centred * deviations, "nuc")
    mean, covariance = fit_gaussian(rows)
    expected = np.trace(covariance) + np.sum(deviations**2) - 2 * overlap
    assert frechet_distance(mean, covariance, mean, np.diag(deviations**2)) == pytest.approx(expected, rel=1e-12)


def test_r_precision_of_a_perfect_a_random_and_a_collapsed_model():
    rng = np.random.default_rng(0)
    texts, strangers = rng.normal(size=(2, 3200, 16))
    strange = text_to_motion_metrics(texts, texts, strangers[:, None], replications=5)
    for k in (1, 2, 3):
        assert strange["real"][f"r_precision_{k}"] == Interval(1, 0, 5)
        assert strange["generated"][f"r_precision_{k}"].mean == pytest.approx(k / 32, abs=0.01)
        collapsed = r_precision(retrieval_ranks(euclidean_distances(texts[:32], np.ones((32, 16)))))
        assert collapsed[k - 1] == k / 32  # one motion for all texts must not pass for the nearest of each
    assert strange["real"]["matching"] == Interval(0, 0, 5)
    assert strange["real"]["fid"].mean == pytest.approx(0, abs=1e-9)


def test_matched_pairs_may_come_in_any_order():
    rng = np.random.default_rng(1)
    texts = rng.normal(size=(640, 8))
    real, generated = texts + rng.normal(size=(2, 640, 8))
    shuffled = rng.permutation(640)
    here = text_to_motion_metrics(texts, real, generated[:, None])
    there = text_to_motion_metrics(texts[shuffled], real[shuffled], generated[shuffled][:, None])
    for name in ("real", "generated"):
        for metric in METRICS:
            one, other = here[name][metric], there[name][metric]
            assert abs(one.mean - other.mean) <= one.half_width + other.half_width + 1e-9, metric
    assert here["generated"]["matching"].mean == pytest.approx(np.linalg.norm(texts - generated, axis=1).mean())


def test_known_gaussians_give_their_distance():
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(20000, 10))
    between = np.linalg.norm(rows[::2] - rows[1::2], axis=1).mean()
    assert diversity(rows, 5000, rng) == pytest.approx(between, rel=0.02)
    motions = rng.normal(size=(500, 5, 10))
    found = np.mean([multimodality(motions, 5, rng) for _ in range(200)])
    assert found == pytest.approx((1 - 1 / 5) * between, rel=0.05)  # one draw in five meets itself
    assert multimodality(motions, 10, rng) == pytest.approx(between, rel=0.02)  # too few to draw from: all pairs
    assert multimodality(np.repeat(motions[:, :1], 5, axis=1), 10, rng) == 0


def test_few_rows_give_as_many_pairs_as_they_can():
    rows = np.arange(4.0)[:, None]
    draws = np.random.RandomState(5)
    first, second = draws.choice(4, 4, replace=False), draws.choice(4, 4, replace=False)
    assert diversity(rows, 300, np.random.RandomState(5)) == np.abs(first - second).mean()


def test_an_interval_is_guos():
    assert Interval.from_values([1, 3]) == Interval(2, 1.96 * 1 / np.sqrt(2), 2)  # np.std, ddof 0


def test_samples_take_turns_and_each_set_has_its_fid():
    rng = np.random.default_rng(3)
    texts, real = rng.normal(size=(2, 64, 6))
    generated = rng.normal(size=(64, 3, 6)) * [[[1], [2], [3]]]
    found = text_to_motion_metrics(texts, real, generated, replications=4)
    fids = [frechet_distance(*fit_gaussian(real), *fit_gaussian(generated[:, sample])) for sample in (0, 1, 2, 0)]
    assert found["generated"]["fid"] == Interval.from_values(fids)
    single = text_to_motion_metrics(texts, real, generated[:, :1], replications=4)
    assert single["generated"]["fid"] == Interval(fids[0], 0, 4)
    assert set(found["generated"]) == METRICS | {"multimodality"}
    assert set(found["real"]) == set(single["real"]) == set(single["generated"]) == METRICS


def test_the_seed_decides_and_the_model_does_not_change_what_is_drawn():
    rng = np.random.default_rng(4)
    texts, real = rng.normal(size=(2, 100, 6))
    one, other = rng.normal(size=(100, 3, 6)), rng.normal(size=(100, 1, 6))
    assert text_to_motion_metrics(texts, real, one, seed=7) == text_to_motion_metrics(texts, real, one, seed=7)
    here, there = (text_to_motion_metrics(texts, real, g, diversity_pairs=20) for g in (one, other))
    assert here["real"] == there["real"]
    assert here["real"]["matching"].half_width > 0  # 4 of 100 are left out, others each time
    other_seed = text_to_motion_metrics(texts, real, one, seed=1, diversity_pairs=20)["real"]
    assert all(other_seed[metric] != here["real"][metric] for metric in ("matching", "diversity"))


def test_the_incomplete_pool_is_dropped():
    """With 63 rows only 32 count: a far-off text is in about half of the replications."""
    rng = np.random.default_rng(5)
    texts = rng.normal(size=(63, 4))
    motions = texts.copy()
    motions[0] += 32.0
    found = text_to_motion_metrics(texts, motions, motions[:, None], replications=100)["real"]["matching"]
    assert found.mean == pytest.approx(64 / 32 * 32 / 63, rel=0.25)  # the shift of 64 in a pool of 32
    assert found.half_width == pytest.approx(1.96 * np.sqrt(32 * 31) / 63 * 2 / 10, rel=0.1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t, r, g: (t[:31], r[:31], g[:31]), "31 texts don't fill one pool of 32"),
        (lambda t, r, g: (t, r[:39], g), r"\(39, 4\).*don't fit"),
        (lambda t, r, g: (t, r, g[:, 0]), "don't fit"),
        (lambda t, r, g: (t, r, g[..., :3]), "don't fit"),
        (lambda t, r, g: (t, r, g[:, :0]), "no generated motion"),
        (lambda t, r, g: (t, r, np.where(np.arange(40)[:, None, None] == 7, np.nan, g)), "generated motion 7 is not"),
    ],
)
def test_what_can_not_be_measured_is_refused(change, message):
    t, r = np.random.default_rng(0).normal(size=(2, 40, 4))
    with pytest.raises(AtomError, match=message):
        text_to_motion_metrics(*change(t, r, r[:, None].repeat(2, axis=1)))
    with pytest.raises(AtomError, match="no covariance"):
        fit_gaussian(t[:1])
