"""Preferences for the tools of others: AToM's labels, Hugging Face `datasets`, TRL."""

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
from atom.motion.motion_files import write_motion
from atom.preferences.card import ExportFormat, dataset_card
from atom.preferences.labelled_rows import Annotation, row_to_pair
from atom.preferences.labels import LABELS, OWN, write_labels
from atom.preferences.motion_strings import CODES, check_tokens, motion_string
from storage import PREFERENCES

Motions = Mapping[str, np.ndarray]
Annotations = Mapping[frozenset[str], Sequence[Annotation]]
"""What single people said of a pair, by the ids of its two motions."""

_SIDES = ("chosen", "rejected")
_ROWS_A_GROUP = 64  # with motions, about 20 MB


def export_preferences(
    rows: Sequence[Mapping[str, Any]],
    folder: str | Path,
    form: ExportFormat,
    *,
    about: Mapping[str, Any],
    motions: Motions | None = None,
    codes: int = CODES,
    template: str = "{}",
    annotations: Annotations | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write rows of the preferences table into a new folder, with a dataset card; `import_preferences` gives them back.

    - "atom": preference_labels.jsonl with the token files, as AToM's loader reads them. The ids are the rows' numbers.
      `motions`, joints (T, 22, 3) by motion id, are written beside as arrays/ and features/; `annotations` stand in the
      line before that of the row, which counts. The other forms have no place for them.
    - "datasets": data/SPLIT-00000.parquet, with the motions in further columns. Rows are grouped by split.
    - "trl": SPLIT.jsonl with prompt, chosen, rejected, score_chosen, score_rejected and the rest of the table's
      columns; `template` words the prompt, which stands for "{}". Rows are grouped by split; it has no motions.

    `about` goes into the card: name, license, and whatever tells how the set was made. `progress` hears how many rows are
    written. Only with motions may a row lack tokens; its line in AToM's form says so.

    Raises AtomError if there are no rows, the folder is not empty or can't be written, or a row lacks what the form
    needs; StoreError if a row is not one of the table. Nothing is left of an export that failed.
    """
    folder = Path(folder)
    rows = PREFERENCES.from_rows(rows).to_pylist()
    _check(rows, form, motions, codes, template)
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise AtomError(f"{folder}: is there already and not empty, name a new folder")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as work:
            made = Path(work) / "export"
            made.mkdir()
            if form == "atom":
                files = _write_atom(rows, made, about, motions, annotations or {}, progress)
            elif form == "datasets":
                files = _write_datasets(rows, made, motions, progress)
            else:
                files = _write_trl(rows, made, template, codes, progress)
            card = dataset_card(rows, form, about, files, with_motions=motions is not None)
            (made / "README.md").write_text(card, encoding="utf-8")
            made.replace(folder)
    except OSError as error:
        raise AtomError(f"{folder}: can't be written ({error.strerror or error}), choose another place") from error


def _check(rows: Sequence[Mapping[str, Any]], form: str, motions: Motions | None, codes: int, template: str) -> None:
    if form not in get_args(ExportFormat):
        raise AtomError(f"unknown form {form!r}, known: {', '.join(get_args(ExportFormat))}")
    if not rows:
        raise AtomError("there are no preferences to export")
    if form == "trl" and motions is not None:
        raise AtomError("the form trl has no place for motions, export datasets or leave them out")
    if template.count("{}") != 1 or (template != "{}" and form != "trl"):
        raise AtomError(f"template {template!r}: only the form trl is worded, by a text that holds {{}} once")
    for number, row in enumerate(rows):
        tokens = [row[f"{side}_tokens"] for side in _SIDES]
        if any(tokens) or motions is None or form == "trl":
            for side, found in zip(_SIDES, tokens):
                try:
                    check_tokens(found, codes)
                except AtomError as error:
                    raise AtomError(f"row {number}, {side}_tokens: {error}; leave out the row") from error
        if motions is not None:
            for name in (row[f"{side}_motion_id"] for side in _SIDES):
                if name not in motions:
                    raise AtomError(f"row {number}: the motion {name!r} is not among the motions, export without them")


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
            for place, motion_id in enumerate(pair.line[OWN]["motion_ids"], start=1):
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

    @lru_cache(maxsize=_ROWS_A_GROUP)  # pairs of a prompt share motions and stand together
    def of_motion(motion_id: str) -> dict[str, np.ndarray]:
        joints = np.asarray(motions[motion_id], dtype=np.float32)
        return {"joints": joints.ravel(), "features": joints_to_features(joints).ravel()}

    files, done = {}, 0
    for split, part in _by_split(rows).items():
        files[split] = f"data/{split}-00000.parquet"
        with pq.ParquetWriter(folder / files[split], schema, compression="zstd") as writer:
            for start in range(0, len(part), _ROWS_A_GROUP):
                group = part[start : start + _ROWS_A_GROUP]
                table = PREFERENCES.from_rows(group)
                for field in columns:
                    side, kind = field.name.split("_")
                    values = [of_motion(row[f"{side}_motion_id"])[kind] for row in group]
                    table = table.append_column(field, pa.array(values, field.type))
                writer.write_table(table.cast(schema))
                done += len(group)
                progress(done, len(rows))
    return files


def _write_trl(
    rows: Sequence[Mapping[str, Any]], folder: Path, template: str, codes: int, progress: Callable[[int, int], None]
) -> dict[str, str]:
    files, done = {}, 0
    for split, part in _by_split(rows).items():
        files[split] = f"{split}.jsonl"
        with (folder / files[split]).open("w", encoding="utf-8") as file:
            for row in part:
                file.write(json.dumps(_trl_row(row, template, codes)) + "\n")
        done += len(part)
        progress(done, len(rows))
    return files


def _trl_row(row: Mapping[str, Any], template: str, codes: int) -> dict[str, Any]:
    prompt = template.replace("{}", row["prompt"])
    answers = {side: motion_string(row[f"{side}_tokens"], codes) for side in _SIDES}
    scores = {f"score_{side}": row[f"{side}_score"] for side in _SIDES}
    worded = {"raw_prompt": row["prompt"]} if prompt != row["prompt"] else {}
    progress = {"prompt", *(f"{side}_{kind}" for side in _SIDES for kind in ("tokens", "score"))}
    return {"prompt": prompt, **answers, **scores, **worded} | {k: v for k, v in row.items() if k not in progress}


def _by_split(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    parts: dict[str, list[Mapping[str, Any]]] = {"train": [], "val": [], "test": []}
    for row in rows:
        parts.setdefault(row["split"], []).append(row)
    return {split: part for split, part in parts.items() if part}
