"""Motions to turn, scrub and slow down in a browser. The page holds all it needs and asks no network for anything."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from atom.errors import AtomError
from atom.rendering.camera import (
    AZIMUTH,
    ELEVATION,
    FOCAL,
    MARGIN,
    SMOOTHING,
    STANDING_SHARE,
    find_first_heading,
    smooth_track,
)
from atom.rendering.figure import END_A, END_B, RADII, build_figure_parts, measure_body_height
from atom.rendering.floor_path import trace_floor_path
from atom.rendering.frames import check_joints

STEP = 0.001  # metres that joints are rounded to; more for a motion that spans over 65 m
_LARGEST = 32767  # of a 16 bit number
_SCRIPTS = ("viewer_figure.js", "viewer_drawing.js", "viewer_controls.js")


@dataclass(frozen=True)
class ViewedMotion:
    """Joints (T, 22, 3) in metres, Y up, floor at y = 0, 20 fps, and what stands below them: plain text, then HTML,
    in which the CSS variable --motion-frame is the frame that is shown."""

    label: str
    joints: np.ndarray
    detail: str = ""
    below: Markup = field(default_factory=Markup)


def render_viewer_page(motions: Sequence[ViewedMotion], title: str = "Motions") -> str:
    """A whole HTML page in which `motions` stand beside each other, turn together and play in step.

    Raises AtomError as `render_viewer`.
    """
    fragment = render_viewer(motions)
    template = _environment().get_template("render_viewer_page.html.j2")
    return template.render(title=title, assets=viewer_assets(), fragment=fragment)


def render_viewer(motions: Sequence[ViewedMotion]) -> Markup:
    """The HTML of one viewer, for a page that holds `viewer_assets` once; a page may hold any number of viewers.

    Joints are rounded to a millimetre and stored as 16 bit numbers in base64: a clip of 196 frames takes 36 kB, and a
    path on the floor about 50 bytes for each 8 cm. All text is escaped.

    Raises:
        AtomError: there is no motion, or the joints of one are no array (T, 22, 3) of finite numbers within a
            kilometre.
    """
    if not motions:
        raise AtomError("there is no motion to view, give at least one")
    shown = [_Shown.of(motion) for motion in motions]
    camera = {"focal": FOCAL, "elevation": ELEVATION, "distance": max(motion.distance for motion in shown)}
    template = _environment().get_template("render_viewer.html.j2")
    last_frame = max(motion.frames for motion in shown) - 1
    return Markup(template.render(motions=shown, camera=json.dumps(camera), last_frame=last_frame))


def viewer_assets() -> Markup:
    """The style and the script of all viewers of a page, as elements for its head or its body.

    Viewers that a page adds later start when it dispatches the event `motion-viewers-added` on the window.
    """
    return Markup(f"<style>{_style()}</style>\n<script>{_script()}</script>")


def viewer_script_hash() -> str:
    """How a Content-Security-Policy names the script of `viewer_assets`: `'sha256-...'`."""
    return _source_hash(_script())


def viewer_style_hash() -> str:
    """How a Content-Security-Policy names the style of `viewer_assets`: `'sha256-...'`."""
    return _source_hash(_style())


@dataclass(frozen=True)
class _Shown:
    """What the template needs of a motion; `distance` in metres is how far off the camera sees all of it."""

    label: str
    detail: str
    below: Markup
    frames: int
    distance: float
    data: str

    @classmethod
    def of(cls, motion: ViewedMotion) -> _Shown:
        joints = check_joints(motion.joints)
        height = measure_body_height(joints)
        ground = np.insert(smooth_track(joints[:, :, [0, 2]].mean(axis=1), SMOOTHING), 1, 0.0, axis=1)  # (T, 3)
        middle, reach = _reach(build_figure_parts(joints, height), ground)
        strokes, times = trace_floor_path(joints)
        data = {
            **_packed(np.concatenate([joints, ground[:, None]], axis=1)),
            "height": round(height, 4),
            "middle": round(middle, 4),
            "bearing": find_first_heading(joints) + AZIMUTH,
            "path": [[*np.round(stroke, 3).tolist(), int(time)] for stroke, time in zip(strokes, times)],
        }
        distance = max(FOCAL * height / STANDING_SHARE, FOCAL * reach / (0.5 - MARGIN))
        packed = json.dumps(data, separators=(",", ":"))
        return cls(motion.label, motion.detail, motion.below, len(joints), distance, packed)


def _style() -> str:
    return "\n" + (files("atom.rendering") / "templates" / "viewer.css").read_text("utf-8")


def _script() -> str:
    folder = files("atom.rendering") / "templates"
    parts = "\n".join((folder / name).read_text("utf-8") for name in _SCRIPTS)
    return f'\n(() => {{\n"use strict";\n{parts}}})();\n'


def _source_hash(source: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


def _reach(parts: np.ndarray, ground: np.ndarray) -> tuple[float, float]:
    """Height of the middle of the body over the whole motion, and how far from there, above `ground`, it reaches."""
    ends = np.concatenate([parts[..., END_A], parts[..., END_B]], axis=1)  # (T, 2 P, 3)
    radii = np.concatenate([parts[..., RADII.start], parts[..., RADII.start + 1]], axis=1)
    middle = float(np.min(ends[..., 1] - radii) + np.max(ends[..., 1] + radii)) / 2
    aim = ground + np.array([0.0, middle, 0.0])
    return middle, float(np.max(np.linalg.norm(ends - aim[:, None], axis=-1) + radii))


def _packed(points: np.ndarray) -> dict[str, Any]:
    """Points (T, N, 3) as `origin` + `step` * 16 bit numbers; the script counts numbers a frame in `width`."""
    origin = np.round((points.min(axis=(0, 1)) + points.max(axis=(0, 1))) / 2, 3)
    step = max(STEP, float(np.abs(points - origin).max()) / _LARGEST)
    steps = np.rint((points - origin) / step).astype("<i2")
    return {
        "origin": origin.tolist(),
        "step": step,
        "width": points.shape[1] * 3,
        "points": base64.b64encode(steps.tobytes()).decode(),
    }


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("atom.rendering"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
