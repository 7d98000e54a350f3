"""All judges of the same motions, people among them, held against each other."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import combinations
from typing import Any

import pandas as pd

from atom.evaluation.agreement import pair_accuracy, share, spearman, weighted_kappa
from atom.evaluation.resampling import PromptResamples

COLUMNS = ("motion_id", "prompt_id", "judge", "score", "exact", "cost", "seconds")


def compare_judge_scores(rows: pd.DataFrame, *, resamples: int = 2000, seed: int = 0) -> dict[str, Any]:
    """What judges make of motions and how far they agree, ready for JSON.

    Args:
        rows: a row a motion and judge: `motion_id, prompt_id, judge, score` (1 to 5; missing where the judge gave
            none), `exact` (bool or missing), `cost` (US dollars; missing where unknown) and `seconds` it took.

    Returns:
        - `judges`, by name: how many `motions` it was given, of how many `prompts`; `unscored`, the share of them
          without a score; the mean `score` of the others (a figure); `cost` and `seconds` a motion, the cost None where
          it is not known of every motion.
        - `pairs`, for each two judges `judges`, over the `n` motions of `prompts` prompts that both scored:
          `weighted_kappa` and `spearman` of the scores, `exact_kappa`, Cohen's kappa on exact match, and of the pairs
          of motions of one prompt to which one judge gives different scores the share that the other puts in the same
          order, ties as half: `pair_accuracy` with the first judge's order as the true one, `pair_accuracy_turned`
          with the second's.

    A figure is `{value, interval}`, None where undefined; the interval [low, high] holds 95 % of a bootstrap over
    prompts and is None with fewer than six.
    """
    by_judge = {str(name): table.set_index("motion_id") for name, table in rows.groupby("judge", sort=False)}
    return {
        "judges": {name: _alone(table, resamples, seed) for name, table in by_judge.items()},
        "pairs": [
            {"judges": list(names), **_together(*(by_judge[name] for name in names), resamples, seed)}
            for names in combinations(by_judge, 2)
        ],
    }


def _alone(table: pd.DataFrame, resamples: int, seed: int) -> dict[str, Any]:
    scored = table[table["score"].notna()]
    drawn = PromptResamples(scored["prompt_id"], resamples, seed)
    cost = table["cost"].astype(float)
    return {
        "motions": len(table),
        "prompts": table["prompt_id"].nunique(),
        "unscored": round(1 - len(scored) / len(table), 4),
        "score": drawn.figure(partial(share, scored["score"].to_numpy(float))),
        "cost": None if cost.isna().any() else float(cost.mean()),
        "seconds": round(float(table["seconds"].mean()), 4),
    }


def _together(first: pd.DataFrame, second: pd.DataFrame, resamples: int, seed: int) -> dict[str, Any]:
    both = first.join(second[["score", "exact"]].add_suffix("_other"), how="inner")
    both = both.dropna(subset=["score", "score_other"])
    prompts = both["prompt_id"].to_numpy()
    one, other = both["score"].to_numpy(float), both["score_other"].to_numpy(float)
    told = both[["exact", "exact_other"]].notna().all(axis=1).to_numpy()
    exact = (both[told][name].to_numpy(bool) + 1 for name in ("exact", "exact_other"))
    drawn = PromptResamples(prompts, resamples, seed)
    figures: Mapping[str, dict[str, Any]] = {
        "weighted_kappa": drawn.figure(partial(weighted_kappa, one, other)),
        "spearman": drawn.figure(partial(spearman, one, other)),
        "exact_kappa": drawn.figure(partial(weighted_kappa, *exact, 2), told),  # of two levels it is Cohen's
        "pair_accuracy": drawn.figure(partial(pair_accuracy, one, other, prompts)),
        "pair_accuracy_turned": drawn.figure(partial(pair_accuracy, other, one, prompts)),
    }
    return {"n": len(both), "prompts": drawn.prompts, **figures}
