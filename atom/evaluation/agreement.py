"""How far two judges agree on the same motions, beyond what chance would give."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import spearmanr


def cohens_kappa(first: np.ndarray, second: np.ndarray) -> float:
    """Agreement of two yes/no judgements (n,) beyond chance (Cohen 1960); nan where both always say the same."""
    first, second = np.asarray(first, bool), np.asarray(second, bool)
    chance = first.mean() * second.mean() + (1 - first.mean()) * (1 - second.mean())
    return float((np.mean(first == second) - chance) / (1 - chance)) if chance < 1 else float("nan")


def agreement(rows: pd.DataFrame, *, resamples: int = 1000, seed: int = 0) -> list[dict[str, Any]]:
    """For each two judges in evaluation rows (`judge, motion_id, prompt_id, score, exact`): Cohen's kappa on exact
    match with its 95 % bootstrap interval over prompts, Spearman's rank correlation of the scores, and `n` motions."""
    found = []
    for first, second in combinations(rows["judge"].unique(), 2):
        sides = [rows[rows["judge"] == judge].set_index("motion_id") for judge in (first, second)]
        both = sides[0].join(sides[1][["score", "exact"]], rsuffix="_other", how="inner").dropna(subset=["score_other"])
        one, other = both["exact"].to_numpy(bool), both["exact_other"].to_numpy(bool)
        prompts = list(both.reset_index().groupby("prompt_id").indices.values())
        rng = np.random.default_rng(seed)
        drawn = []
        for _ in range(resamples):
            picked = np.concatenate([prompts[i] for i in rng.integers(len(prompts), size=len(prompts))])
            drawn.append(cohens_kappa(one[picked], other[picked]))
        low, high = np.nanquantile(drawn, [0.025, 0.975]) if np.isfinite(drawn).any() else (np.nan, np.nan)
        figures = {
            "kappa": cohens_kappa(one, other),
            "kappa_low": float(low),
            "kappa_high": float(high),
            "spearman": float(spearmanr(both["score"], both["score_other"]).statistic),
        }
        found.append(
            {"judges": [first, second], "n": len(both)}
            | {name: value if np.isfinite(value) else None for name, value in figures.items()}
        )
    return found
