"""Export of preferences for other tools: AToM's labels, Hugging Face `datasets`, and TRL."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from atom.errors import AtomError
from atom.motion.features import joints_to_features
from atom.motion_formats.motion_files import write_motion
from atom.preferences.card import build_dataset_card
from atom.preferences.export_format import ExportFormat
from atom.preferences.labelled_rows import Annotation, row_to_pair
from atom.preferences.labels import EXTENSION_KEY, LABELS, write_labels
from atom.preferences.motion_strings import CODES, check_tokens, format_motion_string
from storage import PREFERENCES

Motions = Mapping[str, np.ndarray]
Annotations = Mapping[frozenset[str], Sequence[Annotation]]
"""The votes of single people on a pair, by the ids of its two motions."""

_SIDES = ("chosen", "rejected")
_ROW_GROUP_SIZE = 64  # about 20 MB with motions


def export_preferences(
    rows: Sequence[Mapping[str, Any]],
    folder: str | Path,
    export_format: ExportFormat,
    *,
    about: Mapping[str, Any],
    motions: Motions | None = None,
    codes: int = CODES,
    template: str = "{}",
    annotations: Annotations | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Exports preferences into a new folder, with a dataset card. `import_preferences` reads them back.

    - "atom": preference_labels.jsonl with token files, as AToM's loader reads them; the ids are the row numbers.
      Motions are written as arrays/ and features/.
    - "datasets": data/SPLIT-00000.parquet, with the motions in additional columns. Rows are grouped by split.
    - "trl": SPLIT.jsonl with prompt, chosen, rejected, score_chosen, score_rejected and the other columns of the table.
      Rows are grouped by split. It can't hold motions.

    An export that fails leaves nothing behind.

    Args:
        rows: of the preferences table. Only an export with motions may have rows without tokens.
        folder: a new or an empty folder.
        export_format: "atom", "datasets" or "trl".
        about: for the card: name, license, and how the pairs were made.
        motions: joints (T, 22, 3) by motion id; None exports no motions.
        codes: the size of the codebook.
        template: for "trl", the prompt template, in which "{}" stands for the text.
        annotations: for "atom", votes of single people. In a line they stand before that of the row, which counts.
        progress: called with the number of finished rows and of all rows.

    Raises:
        AtomError: there are no rows, the folder is not empty or can't be written, or a row lacks what the format needs.
        StoreError: a row does not fit the preferences table.
    """
    folder = Path(folder)
    rows = PREFERENCES.from_rows(rows).to_pylist()
    _check_export(rows, export_format, motions, codes, template)
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise AtomError(f"{folder}: exists and is not empty; name a new folder")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as work:
            # All files are written beside the target and moved there at the end, so that a failure leaves nothing.
            export = Path(work) / "export"
            export.mkdir()
            if export_format == "atom":
                files = _write_atom(rows, export, about, motions, annotations or {}, progress)
            elif export_format == "datasets":
                files = _write_datasets(rows, export, motions, progress)
            else:
                files = _write_trl(rows, export, template, codes, progress)
            card = build_dataset_card(rows, export_format, about, files, with_motions=motions is not None)
            (export / "README.md").write_text(card, encoding="utf-8")
            export.replace(folder)
    except OSError as error:
        raise AtomError(f"{folder}: can't be written ({error.strerror or error}); choose another folder") from error


def _check_export(
    rows: Sequence[Mapping[str, Any]], export_format: str, motions: Motions | None, codes: int, template: str
) -> None:
    if export_format not in get_args(ExportFormat):
        raise AtomError(f"unknown format {export_format!r}, known: {', '.join(get_args(ExportFormat))}")
    if not rows:
        raise AtomError("there are no preferences to export")
    if export_format == "trl" and motions is not None:
        raise AtomError("the format trl can't hold motions; export datasets or leave them out")
    if template.count("{}") != 1 or (template != "{}" and export_format != "trl"):
        raise AtomError(f"template {template!r}: only the format trl takes a template, a text with one {{}}")
    for number, row in enumerate(rows):
        tokens = [row[f"{side}_tokens"] for side in _SIDES]
        if any(tokens) or motions is None or export_format == "trl":
            for side, side_tokens in zip(_SIDES, tokens):
                try:
                    check_tokens(side_tokens, codes)
                except AtomError as error:
                    raise AtomError(f"row {number}, {side}_tokens: {error}; leave out the row") from error
        if motions is not None:
            for name in (row[f"{side}_motion_id"] for side in _SIDES):
                if name not in motions:
                    raise AtomError(f"row {number}: the motion {name!r} is missing; export without motions")


