"""Tables of external motions, one class per file format: all rows in order, and the motion of a single row on demand.

The motion in a row is read twice: once to hash it while the rows are listed, and again when it is needed. So .jsonl
and .parquet tables may be larger than memory.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
import threading
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from atom.errors import AtomError
from atom.motion.features import FEATURES
from atom.motion.skeleton import JOINTS

COLUMNS = (
    *("text", "file", "sample", "prompt_id", "task", "split", "events", "seed", "tokens"),
    *("format", "fps", "up", "unit"),
)
_FRAME_SHAPES = {"joints": (JOINTS, 3), "features": (FEATURES,)}
_ROWS_PER_BATCH = 64  # rows of a Parquet table that are in memory at a time


@dataclass(frozen=True)
class MotionRow:
    """One row of a table.

    `where` names the row to a person, `position` names it to its table; `columns` holds the columns that are not empty;
    `digest` is the sha256 of the motion if the row itself holds one; `fault` says why the row can't be used, if so.
    """

    where: str
    position: int
    columns: dict[str, Any] = field(default_factory=dict)
    digest: str = ""
    fault: str = ""


class MotionTable(Protocol):
    """The rows of a table in order, and the motion in the row at a position.

    A motion is joints (T, 22, 3) or features (T, 263), not yet checked.
    """

    def rows(self) -> Iterator[MotionRow]: ...

    def motion(self, position: int) -> np.ndarray: ...


def open_motion_table(path: Path) -> MotionTable:
    """Opens a .jsonl, .csv or .parquet table. AtomError for any other file."""
    tables = {".jsonl": JsonLinesTable, ".csv": CsvTable, ".parquet": ParquetTable}
    if path.suffix.lower() not in tables:
        raise AtomError(f"{path}: is no set of motions, give a folder with an index, a .jsonl, .csv or .parquet table")
    if not path.is_file():
        raise AtomError(f"{path}: no such file, give a set of motions")
    return tables[path.suffix.lower()](path)


class JsonLinesTable:
    """A .jsonl file with one JSON object per line. The position of a row is the byte at which its line starts."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def rows(self) -> Iterator[MotionRow]:
        position = 0
        with self._path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield self._row(f"{self._path.name}, line {number}", position, line)
                position += len(line)

    def motion(self, position: int) -> np.ndarray:
        with self._path.open("rb") as file:
            file.seek(position)
            columns = json.loads(file.readline())
        column = _motion_column(columns)
        return _unflatten(column, _to_array(columns[column]))

    def _row(self, where: str, position: int, line: bytes) -> MotionRow:
        try:
            columns = json.loads(line)
        except (ValueError, RecursionError):
            return MotionRow(where, position, fault="is not JSON: it is cut off, or not one object per line")
        if not isinstance(columns, dict):
            return MotionRow(where, position, fault='is not a JSON object, write {"text": ..., "file": ...}')
        column = _motion_column(columns)
        try:
            digest = _hash_motion(column, _to_array(columns[column])) if column else ""
        except AtomError as error:
            return MotionRow(where, position, fault=str(error))
        return MotionRow(where, position, _drop_empty(columns), digest)


