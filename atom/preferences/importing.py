"""Import of preferences: AToM's labels, tables of other tools and own exports, as rows of the preferences table."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as shortened
from typing import Any, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from atom.errors import AtomError
from atom.events import TASKS, Event, Split
from atom.preferences.labelled_rows import pair_to_row
from atom.preferences.labels import LABELS, SAMPLES, SKIPPED, read_labels
from atom.preferences.motion_strings import CODES, check_tokens, parse_motion_string
from atom.preferences.pairs import DEGREES
from storage import PREFERENCES, StoreError, canonical_json

ATOM, TABLE = "AToM's labels", "a table of pairs"

_LIMITS = {"chosen_score": (1, 5), "rejected_score": (1, 5), "margin": (-4, 4)}
_SPLIT_OF_NAME = {"train": "train", "validation": "val", "valid": "val", "val": "val", "dev": "val", "test": "test"}
_SPLIT_NAME = re.compile(rf"({'|'.join(_SPLIT_OF_NAME)})(?![a-z])")
_ALLOWED_VALUES = {
    "task": (*TASKS, None),
    "split": get_args(Split),
    "degree": (*(word for _, word in DEGREES), None),
    "decided_by": ("score", "comparison", "annotator"),
}
_COLUMNS = (  # with the same name in the preferences table
    "prompt_id",
    "prompt",
    "task",
    "split",
    "events",
    "margin",
    "degree",
    "decided_by",
    "chosen_motion_id",
    "rejected_motion_id",
)
_RENAMED_COLUMNS = (
    "raw_prompt",
    "chosen",
    "rejected",
    "chosen_tokens",
    "rejected_tokens",
    "chosen_score",
    "rejected_score",
    "score_chosen",
    "score_rejected",
)


@dataclass(frozen=True)
class ImportedPreferences:
    """The result of an import.

    Attributes:
        rows: of the preferences table, in the order of the file; of several files train, val, test, then others.
        quarantined: (place, reason) of each row that can't be used.
        skipped: pairs that annotators did not decide.
        digest: sha256 of the rows, tokens included. It depends on the content, not on the format, and is part of the
            keys of what is made from the rows.
        origin: what was read, AToM's labels or a table of pairs.
    """

    rows: list[dict[str, Any]]
    quarantined: list[tuple[str, str]]
    skipped: int
    digest: str
    origin: str


def import_preferences(path: str | Path, codes: int = CODES) -> ImportedPreferences:
    """Imports preferences from a file or folder.

    It reads AToM's labels, an own export, or Parquet or JSONL with the columns prompt, chosen and rejected. Answers are
    texts of `<motion_id_K>` or lists of codes. Other columns are read under the names of the preferences table or of
    TRL (score_chosen, score_rejected). A missing column is null; a missing split is that of the file's name, or train.

    Quarantined are rows that lack a column, codes outside of the codebook, scores outside of 1 to 5, margins outside of
    -4 to 4, events without an action or with a count below 1, and unknown tasks, splits and degrees.

    Args:
        path: a .jsonl or .parquet file, or a folder.
        codes: the size of the codebook.

    Returns:
        The rows and what could not be used.

    Raises:
        AtomError: there is nothing to read, a file is damaged, or no row can be used.
    """
    path = Path(path)
    files = _find_files(path)
    rows: list[dict[str, Any]] = []
    quarantined: list[tuple[str, str]] = []
    skipped = 0
    if is_atom := _is_labels_file(files[0]):
        labels = read_labels(files[0], codes)
        quarantined += [(f"line {number}", reason) for number, reason in labels.quarantined]
        records = [(f"pair {pair.id}", pair) for pair in labels.pairs if pair.choice != SKIPPED]
        skipped = len(labels.pairs) - len(records)
        to_row: Callable[[Any], dict[str, Any]] = pair_to_row
    else:
        records, to_row = _read_records(files), lambda record: _record_to_row(record, codes)
    for place, record in records:
        try:
            (row,) = PREFERENCES.from_rows([_check_row(_fill_in(to_row(record)))]).to_pylist()
            for event in row["events"]:
                Event.from_dict(event)  # raises on a count or action that no event has
            rows.append(row)
        except (AtomError, StoreError) as error:
            quarantined.append((place, str(error).replace("row 0 of table 'preferences'", "the row")))
    if not rows:
        first = f"; {quarantined[0][0]}: {quarantined[0][1]}" if quarantined else ""
        raise AtomError(
            f"{path}: no preference can be used: {skipped} skipped by annotators, {len(quarantined)} invalid{first}"
        )
    digest = hashlib.sha256(canonical_json(rows).encode()).hexdigest()
    return ImportedPreferences(rows, quarantined, skipped, digest, ATOM if is_atom else TABLE)


@dataclass(frozen=True)
class _Record:
    """A row of a table. With `has_motions` the table also holds the motions, so that tokens may be missing."""

    values: Any
    split: str
    has_motions: bool


def _find_files(path: Path) -> list[Path]:
    if path.is_file() and path.suffix in (".jsonl", ".parquet"):
        return [path]
    if not path.is_dir():
        raise AtomError(f"{path}: is not a folder or a .jsonl or .parquet file; name one with preferences")
    if (path / LABELS).is_file():
        return [path / LABELS]
    by_kind = {kind: [*path.glob(f"*.{kind}"), *path.glob(f"data/*.{kind}")] for kind in ("parquet", "jsonl")}
    if all(by_kind.values()):
        raise AtomError(f"{path}: holds both .parquet and .jsonl files; name the file to read")
    if not any(by_kind.values()):
        raise AtomError(f"{path}: holds no {LABELS} and no .parquet or .jsonl file; name a folder or file with pairs")
    order = list(_SPLIT_OF_NAME)
    return sorted(by_kind["parquet"] or by_kind["jsonl"], key=lambda file: (order.index(_get_split_name(file)), file))


def _get_split_name(file: Path) -> str:
    match = _SPLIT_NAME.match(file.name)
    return match[1] if match else "train"


def _is_labels_file(file: Path) -> bool:
    if file.name == LABELS or file.suffix != ".jsonl":
        return file.name == LABELS
    return any(isinstance(line, dict) and SAMPLES[0] in line for _, line in _read_json_lines(file))


def _read_records(files: list[Path]) -> Iterator[tuple[str, _Record]]:
    for file in files:
        split = _SPLIT_OF_NAME[_get_split_name(file)]
        inside = f"{file.name}, " if len(files) > 1 else ""
        if file.suffix == ".jsonl":
            for number, values in _read_json_lines(file):
                yield f"{inside}line {number}", _Record(values, split, has_motions=False)
        else:
            table = _open_parquet(file)
            has_motions = {"chosen_joints", "rejected_joints"} <= set(table.schema_arrow.names)
            for number, values in enumerate(_parquet_rows(file, table), start=1):
                yield f"{inside}row {number}", _Record(values, split, has_motions)


def _read_json_lines(file: Path) -> Iterator[tuple[int, Any]]:
    """Number and value of each line that isn't blank. The value of a line that is not JSON is None."""
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise AtomError(f"{file}: can't be read ({error.strerror}); check the file") from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError):
                yield number, None


