"""The calibration of judges as a plot and as one self-contained HTML page."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from textwrap import shorten
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from atom.errors import AtomError
from atom.events import TASKS
from atom.judging.calibration import AGREEMENT, ERRORS, EVENT_ERRORS
from atom.templates import template_environment

Results = Mapping[str, Mapping[str, Any]]
"""The result of `calibrate` by the name of a judge or of a form of pictures."""

GROUPS = ("overall", *TASKS)
LABELS = {
    "weighted_kappa": "weighted kappa",
    "krippendorff_alpha": "Krippendorff's alpha",
    "alpha_among_votes": "alpha among votes",
    "spearman": "Spearman",
    "pair_accuracy": "pair accuracy",
    "mean_error": "judge minus truth",
    "absolute_error": "absolute error",
    **{name: name for name in EVENT_ERRORS},
}
_PANELS = {"agreement": AGREEMENT, "errors about events": EVENT_ERRORS, "errors in points": ERRORS}
_MIN_RANGES = {
    "agreement": (0.0, 1.0),
    "errors about events": (0.0, 0.2),
    "errors in points": (-0.5, 0.5),
}  # of the x axes
_COLOURS = dict(zip(GROUPS, ("#333333", "#0072b2", "#009e73", "#d55e00")))  # Okabe and Ito's colour-blind safe palette


def plot_calibration(results: Results) -> bytes:
    """Draws a PNG with a row for each judge: the confusion matrix of truth and judge in counts and shares of a row, and
    beside it all figures, overall and by task, with their 95 % intervals. AtomError when there is no judge."""
    _check_not_empty(results)
    figure = Figure(figsize=(12.4, 3.9 * len(results) + 0.4), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.1)
    rows = figure.subfigures(len(results), 1, squeeze=False, hspace=0.04)[:, 0]
    # The same figures and scales for all judges, so that they can be compared by eye.
    lines = {panel: _defined_figures(results, names) for panel, names in _PANELS.items()}
    ranges = {panel: _axis_range(results, names, *_MIN_RANGES[panel]) for panel, names in lines.items()}
    for row, (name, result) in zip(rows, results.items(), strict=True):
        row.suptitle(shorten(name, 100), x=0.008, ha="left", fontweight="bold", parse_math=False)
        confusion_axes, *figure_axes = row.subplots(1, 1 + len(lines), width_ratios=(1.15, 1.1, 1.1, 0.8))
        _draw_confusion(confusion_axes, result["overall"])
        for axes, panel in zip(figure_axes, lines, strict=True):
            _draw_figures(axes, result, lines[panel])
            axes.set_xlim(ranges[panel])
            axes.set_title(panel, fontsize=10)
        handles = [Line2D([], [], color=colour, marker="o", ms=5, label=group) for group, colour in _COLOURS.items()]
        row.legend(handles=handles, loc="upper right", ncols=len(handles), frameon=False, fontsize=9)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130)
    return buffer.getvalue()


def render_calibration_page(
    results: Results, details: Mapping[str, Any], differences: Sequence[Mapping[str, Any]] = ()
) -> str:
    """Renders one self-contained HTML page: which judge agrees best in words, the plot, and all figures in tables.

    Args:
        results: of `calibrate`, by judge.
        details: name and value of what was judged and how, shown as they are.
        differences: of `compare_judges`; without them the page compares judges by their intervals alone.

    Returns:
        The page.

    Raises:
        AtomError: there is no judge.
    """
    _check_not_empty(results)
    template = template_environment("atom.report").get_template("calibration.html.j2")
    return template.render(
        results=results,
        details=details,
        differences=differences,
        sentences=list(_describe_results(results, differences)),
        format_figure=_format_figure,
        plot=base64.b64encode(plot_calibration(results)).decode(),
        groups=GROUPS,
        figures={name: LABELS[name] for name in (*AGREEMENT, *ERRORS, *EVENT_ERRORS)},
    )


def _check_not_empty(results: Results) -> None:
    if not results:
        raise AtomError("there is no calibration to show: give the results of `calibrate` for at least one judge")


def _draw_confusion(axes: Axes, overall: Mapping[str, Any]) -> None:
    counts = np.array(overall["confusion"])
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        share = shares[row, column]
        text = f"{count}\n{share:.0%}" if count else "0"
        colour = "white" if share > 0.55 else "#333333" if count else "#bbbbbb"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
    levels = range(1, len(counts) + 1)
    axes.set_xticks(range(len(counts)), levels)
    axes.set_yticks(range(len(counts)), levels)
    axes.tick_params(length=0)
    axes.set_xlabel("judge")
    axes.set_ylabel("truth")
    unscored = f", {overall['unscored']} unscored" if overall["unscored"] else ""
    axes.set_title(f"{overall['n']} clips{unscored}", fontsize=10)


def _draw_figures(axes: Axes, result: Mapping[str, Any], names: Sequence[str]) -> None:
    """One line per figure, with a dot and a whisker for each group."""
    offsets = np.linspace(-0.27, 0.27, len(GROUPS))
    for (group, colour), offset in zip(_COLOURS.items(), offsets, strict=True):
        for line, name in enumerate(names if group in result else ()):
            figure, height = result[group][name], line + offset
            if figure["value"] is not None:
                axes.scatter(figure["value"], height, s=22, color=colour, zorder=3)
            if figure["interval"]:
                axes.plot(figure["interval"], [height, height], color=colour, lw=1.6, zorder=2)
    if not _defined_figures({"": result}, names):
        axes.text(0.5, 0.5, "undefined", ha="center", va="center", transform=axes.transAxes, color="#888888")
    axes.axvline(0, color="#999999", lw=0.8, zorder=1)
    axes.set_yticks(range(len(names)), [LABELS[name] for name in names], fontsize=9)
    axes.set_ylim(max(len(names), 1) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#e6e6e6")
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _defined_figures(results: Results, names: Sequence[str]) -> list[str]:
    """The figures that are defined for at least one judge and group."""
    groups = [group for result in results.values() for group in result.values()]
    return [name for name in names if any(group[name]["value"] is not None for group in groups)]


def _axis_range(results: Results, names: Sequence[str], low: float, high: float) -> tuple[float, float]:
    figures = [group[name] for result in results.values() for group in result.values() for name in names]
    ends = [end for f in figures if f["value"] is not None for end in (f["value"], *(f["interval"] or ()))]
    low, high = min((low, *ends)), max((high, *ends))
    margin = 0.03 * (high - low)
    return low - margin, high + margin


def _describe_results(results: Results, differences: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Which judge agrees best, whether its lead is more than noise, and which errors it makes."""
    kappas = {name: result["overall"]["weighted_kappa"] for name, result in results.items()}
    ranked = sorted((name for name in kappas if kappas[name]["value"] is not None), key=lambda n: -kappas[n]["value"])
    if not ranked:
        yield "No judge gave scores that can be compared with the truth."
        return
    best, *others = ranked
    overall = results[best]["overall"]
    verb = "agrees best" if others else "agrees"
    yield (
        f"{best} {verb} with the truth: weighted kappa {_format_figure(kappas[best])} on {overall['n']} clips of "
        f"{overall['prompts']} prompts."
    )
    if others:
        yield _describe_lead(best, others[0], kappas, differences)
    if _defined_figures({best: {"overall": overall}}, EVENT_ERRORS):
        missed, invented, miscounted, misordered = (_format_percent(overall[name]) for name in EVENT_ERRORS)
        yield (
            f"{best} misses {missed} of the prompt's actions that the motion shows, and invents {invented} of those "
            f"that it does not show; {miscounted} of its counts and {misordered} of its orders of two events are wrong."
        )


