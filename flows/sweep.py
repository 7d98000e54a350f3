"""`atom tune sweep`: compares settings of the tuning, each in a run of its own in one store."""

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
from flows.clusters import align_with_task_runner
from storage import Store

FIGURES = ("overall", "integrity", "temporal", "frequency", "exact_match", "length_ratio", "foot_skate", "diversity")
DEFAULT_OVERRIDES = (
    "evaluation.baselines=[]",
    "evaluation.metrics=null",
    "evaluation.num_examples=0",
    "rendering.preview_prompts=0",
)
"""What a sweep leaves out unless the user sets it."""


@dataclass(frozen=True)
class Trial:
    """One setting: its overrides as on the command line, and the configs of its runs, which differ only in the seed."""

    overrides: tuple[str, ...]
    configs: tuple[RunConfig, ...]

    @property
    def name(self) -> str:
        """Its overrides without their sections; "defaults" without overrides."""
        return ", ".join(override.split(".", 1)[-1] for override in self.overrides) or "defaults"


def plan_trials(
    base: Sequence[str], grid: Sequence[str], points: Sequence[str], seeds: int, budget: int | None, path: Any = None
) -> list[Trial]:
    """Plans the trials. All are validated before the first of them runs.

    Args:
        base: overrides of all trials.
        grid: "field=value,value": all combinations are tried.
        points: further settings, each a list of overrides with spaces between them.
        seeds: runs of each setting, with training_seed 0, 1, ...
        budget: most settings. Points come first; combinations of the grid are sampled with a fixed seed.
        path: YAML file of the config.

    Returns:
        The trials, in order.

    Raises:
        AtomError: names the setting at fault.
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
                load_config(
                    path, [*DEFAULT_OVERRIDES, *base, *overrides, f"training_seed={seed}", f"name=sweep-{seed}"]
                )
                for seed in range(seeds)
            )
        except AtomError as error:
            raise AtomError(f"the setting {' '.join(overrides) or 'without changes'}: {error}") from None
        trials.append(Trial(overrides, configs))
    return trials


def run_trials(
    trials: Sequence[Trial],
    store: str,
    on_progress: Callable[[pd.DataFrame], None] = lambda table: None,
    on_failure: Callable[[Trial, AtomError], None] = lambda trial, error: None,
) -> pd.DataFrame:
    """Runs all trials. What the store already holds, such as pairs that trials share, is reused.

    Args:
        trials: the settings.
        store: folder or fsspec address of the artifacts.
        on_progress: gets the table so far after each trial.
        on_failure: gets a trial that fails, for example because it diverges; the others go on.

    Returns:
        The table of all trials, see `summarise`.

    Raises:
        AtomError: no trial succeeded; it is that of the last one.
    """
    rows: list[dict[str, Any]] = []
    last: AtomError | None = None
    for trial in trials:
        try:
            records = [align_with_task_runner(config, store) for config in trial.configs]
        except AtomError as error:
            last = error
            on_failure(trial, error)
            continue
        rows += summarise(trial, [RunTables(Store(store), record) for record in records])
        on_progress(pd.DataFrame(rows))
    if last and not rows:
        raise last
    return pd.DataFrame(rows)


def summarise(trial: Trial, runs: Sequence[RunTables]) -> list[dict[str, Any]]:
    """The rows of one trial: a row for each judge and figure. The motions of all seeds are compared together, paired by
    prompt, so that the interval is that of the mean over seeds.

    Args:
        trial: the setting.
        runs: tables of its runs.

    Returns:
        Rows with `setting, judge, figure, base, tuned, gain, gain_low, gain_high, n, verdict`, the smallest and largest
        gain of a single seed (`least`, `most`), `seeds`, and the mean `seconds` of a run's tuning stages.
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


def rank_settings(table: pd.DataFrame, figure: str = "overall") -> pd.DataFrame:
    """The rows of one figure, best setting first by the first judge."""
    rows = table[table["figure"] == figure]
    first = rows[rows["judge"] == rows["judge"].iloc[0]].sort_values("gain", ascending=False, kind="stable")
    order = {setting: place for place, setting in enumerate(first["setting"])}
    return rows.sort_values("setting", key=lambda names: names.map(order), kind="stable")


def _tuning_seconds(run: RunTables) -> float:
    """Seconds that the adapters of all rounds took when they were computed, by their curves."""
    ends = []
    for rows in (run.tuning_curve(), run.on_policy_curve()):
        for row, following in zip(rows, [*rows[1:], None]):
            if following is None or following["seconds"] < row["seconds"]:  # the clock starts again with each round
                ends.append(row["seconds"])
    return float(sum(ends))


def _axis(text: str) -> list[str]:
    field, equals, values = text.partition("=")
    if not equals or not values:
        raise AtomError(f"--over {text!r} must be field=value,value, such as tuning.beta=0.05,0.1")
    return [f"{field}={value}" for value in values.split(",")]
