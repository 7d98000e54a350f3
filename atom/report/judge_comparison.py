"""A comparison of all judges of the same motions, people included."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import combinations
from typing import Any

import pandas as pd

from atom.evaluation.agreement import pair_accuracy, share, spearman, weighted_kappa
from atom.evaluation.resampling import PromptBootstrap

COLUMNS = ("motion_id", "prompt_id", "judge", "score", "exact", "cost", "seconds")


def compare_judge_scores(rows: pd.DataFrame, *, resamples: int = 2000, seed: int = 0) -> dict[str, Any]:
    """Compares the scores of judges and measures how far they agree.

    Args:
        rows: one row per motion and judge: `motion_id, prompt_id, judge, score` (1 to 5; missing where the judge gave
            none), `exact` (bool or missing), `cost` (US dollars; missing where unknown) and `seconds` it took.
        resamples: of the bootstrap over prompts.
        seed: of the bootstrap.

    Returns:
        An object ready for JSON:

        - `judges`, by name: the number of `motions` and of `prompts`; `unscored`, the share of motions without a score;
          the mean `score` of the others (a figure); `cost` and `seconds` per motion. The cost is None if it is unknown
          for any motion.
        - `pairs`, for each two judges `judges`, over the `n` motions of `prompts` prompts that both scored:
          `weighted_kappa` and `spearman` of the scores; `exact_kappa`, Cohen's kappa on exact match; and
          `pair_accuracy`: of the pairs of motions of one prompt to which the first judge gives different scores, the
          share that the second puts in the same order, ties as half. `pair_accuracy_turned` is the same with the
          judges swapped.

        A figure is `{value, interval}`, None where undefined; [low, high] is the 95 % interval of a bootstrap over
        prompts, None for fewer than six prompts.
    """
    by_judge = {str(name): table.set_index("motion_id") for name, table in rows.groupby("judge", sort=False)}
    return {
        "judges": {name: _summarise_judge(table, resamples, seed) for name, table in by_judge.items()},
        "pairs": [
            {"judges": list(names), **_measure_agreement(*(by_judge[name] for name in names), resamples, seed)}
            for names in combinations(by_judge, 2)
        ],
    }


def _summarise_judge(table: pd.DataFrame, resamples: int, seed: int) -> dict[str, Any]:
    scored = table[table["score"].notna()]
    bootstrap = PromptBootstrap(scored["prompt_id"], resamples, seed)
    cost = table["cost"].astype(float)
    return {
        "motions": len(table),
        "prompts": table["prompt_id"].nunique(),
        "unscored": round(1 - len(scored) / len(table), 4),
        "score": bootstrap.figure(partial(share, scored["score"].to_numpy(float))),
        "cost": None if cost.isna().any() else float(cost.mean()),
        "seconds": round(float(table["seconds"].mean()), 4),
    }


def _measure_agreement(first: pd.DataFrame, second: pd.DataFrame, resamples: int, seed: int) -> dict[str, Any]:
    both = first.join(second[["score", "exact"]].add_suffix("_other"), how="inner")
    both = both.dropna(subset=["score", "score_other"])
    prompts = both["prompt_id"].to_numpy()
    one, other = both["score"].to_numpy(float), both["score_other"].to_numpy(float)
    has_exact = both[["exact", "exact_other"]].notna().all(axis=1).to_numpy()
    exact = (both[has_exact][name].to_numpy(bool) + 1 for name in ("exact", "exact_other"))
    bootstrap = PromptBootstrap(prompts, resamples, seed)
    figures: Mapping[str, dict[str, Any]] = {
        "weighted_kappa": bootstrap.figure(partial(weighted_kappa, one, other)),
        "spearman": bootstrap.figure(partial(spearman, one, other)),
        "exact_kappa": bootstrap.figure(
            partial(weighted_kappa, *exact, 2), has_exact
        ),  # with two levels it is Cohen's kappa
        "pair_accuracy": bootstrap.figure(partial(pair_accuracy, one, other, prompts)),
        "pair_accuracy_turned": bootstrap.figure(partial(pair_accuracy, other, one, prompts)),
    }
    return {"n": len(both), "prompts": bootstrap.prompts, **figures}
