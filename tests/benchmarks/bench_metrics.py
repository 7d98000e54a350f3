"""How long the metrics of text-to-motion take beyond the embeddings, and FID beside the way by a matrix square root.

Run `python tests/benchmarks/bench_metrics.py`. HumanML3D's test split has about 4,384 motions.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.linalg
import torch

from atom.evaluation.evaluator.guo import load_guo
from atom.evaluation.metrics import frechet_distance, gaussian, text_to_motion_metrics

sys.path.append(str(Path(__file__).parents[1]))
from humanml3d_files import write_evaluator

TEXTS, DIMENSIONS, REPLICATIONS, CLIPS = 4384, 512, 20, 128


def fid_by_square_root(mean1: np.ndarray, cov1: np.ndarray, mean2: np.ndarray, cov2: np.ndarray) -> float:
    """As the peers compute it."""
    root = scipy.linalg.sqrtm(cov1 @ cov2).real
    return float(((mean1 - mean2) ** 2).sum() + np.trace(cov1) + np.trace(cov2) - 2 * np.trace(root))


def seconds(work: Callable[[], object], repeats: int = 3) -> float:
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def main() -> None:
    rng = np.random.default_rng(0)
    texts, real, made = rng.normal(size=(3, TEXTS, DIMENSIONS)).astype(np.float32)
    took = seconds(lambda: text_to_motion_metrics(texts, real, made[:, None], replications=REPLICATIONS), 1)
    print(f"{REPLICATIONS} replications of {TEXTS:,} texts in {DIMENSIONS} dimensions: {took:.1f} s")
    pair = (*gaussian(real), *gaussian(made))
    ours, plain = seconds(lambda: frechet_distance(*pair)), seconds(lambda: fid_by_square_root(*pair))
    print(f"FID: {1000 * ours:.0f} ms, through a matrix square root {1000 * plain:.0f} ms: {plain / ours:.1f} x")
    clips = [rng.normal(size=(length, 263)).astype(np.float32) for length in rng.integers(40, 197, CLIPS)]
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder) / "t2m"
        write_evaluator(files)
        guo = load_guo(files / "finest.tar", files, np.zeros(263, np.float32), np.ones(263, np.float32))
        took = seconds(lambda: guo.embed_motions(clips))
    print(f"Guo's evaluator at full size on one thread: {CLIPS / took:.0f} motions/s of 40 to 196 frames")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
