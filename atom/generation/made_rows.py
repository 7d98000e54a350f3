"""The rows of a set of motions, whatever file they come in: their columns, and later the motion of one of them.

Motions that stand in the table itself are read twice: once to hash them, in pieces, and again when they are asked for.
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
from atom.generation.mdm_results import read_mdm_results
from atom.motion.features import FEATURES
from atom.motion.skeleton import JOINTS

COLUMNS = ("text", "file", "sample", "prompt_id", "task", "split", "events", "seed", "tokens")
_SHAPES = {"joints": (JOINTS, 3), "features": (FEATURES,)}  # of a frame
_AT_ONCE = 64  # motions of a Parquet table in memory


@dataclass(frozen=True)
class Row:
    """One row: where a person finds it, where its source finds it, its columns without empty ones, the digest of the
    motion if that stands in the row, and why the row can't be used, if it can't."""

    where: str
    place: int
    columns: dict[str, Any] = field(default_factory=dict)
    digest: str = ""
    fault: str = ""


class RowSource(Protocol):
    """Rows in order, and the motion in the row at a place: joints (T, 22, 3) or features (T, 263), not yet checked."""

    def rows(self) -> Iterator[Row]: ...

    def motion(self, place: int) -> np.ndarray: ...


def row_source(path: Path) -> RowSource:
    """The source of a .jsonl, .csv or .parquet table, or of MDM's results.npy. AtomError for any other file."""
    sources = {".jsonl": JsonLines, ".csv": CsvTable, ".parquet": ParquetTable, ".npy": MdmTable}
    if path.suffix.lower() not in sources:
        raise AtomError(f"{path}: is no set of motions, give a folder with an index, a .jsonl, .csv or .parquet table")
    if not path.is_file():
        raise AtomError(f"{path}: no such file, give a set of motions")
    return sources[path.suffix.lower()](path)


class JsonLines:
    """An object a line."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def rows(self) -> Iterator[Row]:
        place = 0
        with self._path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield self._row(f"{self._path.name}, line {number}", place, line)
                place += len(line)

    def motion(self, place: int) -> np.ndarray:
        with self._path.open("rb") as file:
            file.seek(place)
            columns = json.loads(file.readline())
        kind = _kind(columns)
        return _shaped(kind, _numbers(columns[kind]))

    def _row(self, where: str, place: int, line: bytes) -> Row:
        try:
            columns = json.loads(line)
        except (ValueError, RecursionError):
            return Row(where, place, fault="is not JSON: cut off, or not an object a line")
        if not isinstance(columns, dict):
            return Row(where, place, fault='is not a JSON object, write {"text": ..., "file": ...}')
        kind = _kind(columns)
        try:
            digest = _digest(kind, _numbers(columns[kind])) if kind else ""
        except AtomError as error:
            return Row(where, place, fault=str(error))
        return Row(where, place, _filled(columns), digest)


class CsvTable:
    """Comma-separated, with the columns' names in the first line; all motions lie in files."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def rows(self) -> Iterator[Row]:
        try:
            with self._path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.DictReader(file)
                for place, columns in enumerate(reader):
                    fault = f"has more columns than the {len(reader.fieldnames or ())} named" if None in columns else ""
                    yield Row(f"{self._path.name}, line {reader.line_num}", place, _filled(columns), fault=fault)
        except (csv.Error, UnicodeDecodeError) as error:
            raise AtomError(f"{self._path}: is no comma-separated table in UTF-8 ({error}), write it again") from None

    def motion(self, place: int) -> np.ndarray:
        raise AtomError(f"{self._path}: holds no motions itself, name a file in each row")


