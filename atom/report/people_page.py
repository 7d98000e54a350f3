"""The results of a human review as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from atom.events import TASKS
from atom.rendering.viewer import ViewedMotion, render_viewer, viewer_assets
from atom.templates import template_environment

MAX_DISPUTES_SHOWN = 12  # motions or pairs of motions, those with the largest disagreement


def render_people_page(run_id: str, results: Mapping[str, Any], joints: Callable[[str], np.ndarray]) -> str:
    """Renders the page: win rates as bars, agreement, and where people and a judge disagree, the motions in 3D.

    Args:
        run_id: the run that people voted on.
        results: of `atom.review.vote_results.summarise_votes`.
        joints: gives the joints (T, 22, 3) of a motion by its id, in metres.

    Returns:
        The page. All text is escaped, and the page loads nothing.
    """
    disputes: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}  # motion ids -> disagreements, one per judge
    for row in results["disagreements"]:
        disputes.setdefault(tuple(row["motion_ids"]), []).append(row)
    return (
        template_environment("atom.report")
        .get_template("people.html.j2")
        .render(
            run_id=run_id,
            results=results,
            groups=("overall", *TASKS),
            dispute_count=len(disputes),
            shown=list(disputes.values())[:MAX_DISPUTES_SHOWN],
            viewer_assets=viewer_assets(),
            render_dispute=lambda rows: _render_dispute(rows, joints),
        )
    )


def _render_dispute(rows: Sequence[Mapping[str, Any]], joints: Callable[[str], np.ndarray]) -> Markup:
    """The motions in 3D, each with the scores of the judges that disagree with people."""
    motions = []
    for side, (arm, motion_id) in enumerate(zip(rows[0]["arms"], rows[0]["motion_ids"], strict=True)):
        scores = ", ".join(f"{row['judge']} judge {row['scores'][side]:.1f}" for row in rows)
        motions.append(ViewedMotion(arm, joints(motion_id), scores))
    return render_viewer(motions)
