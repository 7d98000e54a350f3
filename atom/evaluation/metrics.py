"""The metrics of text-to-motion on embeddings, by the protocol of Guo et al. 2022 (text-to-motion, utils/metrics.py).

Row i of the texts belongs to row i of the motions. All sums are in double precision.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Self

import numpy as np
from scipy.linalg.lapack import dpstrf
from scipy.spatial.distance import cdist

from atom.errors import AtomError

Rng = np.random.Generator | np.random.RandomState
MAX_RANK = 3


@dataclass(frozen=True)
class Interval:
    """The 95 % interval of a metric over replications.

    Attributes:
        mean: over the replications.
        half_width: 1.96 std / sqrt(replications), with ddof 0.
        replications: their number.
    """

    mean: float
    half_width: float
    replications: int

    @classmethod
    def from_values(cls, values: Sequence[float]) -> Self:
        """Computes the interval.

        Args:
            values: of the replications.

        Returns:
            The interval.
        """
        return cls(float(np.mean(values)), float(1.96 * np.std(values) / np.sqrt(len(values))), len(values))


def euclidean_distances(texts: np.ndarray, motions: np.ndarray) -> np.ndarray:
    """Compute Euclidean distances, exactly 0 between equal rows.

    Args:
        texts: (n, d).
        motions: (m, d).

    Returns:
        (n, m).
    """
    return cdist(texts, motions)


def retrieval_ranks(distances: np.ndarray) -> np.ndarray:
    """Ranks the true motion of each text among all motions by distance.

    As in Guo's code each row is sorted: of equal distances the earlier motion comes first, nan comes last.

    Args:
        distances: (..., n, n), of each text (row) to each motion.

    Returns:
        (..., n) ranks, 0 for the nearest.
    """
    order = np.argsort(distances, axis=-1, kind="stable")
    return np.argmax(order == np.arange(order.shape[-1])[:, None], axis=-1)


def r_precision(ranks: np.ndarray, top: int = MAX_RANK) -> np.ndarray:
    """R-Precision: the share of texts whose true motion is among the nearest 1, 2, ... `top`.

    Args:
        ranks: of any shape, from `retrieval_ranks`.
        top: the highest rank.

    Returns:
        (top,).
    """
    return np.array([np.mean(ranks < k) for k in range(1, top + 1)])


def fit_gaussian(embeddings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings (n, d) -> mean (d,) and covariance (d, d) with ddof 1, float64. Raises AtomError below 2 rows."""
    if len(embeddings) < 2:
        raise AtomError(f"{len(embeddings)} embeddings have no covariance: give 2 or more")
    embeddings = np.asarray(embeddings, np.float64)
    return embeddings.mean(0), np.atleast_2d(np.cov(embeddings, rowvar=False))


def frechet_distance(mean1: np.ndarray, cov1: np.ndarray, mean2: np.ndarray, cov2: np.ndarray) -> float:
    """The squared Frechet distance of two Gaussians, known as FID (Dowson and Landau 1982).

    Args:
        mean1: (d,), the mean of the first.
        cov1: (d, d), the covariance of the first.
        mean2: (d,), the mean of the second.
        cov2: (d, d), the covariance of the second.

    Returns:
        The squared distance, at least 0.
    """
    # The trace of sqrt(cov1 cov2) is the sum of the singular values of root1^T root2, where cov = root root^T is a
    # Cholesky decomposition that takes the largest pivot first and ends where only rounding is left. That is exact for
    # singular covariances too, where the matrix square root of the product is not, and faster the fewer the rows.
    shift = np.asarray(mean1, np.float64) - mean2
    overlap = np.linalg.norm(_cholesky_root(cov1).T @ _cholesky_root(cov2), "nuc")
    # Rounding can bring the distance of equal distributions below 0.
    return max(0.0, float(shift @ shift + np.trace(cov1) + np.trace(cov2) - 2 * overlap))


def diversity(embeddings: np.ndarray, pairs: int, rng: Rng) -> float:
    """The mean distance of random pairs of embeddings.

    The first and the second rows of the pairs are two draws without replacement, so that a row may meet itself, as in
    Guo's code.

    Args:
        embeddings: (n, d).
        pairs: the number of pairs, at most n.
        rng: draws the pairs.
    """
    first, second = _draw_pairs(len(embeddings), pairs, rng)
    return _mean_distance(embeddings[first], embeddings[second])


def multimodality(embeddings: np.ndarray, pairs: int, rng: Rng) -> float:
    """The mean distance of random pairs of motions of one text.

    The pairs are the same for all texts. They are two draws without replacement, so that a motion meets itself once in
    S times, as in Guo's code with S = 30. With fewer motions than `pairs` that is impossible: then all pairs of
    different motions count once, and nothing is random.

    Args:
        embeddings: (texts, S, d), of S motions for each text.
        pairs: the number of pairs.
        rng: draws the pairs.

    Returns:
        The mean distance over texts and pairs.
    """
    samples = embeddings.shape[1]
    draws = zip(*_draw_pairs(samples, pairs, rng)) if samples >= pairs else combinations(range(samples), 2)
    return float(np.mean([_mean_distance(embeddings[:, one], embeddings[:, other]) for one, other in draws]))


