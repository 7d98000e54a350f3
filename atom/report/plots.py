"""Plots of runs in a colour-blind safe palette: PNG files, and SVG for pages with a light or dark theme."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from atom.evaluation.comparison import EVENT_GROUPS
from atom.events import TASKS
from atom.report.facts import Change, RunReport, ScoreCounts, WinRate
from atom.report.wording import format_interval, format_percent, join_words, name_figure

BASE, TUNED, TIED = "#7f8c9a", "#d55e00", "#b9c0c9"
SCORES = ("overall", *TASKS, *EVENT_GROUPS)
_INK = "#1a1b1c"  # of text and lines; in SVG it is replaced by the colour of the page's text
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "atom",  # the same ids in every run, so that a report is reproducible
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), _INK),
}
_with_style = matplotlib.rc_context(_STYLE)
_NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))


@dataclass(frozen=True)
class Plot:
    """A plot of a report."""

    name: str  # of its file, without suffix
    alt: str  # what it shows in words, for people who can't see it
    figure: Figure

    @property
    def png(self) -> bytes:
        return _encode(self.figure, "png", dpi=150)

    @property
    def svg(self) -> str:
        """An <svg> element for a page. Its text and lines take the colour of the surrounding text."""
        text = _encode(self.figure, "svg", transparent=True, metadata=_NO_METADATA).decode()
        text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
        return text.replace(_INK, "currentColor")


@_with_style
def plot_gains(judge: str, figures: Mapping[str, Change], name: str = "gains") -> Plot:
    """Mean score of base and tuned, overall, by task and by the number of events.

    Args:
        judge: whose scores these are.
        figures: by name; only those in `SCORES` are drawn.
        name: of the file.

    Returns:
        The plot. The whisker on the tuned score is the 95 % interval of the gain.
    """
    names = [score for score in SCORES if score in figures]
    figure, axes = _new_axes(4.8, 0.42 * len(names) + 1.1)
    for row, change in enumerate(figures[name] for name in names):
        axes.plot([change.base, change.tuned], [row, row], color=TIED, lw=2, zorder=1)
        axes.scatter(change.base, row, color=BASE, s=50, zorder=3)
        if change.gain_low is not None and change.gain_high is not None:
            ends = [change.base + change.gain_low, change.base + change.gain_high]
            axes.plot(ends, [row, row], color=TUNED, lw=2, marker="|", ms=10, zorder=2)
        axes.scatter(change.tuned, row, color=TUNED, s=50, zorder=3)
    axes.set_yticks(range(len(names)), [name_figure(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel(f"mean score, 1 to 5, {judge} judge", parse_math=False)
    _legend(
        figure,
        [
            Line2D([], [], color=BASE, lw=0, marker="o", ms=7, label="base"),
            Line2D([], [], color=TUNED, lw=2, marker="o", ms=7, label="tuned, 95 % interval of the gain"),
        ],
    )
    words = [f"{name_figure(score)} {figures[score].base:.2f} to {figures[score].tuned:.2f}" for score in names]
    return Plot(name, f"Mean score of base and tuned by the {judge} judge: {join_words(words)}.", figure)


@_with_style
def plot_win_rates(judge: str, rates: Sequence[WinRate], name: str = "win_rates") -> Plot:
    """Shares of prompts that the tuned model wins, ties and loses.

    Args:
        judge: whose scores these are.
        rates: one per bar, from the top.
        name: of the file.

    Returns:
        The plot. The whisker is the 95 % interval of the wins.
    """
    figure, axes = _new_axes(4.8, 0.42 * len(rates) + 1.1)
    for row, rate in enumerate(rates):
        start = 0.0
        for share, colour in ((rate.wins, TUNED), (rate.ties, TIED), (rate.losses, BASE)):
            axes.barh(row, share.share, left=start, height=0.5, color=colour)
            start += share.share
        axes.plot([rate.wins.low, rate.wins.high], [row, row], color=_INK, lw=1.5, marker="|", ms=9)
    axes.set_yticks(range(len(rates)), [rate.task for rate in rates])
    axes.set_ylim(len(rates) - 0.5, -0.5)
    axes.set_xlim(0, 1)
    axes.set_xlabel(f"share of prompts, {judge} judge", parse_math=False)
    labels = {"tuned wins, 95 % interval": TUNED, "tie": TIED, "base wins": BASE}
    _legend(figure, [Patch(color=colour, label=label) for label, colour in labels.items()])
    words = [
        f"{rate.task} {format_percent(rate.wins.share)} won, {format_percent(rate.losses.share)} lost" for rate in rates
    ]
    return Plot(name, f"Prompts by the {judge} judge: {'; '.join(words)}.", figure)


@_with_style
def plot_score_distributions(judge: str, counts: Sequence[ScoreCounts], name: str = "score_distributions") -> Plot:
    """The share of motions with each score, in half points, base beside tuned.

    Args:
        judge: whose scores these are.
        counts: of each task and arm; there is one panel per task.
        name: of the file.

    Returns:
        The plot.
    """
    tasks = list(dict.fromkeys(row.task for row in counts))
    figure = _new_figure(4.8, 1.15 * len(tasks) + 1.0)
    panels = figure.subplots(len(tasks), 1, sharex=True, squeeze=False)[:, 0]
    for axes, task in zip(panels, tasks):
        for row in (row for row in counts if row.task == task):
            colour, shift = (BASE, -0.1) if row.arm == "base" else (TUNED, 0.1)
            places = [1 + 0.5 * step + shift for step in range(9)]
            axes.bar(places, [count / max(sum(row.counts), 1) for count in row.counts], width=0.19, color=colour)
        axes.set_title(task, fontsize=9, loc="left")
        axes.spines[["top", "right"]].set_visible(False)
    panels[-1].set_xticks(range(1, 6))
    panels[-1].set_xlabel(f"score, {judge} judge", parse_math=False)
    figure.supylabel("share of motions", fontsize=10)
    _legend(figure, [Patch(color=BASE, label="base"), Patch(color=TUNED, label="tuned")])
    best = [f"{row.arm} {row.task} {format_percent(row.counts[-1] / max(sum(row.counts), 1))}" for row in counts]
    return Plot(name, f"Scores given by the {judge} judge; the share with a 5: {join_words(best)}.", figure)


@_with_style
def plot_score_histograms(by_task: Mapping[str, Sequence[float]]) -> Plot:
    """Histograms of the scores from 1 to 5, in half points, one panel per task."""
    figure = _new_figure(2.6 * len(by_task), 2.4)
    panels = figure.subplots(1, len(by_task), sharey=True, squeeze=False)[0]
    edges = [0.75 + 0.5 * step for step in range(10)]
    means = {task: sum(values) / len(values) for task, values in by_task.items()}
    for axes, (task, values) in zip(panels, by_task.items()):
        axes.hist(values, bins=edges, color=TUNED)
        axes.set_title(f"{task}, mean {means[task]:.2f}", fontsize=9)
        axes.set_xlabel("score")
        axes.set_xticks(range(1, 6))
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("motions")
    return Plot("scores", f"Mean scores: {join_words([f'{task} {mean:.2f}' for task, mean in means.items()])}.", figure)


@_with_style
def plot_tuning_curve(rows: Sequence[Mapping[str, Any]]) -> Plot:
    """Loss and accuracy, the share of pairs in the right order, over the steps of tuning."""
    figure, axes = _new_axes(6.4, 2.8)
    steps = [row["step"] for row in rows]
    axes.plot(steps, [row["loss"] for row in rows], color=BASE, lw=1.5)
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    right = axes.twinx()
    right.plot(steps, [row["accuracy"] for row in rows], color=TUNED, lw=1.5)
    right.set_ylabel("pairs in the right order")
    right.set_ylim(0, 1.02)
    right.spines["top"].set_visible(False)
    _legend(
        figure,
        [
            Line2D([], [], color=BASE, label="loss"),
            Line2D([], [], color=TUNED, label="share of pairs in the right order"),
        ],
    )
    first, last = rows[0], rows[-1]
    words = f"loss from {first['loss']:.3g} to {last['loss']:.3g}"
    accuracy = f"pairs in the right order {format_percent(last['accuracy'])} in the last batch"
    return Plot("tuning_curves", f"Tuning over {len(rows):,} steps: {words}, {accuracy}.", figure)


def select_validated(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The rows of a curve that have a validation score."""
    return [row for row in rows if row["validation"] is not None]


