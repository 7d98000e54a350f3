"""The motions of a generator's own folder or file, as the rows of a set."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from atom.errors import AtomError
from atom.external.motion_table import MotionRow
from atom.motion_formats.conversion import ConvertedMotion, SourceSettings, convert_motion
from atom.motion_formats.formats import read_sources
from atom.motion_formats.motion_folder import FolderListing, FoundFile, list_motion_files
from atom.motion_formats.motion_format import MotionFormat
from atom.motion_formats.source_motion import SourceMotion

VERSION = 1  # raise when the same file gives another motion


class FormatTable:
    """A folder or file in a generator's own format: a row a motion, with its text and number where the files say them.

    Args:
        path: the folder or file.
        form: the format of all files; recognised if None.
        settings: frame rate, axis and unit as the user gives them.
        texts: the generator's list of prompts, for formats that number their motions by it.
    """

    def __init__(
        self,
        path: Path,
        form: MotionFormat | None = None,
        settings: SourceSettings | None = None,
        texts: Sequence[str] = (),
    ) -> None:
        self._path, self._settings, self._texts = path, settings or SourceSettings(), texts
        self.listing: FolderListing = list_motion_files(path, form)
        self._places: list[tuple[FoundFile, int]] = []  # of each row: its file, and the number of the motion in it
        self._last: tuple[Path, list[SourceMotion]] | None = None

    def rows(self) -> Iterator[MotionRow]:
        """A row a motion, and a row with a fault for each file that can't be used."""
        self._places.clear()
        for path, reason in self.listing.unknown:
            self._places.append((FoundFile(path, None), 0))  # type: ignore[arg-type]
            yield MotionRow(self._name(path), len(self._places) - 1, fault=reason)
        for file in self.listing.files:
            if not file.passed_over:
                yield from self._rows_of(file)

    def motion(self, position: int) -> ConvertedMotion:
        """The motion of a row, converted. Raises AtomError if it can't be read or is no motion."""
        file, number = self._places[position]
        source = self._sources(file)[number]
        return convert_motion(source, file.form.defaults, self._settings)

    def _rows_of(self, file: FoundFile) -> Iterator[MotionRow]:
        where = self._name(file.path)
        try:
            sources, digest = self._sources(file), self._digest(file)
        except (AtomError, OSError) as error:
            self._places.append((file, 0))
            yield MotionRow(where, len(self._places) - 1, fault=str(error))
            return
        for number, source in enumerate(sources):
            self._places.append((file, number))
            name = where if len(sources) == 1 else f"{where}, motion {number}"
            yield self._row(name, source, f"{digest}-{number}")

    def _row(self, where: str, source: SourceMotion, digest: str) -> MotionRow:
        position = len(self._places) - 1
        text = source.text or self._text_by_number(source)
        if text is None:
            reason = "says no text: put it into a .txt beside it"
            if source.prompt_number is not None:
                reason = f"is of prompt {source.prompt_number}, whose text no file says: give the prompts with --texts"
            return MotionRow(where, position, fault=reason)
        columns = {"text": text} | ({} if source.sample is None else {"sample": source.sample})
        return MotionRow(where, position, columns, hashlib.sha256(digest.encode()).hexdigest())

    def _text_by_number(self, source: SourceMotion) -> str | None:
        number = source.prompt_number
        return self._texts[number] if number is not None and number < len(self._texts) else None

    def _sources(self, file: FoundFile) -> list[SourceMotion]:
        last = self._last  # once, since the threads of several shards read here
        if last is None or last[0] != file.path:  # results.npy holds many: it is read once
            last = self._last = file.path, read_sources(file.path, file.form)
        return last[1]

    def _digest(self, file: FoundFile) -> str:
        with file.path.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        return f"{VERSION}-{file.form.name}-{self._settings}-{digest}"

    def _name(self, path: Path) -> str:
        return path.name if path == self._path else str(path.relative_to(self._path))
