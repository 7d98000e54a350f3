"""Renders a run to one self-contained HTML page. All text is escaped; pictures and clips are inside the page."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from atom.rendering.viewer import ViewedMotion, viewer_assets, viewer_fragment
from atom.report import plots
from atom.report.metrics import metrics_table

SCORES = ("overall", "integrity", "temporal", "frequency")


@dataclass(frozen=True)
class Pane:
    """One clip of the gallery: whose it is, its mp4, its joints (T, 22, 3) in metres and what the judge said."""

    arm: str
    video: bytes
    joints: np.ndarray
    score: float | None
    rationale: str


def render_report(record: Mapping[str, Any], curves: Sequence[Mapping[str, Any]],
                  gallery: Sequence[tuple[str, str, Sequence[Pane]]],
                  rewards: Sequence[Mapping[str, Any]] = ()) -> str:  # fmt: skip
    """The page of a run's record (as `atom runs show --json` prints it), the tuning curves' rows, the gallery as
    (prompt, task, panes), and the rows of the on-policy curve."""
    evaluation = record.get("evaluation", {})
    summaries = {
        judge: {name: figure for name, figure in figures.items() if isinstance(figure, dict) and "gain" in figure}
        for judge, figures in evaluation.items()
    }
    environment = Environment(loader=PackageLoader("atom.report"), autoescape=True, undefined=StrictUndefined)
    environment.filters["data"] = lambda value: base64.b64encode(value).decode()
    environment.filters["viewer"] = _viewer
    return environment.get_template("report.html.j2").render(
        record=record,
        summaries=summaries,
        sentence=_sentence(record, summaries),
        gains=gains_plot(record) if summaries else None,
        metrics=metrics_table(record.get("metrics", [])),
        curves=plots.curves(curves) if curves else None,
        rewards=plots.rewards(rewards) if rewards else None,
        baselines={judge: figures.get("baselines", {}) for judge, figures in evaluation.items()},
        gallery=gallery,
        viewer_assets=viewer_assets() if gallery else "",
        config=yaml.safe_dump(dict(record["config"]), sort_keys=False),
    )


def _viewer(panes: Sequence[Pane]) -> str:
    return viewer_fragment([
        ViewedMotion(pane.arm, pane.joints, "" if pane.score is None else f"{pane.score:.1f} of 5") for pane in panes
    ])  # fmt: skip


def _sentence(record: Mapping[str, Any], summaries: Mapping[str, Any]) -> str:
    """What came of the run, in one sentence."""
    if not summaries:
        pairs = record["preferences"]
        of = f" of {pairs['of_prompts']:,}" if "of_prompts" in pairs else ""
        return f"{pairs['pairs']:,} pairs of {pairs['prompts']:,}{of} prompts were built."
    overall = next(iter(summaries.values()))["overall"]
    return (
        f"Tuning moved the mean score from {overall['base']:.2f} to {overall['tuned']:.2f} "
        f"({overall['gain']:+.2f}, {_interval(overall)}{overall['n']} held-out prompts): {overall['verdict']}."
    )


def _interval(figure: Mapping[str, Any]) -> str:
    if figure["gain_low"] is None:
        return ""
    return f"95 % interval {figure['gain_low']:+.2f} to {figure['gain_high']:+.2f}, "


def gains_plot(record: Mapping[str, Any]) -> bytes:
    """A PNG of base and tuned mean score, overall and by task, with the intervals of the gains."""
    figures = next(iter(record["evaluation"].values()))
    return plots.gains(figures, [name for name in SCORES if figures.get(name)])