@_with_style
def plot_validation(rows: Sequence[Mapping[str, Any]], name: str = "validation") -> Plot:
    """Mean score on held-out prompts over the steps of tuning, from before the first step on.

    Args:
        rows: of a curve with at least one validation score.
        name: of the file.

    Returns:
        The plot. The checkpoint that was kept is a filled point.
    """
    measured = select_validated(rows)
    start = measured[0]["validation"] - measured[0]["validation_gain"]
    figure, axes = _new_axes(6.4, 2.4)
    steps, scores = [0, *(row["step"] for row in measured)], [start, *(row["validation"] for row in measured)]
    kept = [(row["step"], row["validation"]) for row in measured if row["kept"]] or [(0, start)]
    axes.plot(steps, scores, color=TUNED, lw=1.5, marker="o", ms=7, mfc="white")
    axes.plot(*zip(*kept), color=TUNED, lw=0, marker="o", ms=7)
    axes.set_xlabel("step")
    axes.set_ylabel("mean score, 1 to 5")
    _legend(
        figure,
        [
            Line2D([], [], color=TUNED, lw=0, marker="o", ms=7, label="kept"),
            Line2D([], [], color=TUNED, lw=1.5, marker="o", ms=7, mfc="white", label="motions of held-out prompts"),
        ],
    )
    words = f"from {start:.2f} to {kept[-1][1]:.2f} at step {kept[-1][0]:,}, which was kept"
    return Plot(name, f"Mean score of held-out motions over {len(rows):,} steps: {words}.", figure)


