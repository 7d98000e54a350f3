"""Several runs on one page: gains side by side, metrics, what each took, and what differs between their configs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from atom.errors import AtomError
from atom.report.facts import RunReport
from atom.report.html_report import render_sections
from atom.report.metrics_table import METRICS
from atom.report.plots import SCORES, gains_of_runs
from atom.report.sections import CHANGE_HEADER, Section, Table, change_row
from atom.report.wording import GUARDS, joined, percent

_NONE = "none"


def render_comparison(reports: Sequence[RunReport]) -> str:
    """The page that compares runs, in the order given. AtomError for fewer than two, or one given twice."""
    names = [report.run_id for report in reports]
    if len(names) < 2 or len(set(names)) < len(names):
        raise AtomError("a comparison needs two or more different runs; `atom runs list` names them")
    sections = [*_gains(reports), *_guards(reports), *_metrics(reports), _cost(reports), _configs(reports)]
    return render_sections(f"{len(names)} AToM runs compared", list(_lead(reports)), sections)


def differences(configs: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The fields, such as "tuning.beta", in which configs differ, with the value of each; absent is None."""
    flat = [dict(_flat(config)) for config in configs]
    fields = dict.fromkeys(field for config in flat for field in config)
    values = {field: [config.get(field) for config in flat] for field in fields}
    return {field: found for field, found in values.items() if any(value != found[0] for value in found)}


def _flat(config: Mapping[str, Any], start: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{start}{name}.")
        else:
            yield f"{start}{name}", value


def _lead(reports: Sequence[RunReport]) -> Iterator[str]:
    for report in reports:
        yield f"{report.run_id}: {report.summary[0]}"
    asked = {key for report in reports for stage in report.stages if stage.name == "prompts" for key in stage.keys}
    if len(asked) > 1:
        yield "These runs did not answer the same prompts: differences between them are also those of the prompts."
    else:
        yield "All of them answered the same prompts. Intervals are those of each run's own gain over its base."


def _gains(reports: Sequence[RunReport]) -> list[Section]:
    judges = list(dict.fromkeys(judge for report in reports for judge in report.gains))
    plots, tables = [], []
    for judge in judges:
        judged = {report.run_id: report.gains[judge] for report in reports if judge in report.gains}
        plots.append(gains_of_runs(judge, judged))
        rows = [
            [run, *change_row(name.replace("_", " "), f), _won(reports, run, judge, name)]
            for name in (*SCORES, "exact_match")
            for run, figures in judged.items()
            if (f := figures.get(name))
        ]
        tables.append(Table(f"Gains by the {judge} judge", ("run", *CHANGE_HEADER, "prompts won, lost"), rows))
    return [Section("Gains", [], plots, tables)] if judges else []


def _won(reports: Sequence[RunReport], run: str, judge: str, task: str) -> str:
    for rate in (rate for report in reports if report.run_id == run for rate in report.win_rates):
        if (rate.judge, rate.task) == (judge, task):
            return f"{percent(rate.wins.share)}, {percent(rate.losses.share)}"
    return ""


def _guards(reports: Sequence[RunReport]) -> list[Section]:
    rows = [
        [report.run_id, *change_row(words, f)]
        for name, words in GUARDS.items()
        for report in reports
        if report.judge and (f := report.gains[report.judge].get(name))
    ]
    head = ("run", *CHANGE_HEADER)
    return (
        [Section("Length and physics", [], [], [Table("Length and physics of the motions", head, rows)])]
        if rows
        else []
    )


def _metrics(reports: Sequence[RunReport]) -> list[Section]:
    measured = [
        (report.run_id, arm, {row["metric"]: row for row in report.metrics if row["arm"] == arm})
        for report in reports
        for arm in dict.fromkeys(row["arm"] for row in report.metrics)
    ]
    if not measured:
        return []
    rows = [
        [
            run,
            arm,
            *(
                f"{found[name]['mean']:.3f} ± {found[name]['half_width']:.3f}" if name in found else ""
                for name in METRICS
            ),
        ]
        for run, arm, found in measured
    ]
    evaluators = {(row["evaluator"], row["data"], row["texts"]) for report in reports for row in report.metrics}
    notes = ["Measured with different evaluators, data or numbers of texts: not to be compared."] * (
        len(evaluators) > 1
    )
    return [
        Section(
            "Text-to-motion metrics",
            notes,
            [],
            [Table("Text-to-motion metrics of each run", ("run", "model", *METRICS.values()), rows)],
        )
    ]


def _cost(reports: Sequence[RunReport]) -> Section:
    rows = []
    for report in reports:
        costs = [stage.cost for stage in report.stages]
        told = "unknown" if None in costs else f"{sum(cost or 0.0 for cost in costs):.4f}"
        rows.append(
            [
                report.run_id,
                report.state,
                "" if report.seconds is None else f"{report.seconds:,.1f}",
                f"{sum(stage.made_in for stage in report.stages):,.1f}",
                f"{sum(stage.tokens for stage in report.stages):,}",
                told,
                "; ".join(dict.fromkeys(maker.commit or "not from a checkout" for maker in report.makers)),
            ]
        )
    head = ("run", "state", "seconds", "made in, s", "tokens", "dollars", "git commits")
    notes = ["Made in, tokens and dollars are what the artifacts took when they were made, then or earlier."]
    return Section("Cost and time", notes, [], [Table("Cost and time of each run", head, rows)])


def _configs(reports: Sequence[RunReport]) -> Section:
    names = [report.run_id for report in reports]
    found = differences([report.config for report in reports])
    if not found:
        return Section("What differs", [f"The configs of {joined(names)} are the same."])
    rows = [[field, *(_text(value) for value in values)] for field, values in found.items()]
    return Section(
        "What differs",
        ["Fields of the config; all others are the same."],
        [],
        [Table("Fields of the config that differ", ("field", *names), rows)],
    )


def _text(value: Any) -> str:
    return _NONE if value is None else value if isinstance(value, str) else json.dumps(value)