class ParquetTable:
    """A Parquet file of any row groups; one of a whole set is read in pieces too."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reading = threading.local()  # each thread goes through the file on its own
        file = self._open()
        names = file.schema_arrow.names
        self._kind = next((kind for kind in _SHAPES if kind in names), None)
        self._columns = [name for name in COLUMNS if name in names]
        rows = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
        self._starts = np.concatenate([[0], np.cumsum(rows, dtype=int)]).tolist()

    def rows(self) -> Iterator[Row]:
        wanted = [*self._columns, *([self._kind] if self._kind else [])]
        place = 0
        for batch in self._open().iter_batches(_AT_ONCE, columns=wanted):
            for number, columns in enumerate(batch.select(self._columns).to_pylist()):
                where = f"{self._path.name}, row {place + 1}"
                yield self._row(where, place, columns, batch[self._kind][number] if self._kind else None)
                place += 1

    def _row(self, where: str, place: int, columns: dict[str, Any], motion: pa.Scalar | None) -> Row:
        if motion is None or not motion.is_valid:
            return Row(where, place, _filled(columns))
        try:
            return Row(where, place, _filled(columns), _digest(self._kind, _arrow_numbers(motion)))
        except AtomError as error:
            return Row(where, place, fault=str(error))

    def motion(self, place: int) -> np.ndarray:
        reading = self._reading
        group = bisect_right(self._starts, place) - 1
        if getattr(reading, "group", None) != group or place < reading.first:
            reading.group, reading.first, reading.motions = group, self._starts[group], ()
            reading.batches = self._open().iter_batches(_AT_ONCE, row_groups=[group], columns=[self._kind])
        while place >= reading.first + len(reading.motions):
            reading.first += len(reading.motions)
            reading.motions = next(reading.batches).column(0)
        return _shaped(self._kind, _arrow_numbers(reading.motions[place - reading.first]))

    def _open(self) -> pq.ParquetFile:
        try:
            return pq.ParquetFile(self._path, memory_map=True)
        except (pa.ArrowException, OSError) as error:
            raise AtomError(f"{self._path}: is not a Parquet file that can be read, write it again") from error


class MdmTable:
    """MDM's results.npy, held in memory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._results = read_mdm_results(path)

    def rows(self) -> Iterator[Row]:
        for place, text in enumerate(self._results.texts):
            digest = _digest("joints", self.motion(place))
            yield Row(f"{self._path.name}, motion {place}", place, _filled({"text": text}), digest)

    def motion(self, place: int) -> np.ndarray:
        return self._results.motion[place].transpose(2, 0, 1)[: max(self._results.lengths[place], 0)]


def _kind(columns: dict[str, Any]) -> str | None:
    return next((kind for kind in _SHAPES if columns.get(kind) is not None), None)


def _filled(columns: dict[Any, Any]) -> dict[str, Any]:
    """The columns that a set may have and that are not empty here."""
    return {name: columns[name] for name in COLUMNS if not _empty(columns.get(name))}


def _empty(value: Any) -> bool:
    """Whether nothing is given, as the kinds of tables say it."""
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or value == [] or (isinstance(value, str) and not value.strip())


def _numbers(value: Any) -> np.ndarray:
    try:
        return np.asarray(value, dtype=np.float32)
    except (ValueError, TypeError, OverflowError):
        raise AtomError("its motion is no even table of numbers") from None


def _arrow_numbers(motion: pa.Scalar) -> np.ndarray:
    """A list of numbers, or lists of lists of one length, as an array."""
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


def _shaped(kind: str, values: np.ndarray) -> np.ndarray:
    """The frames of flattened values; what has another shape stays as it is, for the check that follows to name it."""
    frame = _SHAPES[kind]
    size = math.prod(frame)
    flat = values.ndim == 1 or values.shape[1:] == (size,)
    return values.reshape(-1, *frame) if flat and values.size % size == 0 else values


def _digest(kind: str, values: np.ndarray) -> str:
    """sha256 of the numbers in float32, however they were written or nested."""
    return hashlib.sha256(kind.encode() + np.ascontiguousarray(values, dtype="<f4").tobytes()).hexdigest()
