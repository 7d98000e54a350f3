"""Gathers what the report shows from the store and writes it, with pictures to pass on, into the run's folder."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from atom.rendering import write_grid
from atom.report.html import Pane, gains_plot, render_report
from flows.made import Made
from storage import ArtifactRef, Store

PICTURE_SIZE = 288  # pixels of a pane's side


def write_report(store: Store, record: dict[str, Any], made: Made) -> str:
    """Writes report.html, gains.png and example.webp of a run into its folder and returns the report's address."""
    videos: dict[str, bytes] = {}
    for ref in made.gallery:
        for clip in store.read(ref).to_pylist():
            videos[clip["motion_id"]] = store.read_file(ref, clip["video"]["path"])
    asked = {row["prompt_id"]: row for row in store.read(made.prompts).to_pylist()}
    shown: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)  # by prompt and arm
    for row in made.shown:
        if row["motion_id"] in videos:
            shown[row["prompt_id"]][row["arm"]] = row
    gallery = [
        (
            asked[prompt]["text"],
            asked[prompt]["task"],
            [
                Pane(arm, videos[row["motion_id"]], _joints(store, row), row["score"], row["rationale"])
                for arm, row in arms.items()
            ],
        )
        for prompt, arms in shown.items()
    ]
    files = {
        "report.html": render_report(
            record, _curves(store, made.adapters), gallery, _curves(store, made.rewards)
        ).encode()
    }
    if record.get("evaluation"):
        files["gains.png"] = gains_plot(record)
    if example := _example(store, [arms for arms in shown.values() if len(arms) == 2]):
        files["example.webp"] = example
    addresses = {name: store.save_run_file(record["run_id"], name, data) for name, data in files.items()}
    return addresses["report.html"]


def _curves(store: Store, adapters: list[ArtifactRef]) -> list[dict[str, Any]]:
    """The curves of one adapter after the other, their steps numbered on."""
    rows: list[dict[str, Any]] = []
    for ref in adapters:
        done = len(rows)
        rows += [row | {"step": row["step"] + done} for row in store.read(ref).to_pylist()]
    return rows


def _example(store: Store, pairs: list[dict[str, dict[str, Any]]]) -> bytes | None:
    """An animated picture of the prompt of the gallery whose two motions differ most in score."""
    if not pairs:
        return None
    better, worse = ("tuned", "base") if "tuned" in pairs[0] else ("chosen", "rejected")
    arms = max(pairs, key=lambda arms: (arms[better]["score"] or 0) - (arms[worse]["score"] or 0))
    panes = [
        (
            arm if row["score"] is None else f"{arm}: {row['score']:.1f} of 5",
            _joints(store, row),
        )
        for arm, row in arms.items()
    ]
    with tempfile.TemporaryDirectory(prefix="atom-") as folder:
        path = Path(folder) / "example.webp"
        write_grid(path, panes, size=PICTURE_SIZE)
        return path.read_bytes()


def _joints(store: Store, shown: dict[str, Any]) -> np.ndarray:
    """The joints (T, 22, 3) of a motion of the gallery."""
    motions = store.read(ArtifactRef.from_dict(shown["motions"]), columns=["motion_id", "joints"])
    (motion,) = motions.filter(pc.field("motion_id") == shown["motion_id"]).to_pylist()
    return np.asarray(motion["joints"], np.float32).reshape(-1, 22, 3)
