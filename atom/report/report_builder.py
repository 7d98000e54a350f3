"""From a run's record and its artifacts to the facts that its report tells."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from atom.evaluation.comparison import BASE, TUNED
from atom.evaluation.win_rates import win_rates
from atom.events import TASKS
from atom.report.examples import choose_examples
from atom.report.facts import (
    Adapter,
    Agreement,
    Baseline,
    Change,
    Maker,
    RunReport,
    ScoreCounts,
    Stage,
    WinRate,
)
from atom.report.run_tables import RunTables
from atom.report.wording import summary

_PEFT_SETTINGS = "adapter_config.json"


def build_report(tables: RunTables) -> RunReport:
    """The facts of one run. Raises AtomError or StoreError where what the run made is gone."""
    record = tables.record
    config, evaluation = record["config"], record.get("evaluation", {})
    told: dict[str, Any] = {}
    if evaluation:
        options = {"resamples": config["evaluation"]["bootstrap"], "seed": config["seed"]}
        told["win_rates"] = [WinRate(**row) for row in win_rates(tables.evaluation, **options)]
        told["scores"] = _score_counts(tables)
    report = RunReport(
        run_id=tables.run_id,
        created_at=record["created_at"],
        state=record["state"],
        until=record.get("until"),
        seconds=record.get("seconds"),
        summary=[],
        gains={judge: _changes(figures) for judge, figures in evaluation.items()},
        baselines={judge: _baselines(figures) for judge, figures in evaluation.items()},
        agreement=[Agreement(**found) for found in record.get("agreement", [])],
        metrics=record.get("metrics", []),
        preferences=record.get("preferences"),
        tuning=tables.curves(),
        on_policy=tables.rewards(),
        examples=choose_examples(tables, config["evaluation"]["num_examples"]),
        adapter=_adapter(tables),
        config=config,
        **{"win_rates": [], "scores": []} | told,
        **_stages(tables),
    )
    return report.model_copy(update={"summary": summary(report)})


def _changes(figures: dict[str, Any]) -> dict[str, Change]:
    return {name: Change(**figure) for name, figure in figures.items() if "gain" in figure}


def _baselines(figures: dict[str, Any]) -> list[Baseline]:
    return [
        Baseline(
            name=name,
            figures=_changes({key: value for key, value in found.items() if key != "tuned_over_baseline"}),
            tuned_over_baseline=Change(**found["tuned_over_baseline"]),
        )
        for name, found in figures.get("baselines", {}).items()
    ]


def _score_counts(tables: RunTables) -> list[ScoreCounts]:
    rows = tables.evaluation[tables.evaluation["score"].notna()]
    found = []
    for judge, task, arm in ((j, t, a) for j in rows["judge"].unique() for t in TASKS for a in (BASE, TUNED)):
        scores = rows[(rows["judge"] == judge) & (rows["task"] == task) & (rows["arm"] == arm)]["score"]
        if len(scores):
            halves = np.floor(scores.to_numpy(np.float64) * 2 + 0.5).astype(int) - 2
            counts = np.bincount(halves.clip(0, 8), minlength=9).tolist()
            found.append(ScoreCounts(judge=judge, task=task, arm=arm, counts=counts))
    return found


def _adapter(tables: RunTables) -> Adapter | None:
    if (ref := tables.adapter) is None:
        return None
    settings = json.loads(tables.store.read_file(ref, _PEFT_SETTINGS))
    return Adapter(stage=ref.stage, key=ref.key, base_model=settings["base_model_name_or_path"])


def _stages(tables: RunTables) -> dict[str, Any]:
    manifests = tables.manifests()
    told = ("name", "shards", "reused", "failed", "rows", "quarantined", "seconds", "tokens", "cost", "keys")
    stages = [
        Stage(
            **{name: stage[name] for name in told},
            made_in=round(sum(manifest.seconds for manifest in manifests[stage["name"]]), 2),
        )
        for stage in tables.record["stages"]
    ]
    makers: dict[str, dict[str, Any]] = {}
    for name, made in manifests.items():
        for manifest in made:
            found = manifest.provenance
            git = found.get("git") or {"commit": None, "changed": False}
            code = {**git, "python": found["python"], "packages": found["packages"]}
            maker = makers.setdefault(json.dumps(code, sort_keys=True), code | {"stages": [], "last": ""})
            maker["last"] = max(maker["last"], manifest.created_at)
            if name not in maker["stages"]:
                maker["stages"].append(name)
    newest = sorted(makers.values(), key=lambda maker: maker["last"], reverse=True)
    return {"stages": stages, "makers": [Maker(**maker) for maker in newest]}
