"""A report as one self-contained HTML page. All text is escaped; plots and motions are inside the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from atom.rendering.viewer import ViewedMotion, render_viewer, viewer_assets
from atom.report.facts import Example, RunReport, Side
from atom.report.sections import Section, Sections

Joints = Mapping[str, np.ndarray]
"""Joints (T, 22, 3) in metres by motion id; a motion that can't be drawn is absent."""


def render_report(report: RunReport, sections: Sections, joints: Joints) -> str:
    """The page of a run, with the motions of its examples to turn and scrub."""
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            results=sections.results,
            making=sections.making,
            sets=[
                (chosen, [(example, render_example_viewer(example, joints)) for example in chosen.examples])
                for chosen in report.examples
            ],
            assets=viewer_assets() if any(chosen.examples for chosen in report.examples) else "",
        )
    )


def render_sections(title: str, lead: Sequence[str], sections: Sequence[Section]) -> str:
    """A page of sections alone, such as a comparison of runs."""
    return _environment().get_template("sections.html.j2").render(title=title, lead=lead, sections=sections)


def render_example_viewer(example: Example, joints: Joints) -> Markup:
    """Both motions of an example side by side in 3D, each with what the judge saw on a timeline below it. A motion that
    can't be drawn has the timeline alone."""
    frames = max(side.frames for side in example.sides)
    below = [_evidence(side, frames) for side in example.sides]
    shown = [
        ViewedMotion(side.arm, joints[side.motion_id], _scored(side), evidence)
        for side, evidence in zip(example.sides, below)
        if side.motion_id in joints
    ]
    lost = [
        Markup("<p><b>{}</b> There is no motion to draw.</p>").format(side.arm) + evidence
        for side, evidence in zip(example.sides, below)
        if side.motion_id not in joints
    ]
    return Markup("").join([*([render_viewer(shown)] if shown else []), *lost])


def _scored(side: Side) -> str:
    return "no score" if side.score is None else f"{side.score:.1f} of 5"


def _evidence(side: Side, frames: int) -> Markup:
    template = _environment().get_template("evidence.html.j2")
    return Markup(template.render(side=side, frames=max(frames, 1)))


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("atom.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
