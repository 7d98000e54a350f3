"""The files of a report: page, Markdown, data, plots, cards and an animated example."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from atom.atomic_write import write_atomically
from atom.errors import AtomError
from atom.preferences.card import build_dataset_card, describe_run_preferences
from atom.rendering import check_joints, write_grid
from atom.report.facts import ExampleMotion, MotionPair, RunReport
from atom.report.html_report import render_html_report
from atom.report.markdown_report import render_markdown_report
from atom.report.model_card import render_model_card
from atom.report.report_builder import build_report
from atom.report.run_tables import RunTables
from atom.report.sections import build_sections

PAGE, MARKDOWN, DATA = "report.html", "report.md", "report.json"
_PANE_SIZE = 288  # pixels, width and height of each motion in example.webp


def write_report(tables: RunTables, folder: Path | None = None) -> dict[str, str]:
    """Writes the report of a run.

    - report.html, one page that needs no other file; report.md with its plots (gains.png and others); report.json, all
      figures as data in the layout of `atom.report.facts.RunReport`;
    - example.webp: the first example, animated;
    - adapter/README.md and preferences/README.md: the model card of the tuned adapter and the dataset card of the
      pairs, to be placed beside the adapter and the pairs.

    Args:
        tables: the run.
        folder: where to write; by default the run's folder in the store.

    Returns:
        The address of each file, by name.

    Raises:
        AtomError: an artifact of the run is missing, or the folder can't be written.
        StoreError: the store can't be read or written.
    """
    report = build_report(tables)
    sections, joints = build_sections(report), load_drawable_joints(tables, report)
    files = {
        PAGE: render_html_report(report, sections, joints).encode(),
        MARKDOWN: render_markdown_report(report, sections).encode(),
        DATA: (report.model_dump_json(indent=1) + "\n").encode(),
        **{f"{plot.name}.png": plot.png for plot in sections.plots},
        **dict(_render_cards(tables, report)),
    }
    if example := _render_example(report, joints):
        files["example.webp"] = example
    if folder is None:
        return {name: tables.store.save_run_file(report.run_id, name, data) for name, data in files.items()}
    return {name: _write_file(folder / name, data) for name, data in files.items()}


def load_drawable_joints(tables: RunTables, report: RunReport) -> dict[str, np.ndarray]:
    """Loads the motions of the examples.

    Args:
        tables: the run.
        report: its facts.

    Returns:
        The joints (T, 22, 3) in metres by motion id, without motions that can't be drawn.
    """
    motions = {motion.motion_id: motion for pair in _example_pairs(report) for motion in pair.sides}
    drawable = {}
    for motion_id, motion in motions.items():
        if motion.frames:
            joints = tables.joints(motion_id)
            with suppress(AtomError):
                drawable[motion_id] = check_joints(joints)
    return drawable


def _example_pairs(report: RunReport) -> Iterator[MotionPair]:
    return (pair for examples in report.examples for pair in examples.examples)


def _render_cards(tables: RunTables, report: RunReport) -> Iterator[tuple[str, bytes]]:
    if report.adapter:
        yield "adapter/README.md", render_model_card(report, report.adapter).encode()
    if rows := tables.preferences:
        rounds = range(1, len(tables.round_names("preferences")) + 1)
        files = {split: f"data/{split}-00000.parquet" for split in sorted({row["split"] for row in rows})}
        card = build_dataset_card(rows, "datasets", describe_run_preferences(tables.record, list(rounds)), files)
        yield "preferences/README.md", card.encode()


def _render_example(report: RunReport, joints: Mapping[str, np.ndarray]) -> bytes | None:
    """An animated WebP of the first example whose motions can both be drawn."""
    pairs = (pair for pair in _example_pairs(report) if all(motion.motion_id in joints for motion in pair.sides))
    if (pair := next(pairs, None)) is None:
        return None
    panes: list[tuple[str, Any]] = [(_pane_title(motion), joints[motion.motion_id]) for motion in pair.sides]
    with tempfile.TemporaryDirectory(prefix="atom-") as work:
        path = Path(work) / "example.webp"
        write_grid(path, panes, size=_PANE_SIZE)
        return path.read_bytes()


def _pane_title(motion: ExampleMotion) -> str:
    return motion.arm if motion.score is None else f"{motion.arm}: {motion.score:.1f} of 5"


def _write_file(path: Path, data: bytes) -> str:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda new: new.write_bytes(data))
    except OSError as error:
        raise AtomError(
            f"{path}: can't be written ({error.strerror or error}), choose another folder with -o"
        ) from error
    return str(path)