def _describe_lead(best: str, second: str, kappas: Mapping[str, Any], differences: Sequence[Mapping[str, Any]]) -> str:
    paired = next((row for row in differences if set(row["judges"]) == {best, second}), None)
    if paired and paired["gain"] is not None:
        verdict = "more than noise" if paired["verdict"] == "better" else paired["verdict"]
        return (
            f"Next comes {second}: on the {paired['n']} clips that both scored, {paired['judges'][0]} is ahead by "
            f"{_format_figure(paired)}: {verdict}."
        )
    first, other = kappas[best]["interval"], kappas[second]["interval"]
    if not first or not other:
        verdict = "with too few prompts to tell whether the difference is noise"
    elif first[0] > other[1]:
        verdict = "and their intervals do not overlap: more than noise"
    else:
        verdict = "and their intervals overlap: the difference may be noise"
    return f"Next comes {second} with {_format_figure(kappas[second])}, {verdict}."


def _format_figure(figure: Mapping[str, Any]) -> str:
    value = figure["gain"] if "gain" in figure else figure["value"]
    if value is None:
        return "undefined"
    if figure["interval"] is None:
        return f"{value:.2f}"
    low, high = figure["interval"]
    return f"{value:.2f} (95 % interval {low:.2f} to {high:.2f})"


def _format_percent(figure: Mapping[str, Any]) -> str:
    return "an unknown share" if figure["value"] is None else f"{100 * figure['value']:.1f}\N{NO-BREAK SPACE}%"
