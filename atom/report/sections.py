"""The sections of a report: notes, plots and tables, which the HTML page and the Markdown file render."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import yaml

from atom.evaluation.comparison import EVENT_GROUPS, MIN_PROMPTS
from atom.report.facts import Change, CodeVersion, RunReport, Share
from atom.report.metrics_table import build_metrics_table
from atom.report.plots import SCORES, Plot, draw_plots
from atom.report.wording import (
    GUARDS,
    describe_coverage,
    format_interval,
    format_percent,
    join_words,
    name_figure,
    name_reward_source,
)


@dataclass(frozen=True)
class ReportTable:
    """A table of texts."""

    label: str  # what it holds
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    folded: bool = False  # a long table, which the page opens on demand


@dataclass(frozen=True)
class ReportSection:
    """A section of a report."""

    title: str
    notes: Sequence[str] = ()
    plots: Sequence[Plot] = ()
    tables: Sequence[ReportTable] = ()
    code: dict[str, str] = field(default_factory=dict)  # text to copy by its title, after everything else

    @property
    def anchor(self) -> str:
        """The id of its heading in the page."""
        return "".join(letter if letter.isalnum() else "-" for letter in self.title.lower())


@dataclass(frozen=True)
class ReportSections:
    """All sections of a report but the summary and the examples."""

    results: list[ReportSection]  # empty where the run compared nothing
    methods: list[ReportSection]  # pairs, tuning, cost, provenance and reproduction

    @property
    def plots(self) -> list[Plot]:
        return [plot for section in (*self.results, *self.methods) for plot in section.plots]


def build_sections(report: RunReport) -> ReportSections:
    """Builds all sections but the summary and the examples, and draws their plots."""
    plots = draw_plots(report)
    return ReportSections(_results(report, plots) if report.gains else [], _methods(report, plots))


def dump_config_yaml(report: RunReport) -> str:
    """The config as a file that `atom run --config` reads."""
    return yaml.safe_dump(report.config, sort_keys=False, allow_unicode=True)


def _results(report: RunReport, plots: dict[str, list[Plot]]) -> list[ReportSection]:
    return [
        _gains(report, plots["gains"]),
        _win_rates(report, plots["win rates"]),
        ReportSection(
            "Scores",
            ["Scores of the motions of the held-out prompts, in half points."],
            plots["scores"],
        ),
        *_guards(report),
        *_baselines(report),
        *_metrics(report),
        *_agreement(report),
    ]


def _methods(report: RunReport, plots: dict[str, list[Plot]]) -> list[ReportSection]:
    on_policy = f"Tuning with {name_reward_source(report.config)} in the loop"
    return [
        *_judging(report),
        *_preferences(report),
        *_tuning("Tuning on preferences", report.tuning, plots["tuning"], ("loss", "accuracy", "margin")),
        *_tuning(on_policy, report.on_policy, plots["on policy"], ("loss", "reward", "kl")),
        _cost(report),
        _provenance(report),
        _reproduction(report),
    ]


def change_row(name: str, change: Change) -> list[str]:
    """The row of a figure in a table with `CHANGE_HEADER`.

    Args:
        name: of the figure.
        change: the figure.

    Returns:
        Name, base, tuned, gain, interval, number of prompts and verdict.
    """
    return [
        name,
        f"{change.base:.3f}",
        f"{change.tuned:.3f}",
        f"{change.gain:+.3f}",
        format_interval(change, 3),
        f"{change.n:,}",
        change.verdict,
    ]


CHANGE_HEADER = ("figure", "base", "tuned", "gain", "95 % interval", "prompts", "verdict")


def _gains(report: RunReport, plots: list[Plot]) -> ReportSection:
    prompts = report.gains[report.judge or ""]["overall"].n
    external = report.config["external"]
    seeds = "" if external["base"] else " with the same seeds"
    notes = [f"Base and tuned model generated motions for the same {prompts:,} held-out prompts{seeds}."]
    if not any(external[name] for name in ("base", "candidates", "preferences", "runs")):
        notes.append("The training prompts contain none of the event combinations of these prompts.")
    notes.append(
        "Intervals are from a paired bootstrap over prompts; a gain whose interval contains 0 is within noise."
    )
    if any(name in report.gains[report.judge or ""] for name in EVENT_GROUPS):
        notes.append(
            "The score is also given by the number of events of a prompt, since more events are harder. "
            f"Fewer than {MIN_PROMPTS} prompts are too few to call a difference."
        )
    tables = [
        ReportTable(
            f"Gains by the {judge} judge",
            CHANGE_HEADER,
            [change_row(name_figure(name), figures[name]) for name in (*SCORES, "exact_match") if name in figures],
        )
        for judge, figures in report.gains.items()
    ]
    return ReportSection("Gains", notes, plots, tables)


def _win_rates(report: RunReport, plots: list[Plot]) -> ReportSection:
    notes = [
        "The tuned model wins a prompt if the mean score of its motions is above that of the base model's motions."
    ]
    header = ("prompts of", "n", "tuned wins", "95 % interval", "ties", "95 % interval", "base wins", "95 % interval")
    tables = [
        ReportTable(
            f"Win rates by the {judge} judge",
            header,
            [
                [
                    rate.task,
                    f"{rate.n:,}",
                    *_format_share(rate.wins),
                    *_format_share(rate.ties),
                    *_format_share(rate.losses),
                ]
                for rate in report.win_rates
                if rate.judge == judge
            ],
        )
        for judge in report.gains
    ]
    return ReportSection("Win rates", notes, plots, tables)


def _format_share(share: Share) -> tuple[str, str]:
    return format_percent(share.share), f"{format_percent(share.low)} to {format_percent(share.high)}"


def _guards(report: RunReport) -> list[ReportSection]:
    figures = report.gains[report.judge or ""]
    rows = [change_row(words, figures[name]) for name, words in GUARDS.items() if name in figures]
    notes = [
        "These guard metrics show reward hacking: a judge may prefer longer, shakier or more uniform motions. Length "
        "is relative to the mean length of the same events in the corpus. Foot skate is the speed of a foot on the "
        "floor. Diversity is the mean distance between motions of different prompts, multimodality that between "
        "motions of the same prompt."
    ]
    return [
        ReportSection(
            "Length and physics", notes, [], [ReportTable("Length and physics of the motions", CHANGE_HEADER, rows)]
        )
    ]


def _baselines(report: RunReport) -> list[ReportSection]:
    if not any(report.baselines.values()):
        return []
    header = ("model", "score", "exact match", "length ratio", "tuned is ahead by", "95 % interval", "verdict")
    tables = [
        ReportTable(
            f"Baselines by the {judge} judge",
            header,
            [
                [
                    baseline.name,
                    *(_format_tuned(baseline.figures, name) for name in ("overall", "exact_match", "length_ratio")),
                    f"{baseline.tuned_over_baseline.gain:+.3f}",
                    format_interval(baseline.tuned_over_baseline, 3),
                    baseline.tuned_over_baseline.verdict,
                ]
                for baseline in baselines
            ],
        )
        for judge, baselines in report.baselines.items()
    ]
    notes = ["Simpler methods on the same prompts, and the lead of the tuned model over each of them."]
    return [ReportSection("Baselines", notes, [], tables)]


def _format_tuned(figures: dict[str, Change], name: str) -> str:
    return f"{figures[name].tuned:.3f}" if name in figures else ""


def _metrics(report: RunReport) -> list[ReportSection]:
    if not (metrics := build_metrics_table(report.metrics)):
        return []
    note = metrics["note"]
    notes = [
        f"Guo's protocol: pools of 32, {note['replications']} replications with 95 % intervals, {note['texts']:,} "
        f"texts; texts and real motions of {note['data']}, evaluator {note['evaluator']}."
    ]
    if note["evaluator"] == "built-in":
        notes.append(
            "The built-in evaluator knows the built-in corpus only: compare its figures within this table, not with "
            "published ones."
        )
    rows = [[name, *cells] for name, cells in metrics["rows"].items()]
    return [
        ReportSection(
            "Text-to-motion metrics",
            notes,
            [],
            [ReportTable("Text-to-motion metrics of each model", ["metric", *metrics["arms"]], rows)],
        )
    ]


def _agreement(report: RunReport) -> list[ReportSection]:
    if not report.agreement:
        return []
    rows = [
        [
            " and ".join(pair.judges),
            f"{pair.n:,}",
            _format_optional(pair.kappa),
            ""
            if pair.kappa_low is None or pair.kappa_high is None
            else f"{pair.kappa_low:.2f} to {pair.kappa_high:.2f}",
            _format_optional(pair.spearman),
        ]
        for pair in report.agreement
    ]
    header = ("judges", "motions", "Cohen's kappa", "95 % interval", "Spearman")
    notes = [
        "Cohen's kappa is the agreement on exact match beyond chance; Spearman is the rank correlation of the scores."
    ]
    return [
        ReportSection("Agreement of judges", notes, [], [ReportTable("Agreement of each two judges", header, rows)])
    ]


def _format_optional(value: float | None, form: str = ".2f") -> str:
    return "" if value is None else format(value, form)


def _judging(report: RunReport) -> list[ReportSection]:
    if not report.coverage:
        return []
    header = ["judge", "motions", "scored", "not judged", "failed"]
    rows = [
        [judge.judge, *(f"{number:,}" for number in (judge.motions, judge.scored, judge.not_judged, judge.failed))]
        for judge in report.coverage
    ]
    if any(judge.by_vision is not None for judge in report.coverage):
        header.append("by vision")
        for row, judge in zip(rows, report.coverage):
            row.append("" if judge.by_vision is None else f"{judge.by_vision:,}")
    notes = describe_coverage(report.coverage) or ["All motions have a score."]
    return [ReportSection("Judging", notes, [], [ReportTable("What each judge scored", header, rows)])]


def _preferences(report: RunReport) -> list[ReportSection]:
    if report.preferences is None:
        return []
    header = ("task", "prompts", "pairs", "chosen score", "rejected score", "chosen is longer by, tokens")
    rows = [
        [
            row["task"],
            f"{row['prompts']:,}",
            f"{row['pairs']:,}",
            _format_optional(row["chosen_score"]),
            _format_optional(row["rejected_score"]),
            _format_optional(row["longer_by"], "+.2f"),
        ]
        for row in report.preferences["tasks"]
    ]
    notes = [
        "A token is 4 frames, a fifth of a second. Where chosen and rejected motions differ in length, the pairs also "
        "teach length."
    ]
    return [ReportSection("Preferences", notes, [], [ReportTable("Preferences by task", header, rows)])]


def _tuning(title: str, curve: list[dict[str, float]], plots: list[Plot], names: Sequence[str]) -> list[ReportSection]:
    if not curve:
        return []
    steps = sorted({0, len(curve) // 4, len(curve) // 2, 3 * len(curve) // 4, len(curve) - 1})
    rows = [[f"{curve[step]['step']:,}", *(f"{curve[step][name]:.3f}" for name in names)] for step in steps]
    return [ReportSection(title, [], plots, [ReportTable(f"{title}, some steps", ("step", *names), rows)])]


def _cost(report: RunReport) -> ReportSection:
    columns: list[tuple[str, Callable[..., str]]] = [
        ("shards", str),
        ("reused", str),
        ("rows", "{:,}".format),
        ("quarantined", "{:,}".format),
        ("seconds", "{:.1f}".format),
        ("made_in", "{:.1f}".format),
        ("tokens", "{:,}".format),
        ("cost", lambda cost: "unknown" if cost is None else f"{cost:.4f}"),
    ]
    rows = [[stage.name, *(form(getattr(stage, name)) for name, form in columns)] for stage in report.stages]
    costs = [stage.cost for stage in report.stages]
    total = {
        **{name: sum(getattr(stage, name) for stage in report.stages) for name, _ in columns[:-1]},
        "cost": None if None in costs else sum(cost or 0.0 for cost in costs),
    }
    rows.append(["all", *(form(total[name]) for name, form in columns)])
    header = ("stage", "shards", "reused", "rows", "quarantined", "seconds", "compute, s", "tokens", "dollars")
    notes = [
        "Seconds is the time in this run, which reuses artifacts that are in the store. Compute, tokens and dollars "
        "are what the artifacts took to compute, in this run or an earlier one, summed over shards that may have run "
        "in parallel."
    ]
    if report.seconds is not None:
        notes.append(f"The run took {report.seconds:,.1f} s.")
    return ReportSection("Cost and time", notes, [], [ReportTable("Cost and time of each stage", header, rows)])


def _provenance(report: RunReport) -> ReportSection:
    versions = [
        [
            _describe_commit(code),
            code.python,
            ", ".join(f"{name} {version}" for name, version in code.packages.items()),
            join_words(code.stages),
        ]
        for code in report.makers
    ]
    keys = [[stage.name, key] for stage in report.stages for key in stage.keys]
    notes = [
        "An artifact's key is the SHA-256 of everything that determines its content: equal keys mean equal content."
    ]
    if len(report.makers) > 1:
        notes.append(f"{len(report.makers)} versions of the code computed the artifacts; the newest is first.")
    return ReportSection(
        "Provenance",
        notes,
        [],
        [
            ReportTable("Code and versions", ("git commit", "Python", "packages", "stages"), versions),
            ReportTable("Keys of all artifacts", ("stage", "key"), keys, folded=True),
        ],
    )


def _describe_commit(code: CodeVersion) -> str:
    return (code.commit or "not from a checkout") + (" with uncommitted changes" if code.changed else "")


def _reproduction(report: RunReport) -> ReportSection:
    until = f" --until {report.until}" if report.until else ""
    commit = report.makers[0].commit if report.makers else None
    lines = [
        *([f"git checkout {commit}"] if commit else []),
        "python -m pip install -c constraints.txt .",
        f"atom run --config run.yaml{until}",
    ]
    seed, training_seed = report.config["seed"], report.config["training_seed"]
    notes = [
        f"Save the config below as run.yaml. All randomness comes from its seeds: {seed} for prompts, motions, "
        f"bootstrap and examples, {training_seed} for training."
    ]
    if report.makers and report.makers[0].changed:
        notes.append("The checkout had uncommitted changes.")
    code = {"Commands": "\n".join(lines), "run.yaml": dump_config_yaml(report)}
    return ReportSection("How to reproduce it", notes, code=code)