def _open_parquet(file: Path) -> pq.ParquetFile:
    try:
        table = pq.ParquetFile(file, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        raise AtomError(f"{file}: is not a readable Parquet file; write it again") from error
    names = table.schema_arrow.names
    for alternatives in (("prompt",), ("chosen_tokens", "chosen"), ("rejected_tokens", "rejected")):
        if not set(alternatives) & set(names):
            raise AtomError(f"{file}: has no column {alternatives[-1]!r}; pairs need prompt, chosen and rejected")
    return table


def _parquet_rows(file: Path, table: pq.ParquetFile) -> Iterator[dict[str, Any]]:
    columns = [name for name in table.schema_arrow.names if name in (*_COLUMNS, *_RENAMED_COLUMNS)]
    try:
        for batch in table.iter_batches(batch_size=1024, columns=columns, use_threads=False):
            yield from batch.to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise AtomError(f"{file}: is damaged; write it again") from error


def _record_to_row(record: _Record, codes: int) -> dict[str, Any]:
    values = record.values
    if not isinstance(values, dict):
        raise AtomError("is not a JSON object")
    row = {"split": record.split} | {name: values[name] for name in _COLUMNS if values.get(name) is not None}
    if values.get("raw_prompt") is not None:  # of an own export, whose prompt is in the generator's template
        row["prompt"] = values["raw_prompt"]
    for side in ("chosen", "rejected"):
        tokens = values.get(f"{side}_tokens", values.get(side))
        row[f"{side}_tokens"] = _parse_tokens(tokens, side, codes, may_be_empty=record.has_motions)
        row[f"{side}_score"] = values.get(f"{side}_score", values.get(f"score_{side}"))
    return row


def _parse_tokens(answer: Any, side: str, codes: int, may_be_empty: bool) -> list[int]:
    try:
        if isinstance(answer, str):
            return list(parse_motion_string(answer, codes))
        if not isinstance(answer, list) or not all(type(token) is int for token in answer):
            raise AtomError(f"{shortened(answer)} is neither a text of <motion_id_K> nor a list of whole numbers")
        return [] if may_be_empty and not answer else list(check_tokens(answer, codes))
    except AtomError as error:
        raise AtomError(f"{side}: {error}") from error


def _fill_in(row: dict[str, Any]) -> dict[str, Any]:
    """Adds the required columns that are missing."""
    prompt = row.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        raise AtomError(f"prompt {shortened(prompt)} is not a text")
    scores = row["chosen_score"], row["rejected_score"]
    filled = {"split": "train", "events": [], "prompt_id": _digest(prompt)} | row
    if None not in scores:
        filled = {"decided_by": "score"} | filled
    for side in ("chosen", "rejected"):
        filled.setdefault(f"{side}_motion_id", f"{filled['prompt_id']}-{_digest(str(filled[f'{side}_tokens']))}")
    return {"decided_by": "annotator"} | filled


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]


def _check_row(row: dict[str, Any]) -> dict[str, Any]:
    for name, allowed in _ALLOWED_VALUES.items():
        if row.get(name) not in allowed:
            known = ", ".join(value for value in allowed if value)
            raise AtomError(f"unknown {name} {shortened(row[name])}, known: {known}")
    if not isinstance(row["events"], list):
        raise AtomError(f"events {shortened(row['events'])} is not a list")
    for name, (least, most) in _LIMITS.items():
        value = row.get(name)
        if value is not None and (type(value) not in (int, float) or not math.isfinite(value)):
            raise AtomError(f"{name} {shortened(value)} is not a number")
        if value is not None and not least <= value <= most:
            raise AtomError(f"{name} {value:g} is not from {least} to {most}; leave out values on another scale")
    return row
