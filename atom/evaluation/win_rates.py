"""Win rates: each held-out prompt is a win, a tie or a loss of the tuned model against the base model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from atom.evaluation.bootstrap import mean_statistic, paired_bootstrap
from atom.evaluation.comparison import BASE, TUNED
from atom.events import TASKS


def win_rates(rows: pd.DataFrame, *, resamples: int = 2000, seed: int = 0) -> list[dict[str, Any]]:
    """Compute the shares of prompts that the tuned model wins, ties and loses.

    A prompt is won where the mean score of its tuned motions is above that of its base motions.

    Args:
        rows: evaluation rows, as `compare` takes them.
        resamples: of the paired bootstrap over prompts.
        seed: of the bootstrap.

    Returns:
        For each judge and task ("overall" first) a dict of `judge`, `task`, `n` prompts, and `wins`, `ties` and
        `losses`, each `{share, low, high}` with the 95 % interval.
    """
    found = []
    for judge, judge_rows in rows.groupby("judge", sort=False):
        scored = judge_rows[judge_rows["score"].notna()]
        for task in ("overall", *TASKS):
            task_rows = scored if task == "overall" else scored[scored["task"] == task]
            arms = [task_rows[task_rows["arm"] == arm].groupby("prompt_id")["score"].mean() for arm in (BASE, TUNED)]
            before, after = pd.concat(arms, axis=1, join="inner").to_numpy(np.float64).T
            if not len(before):
                continue
            tied = np.isclose(before, after)
            outcomes = {"wins": (after > before) & ~tied, "ties": tied, "losses": (after < before) & ~tied}
            shares = {name: _share(outcome, resamples, seed) for name, outcome in outcomes.items()}
            found.append({"judge": str(judge), "task": task, "n": len(before), **shares})
    return found


def _share(values: np.ndarray, resamples: int, seed: int) -> dict[str, float]:
    # Against a base of zeros the gain of the paired bootstrap is the share itself.
    zeros = mean_statistic(np.zeros(len(values)))
    difference = paired_bootstrap(zeros, mean_statistic(values), len(values), resamples=resamples, seed=seed)
    return {"share": difference.tuned, "low": difference.gain_low, "high": difference.gain_high}
