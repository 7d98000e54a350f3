"""How often tuned motions beat base ones: each held-out prompt is won, tied or lost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from atom.evaluation.bootstrap import mean, paired_bootstrap
from atom.evaluation.comparison import BASE, TUNED
from atom.events import TASKS


def win_rates(rows: pd.DataFrame, *, resamples: int = 2000, seed: int = 0) -> list[dict[str, Any]]:
    """For each judge, overall and by task, the shares of prompts that the tuned model wins, ties and loses.

    `rows` are as `compare` takes them. A prompt is won where the mean score of its tuned motions is above that of its
    base motions. Gives dicts of `judge`, `task` ("overall" first), `n` prompts, and `wins`, `ties`, `losses`, each
    `{share, low, high}` with the 95 % interval of the paired bootstrap over prompts of `compare`.
    """
    found = []
    for judge, seen in rows.groupby("judge", sort=False):
        scored = seen[seen["score"].notna()]
        for task in ("overall", *TASKS):
            of_task = scored if task == "overall" else scored[scored["task"] == task]
            arms = [of_task[of_task["arm"] == arm].groupby("prompt_id")["score"].mean() for arm in (BASE, TUNED)]
            before, after = pd.concat(arms, axis=1, join="inner").to_numpy(np.float64).T
            if not len(before):
                continue
            tied = np.isclose(before, after)
            outcomes = {"wins": (after > before) & ~tied, "ties": tied, "losses": (after < before) & ~tied}
            shares = {name: _share(won, resamples, seed) for name, won in outcomes.items()}
            found.append({"judge": str(judge), "task": task, "n": len(before), **shares})
    return found


def _share(values: np.ndarray, resamples: int, seed: int) -> dict[str, float]:
    nothing = mean(np.zeros(len(values)))
    found = paired_bootstrap(nothing, mean(values), len(values), resamples=resamples, seed=seed)
    return {"share": found.tuned, "low": found.gain_low, "high": found.gain_high}
