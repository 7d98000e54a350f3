"""What a motion file is, seen from its header alone: its arrays with shapes and types. Nothing in it is run."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import IO

import numpy as np

from atom.errors import AtomError

_MAX_HEADER = 10_000  # bytes, as NumPy has it
_MAX_UNPACKED = 64 << 20, 64  # an archive may unpack to 64 MiB and 64 times its own size


@dataclass(frozen=True)
class ArrayFacts:
    """Shape and type of an array in a file, and whether its first axis varies fastest."""

    shape: tuple[int, ...]
    dtype: np.dtype
    is_fortran: bool = False

    @property
    def holds_numbers(self) -> bool:
        return self.dtype.kind in "fiu"


class FileFacts:
    """A motion file: its path, its suffix in lower case, and the arrays that its header announces."""

    def __init__(self, path: str | Path) -> None:
        """Raises AtomError if there is no such file, or it is no regular one."""
        self.path = Path(path)
        self.suffix = self.path.suffix.lower()
        if not self.path.is_file():  # a pipe or a device never ends
            raise AtomError(f"{self.path}: no such file, give the file of a motion")

    @cached_property
    def array(self) -> ArrayFacts | None:
        """The array of a .npy file; None for other files, and for those whose header can't be read."""
        if self.suffix != ".npy":
            return None
        try:
            with self.path.open("rb") as file:
                return _read_header(file)
        except (OSError, ValueError, EOFError):
            return None

    @cached_property
    def arrays(self) -> dict[str, ArrayFacts]:
        """The arrays of a .npz file by their names; empty for other files, and for those that can't be read."""
        if self.suffix != ".npz":
            return {}
        try:
            with zipfile.ZipFile(self.path) as archive:
                return dict(_list_arrays(archive))
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, NotImplementedError, RuntimeError):
            return {}

    def load_array(self) -> np.ndarray:
        """The array of a .npy file. Raises AtomError if it is damaged or holds other things than numbers."""
        facts = self.array
        if facts is None:
            raise AtomError(f"{self.path}: is not a complete NumPy array, restore the file")
        self._check_numbers(self.path.name, facts)
        try:
            with self.path.open("rb") as file:
                _read_header(file)
                if math.prod(facts.shape) * facts.dtype.itemsize > self.path.stat().st_size:
                    raise ValueError("cut off")
                values = np.fromfile(file, facts.dtype, math.prod(facts.shape))
            return values.reshape(facts.shape, order="F" if facts.is_fortran else "C")
        except (OSError, ValueError) as error:
            raise AtomError(f"{self.path}: is not a complete NumPy array, restore the file") from error

    def load(self, name: str) -> np.ndarray:
        """One array of a .npz file. Raises AtomError if it is missing, damaged, or much larger than the file."""
        facts = self.arrays.get(name)
        if facts is None:
            raise AtomError(f"{self.path}: holds no array {name!r}, only {', '.join(self.arrays) or 'none'}")
        base, factor = _MAX_UNPACKED
        size = math.prod(facts.shape) * facts.dtype.itemsize
        if size > base + factor * self.path.stat().st_size:
            raise AtomError(f"{self.path}: {name!r} unpacks to {size / 1e9:.1f} GB, far more than the file holds")
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(f"{name}.npy") as file:
                return np.lib.format.read_array(file, allow_pickle=False)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:80]
            raise AtomError(f"{self.path}: the array {name!r} can't be read ({reason}), restore the file") from error

    def load_numbers(self, name: str) -> np.ndarray:
        """Like `load`; raises AtomError also for an array that holds other things than numbers."""
        if name in self.arrays:
            self._check_numbers(name, self.arrays[name])
        return self.load(name)

    def _check_numbers(self, name: str, facts: ArrayFacts) -> None:
        if not facts.holds_numbers:
            raise AtomError(f"{self.path}: {name} holds values of type {facts.dtype}, not numbers")


def _list_arrays(archive: zipfile.ZipFile) -> Iterator[tuple[str, ArrayFacts]]:
    for member in archive.infolist():
        if member.filename.endswith(".npy"):
            with archive.open(member) as file:
                try:
                    yield member.filename.removesuffix(".npy"), _read_header(file)
                except ValueError:
                    continue


def _read_header(file: IO[bytes]) -> ArrayFacts:
    """The facts of the array that begins here. ValueError if none does."""
    start = file.read(12)
    version_1 = start[6:7] == b"\x01"
    size = int.from_bytes(start[8:10] if version_1 else start[8:12], "little") + (10 if version_1 else 12)
    if len(start) < 12 or size > _MAX_HEADER:
        raise ValueError("no header of an array")
    return _parse_header(start + file.read(size - len(start)))


@lru_cache(maxsize=256)  # most files of a folder have a header in common, and parsing it is slow
def _parse_header(header: bytes) -> ArrayFacts:
    file = io.BytesIO(header)
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, is_fortran, dtype = read(file)
    return ArrayFacts(shape, dtype, is_fortran)
