"""Everything that tells of a run, from its record and the store: page, Markdown, data, plots, cards."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from atom.atomic_write import write_atomically
from atom.errors import AtomError
from atom.preferences.card import about_run, dataset_card
from atom.rendering import check_joints, write_grid
from atom.report.facts import Example, RunReport
from atom.report.html_report import render_report
from atom.report.markdown_report import render_markdown_report
from atom.report.model_card import model_card
from atom.report.report_builder import build_report
from atom.report.run_tables import RunTables
from atom.report.sections import build_sections

PAGE, MARKDOWN, DATA = "report.html", "report.md", "report.json"
_SIZE = 288  # pixels of a pane of the example's side


def write_report(tables: RunTables, folder: Path | None = None) -> dict[str, str]:
    """Writes the report of a run into its folder in the store, or into `folder`; gives where each file is, by name.

    - report.html, one page that needs nothing beside it; report.md with the plots (gains.png and others) beside it;
      report.json, all figures as data in the layout of `atom.report.facts.RunReport`;
    - example.webp: the first example that the rules choose, animated;
    - adapter/README.md and preferences/README.md: the cards of the tuned adapter and of the pairs, each of which
      belongs beside what it tells of.

    Raises AtomError or StoreError where what the run made is gone or the folder can't be written.
    """
    report = build_report(tables)
    sections, joints = build_sections(report), load_drawable_joints(tables, report)
    files = {
        PAGE: render_report(report, sections, joints).encode(),
        MARKDOWN: render_markdown_report(report, sections).encode(),
        DATA: (report.model_dump_json(indent=1) + "\n").encode(),
        **{f"{plot.name}.png": plot.png for plot in sections.plots},
        **dict(_cards(tables, report)),
    }
    if example := _example(report, joints):
        files["example.webp"] = example
    if folder is None:
        return {name: tables.store.save_run_file(report.run_id, name, data) for name, data in files.items()}
    return {name: _written(folder / name, data) for name, data in files.items()}


def load_drawable_joints(tables: RunTables, report: RunReport) -> dict[str, np.ndarray]:
    """The joints (T, 22, 3) of the examples' motions by id, without those that can't be drawn."""
    sides = {
        side.motion_id: side for chosen in report.examples for example in chosen.examples for side in example.sides
    }
    found = {}
    for motion_id, side in sides.items():
        if side.frames:
            joints = tables.joints(motion_id)
            with suppress(AtomError):
                found[motion_id] = check_joints(joints)
    return found


def _cards(tables: RunTables, report: RunReport) -> Iterator[tuple[str, bytes]]:
    if report.adapter:
        yield "adapter/README.md", model_card(report, report.adapter).encode()
    if rows := tables.preferences:
        rounds = range(1, len(tables.rounds("preferences")) + 1)
        files = {split: f"data/{split}-00000.parquet" for split in sorted({row["split"] for row in rows})}
        card = dataset_card(rows, "datasets", about_run(tables.record, list(rounds)), files)
        yield "preferences/README.md", card.encode()


def _example(report: RunReport, joints: Mapping[str, np.ndarray]) -> bytes | None:
    """An animated picture of the first example of which both motions can be drawn."""
    examples = (example for chosen in report.examples for example in chosen.examples)
    example = next((e for e in examples if all(side.motion_id in joints for side in e.sides)), None)
    if example is None:
        return None
    panes: list[tuple[str, Any]] = [
        (_titled(example, number), joints[side.motion_id]) for number, side in enumerate(example.sides)
    ]
    with tempfile.TemporaryDirectory(prefix="atom-") as work:
        path = Path(work) / "example.webp"
        write_grid(path, panes, size=_SIZE)
        return path.read_bytes()


def _titled(example: Example, number: int) -> str:
    side = example.sides[number]
    return side.arm if side.score is None else f"{side.arm}: {side.score:.1f} of 5"


def _written(path: Path, data: bytes) -> str:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda new: new.write_bytes(data))
    except OSError as error:
        raise AtomError(
            f"{path}: can't be written ({error.strerror or error}), choose another folder with -o"
        ) from error
    return str(path)