class CsvTable:
    """A comma-separated table with the names of its columns in the first line. All of its motions are in files."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def rows(self) -> Iterator[MotionRow]:
        try:
            with self._path.open(encoding="utf-8-sig", newline="") as file:  # spreadsheets write a byte order mark
                reader = csv.DictReader(file)
                for position, columns in enumerate(reader):
                    where = f"{self._path.name}, line {reader.line_num}"
                    # DictReader collects surplus values under the key None.
                    fault = f"has more columns than the {len(reader.fieldnames or ())} named" if None in columns else ""
                    yield MotionRow(where, position, _drop_empty(columns), fault=fault)
        except (csv.Error, UnicodeDecodeError) as error:
            raise AtomError(f"{self._path}: is no comma-separated table in UTF-8 ({error}), write it again") from None

    def motion(self, position: int) -> np.ndarray:
        raise AtomError(f"{self._path}: holds no motions itself, name a file in each row")


class ParquetTable:
    """A Parquet file, read in batches of rows even where one row group holds the whole table."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._cursor = threading.local()  # each thread reads through the file on its own
        file = self._open()
        names = file.schema_arrow.names
        self._motion_column = next((column for column in _FRAME_SHAPES if column in names), None)
        self._columns = [name for name in COLUMNS if name in names]
        rows = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
        self._group_starts = np.concatenate([[0], np.cumsum(rows, dtype=int)]).tolist()

    def rows(self) -> Iterator[MotionRow]:
        motion_column = self._motion_column
        names = [*self._columns, *([motion_column] if motion_column else [])]
        position = 0
        for batch in self._open().iter_batches(_ROWS_PER_BATCH, columns=names):
            for number, columns in enumerate(batch.select(self._columns).to_pylist()):
                where = f"{self._path.name}, row {position + 1}"
                yield self._row(where, position, columns, batch[motion_column][number] if motion_column else None)
                position += 1

    def _row(self, where: str, position: int, columns: dict[str, Any], motion: pa.Scalar | None) -> MotionRow:
        if motion is None or not motion.is_valid:
            return MotionRow(where, position, _drop_empty(columns))
        try:
            digest = _hash_motion(self._motion_column, _arrow_to_array(motion))
            return MotionRow(where, position, _drop_empty(columns), digest)
        except AtomError as error:
            return MotionRow(where, position, fault=str(error))

    def motion(self, position: int) -> np.ndarray:
        # Parquet has no random access inside a row group: the cursor walks forward batch by batch, and starts its row
        # group again to go back.
        cursor = self._cursor
        group = bisect_right(self._group_starts, position) - 1
        if getattr(cursor, "group", None) != group or position < cursor.start:
            cursor.group, cursor.start, cursor.motions = group, self._group_starts[group], ()
            columns = [self._motion_column]
            cursor.batches = self._open().iter_batches(_ROWS_PER_BATCH, row_groups=[group], columns=columns)
        while position >= cursor.start + len(cursor.motions):
            cursor.start += len(cursor.motions)
            cursor.motions = next(cursor.batches).column(0)
        return _unflatten(self._motion_column, _arrow_to_array(cursor.motions[position - cursor.start]))

    def _open(self) -> pq.ParquetFile:
        try:
            return pq.ParquetFile(self._path, memory_map=True)
        except (pa.ArrowException, OSError) as error:
            raise AtomError(f"{self._path}: is not a Parquet file that can be read, write it again") from error


def _motion_column(columns: dict[str, Any]) -> str | None:
    return next((column for column in _FRAME_SHAPES if columns.get(column) is not None), None)


def _drop_empty(columns: dict[Any, Any]) -> dict[str, Any]:
    """The known columns that are not empty in this row."""
    return {name: columns[name] for name in COLUMNS if not _is_empty(columns.get(name))}


def _is_empty(value: Any) -> bool:
    """True for every way in which the formats write a missing value: null, NaN, an empty list, a blank text."""
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or value == [] or (isinstance(value, str) and not value.strip())


def _to_array(value: Any) -> np.ndarray:
    try:
        return np.asarray(value, dtype=np.float32)
    except (ValueError, TypeError, OverflowError):
        raise AtomError("its motion is no even table of numbers") from None


def _arrow_to_array(motion: pa.Scalar) -> np.ndarray:
    """An Arrow list of numbers, or of lists of one length, as a float32 array."""
    if not _is_list(motion.type):
        raise AtomError(f"its motion is of type {motion.type}, not a list of numbers")
    values, shape = motion.values, [len(motion.values)]
    while _is_list(values.type):
        lengths = pc.unique(pc.list_value_length(values)).to_pylist()
        if len(lengths) != 1 or lengths[0] is None:
            raise AtomError("its motion is no even table of numbers")
        shape.append(lengths[0])
        values = values.flatten()
    if not (pa.types.is_floating(values.type) or pa.types.is_integer(values.type)):
        raise AtomError(f"its motion holds values of type {values.type}, not numbers")
    return values.to_numpy(zero_copy_only=False).astype(np.float32).reshape(shape)


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def _unflatten(column: str, values: np.ndarray) -> np.ndarray:
    """Flattened values as frames (T, 22, 3) or (T, 263); values of another size stay for the shape check to report."""
    frame = _FRAME_SHAPES[column]
    size = math.prod(frame)
    is_flat = values.ndim == 1 or values.shape[1:] == (size,)
    return values.reshape(-1, *frame) if is_flat and values.size % size == 0 else values


def _hash_motion(column: str, values: np.ndarray) -> str:
    """sha256 of the numbers in float32, the same for every format and nesting of them."""
    return hashlib.sha256(column.encode() + np.ascontiguousarray(values, dtype="<f4").tobytes()).hexdigest()
