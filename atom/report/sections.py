"""What a report says, section by section, before it becomes a page or a Markdown file: words, plots and tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import yaml

from atom.report.facts import Change, Maker, RunReport, Share
from atom.report.metrics_table import build_metrics_table
from atom.report.plots import SCORES, Plot, draw_plots
from atom.report.wording import GUARDS, in_the_loop, interval, joined, percent


@dataclass(frozen=True)
class Table:
    """A table of texts; `label` says what it holds. A `folded` one is long and opens on demand."""

    label: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    folded: bool = False


@dataclass(frozen=True)
class Section:
    """A part of a report. `code` stands after everything else, as text to copy, by what it is."""

    title: str
    notes: Sequence[str] = ()
    plots: Sequence[Plot] = ()
    tables: Sequence[Table] = ()
    code: dict[str, str] = field(default_factory=dict)

    @property
    def anchor(self) -> str:
        return "".join(letter if letter.isalnum() else "-" for letter in self.title.lower())


@dataclass(frozen=True)
class Sections:
    """What came of a run, empty where nothing was compared; and how it was made, what it took, how to make it again."""

    results: list[Section]
    making: list[Section]

    @property
    def plots(self) -> list[Plot]:
        return [plot for section in (*self.results, *self.making) for plot in section.plots]


def build_sections(report: RunReport) -> Sections:
    """All sections but the summary and the examples, with every plot drawn once."""
    plots = draw_plots(report)
    return Sections(_results(report, plots) if report.gains else [], _making(report, plots))


def dump_config_yaml(report: RunReport) -> str:
    """The config as a file that `atom run --config` reads."""
    return yaml.safe_dump(report.config, sort_keys=False, allow_unicode=True)


def _results(report: RunReport, plots: dict[str, list[Plot]]) -> list[Section]:
    return [
        _gains(report, plots["gains"]),
        _win_rates(report, plots["win rates"]),
        Section(
            "Scores",
            ["What the judges gave to the motions of the held-out prompts, in half points."],
            plots["scores"],
        ),
        *_guards(report),
        *_baselines(report),
        *_metrics(report),
        *_agreement(report),
    ]


def _making(report: RunReport, plots: dict[str, list[Plot]]) -> list[Section]:
    on_policy = f"Tuning with {in_the_loop(report.config)} in the loop"
    return [
        *_preferences(report),
        *_tuning("Tuning on preferences", report.tuning, plots["tuning"], ("loss", "accuracy", "margin")),
        *_tuning(on_policy, report.on_policy, plots["on policy"], ("loss", "reward", "kl")),
        _cost(report),
        _provenance(report),
        _reproduction(report),
    ]


def change_row(name: str, change: Change) -> list[str]:
    """Base, tuned, gain, interval and verdict of a figure as cells."""
    return [
        name,
        f"{change.base:.3f}",
        f"{change.tuned:.3f}",
        f"{change.gain:+.3f}",
        interval(change, 3),
        change.verdict,
    ]


CHANGE_HEADER = ("figure", "base", "tuned", "gain", "95 % interval", "verdict")


def _gains(report: RunReport, plots: list[Plot]) -> Section:
    prompts = report.gains[report.judge or ""]["overall"].n
    imported = report.config["external"]
    seeds = "" if imported["base"] else " with the same seeds"
    notes = [f"Base and tuned model made motions for the same {prompts:,} held-out prompts{seeds}."]
    if not any(imported[name] for name in ("base", "candidates", "preferences", "runs")):
        notes.append("No combination of events in these prompts was trained on.")
    notes.append("Intervals are of a paired bootstrap over prompts; where one holds 0, the difference is called noise.")
    tables = [
        Table(
            f"Gains by the {judge} judge",
            CHANGE_HEADER,
            [change_row(name.replace("_", " "), figures[name]) for name in (*SCORES, "exact_match") if name in figures],
        )
        for judge, figures in report.gains.items()
    ]
    return Section("Gains", notes, plots, tables)


def _win_rates(report: RunReport, plots: list[Plot]) -> Section:
    notes = ["A prompt is won where the mean score of its tuned motions is above that of its base motions."]
    head = ("prompts of", "n", "tuned wins", "95 % interval", "ties", "95 % interval", "base wins", "95 % interval")
    tables = [
        Table(
            f"Win rates by the {judge} judge",
            head,
            [
                [rate.task, f"{rate.n:,}", *_share(rate.wins), *_share(rate.ties), *_share(rate.losses)]
                for rate in report.win_rates
                if rate.judge == judge
            ],
        )
        for judge in report.gains
    ]
    return Section("Win rates", notes, plots, tables)


def _share(found: Share) -> tuple[str, str]:
    return percent(found.share), f"{percent(found.low)} to {percent(found.high)}"


def _guards(report: RunReport) -> list[Section]:
    figures = report.gains[report.judge or ""]
    rows = [change_row(words, figures[name]) for name, words in GUARDS.items() if name in figures]
    notes = [
        "A judge may like longer, shakier or more uniform motions for reasons that nobody wants. Length is that of "
        "the motions over the mean length that the same events have in the corpus; foot skate is the speed of a foot "
        "on the floor; diversity is the mean distance between motions of different prompts, multimodality that between "
        "motions of one."
    ]
    return [Section("Length and physics", notes, [], [Table("Length and physics of the motions", CHANGE_HEADER, rows)])]


def _baselines(report: RunReport) -> list[Section]:
    if not any(report.baselines.values()):
        return []
    head = ("model", "score", "exact match", "length ratio", "tuned is ahead by", "95 % interval", "verdict")
    tables = [
        Table(
            f"Baselines by the {judge} judge",
            head,
            [
                [
                    found.name,
                    *(_tuned(found.figures, name) for name in ("overall", "exact_match", "length_ratio")),
                    f"{found.tuned_over_baseline.gain:+.3f}",
                    interval(found.tuned_over_baseline, 3),
                    found.tuned_over_baseline.verdict,
                ]
                for found in baselines
            ],
        )
        for judge, baselines in report.baselines.items()
    ]
    notes = ["The same prompts by plainer ways to the same end, and how far the tuned model is ahead of each."]
    return [Section("Baselines", notes, [], tables)]


def _tuned(figures: dict[str, Change], name: str) -> str:
    return f"{figures[name].tuned:.3f}" if name in figures else ""


def _metrics(report: RunReport) -> list[Section]:
    if not (found := build_metrics_table(report.metrics)):
        return []
    note = found["note"]
    notes = [
        f"Guo's protocol: pools of 32, {note['replications']} replications with 95 % intervals, {note['texts']:,} "
        f"texts; texts and real motions of {note['data']}, evaluator {note['evaluator']}."
    ]
    if note["evaluator"] == "built-in":
        notes.append(
            "The built-in evaluator knows the built-in corpus only: its figures compare the rows of this table and say "
            "nothing beside published ones."
        )
    rows = [[name, *cells] for name, cells in found["rows"].items()]
    return [
        Section(
            "Text-to-motion metrics",
            notes,
            [],
            [Table("Text-to-motion metrics of each model", ["metric", *found["arms"]], rows)],
        )
    ]


def _agreement(report: RunReport) -> list[Section]:
    if not report.agreement:
        return []
    rows = [
        [
            " and ".join(found.judges),
            f"{found.n:,}",
            _known(found.kappa),
            ""
            if found.kappa_low is None or found.kappa_high is None
            else f"{found.kappa_low:.2f} to {found.kappa_high:.2f}",
            _known(found.spearman),
        ]
        for found in report.agreement
    ]
    head = ("judges", "motions", "Cohen's kappa", "95 % interval", "Spearman")
    notes = [
        "Kappa is on what is an exact match, beyond what chance would give; Spearman is the rank correlation of scores."
    ]
    return [Section("Agreement of judges", notes, [], [Table("Agreement of each two judges", head, rows)])]


def _known(value: float | None, form: str = ".2f") -> str:
    return "" if value is None else format(value, form)


def _preferences(report: RunReport) -> list[Section]:
    if report.preferences is None:
        return []
    head = ("task", "prompts", "pairs", "chosen score", "rejected score", "chosen is longer by, tokens")
    rows = [
        [
            row["task"],
            f"{row['prompts']:,}",
            f"{row['pairs']:,}",
            _known(row["chosen_score"]),
            _known(row["rejected_score"]),
            _known(row["longer_by"], "+.2f"),
        ]
        for row in report.preferences["tasks"]
    ]
    notes = [
        "A token is 4 frames, a fifth of a second. Where the chosen are far from as long, the pairs also teach length."
    ]
    return [Section("Preferences", notes, [], [Table("Preferences by task", head, rows)])]


def _tuning(title: str, curve: list[dict[str, float]], plots: list[Plot], names: Sequence[str]) -> list[Section]:
    if not curve:
        return []
    steps = sorted({0, len(curve) // 4, len(curve) // 2, 3 * len(curve) // 4, len(curve) - 1})
    rows = [[f"{curve[step]['step']:,}", *(f"{curve[step][name]:.3f}" for name in names)] for step in steps]
    return [Section(title, [], plots, [Table(f"{title}, some steps", ("step", *names), rows)])]


def _cost(report: RunReport) -> Section:
    told: list[tuple[str, Callable[..., str]]] = [
        ("shards", str),
        ("reused", str),
        ("rows", "{:,}".format),
        ("quarantined", "{:,}".format),
        ("seconds", "{:.1f}".format),
        ("made_in", "{:.1f}".format),
        ("tokens", "{:,}".format),
        ("cost", lambda cost: "unknown" if cost is None else f"{cost:.4f}"),
    ]
    rows = [[stage.name, *(form(getattr(stage, name)) for name, form in told)] for stage in report.stages]
    costs = [stage.cost for stage in report.stages]
    total = {
        **{name: sum(getattr(stage, name) for stage in report.stages) for name, _ in told[:-1]},
        "cost": None if None in costs else sum(cost or 0.0 for cost in costs),
    }
    rows.append(["all", *(form(total[name]) for name, form in told)])
    head = ("stage", "shards", "reused", "rows", "set aside", "seconds", "made in, s", "tokens", "dollars")
    notes = [
        "Seconds passed in this run; what was in the store already is reused. Made in, tokens and dollars are what the "
        "artifacts took when they were made, then or earlier, added up over shards that may have run side by side."
    ]
    if report.seconds is not None:
        notes.append(f"The run took {report.seconds:,.1f} s.")
    return Section("Cost and time", notes, [], [Table("Cost and time of each stage", head, rows)])


def _provenance(report: RunReport) -> Section:
    versions = [
        [
            _commit(maker),
            maker.python,
            ", ".join(f"{name} {version}" for name, version in maker.packages.items()),
            joined(maker.stages),
        ]
        for maker in report.makers
    ]
    keys = [[stage.name, key] for stage in report.stages for key in stage.keys]
    notes = [
        "An artifact's key is the SHA-256 of all that decides its content: two runs with one key have one content."
    ]
    if len(report.makers) > 1:
        notes.append(f"The artifacts were made by {len(report.makers)} states of the code, the newest first.")
    return Section(
        "Provenance",
        notes,
        [],
        [
            Table("Code and versions", ("git commit", "Python", "packages", "stages"), versions),
            Table("Keys of all artifacts", ("stage", "key"), keys, folded=True),
        ],
    )


def _commit(maker: Maker) -> str:
    return (maker.commit or "not from a checkout") + (" with changes of its own" if maker.changed else "")


def _reproduction(report: RunReport) -> Section:
    until = f" --until {report.until}" if report.until else ""
    commit = report.makers[0].commit if report.makers else None
    lines = [
        *([f"git checkout {commit}"] if commit else []),
        "python -m pip install -c constraints.txt .",
        f"atom run --config run.yaml{until}",
    ]
    seeds = report.config["seed"], report.config["training_seed"]
    notes = [
        f"Save the config below as run.yaml. All chance comes from its seeds: {seeds[0]} for prompts, motions, "
        f"bootstrap and examples, {seeds[1]} for training."
    ]
    if report.makers and report.makers[0].changed:
        notes.append("The checkout held changes that the commit does not have.")
    code = {"Commands": "\n".join(lines), "run.yaml": dump_config_yaml(report)}
    return Section("How to reproduce it", notes, code=code)
