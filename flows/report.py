"""Gathers what the report shows from the store and writes it into the run's folder."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import fsspec

from atom.report.html import Pane, render_report
from storage import Store


def write_report(store: Store, record: dict[str, Any], evaluation: dict[str, Any]) -> str:
    """Writes report.html of a run and returns its address."""
    videos: dict[str, bytes] = {}
    for ref in evaluation["gallery"]:
        for clip in store.read(ref).to_pylist():
            with fsspec.open(store.path(ref, clip["video"]["path"]), "rb") as file:
                videos[clip["motion_id"]] = file.read()
    asked = {row["prompt_id"]: row for row in store.read(evaluation["prompts"]).to_pylist()}
    panes: dict[str, list[Pane]] = defaultdict(list)
    for row in evaluation["shown"]:
        if row["motion_id"] in videos:
            panes[row["prompt_id"]].append(Pane(row["arm"], videos[row["motion_id"]], row["score"], row["rationale"]))
    gallery = [(asked[prompt]["text"], asked[prompt]["task"], shown) for prompt, shown in panes.items()]
    page = render_report(record, store.read(evaluation["adapter"]).to_pylist(), gallery)
    address = f"{store.run_folder(record['run_id'])}/report.html"
    with fsspec.open(address, "w", encoding="utf-8") as file:
        file.write(page)
    return address
