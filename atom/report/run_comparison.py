"""A comparison of runs on one page: gains, metrics, cost and time, and the differences between their configs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from atom.errors import AtomError
from atom.report.facts import RunReport
from atom.report.html_report import render_sections
from atom.report.metrics_table import METRICS
from atom.report.plots import SCORES, plot_gains_of_runs
from atom.report.sections import CHANGE_HEADER, ReportSection, ReportTable, change_row
from atom.report.wording import GUARDS, format_percent, join_words, name_figure


def render_comparison(reports: Sequence[RunReport]) -> str:
    """Renders the page that compares runs, in their order. AtomError for fewer than two runs or repeated ones."""
    names = [report.run_id for report in reports]
    if len(names) < 2 or len(set(names)) < len(names):
        raise AtomError("a comparison needs two or more different runs; `atom runs list` names them")
    sections = [
        *_gains_section(reports),
        *_guards_section(reports),
        *_metrics_section(reports),
        _cost_section(reports),
        _config_section(reports),
    ]
    return render_sections(f"{len(names)} AToM runs compared", list(_lead_paragraphs(reports)), sections)


def find_config_differences(configs: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The fields in which configs differ, such as "tuning.beta", with the value in each config, None where absent."""
    flat = [dict(_flatten(config)) for config in configs]
    fields = dict.fromkeys(field for config in flat for field in config)
    by_field = {field: [config.get(field) for config in flat] for field in fields}
    return {field: values for field, values in by_field.items() if any(value != values[0] for value in values)}


def _flatten(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _lead_paragraphs(reports: Sequence[RunReport]) -> Iterator[str]:
    for report in reports:
        yield f"{report.run_id}: {report.summary[0]}"
    prompt_keys = {
        key for report in reports for stage in report.stages if stage.name == "prompts" for key in stage.keys
    }
    if len(prompt_keys) > 1:
        yield "These runs have different prompts: the prompts are one reason for the differences between them."
    else:
        yield "All runs have the same prompts. Each interval is that of the run's own gain over its base."


def _gains_section(reports: Sequence[RunReport]) -> list[ReportSection]:
    judges = list(dict.fromkeys(judge for report in reports for judge in report.gains))
    plots, tables = [], []
    for judge in judges:
        judged = {report.run_id: report.gains[judge] for report in reports if judge in report.gains}
        plots.append(plot_gains_of_runs(judge, judged))
        rows = [
            [run, *change_row(name_figure(name), change), _describe_wins(reports, run, judge, name)]
            for name in (*SCORES, "exact_match")
            for run, figures in judged.items()
            if (change := figures.get(name))
        ]
        tables.append(ReportTable(f"Gains by the {judge} judge", ("run", *CHANGE_HEADER, "prompts won, lost"), rows))
    return [ReportSection("Gains", [], plots, tables)] if judges else []


def _describe_wins(reports: Sequence[RunReport], run: str, judge: str, task: str) -> str:
    for rate in (rate for report in reports if report.run_id == run for rate in report.win_rates):
        if (rate.judge, rate.task) == (judge, task):
            return f"{format_percent(rate.wins.share)}, {format_percent(rate.losses.share)}"
    return ""


def _guards_section(reports: Sequence[RunReport]) -> list[ReportSection]:
    rows = [
        [report.run_id, *change_row(words, change)]
        for name, words in GUARDS.items()
        for report in reports
        if report.judge and (change := report.gains[report.judge].get(name))
    ]
    header = ("run", *CHANGE_HEADER)
    return (
        [ReportSection("Length and physics", [], [], [ReportTable("Length and physics of the motions", header, rows)])]
        if rows
        else []
    )


def _metrics_section(reports: Sequence[RunReport]) -> list[ReportSection]:
    metrics = [
        (report.run_id, arm, {row["metric"]: row for row in report.metrics if row["arm"] == arm})
        for report in reports
        for arm in dict.fromkeys(row["arm"] for row in report.metrics)
    ]
    if not metrics:
        return []
    rows = [
        [
            run,
            arm,
            *(
                f"{by_name[name]['mean']:.3f} ± {by_name[name]['half_width']:.3f}" if name in by_name else ""
                for name in METRICS
            ),
        ]
        for run, arm, by_name in metrics
    ]
    evaluators = {(row["evaluator"], row["data"], row["texts"]) for report in reports for row in report.metrics}
    notes = ["The evaluators, data or numbers of texts differ: do not compare these figures across runs."] * (
        len(evaluators) > 1
    )
    return [
        ReportSection(
            "Text-to-motion metrics",
            notes,
            [],
            [ReportTable("Text-to-motion metrics of each run", ("run", "model", *METRICS.values()), rows)],
        )
    ]


def _cost_section(reports: Sequence[RunReport]) -> ReportSection:
    rows = []
    for report in reports:
        costs = [stage.cost for stage in report.stages]
        dollars = "unknown" if None in costs else f"{sum(cost or 0.0 for cost in costs):.4f}"
        rows.append(
            [
                report.run_id,
                report.state,
                "" if report.seconds is None else f"{report.seconds:,.1f}",
                f"{sum(stage.made_in for stage in report.stages):,.1f}",
                f"{sum(stage.tokens for stage in report.stages):,}",
                dollars,
                "; ".join(dict.fromkeys(code.commit or "not from a checkout" for code in report.makers)),
            ]
        )
    header = ("run", "state", "seconds", "compute, s", "tokens", "dollars", "git commits")
    notes = ["Compute, tokens and dollars are what the artifacts took to compute, in this run or an earlier one."]
    return ReportSection("Cost and time", notes, [], [ReportTable("Cost and time of each run", header, rows)])


def _config_section(reports: Sequence[RunReport]) -> ReportSection:
    names = [report.run_id for report in reports]
    differences = find_config_differences([report.config for report in reports])
    if not differences:
        return ReportSection("Config differences", [f"The configs of {join_words(names)} are the same."])
    rows = [[field, *(_format_value(value) for value in values)] for field, values in differences.items()]
    return ReportSection(
        "Config differences",
        ["All other fields of the configs are the same."],
        [],
        [ReportTable("Fields of the config that differ", ("field", *names), rows)],
    )


def _format_value(value: Any) -> str:
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value)