def _write_atom(
    rows: Sequence[Mapping[str, Any]],
    folder: Path,
    about: Mapping[str, Any],
    motions: Motions | None,
    annotations: Annotations,
    progress: Callable[[int, int], None],
) -> dict[str, str]:
    generator = str(about.get("generator", "atom"))
    pairs = [
        row_to_pair(
            row,
            number,
            generator,
            motions is not None,
            annotations.get(frozenset({row["chosen_motion_id"], row["rejected_motion_id"]}), ()),
        )
        for number, row in enumerate(rows)
    ]
    write_labels(folder, pairs)
    if motions is not None:
        for name in ("arrays", "features"):
            (folder / name).mkdir()
        for number, pair in enumerate(pairs):
            for place, motion_id in enumerate(pair.line[EXTENSION_KEY]["motion_ids"], start=1):
                write_motion(folder / f"arrays/{pair.id}_{place}.npy", motions[motion_id])
                write_motion(folder / f"features/{pair.id}_{place}.npy", motions[motion_id], "features")
            progress(number, len(pairs))
    progress(len(pairs), len(pairs))
    return {"train": LABELS}


def _write_datasets(
    rows: Sequence[Mapping[str, Any]], folder: Path, motions: Motions | None, progress: Callable[[int, int], None]
) -> dict[str, str]:
    (folder / "data").mkdir()
    kinds = ("joints", "features") if motions is not None else ()
    columns = [pa.field(f"{side}_{kind}", pa.list_(pa.float32()), False) for kind in kinds for side in _SIDES]
    schema = pa.schema([*PREFERENCES.schema, *columns])

    @lru_cache(maxsize=_ROW_GROUP_SIZE)  # pairs of a prompt share motions and are next to each other
    def compute_arrays(motion_id: str) -> dict[str, np.ndarray]:
        joints = np.asarray(motions[motion_id], dtype=np.float32)
        return {"joints": joints.ravel(), "features": joints_to_features(joints).ravel()}

    files, done = {}, 0
    for split, part in _group_by_split(rows).items():
        files[split] = f"data/{split}-00000.parquet"
        with pq.ParquetWriter(folder / files[split], schema, compression="zstd") as writer:
            for start in range(0, len(part), _ROW_GROUP_SIZE):
                group = part[start : start + _ROW_GROUP_SIZE]
                table = PREFERENCES.from_rows(group)
                for field in columns:
                    side, kind = field.name.split("_")
                    values = [compute_arrays(row[f"{side}_motion_id"])[kind] for row in group]
                    table = table.append_column(field, pa.array(values, field.type))
                writer.write_table(table.cast(schema))
                done += len(group)
                progress(done, len(rows))
    return files


def _write_trl(
    rows: Sequence[Mapping[str, Any]], folder: Path, template: str, codes: int, progress: Callable[[int, int], None]
) -> dict[str, str]:
    files, done = {}, 0
    for split, part in _group_by_split(rows).items():
        files[split] = f"{split}.jsonl"
        with (folder / files[split]).open("w", encoding="utf-8") as file:
            for row in part:
                file.write(json.dumps(_make_trl_row(row, template, codes)) + "\n")
        done += len(part)
        progress(done, len(rows))
    return files


def _make_trl_row(row: Mapping[str, Any], template: str, codes: int) -> dict[str, Any]:
    prompt = template.replace("{}", row["prompt"])
    answers = {side: format_motion_string(row[f"{side}_tokens"], codes) for side in _SIDES}
    scores = {f"score_{side}": row[f"{side}_score"] for side in _SIDES}
    raw_prompt = {"raw_prompt": row["prompt"]} if prompt != row["prompt"] else {}
    replaced = {"prompt", *(f"{side}_{kind}" for side in _SIDES for kind in ("tokens", "score"))}
    rest = {name: value for name, value in row.items() if name not in replaced}
    return {"prompt": prompt, **answers, **scores, **raw_prompt} | rest


def _group_by_split(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    parts: dict[str, list[Mapping[str, Any]]] = {"train": [], "val": [], "test": []}
    for row in rows:
        parts.setdefault(row["split"], []).append(row)
    return {split: part for split, part in parts.items() if part}
