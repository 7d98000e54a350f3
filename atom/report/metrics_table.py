"""The text-to-motion metrics as a table."""

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
    """Arranges rows of the stored metrics table for display: `arms`, the columns; `rows`, the cells by metric; and
    `note`, the fields that all rows share, such as the evaluator. Empty if there are no metrics."""
    if not rows:
        return {}
    cells = {(row["metric"], row["arm"]): f"{row['mean']:.3f} ± {row['half_width']:.3f}" for row in rows}
    arms = list(dict.fromkeys(row["arm"] for row in rows))
    table = {
        name: [cells.get((metric, arm), "") for arm in arms]
        for metric, name in METRICS.items()
        if any((metric, arm) in cells for arm in arms)
    }
    return {"arms": arms, "rows": table, "note": rows[0]}
