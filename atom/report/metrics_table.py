"""The metrics of text-to-motion as a table for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

METRICS = {
    "fid": "FID",
    "r_precision_1": "R-Precision 1",
    "r_precision_2": "R-Precision 2",
    "r_precision_3": "R-Precision 3",
    "matching": "MM-Dist",
    "diversity": "Diversity",
    "multimodality": "MultiModality",
}


def build_metrics_table(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Rows of the metrics table as what is shown: the `arms`, by metric a text for each in `rows`, and what all figures
    have in common in `note`; empty for none."""
    if not rows:
        return {}
    found = {(row["metric"], row["arm"]): f"{row['mean']:.3f} ± {row['half_width']:.3f}" for row in rows}
    arms = list(dict.fromkeys(row["arm"] for row in rows))
    table = {
        name: [found.get((metric, arm), "") for arm in arms]
        for metric, name in METRICS.items()
        if any((metric, arm) in found for arm in arms)
    }
    return {"arms": arms, "rows": table, "note": rows[0]}
