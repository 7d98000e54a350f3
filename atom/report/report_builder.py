"""Builds the facts of a report from a run's record and its artifacts."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from atom.config.renamed import find_renamed_key
from atom.errors import AtomError
from atom.evaluation.comparison import BASE, TUNED
from atom.evaluation.win_rates import win_rates
from atom.events import TASKS
from atom.report.examples import choose_examples
from atom.report.facts import (
    Adapter,
    Agreement,
    Baseline,
    Change,
    CodeVersion,
    RunReport,
    ScoreCounts,
    Stage,
    WinRate,
)
from atom.report.run_tables import RunTables
from atom.report.wording import summarise_run

_PEFT_CONFIG = "adapter_config.json"


def build_report(tables: RunTables) -> RunReport:
    """The facts of one run. Raises AtomError or StoreError where an artifact is missing, and AtomError for the record
    of an earlier version."""
    record = tables.record
    if renamed := find_renamed_key(record["config"]):
        raise AtomError(
            f"run {tables.run_id} was recorded by an earlier version ({renamed}): run it again for a report; `atom "
            "show`, `atom runs show` and `atom report judges` still read it"
        )
    config, evaluation = record["config"], record.get("evaluation", {})
    evaluated: dict[str, Any] = {"win_rates": [], "scores": []}
    if evaluation:
        options = {"resamples": config["evaluation"]["bootstrap"], "seed": config["seed"]}
        evaluated["win_rates"] = [WinRate(**row) for row in win_rates(tables.evaluation, **options)]
        evaluated["scores"] = _score_counts(tables)
    report = RunReport(
        run_id=tables.run_id,
        created_at=record["created_at"],
        state=record["state"],
        until=record.get("until"),
        seconds=record.get("seconds"),
        summary=[],
        gains={judge: _changes(figures) for judge, figures in evaluation.items()},
        baselines={judge: _baselines(figures) for judge, figures in evaluation.items()},
        agreement=[Agreement(**row) for row in record.get("agreement", [])],
        coverage=tables.coverage,
        metrics=record.get("metrics", []),
        preferences=record.get("preferences"),
        tuning=tables.tuning_curve(),
        on_policy=tables.on_policy_curve(),
        examples=choose_examples(tables, config["evaluation"]["num_examples"]),
        adapter=_adapter(tables),
        config=config,
        **evaluated,
        **_stages_and_code(tables),
    )
    return report.model_copy(update={"summary": summarise_run(report)})


def _changes(figures: dict[str, Any]) -> dict[str, Change]:
    return {name: Change(**figure) for name, figure in figures.items() if "gain" in figure}


def _baselines(figures: dict[str, Any]) -> list[Baseline]:
    return [
        Baseline(
            name=name,
            figures=_changes({key: value for key, value in baseline.items() if key != "tuned_over_baseline"}),
            tuned_over_baseline=Change(**baseline["tuned_over_baseline"]),
        )
        for name, baseline in figures.get("baselines", {}).items()
    ]


def _score_counts(tables: RunTables) -> list[ScoreCounts]:
    rows = tables.evaluation[tables.evaluation["score"].notna()]
    rows_of_counts = []
    for judge, task, arm in ((j, t, a) for j in rows["judge"].unique() for t in TASKS for a in (BASE, TUNED)):
        scores = rows[(rows["judge"] == judge) & (rows["task"] == task) & (rows["arm"] == arm)]["score"]
        if len(scores):
            # Half points above 1.0: 0 for 1.0, 8 for 5.0. `floor` rounds halves up, unlike numpy's `round`.
            halves = np.floor(scores.to_numpy(np.float64) * 2 + 0.5).astype(int) - 2
            counts = np.bincount(halves.clip(0, 8), minlength=9).tolist()
            rows_of_counts.append(ScoreCounts(judge=judge, task=task, arm=arm, counts=counts))
    return rows_of_counts


def _adapter(tables: RunTables) -> Adapter | None:
    if (ref := tables.adapter) is None:
        return None
    settings = json.loads(tables.store.read_file(ref, _PEFT_CONFIG))
    return Adapter(stage=ref.stage, key=ref.key, base_model=settings["base_model_name_or_path"])


def _stages_and_code(tables: RunTables) -> dict[str, Any]:
    manifests = tables.manifests()
    fields = ("name", "shards", "reused", "failed", "rows", "quarantined", "seconds", "tokens", "cost", "keys")
    stages = [
        Stage(
            **{name: stage[name] for name in fields},
            made_in=round(sum(manifest.seconds for manifest in manifests[stage["name"]]), 2),
        )
        for stage in tables.record["stages"]
    ]
    versions: dict[str, dict[str, Any]] = {}
    for name, stage_manifests in manifests.items():
        for manifest in stage_manifests:
            provenance = manifest.provenance
            git = provenance.get("git") or {"commit": None, "changed": False}
            code = {**git, "python": provenance["python"], "packages": provenance["packages"]}
            version = versions.setdefault(json.dumps(code, sort_keys=True), code | {"stages": [], "last": ""})
            version["last"] = max(version["last"], manifest.created_at)
            if name not in version["stages"]:
                version["stages"].append(name)
    newest = sorted(versions.values(), key=lambda version: version["last"], reverse=True)
    return {"stages": stages, "makers": [CodeVersion(**version) for version in newest]}
