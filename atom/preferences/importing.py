"""Preferences of others, and our own exports, as rows of the preferences table."""

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
from atom.events import TASKS, Split
from atom.preferences.labelled_rows import pair_to_row
from atom.preferences.labels import LABELS, SAMPLES, SKIPPED, read_labels
from atom.preferences.motion_strings import CODES, check_tokens, parse_motion_string
from atom.preferences.pairs import DEGREES
from storage import PREFERENCES, StoreError, canonical_json

ATOM, TABLE = "AToM's labels", "a table of pairs"

_LIMITS = {"chosen_score": (1, 5), "rejected_score": (1, 5), "margin": (-4, 4)}
_SPLIT_OF_NAME = {"train": "train", "validation": "val", "valid": "val", "val": "val", "dev": "val", "test": "test"}
_SPLIT_NAME = re.compile(rf"({'|'.join(_SPLIT_OF_NAME)})(?![a-z])")
_WORDS = {
    "task": (*TASKS, None),
    "split": get_args(Split),
    "degree": (*(word for _, word in DEGREES), None),
    "decided_by": ("score", "comparison", "annotator"),
}
_SAME_NAME = (
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
_OTHER_NAMES = (
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
    """rows: of the preferences table, in the order of the file; of several files train, val, test, then others.
    quarantined: (place, reason) of each row that can't be used. skipped: pairs that their annotators did not decide.
    digest: sha256 of the rows, tokens included, whichever form they came in, for the keys of what is made from them.
    origin: what was read, AToM's labels or a table of pairs.
    """

    rows: list[dict[str, Any]]
    quarantined: list[tuple[str, str]]
    skipped: int
    digest: str
    origin: str


def import_preferences(path: str | Path, codes: int = CODES) -> ImportedPreferences:
    """Read AToM's labels, one of our exports, or Parquet or JSONL with prompt, chosen and rejected; a folder or a file.

    Answers are texts of `<motion_id_K>` or lists of codebook entries. What else a row tells is taken over under the
    names of our table or TRL's (score_chosen, score_rejected); what it does not tell is null, and its split is that of
    the file's name, or train. Quarantined are rows that lack something, entries outside of a codebook of `codes`,
    scores outside of 1 to 5, margins beyond 4 and unknown words.

    Raises AtomError if there is nothing to read, a file is damaged, or no row can be used.
    """
    path = Path(path)
    files = _files(path)
    rows: list[dict[str, Any]] = []
    quarantined: list[tuple[str, str]] = []
    skipped = 0
    if origin_is_atom := _holds_labels(files[0]):
        labels = read_labels(files[0], codes)
        quarantined += [(f"line {number}", reason) for number, reason in labels.quarantined]
        found = [(f"pair {pair.id}", pair) for pair in labels.pairs if pair.choice != SKIPPED]
        skipped = len(labels.pairs) - len(found)
        to_row: Callable[[Any], dict[str, Any]] = pair_to_row
    else:
        found, to_row = _records(files), lambda record: _record_to_row(record, codes)
    for place, record in found:
        try:
            rows += PREFERENCES.from_rows([_checked(_completed(to_row(record)))]).to_pylist()
        except (AtomError, StoreError) as error:
            quarantined.append((place, str(error).replace("row 0 of table 'preferences'", "the row")))
    if not rows:
        first = f"; {quarantined[0][0]}: {quarantined[0][1]}" if quarantined else ""
        raise AtomError(
            f"{path}: no preference can be used: {skipped} skipped by annotators, {len(quarantined)} at fault{first}"
        )
    digest = hashlib.sha256(canonical_json(rows).encode()).hexdigest()
    return ImportedPreferences(rows, quarantined, skipped, digest, ATOM if origin_is_atom else TABLE)


@dataclass(frozen=True)
class _Record:
    """A row of a table of others. `motions` says that the table also holds the motions, so that tokens may lack."""

    values: Any
    split: str
    motions: bool


def _files(path: Path) -> list[Path]:
    if path.is_file() and path.suffix in (".jsonl", ".parquet"):
        return [path]
    if not path.is_dir():
        raise AtomError(f"{path}: is no folder and no .jsonl or .parquet file, name one with preferences")
    if (path / LABELS).is_file():
        return [path / LABELS]
    by_kind = {kind: [*path.glob(f"*.{kind}"), *path.glob(f"data/*.{kind}")] for kind in ("parquet", "jsonl")}
    if all(by_kind.values()):
        raise AtomError(f"{path}: holds .parquet and .jsonl files, name the file that counts")
    if not any(by_kind.values()):
        raise AtomError(f"{path}: holds no {LABELS} and no .parquet or .jsonl file, name a folder or file with pairs")
    order = list(_SPLIT_OF_NAME)
    return sorted(by_kind["parquet"] or by_kind["jsonl"], key=lambda file: (order.index(_split_name(file)), file))


def _split_name(file: Path) -> str:
    found = _SPLIT_NAME.match(file.name)
    return found[1] if found else "train"


def _holds_labels(file: Path) -> bool:
    if file.name == LABELS or file.suffix != ".jsonl":
        return file.name == LABELS
    return any(isinstance(line, dict) and SAMPLES[0] in line for _, line in _json_lines(file))


def _records(files: list[Path]) -> Iterator[tuple[str, _Record]]:
    for file in files:
        split = _SPLIT_OF_NAME[_split_name(file)]
        inside = f"{file.name}, " if len(files) > 1 else ""
        if file.suffix == ".jsonl":
            for number, values in _json_lines(file):
                yield f"{inside}line {number}", _Record(values, split, motions=False)
        else:
            table = _open_parquet(file)
            motions = {"chosen_joints", "rejected_joints"} <= set(table.schema_arrow.names)
            for number, values in enumerate(_parquet_rows(file, table), start=1):
                yield f"{inside}row {number}", _Record(values, split, motions)


def _json_lines(file: Path) -> Iterator[tuple[int, Any]]:
    """Number and value of each line that isn't blank; None for one that is no JSON."""
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise AtomError(f"{file}: can't be read ({error.strerror}), check the file") from error
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
        raise AtomError(f"{file}: is not a Parquet file that can be read, write it again") from error
    names = table.schema_arrow.names
    for needed in (("prompt",), ("chosen_tokens", "chosen"), ("rejected_tokens", "rejected")):
        if not set(needed) & set(names):
            raise AtomError(f"{file}: has no column {needed[-1]!r}, pairs need prompt, chosen and rejected")
    return table


def _parquet_rows(file: Path, table: pq.ParquetFile) -> Iterator[dict[str, Any]]:
    columns = [name for name in table.schema_arrow.names if name in (*_SAME_NAME, *_OTHER_NAMES)]
    try:
        for batch in table.iter_batches(batch_size=1024, columns=columns, use_threads=False):
            yield from batch.to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise AtomError(f"{file}: is damaged, write it again") from error


def _record_to_row(record: _Record, codes: int) -> dict[str, Any]:
    values = record.values
    if not isinstance(values, dict):
        raise AtomError("is no JSON object")
    row = {"split": record.split} | {name: values[name] for name in _SAME_NAME if values.get(name) is not None}
    if values.get("raw_prompt") is not None:  # our export's, beside a prompt that is worded for a generator
        row["prompt"] = values["raw_prompt"]
    for side in ("chosen", "rejected"):
        tokens = values.get(f"{side}_tokens", values.get(side))
        row[f"{side}_tokens"] = _tokens(tokens, side, codes, may_lack=record.motions)
        row[f"{side}_score"] = values.get(f"{side}_score", values.get(f"score_{side}"))
    return row


def _tokens(answer: Any, side: str, codes: int, may_lack: bool) -> list[int]:
    try:
        if isinstance(answer, str):
            return list(parse_motion_string(answer, codes))
        if not isinstance(answer, list) or not all(type(token) is int for token in answer):
            raise AtomError(f"{shortened(answer)} is neither a text of <motion_id_K> nor a list of whole numbers")
        return [] if may_lack and not answer else list(check_tokens(answer, codes))
    except AtomError as error:
        raise AtomError(f"{side}: {error}") from error


def _completed(row: dict[str, Any]) -> dict[str, Any]:
    """With the columns that every row must have, where they were not told."""
    prompt = row.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        raise AtomError(f"prompt {shortened(prompt)} is no text")
    scores = row["chosen_score"], row["rejected_score"]
    told = {"split": "train", "events": [], "prompt_id": _digest(prompt)} | row
    if None not in scores:
        told = {"decided_by": "score"} | told
    for side in ("chosen", "rejected"):
        told.setdefault(f"{side}_motion_id", f"{told['prompt_id']}-{_digest(str(told[f'{side}_tokens']))}")
    return {"decided_by": "annotator"} | told


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]


def _checked(row: dict[str, Any]) -> dict[str, Any]:
    for name, words in _WORDS.items():
        if row.get(name) not in words:
            known = ", ".join(word for word in words if word)
            raise AtomError(f"unknown {name} {shortened(row[name])}, known: {known}")
    if not isinstance(row["events"], list):
        raise AtomError(f"events {shortened(row['events'])} is no list")
    for name, (least, most) in _LIMITS.items():
        value = row.get(name)
        if value is not None and (type(value) not in (int, float) or not math.isfinite(value)):
            raise AtomError(f"{name} {shortened(value)} is no number")
        if value is not None and not least <= value <= most:
            raise AtomError(f"{name} {value:g} is not from {least} to {most}; leave out what is on another scale")
    return row
