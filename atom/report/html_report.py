"""A report as one self-contained HTML page. All text is escaped; the page embeds its plots and motions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup

from atom.rendering.viewer import ViewedMotion, render_viewer, viewer_assets
from atom.report.facts import ExampleMotion, MotionPair, RunReport
from atom.report.sections import ReportSection, ReportSections
from atom.templates import template_environment

_ENVIRONMENT = template_environment("atom.report")

Joints = Mapping[str, np.ndarray]
"""The joints (T, 22, 3) in metres by motion id. A motion that can't be drawn is absent."""


def render_html_report(report: RunReport, sections: ReportSections, joints: Joints) -> str:
    """Renders the page of a run.

    Args:
        report: the facts.
        sections: from `build_sections`.
        joints: of the motions of the examples, which the page shows in 3D.

    Returns:
        The page.
    """
    template = _ENVIRONMENT.get_template("report.html.j2")
    return template.render(
        report=report,
        results=sections.results,
        methods=sections.methods,
        sets=[
            (examples, [(pair, render_example_viewer(pair, joints)) for pair in examples.examples])
            for examples in report.examples
        ],
        assets=viewer_assets() if any(examples.examples for examples in report.examples) else "",
    )


def render_sections(title: str, lead: Sequence[str], sections: Sequence[ReportSection]) -> str:
    """Renders a page of sections alone, such as a comparison of runs.

    Args:
        title: of the page.
        lead: paragraphs before the sections; the first is larger.
        sections: in their order.

    Returns:
        The page.
    """
    return _ENVIRONMENT.get_template("sections.html.j2").render(title=title, lead=lead, sections=sections)


def render_example_viewer(pair: MotionPair, joints: Joints) -> Markup:
    """Renders both motions of an example side by side in 3D, each with a timeline of the judge's evidence below it.

    Args:
        pair: the example.
        joints: of its motions; a motion without joints gets the timeline alone.

    Returns:
        A fragment for a page that holds `viewer_assets`.
    """
    frames = max(motion.frames for motion in pair.sides)
    timelines = [_render_evidence(motion, frames) for motion in pair.sides]
    drawn = [
        ViewedMotion(motion.arm, joints[motion.motion_id], _format_score(motion), timeline)
        for motion, timeline in zip(pair.sides, timelines)
        if motion.motion_id in joints
    ]
    not_drawn = [
        Markup("<p><b>{}</b> There is no motion to draw.</p>").format(motion.arm) + timeline
        for motion, timeline in zip(pair.sides, timelines)
        if motion.motion_id not in joints
    ]
    return Markup("").join([*([render_viewer(drawn)] if drawn else []), *not_drawn])


def _format_score(motion: ExampleMotion) -> str:
    return "no score" if motion.score is None else f"{motion.score:.1f} of 5"


def _render_evidence(motion: ExampleMotion, frames: int) -> Markup:
    template = _ENVIRONMENT.get_template("evidence.html.j2")
    return Markup(template.render(motion=motion, frames=max(frames, 1)))
