"""`atom tune sweep`: settings of the tuning tried side by side, each a run of its own in one store."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from atom.config import RunConfig, load_config
from atom.errors import AtomError
from atom.evaluation.comparison import TUNED, compare
from atom.report.run_tables import RunTables
from flows.clusters import align_where
from storage import Store

FIGURES = ("overall", "integrity", "temporal", "frequency", "exact_match", "length_ratio", "foot_skate", "diversity")
LEAN = (
    "evaluation.baselines=[]",
    "evaluation.metrics=null",
    "evaluation.num_examples=0",
    "rendering.preview_prompts=0",
)
"""What a comparison of settings does without, unless it is asked for."""


@dataclass(frozen=True)
class Trial:
    """One setting: `overrides` as on the command line, and the configs of its runs, which differ in the seed only."""

    overrides: tuple[str, ...]
    configs: tuple[RunConfig, ...]

    @property
    def name(self) -> str:
        """Its overrides without their sections; "defaults" where there is none."""
        return ", ".join(override.split(".", 1)[-1] for override in self.overrides) or "defaults"


def plan_trials(
    base: Sequence[str], grid: Sequence[str], points: Sequence[str], seeds: int, budget: int | None, path: Any = None
) -> list[Trial]:
    """The settings to try, all checked before the first of them runs.

    Args:
        base: overrides of all of them.
        grid: "field=value,value": all combinations are tried.
        points: further settings, each of overrides with spaces between them.
        seeds: runs a setting, with training_seed 0, 1, ...
        budget: most settings; where there are more, the points and some of the grid drawn with a fixed seed.
        path: the config file.

    Raises AtomError that names the setting at fault.
    """
    axes = [_axis(field) for field in grid]
    combinations = [tuple(chosen) for chosen in itertools.product(*axes)] if axes else []
    named = [tuple(point.split()) for point in points]
    if budget is not None and len(named) + len(combinations) > budget:
        kept = max(0, budget - len(named))
        combinations = [combinations[i] for i in sorted(random.Random(0).sample(range(len(combinations)), kept))]
        named = named[:budget]
    settings = list(dict.fromkeys(named + combinations)) or [()]
    trials = []
    for overrides in settings:
        try:
            configs = tuple(
                load_config(path, [*LEAN, *base, *overrides, f"training_seed={seed}", f"name=sweep-{seed}"])
                for seed in range(seeds)
            )
        except AtomError as error:
            raise AtomError(f"the setting {' '.join(overrides) or 'without changes'}: {error}") from None
        trials.append(Trial(overrides, configs))
    return trials


def run_trials(
    trials: Sequence[Trial],
    store: str,
    told: Callable[[pd.DataFrame], None] = lambda table: None,
    failed: Callable[[Trial, AtomError], None] = lambda trial, error: None,
) -> pd.DataFrame:
    """Runs all trials and gives their table (see `summarise`). `told` hears the table as it grows, `failed` of a trial
    that comes to nothing, such as one that diverges; the others go on.

    What the store holds already, such as the pairs that all trials share, is not made again. Raises the AtomError of
    the last trial if none has come to anything.
    """
    rows: list[dict[str, Any]] = []
    last: AtomError | None = None
    for trial in trials:
        try:
            records = [align_where(config, store) for config in trial.configs]
        except AtomError as error:
            last = error
            failed(trial, error)
            continue
        rows += summarise(trial, [RunTables(Store(store), record) for record in records])
        told(pd.DataFrame(rows))
    if last and not rows:
        raise last
    return pd.DataFrame(rows)


def summarise(trial: Trial, runs: Sequence[RunTables]) -> list[dict[str, Any]]:
    """A row a judge and figure: `setting, judge, figure, base, tuned, gain, gain_low, gain_high, n, verdict`, `least`
    and `most` of the gains of the single seeds, `seeds`, and the `seconds` that all tuning stages of a run took.

    The motions of all seeds are compared together, paired by prompt, so the interval is that of the mean over seeds.
    """
    together = pd.concat([run.evaluation.assign(run=number) for number, run in enumerate(runs)])
    samples = int(together["sample"].max()) + 1
    together["sample"] += samples * together["run"]
    pooled = compare(together)
    alone = [compare(run.evaluation, resamples=100) for run in runs]
    seconds = float(np.mean([_tuning_seconds(run) for run in runs]))
    return [
        {"setting": trial.name, "judge": judge, "figure": figure}
        | {key: pooled[judge][figure][key] for key in ("base", TUNED, "gain", "gain_low", "gain_high", "n", "verdict")}
        | {
            "least": min(one[judge][figure]["gain"] for one in alone),
            "most": max(one[judge][figure]["gain"] for one in alone),
            "seeds": len(runs),
            "seconds": seconds,
        }
        for judge in pooled
        for figure in FIGURES
        if pooled[judge].get(figure)
    ]


def ranked(table: pd.DataFrame, figure: str = "overall") -> pd.DataFrame:
    """The rows of a figure, those of the setting first that the first judge likes best."""
    rows = table[table["figure"] == figure]
    first = rows[rows["judge"] == rows["judge"].iloc[0]].sort_values("gain", ascending=False, kind="stable")
    order = {setting: place for place, setting in enumerate(first["setting"])}
    return rows.sort_values("setting", key=lambda names: names.map(order), kind="stable")


def _tuning_seconds(run: RunTables) -> float:
    """What the adapters of all rounds took when they were made; one that is found again has its curve still."""
    ends = []
    for rows in (run.curves(), run.rewards()):
        for row, following in zip(rows, [*rows[1:], None]):
            if following is None or following["seconds"] < row["seconds"]:  # the clock of each round starts anew
                ends.append(row["seconds"])
    return float(sum(ends))


def _axis(text: str) -> list[str]:
    field, equals, values = text.partition("=")
    if not equals or not values:
        raise AtomError(f"--over {text!r} must be field=value,value, such as tuning.beta=0.05,0.1")
    return [f"{field}={value}" for value in values.split(",")]