@_with_style
def plot_rewards(rows: Sequence[Mapping[str, Any]]) -> Plot:
    """Mean reward over the steps of on-policy tuning, for each step and as the running mean of ten."""
    figure, axes = _new_axes(6.4, 2.8)
    steps, values = [row["step"] for row in rows], [row["reward"] for row in rows]
    axes.plot(steps, values, color=BASE, lw=1)
    running = [sum(values[max(i - 9, 0) : i + 1]) / min(i + 1, 10) for i in range(len(values))]
    axes.plot(steps, running, color=TUNED, lw=2)
    axes.set_xlabel("step")
    axes.set_ylabel("reward, 0 to 1")
    _legend(figure, [Line2D([], [], color=BASE, label="step"), Line2D([], [], color=TUNED, label="mean of ten steps")])
    words = f"the mean of ten steps goes from {running[min(9, len(running) - 1)]:.2f} to {running[-1]:.2f}"
    return Plot("on_policy_curve", f"Reward over {len(rows):,} steps: {words}.", figure)


@_with_style
def plot_gains_of_runs(judge: str, runs: Mapping[str, Mapping[str, Change]]) -> Plot:
    """The gain of each run with its 95 % interval, overall, by task and by the number of events.

    Args:
        judge: whose scores these are.
        runs: figures by name, by run.

    Returns:
        The plot.
    """
    names = [name for name in SCORES if any(name in figures for figures in runs.values())]
    colours = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#7f8c9a")  # Okabe and Ito's
    figure, axes = _new_axes(6.4, (0.16 * len(runs) + 0.3) * len(names) + 0.9 + 0.2 * len(runs))
    axes.axvline(0, color=_INK, lw=0.8, ls=":")
    handles = []
    for number, (run, figures) in enumerate(runs.items()):
        style = {"color": colours[number % len(colours)], "marker": "osD^v"[number // len(colours) % 5]}
        for row, change in ((row, figures[name]) for row, name in enumerate(names) if name in figures):
            place = row + (number - (len(runs) - 1) / 2) * 0.7 / len(runs)
            if change.gain_low is not None:
                axes.plot([change.gain_low, change.gain_high], [place, place], color=style["color"], lw=2)
            axes.plot(change.gain, place, ms=6, **style)
        handles.append(Line2D([], [], ms=6, lw=2, label=run.replace("$", r"\$"), **style))
    axes.set_yticks(range(len(names)), [name_figure(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel(f"gain in mean score, {judge} judge", parse_math=False)
    figure.legend(handles=handles, frameon=False, fontsize=9, loc="outside upper left")
    words = [
        f"{run} {figures['overall'].gain:+.2f} ({format_interval(figures['overall'])})" for run, figures in runs.items()
    ]
    return Plot("gains", f"Gain in mean score by the {judge} judge: {join_words(words)}.", figure)


@_with_style
def plot_sweep(judges: Mapping[str, Sequence[Mapping[str, Any]]]) -> Plot:
    """The gain in mean score of each setting with its 95 % interval, by judge. The rows hold `setting, gain, gain_low,
    gain_high`, for all judges in the same order of settings."""
    names = list(dict.fromkeys(row["setting"] for rows in judges.values() for row in rows))
    figure, axes = _new_axes(6.4, 0.36 * len(names) + 1.2)
    axes.axvline(0, color=_INK, lw=0.8, ls=":")
    handles = []
    for number, (judge, rows) in enumerate(judges.items()):
        style = {"color": ("#d55e00", "#0072b2", "#009e73")[number % 3], "marker": "osD"[number % 3]}
        for row in rows:
            place = names.index(row["setting"]) + (number - (len(judges) - 1) / 2) * 0.3
            if row["gain_low"] is not None:
                axes.plot([row["gain_low"], row["gain_high"]], [place, place], color=style["color"], lw=2)
            axes.plot(row["gain"], place, ms=6, **style)
        handles.append(Line2D([], [], ms=6, lw=2, label=f"{judge} judge", **style))
    axes.set_yticks(range(len(names)), names, parse_math=False)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel("gain in mean score over the base")
    _legend(figure, handles)
    words = [f"{row['setting']} {row['gain']:+.2f}" for row in next(iter(judges.values()), ())]
    return Plot("sweep", f"Gain in mean score by the first judge: {join_words(words)}.", figure)


def draw_plots(report: RunReport) -> dict[str, list[Plot]]:
    """All plots of a report, by topic: gains, win rates, scores, tuning, on policy. File names hold the judge, except
    for the first judge."""
    judges = [judge for judge in report.gains if any(name in report.gains[judge] for name in SCORES)]
    plots: dict[str, list[Plot]] = {"gains": [], "win rates": [], "scores": []}
    for judge in judges:
        suffix = "" if judge == judges[0] else f"_{judge}"
        rates = [rate for rate in report.win_rates if rate.judge == judge]
        counts = [row for row in report.scores if row.judge == judge]
        plots["gains"].append(plot_gains(judge, report.gains[judge], f"gains{suffix}"))
        plots["win rates"].append(plot_win_rates(judge, rates, f"win_rates{suffix}"))
        plots["scores"].append(plot_score_distributions(judge, counts, f"score_distributions{suffix}"))
    plots["tuning"] = [plot_tuning_curve(report.tuning)] if report.tuning else []
    plots["on policy"] = [plot_rewards(report.on_policy)] if report.on_policy else []
    for title, rows in (("tuning", report.tuning), ("on policy", report.on_policy)):
        if select_validated(rows):
            plots[title].append(plot_validation(rows, f"validation_{title.replace(' ', '_')}"))
    return plots


def _new_figure(width: float, height: float) -> Figure:
    return Figure(figsize=(width, height), layout="constrained")


def _new_axes(width: float, height: float) -> tuple[Figure, Axes]:
    figure = _new_figure(width, height)
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _legend(figure: Figure, handles: Sequence[Any]) -> None:
    figure.legend(handles=handles, frameon=False, fontsize=9, loc="outside upper left", ncols=len(handles))


@_with_style
def _encode(figure: Figure, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=form, **options)
    return buffer.getvalue()
