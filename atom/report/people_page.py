"""What people said of a run as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from atom.events import TASKS
from atom.rendering.viewer import ViewedMotion, render_viewer, viewer_assets

MAX_DISPUTES_SHOWN = 12  # motions or pairs of them that are disputed, the furthest apart


def render_people_page(run_id: str, results: Mapping[str, Any], joints: Callable[[str], np.ndarray]) -> str:
    """The page of `atom.review.vote_results.results`: win rates as bars, who agrees with whom, and where people and a judge
    say otherwise, the motions side by side in 3D. `joints` gives those of a motion, (T, 22, 3) in metres, by its id.
    All text is escaped, nothing is fetched."""
    disputed: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}  # by the motions, what each judge says of them
    for row in results["disagreements"]:
        disputed.setdefault(tuple(row["motion_ids"]), []).append(row)
    environment = Environment(loader=PackageLoader("atom.report"), autoescape=True, undefined=StrictUndefined)
    environment.filters["viewer"] = lambda rows: _viewer(rows, joints)
    return environment.get_template("people.html.j2").render(
        run_id=run_id,
        results=results,
        groups=("overall", *TASKS),
        disputed=len(disputed),
        shown=list(disputed.values())[:MAX_DISPUTES_SHOWN],
        viewer_assets=viewer_assets(),
    )


def _viewer(rows: Sequence[Mapping[str, Any]], joints: Callable[[str], np.ndarray]) -> Markup:
    """The motions that some judges dispute with people, with what these judges gave them."""
    motions = []
    for place, (arm, motion_id) in enumerate(zip(rows[0]["arms"], rows[0]["motion_ids"], strict=True)):
        given = ", ".join(f"{row['judge']} judge {row['scores'][place]:.1f}" for row in rows)
        motions.append(ViewedMotion(arm, joints(motion_id), given))
    return render_viewer(motions)