def text_to_motion_metrics(
    texts: np.ndarray,
    real: np.ndarray,
    generated: np.ndarray,
    *,
    replications: int = 20,
    seed: int = 0,
    pool: int = 32,
    diversity_pairs: int = 300,
    multimodality_pairs: int = 10,
) -> dict[str, dict[str, Interval]]:
    """Compute the metrics of text-to-motion by Guo's protocol.

    A replication shuffles the pools, drops the last incomplete one, takes sample `replication mod S` of each text and
    draws new pairs. The draws depend on n and the seed, not on the model, so that two models are compared on the same
    draws. An interval shows this randomness, not the number of texts: with S = 1 that of fid has width 0.

    Args:
        texts: (n, d), the embedded texts.
        real: (n, d), the embedded real motion of each text.
        generated: (n, S, d), the embedded S generated motions of each text.
        replications: the number of replications.
        seed: decides all draws.
        pool: the texts in a pool of R-Precision.
        diversity_pairs: the pairs of `diversity`.
        multimodality_pairs: the pairs of `multimodality`.

    Returns:
        For "real" and "generated" the intervals of r_precision_1 to 3, matching (MM-Dist), fid (against the real
        motions) and diversity; for "generated" also multimodality where S is 2 or more.

    Raises:
        AtomError: for fewer than `pool` texts, shapes that don't fit or numbers that are not finite.
    """
    texts, real, generated = np.asarray(texts), np.asarray(real), np.asarray(generated)
    _check_embeddings(texts, real, generated, pool, replications)
    n, samples, _ = generated.shape
    truth = fit_gaussian(real)
    sampled = [generated[:, sample] for sample in range(min(samples, replications))]
    fids = [frechet_distance(*truth, *fit_gaussian(motions)) for motions in sampled]
    real_fid = frechet_distance(*truth, *truth)

    values: dict[str, dict[str, list[float]]] = {"real": defaultdict(list), "generated": defaultdict(list)}
    for replication in range(replications):
        rng = np.random.default_rng([seed, replication])
        # The last, smaller pool is left out: R-Precision depends on how many texts there are to choose from.
        pools = rng.permutation(n)[: n - n % pool].reshape(-1, pool)
        # Each replication takes another motion of the texts, as long as there are any.
        sample = replication % samples
        for name, motions, fid in (("real", real, real_fid), ("generated", sampled[sample], fids[sample])):
            metric_values = values[name]
            distances = np.stack([euclidean_distances(texts[rows], motions[rows]) for rows in pools])
            for k, share in enumerate(r_precision(retrieval_ranks(distances)), start=1):
                metric_values[f"r_precision_{k}"].append(share)
            metric_values["matching"].append(np.diagonal(distances, axis1=1, axis2=2).mean())
            metric_values["fid"].append(fid)
            metric_values["diversity"].append(diversity(motions, diversity_pairs, rng))
        if samples > 1:
            values["generated"]["multimodality"].append(multimodality(generated, multimodality_pairs, rng))
    return {
        name: {metric: Interval.from_values(v) for metric, v in metric_values.items()}
        for name, metric_values in values.items()
    }


def _cholesky_root(covariance: np.ndarray) -> np.ndarray:
    """A matrix (d, rank) whose product with its transpose is the covariance (d, d), up to rounding."""
    covariance = np.asarray(covariance, np.float64)
    factor, pivots, rank, _ = dpstrf(covariance, lower=True)
    root = np.empty((len(covariance), rank))
    root[pivots - 1] = np.tril(factor)[:, :rank]
    return root


def _draw_pairs(n: int, pairs: int, rng: Rng) -> tuple[np.ndarray, np.ndarray]:
    # Small sets have fewer pairs than the protocol's 300.
    pairs = min(pairs, n)
    return rng.choice(n, pairs, replace=False), rng.choice(n, pairs, replace=False)


def _mean_distance(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.linalg.norm(np.asarray(first, np.float64) - second, axis=-1).mean())


def _check_embeddings(texts: np.ndarray, real: np.ndarray, generated: np.ndarray, pool: int, replications: int) -> None:
    if texts.ndim != 2 or real.shape != texts.shape or generated.ndim != 3 or generated.shape[::2] != texts.shape:
        raise AtomError(
            f"embeddings of texts {texts.shape}, real {real.shape} and generated motions {generated.shape} don't fit: "
            "(n, d), (n, d) and (n, samples, d) are needed"
        )
    if not generated.shape[1]:
        raise AtomError("there is no generated motion: give one or more of each text")
    if len(texts) < pool:
        raise AtomError(f"{len(texts)} texts don't fill one pool of {pool}: give {pool} or more")
    if replications < 1:
        raise AtomError(f"{replications} replications are too few: give 1 or more")
    for name, rows in (("text", texts), ("real motion", real), ("generated motion", generated)):
        is_bad = ~np.isfinite(rows).reshape(len(rows), -1).all(1)
        if is_bad.any():
            raise AtomError(f"the embedding of {name} {np.argmax(is_bad)} is not finite: leave it out or make it again")
