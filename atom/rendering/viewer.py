"""A 3D viewer for the browser, in which motions can be rotated, scrubbed and slowed down. It loads nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import numpy as np
from markupsafe import Markup

from atom.errors import AtomError
from atom.rendering.camera import (
    AZIMUTH,
    ELEVATION,
    FOCAL,
    MARGIN,
    SMOOTHING,
    STANDING_FRACTION,
    find_first_heading,
    smooth_track,
)
from atom.rendering.figure import END_A, END_B, RADII, build_figure_parts, measure_body_height
from atom.rendering.floor_path import trace_floor_path
from atom.rendering.frames import check_joints
from atom.templates import template_environment

STEP = 0.001  # metres: joints are rounded to multiples of it, or of a larger step if a motion spans over 65 m
_MAX_INT16 = 32767
_SCRIPTS = ("viewer_figure.js", "viewer_drawing.js", "viewer_controls.js")


@dataclass(frozen=True)
class ViewedMotion:
    """A motion to view, and what stands below it.

    Attributes:
        label: its name.
        joints: (T, 22, 3) in metres, Y up, floor at y = 0, 20 fps.
        detail: plain text below the motion.
        below: HTML that follows it, in which the CSS variable --motion-frame holds the current frame.
    """

    label: str
    joints: np.ndarray
    detail: str = ""
    below: Markup = field(default_factory=Markup)


def render_viewer_page(motions: Sequence[ViewedMotion], title: str = "Motions") -> str:
    """Render a whole HTML page with one viewer.

    Args:
        motions: the motions, side by side; they rotate together and play in sync.
        title: the title of the page.

    Returns:
        The HTML, which loads nothing from elsewhere.

    Raises:
        AtomError: as in `render_viewer`.
    """
    fragment = render_viewer(motions)
    template = template_environment("atom.rendering").get_template("viewer_page.html.j2")
    return template.render(title=title, assets=viewer_assets(), fragment=fragment)


def render_viewer(motions: Sequence[ViewedMotion]) -> Markup:
    """Render the HTML of one viewer, for a page that contains `viewer_assets` once and any number of viewers.

    Joints are rounded to a millimetre and stored as 16-bit numbers in base64. A clip of 196 frames takes 36 kB, plus
    about 50 bytes for each 8 cm of its path on the floor. All text is escaped.

    Args:
        motions: the motions, side by side.

    Returns:
        The HTML.

    Raises:
        AtomError: there is no motion, or `check_joints` refuses the joints of one.
    """
    if not motions:
        raise AtomError("there is no motion to view, give at least one")
    viewer_motions = [_ViewerMotion.from_motion(motion) for motion in motions]
    camera = {"focal": FOCAL, "elevation": ELEVATION, "distance": max(motion.distance for motion in viewer_motions)}
    template = template_environment("atom.rendering").get_template("viewer_fragment.html.j2")
    last_frame = max(motion.frames for motion in viewer_motions) - 1
    return Markup(template.render(motions=viewer_motions, camera=json.dumps(camera), last_frame=last_frame))


def viewer_assets() -> Markup:
    """Render what all viewers of a page share.

    A page that adds viewers later must dispatch the event `motion-viewers-added` on the window to start them.

    Returns:
        The style and script elements, for the head or the body of the page.
    """
    return Markup(f"<style>{_viewer_style()}</style>\n<script>{_viewer_script()}</script>")


def viewer_script_hash() -> str:
    """The Content-Security-Policy source (`'sha256-...'`) that allows the script of `viewer_assets`."""
    return _csp_hash(_viewer_script())


def viewer_style_hash() -> str:
    """The Content-Security-Policy source (`'sha256-...'`) that allows the style of `viewer_assets`."""
    return _csp_hash(_viewer_style())


@dataclass(frozen=True)
class _ViewerMotion:
    """A motion as the template needs it; `distance` is the camera distance in metres at which all of it is visible."""

    label: str
    detail: str
    below: Markup
    frames: int
    distance: float
    data: str

    @classmethod
    def from_motion(cls, motion: ViewedMotion) -> _ViewerMotion:
        joints = check_joints(motion.joints)
        height = measure_body_height(joints)
        ground = np.insert(smooth_track(joints[:, :, [0, 2]].mean(axis=1), SMOOTHING), 1, 0.0, axis=1)  # (T, 3)
        middle, radius = _body_extent(build_figure_parts(joints, height), ground)
        strokes, times = trace_floor_path(joints)
        data = {
            **_encode_points(np.concatenate([joints, ground[:, None]], axis=1)),
            "height": round(height, 4),
            "middle": round(middle, 4),
            "bearing": find_first_heading(joints) + AZIMUTH,
            "path": [[*np.round(stroke, 3).tolist(), int(time)] for stroke, time in zip(strokes, times)],
        }
        distance = max(FOCAL * height / STANDING_FRACTION, FOCAL * radius / (0.5 - MARGIN))
        encoded = json.dumps(data, separators=(",", ":"))
        return cls(motion.label, motion.detail, motion.below, len(joints), distance, encoded)


def _viewer_style() -> str:
    return "\n" + (files("atom.rendering") / "templates" / "viewer.css").read_text("utf-8")


def _viewer_script() -> str:
    folder = files("atom.rendering") / "templates"
    parts = "\n".join((folder / name).read_text("utf-8") for name in _SCRIPTS)
    return f'\n(() => {{\n"use strict";\n{parts}}})();\n'


def _csp_hash(source: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


def _body_extent(parts: np.ndarray, ground: np.ndarray) -> tuple[float, float]:
    """The middle height of the body over the whole motion, and its largest distance from that height above `ground`."""
    ends = np.concatenate([parts[..., END_A], parts[..., END_B]], axis=1)  # (T, 2 P, 3)
    radii = np.concatenate([parts[..., RADII.start], parts[..., RADII.start + 1]], axis=1)
    middle = float(np.min(ends[..., 1] - radii) + np.max(ends[..., 1] + radii)) / 2
    centre = ground + np.array([0.0, middle, 0.0])
    return middle, float(np.max(np.linalg.norm(ends - centre[:, None], axis=-1) + radii))


def _encode_points(points: np.ndarray) -> dict[str, Any]:
    """Encode points (T, N, 3) as `origin` + `step` * 16-bit numbers, of which `width` make a frame."""
    origin = np.round((points.min(axis=(0, 1)) + points.max(axis=(0, 1))) / 2, 3)
    step = max(STEP, float(np.abs(points - origin).max()) / _MAX_INT16)
    steps = np.rint((points - origin) / step).astype("<i2")
    return {
        "origin": origin.tolist(),
        "step": step,
        "width": points.shape[1] * 3,
        "points": base64.b64encode(steps.tobytes()).decode(),
    }
