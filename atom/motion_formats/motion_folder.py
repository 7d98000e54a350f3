"""The motions in a folder as a generator left it: which files hold one, and which hold the same one again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from atom.errors import AtomError
from atom.motion_formats.file_facts import FileFacts
from atom.motion_formats.formats import FORMATS, SUFFIXES, describe_unknown, try_recognise
from atom.motion_formats.motion_format import MotionFormat


@dataclass(frozen=True)
class FoundFile:
    """A file with motions, its format, and why it is passed over, if so."""

    path: Path
    form: MotionFormat
    passed_over: str = ""


@dataclass(frozen=True)
class FolderListing:
    """The files of a folder: those that hold motions, in order, and those that can't be used with the reason."""

    files: list[FoundFile]
    unknown: list[tuple[Path, str]]
    hidden: int


def list_motion_files(path: str | Path, form: MotionFormat | None = None) -> FolderListing:
    """Finds the motions in a folder and below it, or the one of a file.

    Hidden files, such as those of macOS, are left out and counted. Of several files of one motion (x.npz, x_amass.npz
    and x.bvh) the one that the table of formats lists first counts, and the others are passed over.

    Args:
        path: the folder or file. Links that lead out of the folder are not followed.
        form: the format of all files; recognised file by file if None.

    Returns:
        The files, sorted by path.

    Raises:
        AtomError: there is no such folder or file.
    """
    path = Path(path)
    if not path.exists():
        raise AtomError(f"{path}: no such file or folder, give the motions of a generator")
    hidden = 0
    found: dict[Path, list[FoundFile]] = {}
    unknown: list[tuple[Path, str]] = []
    for file in _walk(path):
        if _is_hidden(path, file):
            hidden += 1
            continue
        if file.suffix.lower() not in SUFFIXES and (form is None or file != path):
            continue
        facts = FileFacts(file)
        known = form or try_recognise(facts)
        if known is None:
            unknown.append((file, describe_unknown(facts)))
            continue
        found.setdefault(known.motion_path(file), []).append(FoundFile(file, known))
    files = [file for same in found.values() for file in _choose(same)]
    return FolderListing(sorted(files, key=lambda file: file.path), unknown, hidden)


def _walk(path: Path) -> Iterator[Path]:
    """The regular files below a folder, in order; a link that leads out of it is left out."""
    if path.is_file():
        yield path
        return
    root = path.resolve()
    for folder, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            file = Path(folder, name)
            if file.is_file() and (not file.is_symlink() or file.resolve().is_relative_to(root)):
                yield file


def _is_hidden(root: Path, file: Path) -> bool:
    parts = file.relative_to(root).parts if file != root else ()
    return any(part.startswith(".") for part in parts)


def _choose(same: list[FoundFile]) -> list[FoundFile]:
    """The files of one motion: the first in the order of formats, and the others as passed over."""
    order = {form.name: number for number, form in enumerate(FORMATS)}

    def rank(file: FoundFile) -> tuple[int, bool, int, Path]:
        return order[file.form.name], file.path.suffix.lower() == ".bvh", len(file.path.name), file.path

    best, *others = sorted(same, key=rank)
    reason = f"the same motion as {best.path.name}"
    return [best, *(FoundFile(file.path, file.form, reason) for file in others)]
