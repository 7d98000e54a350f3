"""Files of texts, read a row at a time: a text a line, HumanML3D's caption files, and .jsonl with a column `text`.

A folder is HumanML3D's dataset (`texts/` and split files such as `train.txt`), or any folder of such files.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atom.errors import AtomError
from atom.events import Composition, Split
from atom.humanml3d.captions import parse_caption, split_word_classes
from atom.prompts.given_events import check_phrases, parse_given_events

WordClasses = tuple[tuple[str, str], ...]
_SPLITS: tuple[Split, ...] = ("train", "val", "test")
_SUFFIXES = (".txt", ".jsonl")


@dataclass(frozen=True)
class TextRow:
    """One text of a file.

    Attributes:
        where: the file and line.
        text: the text, stripped; empty if the row has none.
        word_classes: (word, part of speech) of each word, where the file gives them.
        events: its events, where the row gives them.
        split: the split that the dataset puts it into, if any.
        fault: why the row can't be used, empty if it can.
    """

    where: str
    text: str = ""
    word_classes: WordClasses | None = None
    events: Composition | None = None
    split: Split | None = None
    fault: str = ""


def find_text_files(path: Path) -> list[tuple[Path, Split | None]]:
    """Finds the files of texts under a path.

    Args:
        path: a file, a folder, or HumanML3D's dataset folder, of which the caption files that train.txt, val.txt or
            test.txt name are read.

    Returns:
        The files in a fixed order, each with its split in the dataset, if any.

    Raises:
        AtomError: there is no such path, or no file of texts in the folder.
    """
    if path.is_file():
        return [(path, None)]
    if not path.is_dir():
        raise AtomError(f"there is no file or folder {path} to read texts from")
    folder = path / "texts"
    splits = [split for split in _SPLITS if (path / f"{split}.txt").is_file()]
    if folder.is_dir() and splits:
        return [(file, split) for split in splits for file in _find_files_of_split(path, split)]
    files = sorted(file for suffix in _SUFFIXES for file in path.rglob(f"*{suffix}") if file.is_file())
    if not files:
        raise AtomError(f"the folder {path} holds no {' or '.join(_SUFFIXES)} file to read texts from")
    return [(file, None) for file in files]


def iterate_texts(path: Path, progress: Callable[[int], None] | None = None) -> Iterator[TextRow]:
    """Reads the texts of a file or folder, one row at a time; empty lines are skipped.

    Args:
        path: as in `find_text_files`.
        progress: receives the number of bytes of each line, once it is read.

    Yields:
        Each row. One that is broken has a fault; of a HumanML3D line that is broken the caption is still read.

    Raises:
        AtomError: a file is missing, can't be read or is not text.
    """
    for file, split in find_text_files(path):
        parse = _parse_json_line if file.suffix.lower() == ".jsonl" else _parse_line
        for number, line in _read_lines(file):
            if line.strip():
                row = parse(f"{file.name}, line {number}", line)
                # The split of a dataset's own file goes before a column of the row.
                yield row if split is None else TextRow(**{**row.__dict__, "split": split})
            if progress:
                progress(len(line))


def _find_files_of_split(folder: Path, split: Split) -> list[Path]:
    # Imported late: it imports numpy, which texts without a dataset don't need.
    from atom.humanml3d.dataset import read_split_ids

    paths = [folder / "texts" / f"{id}.txt" for id in read_split_ids(folder, split)]
    return [path for path in paths if path.is_file()]


def _read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if b"\0" in line:
                    raise AtomError(f"{path} is not text in UTF-8: convert or restore it")
                yield number, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
    except OSError as error:
        raise AtomError(f"can't read the texts in {path}: {error.strerror}") from None


def _parse_line(where: str, line: bytes) -> TextRow:
    try:
        content = line.decode().strip()
    except UnicodeDecodeError:
        return TextRow(where, line.decode(errors="replace").strip(), fault="the line is not text in UTF-8")
    if "#" not in content:
        return TextRow(where, content)
    try:
        caption = parse_caption(content)
        return TextRow(where, caption.text, tuple(caption.word_classes))
    except ValueError:
        text, *rest = content.split("#")
        tokens = rest[0].split()
        if tokens and all(all(token.rpartition("/")) for token in tokens):  # its times are missing or broken
            return TextRow(where, text.strip(), tuple(split_word_classes(tokens)))
        return TextRow(where, content)


def _parse_json_line(where: str, line: bytes) -> TextRow:
    try:
        columns = json.loads(line)
    except (ValueError, RecursionError):
        return TextRow(where, fault="the line is not JSON: it is cut off, or not one object per line")
    if not isinstance(columns, dict) or not isinstance(columns.get("text"), str):
        return TextRow(where, fault='the line has no `text`, write {"text": ...}')
    text = columns["text"].strip()
    try:
        return TextRow(where, text, None, _parse_events(columns, text), _parse_split(columns.get("split")))
    except AtomError as error:
        return TextRow(where, text, fault=str(error))


def _parse_events(columns: dict[str, Any], text: str) -> Composition | None:
    given = columns.get("events")
    if given is None or given == [] or given == "":
        return None
    events = parse_given_events(given, columns.get("together"))
    check_phrases(events, text)
    return events


def _parse_split(value: Any) -> Split | None:
    if value is not None and value not in _SPLITS:
        raise AtomError(f"the split {str(value)[:60]!r} is none of {', '.join(_SPLITS)}")
    return value
