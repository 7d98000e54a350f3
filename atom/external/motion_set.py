"""Sets of external motions: motions of another generator, such as a diffusion or a masked model, and their prompts.

A set is one of

- a folder or file as a generator left it, in any format of `atom.motion_formats.formats`;
- a folder with index.jsonl, index.csv or index.parquet, whose column `file` names a motion file in the folder;
- a .parquet or .jsonl table with a column `joints` (T, 22, 3) or `features` (T, 263), flattened or nested, or `file`.

A row needs `text` and a motion: a file of any format, joints in metres, Y up, at 20 fps, or HumanML3D's features, not
normalised. It may have `sample` (the number of the candidate, else candidates are numbered in order), `prompt_id`,
`task`, `split`, `seed`, `tokens` (codebook entries), `events` (a list of {action, count, phrase, group}, or the same as
JSON), and `format`, `fps`, `up` and `unit` where the motion is not as above.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
import pyarrow as pa

from atom.errors import AtomError
from atom.events import TASKS, Composition, Split, Task, infer_task
from atom.external.format_table import FormatTable
from atom.external.motion_table import JsonLinesTable, MotionRow, MotionTable, open_motion_table
from atom.motion.skeleton import FPS
from atom.motion_formats.conversion import ConvertedMotion, SourceSettings
from atom.motion_formats.formats import SUFFIXES, find_format, read_converted
from atom.motion_formats.motion_files import OWN_FORM, convert_array
from atom.motion_formats.motion_folder import FolderListing
from atom.motion_formats.motion_format import MotionFormat
from atom.prompts.given_events import decode_json, parse_given_events, parse_whole_number
from atom.prompts.grammar import Prompt
from atom.prompts.reading import ReadText, read_text

_INDEX_NAMES = ("index.jsonl", "index.csv", "index.parquet")
_TABLE_SUFFIXES = (".jsonl", ".csv", ".parquet")
_SPLITS = ("train", "val", "test")
_PROMPT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # becomes part of file names
_INT64_MAX = 2**63 - 1  # the type of the column `seed`


@dataclass(frozen=True)
class ExternalMotion:
    """One motion of a set, without its joints.

    Attributes:
        where: names its row.
        text: the sentence that it shows.
        sample: the number of the candidate among those of its prompt.
        prompt_id: that of the row, else a hash of the text.
        task: None unless the row has it.
        split: None unless the row has it.
        events: None unless the row has them.
        seed: None unless the row has it.
        tokens: codes; empty for generators without a codebook.
        digest: sha256 of the file, or of the numbers in the row.
        settings: of the row: frame rate, axis and unit where it says them.
        format: name of the file's format; empty where the file tells it.
        file: path inside the set's folder; empty if the row itself holds the motion.
        position: of the row in its table.
    """

    where: str
    text: str
    sample: int
    prompt_id: str
    task: Task | None
    split: Split | None
    events: Composition | None
    seed: int | None
    tokens: tuple[int, ...]
    digest: str
    settings: SourceSettings = field(repr=False)
    format: str = field(repr=False)
    file: str = field(repr=False)
    position: int = field(repr=False)


@dataclass(frozen=True)
class ExternalMotionSet:
    """The motions of a set.

    Attributes:
        entries: the usable motions, in the order of the rows.
        quarantined: (row, reason) of each other row.
        origin: the name of the set's folder or file.
    """

    entries: list[ExternalMotion]
    quarantined: list[tuple[str, str]]
    origin: str
    _folder: Path = field(repr=False)
    _table: MotionTable | FormatTable = field(repr=False)

    @property
    def listing(self) -> FolderListing | None:
        """The files of a generator's own folder; None for a set with an index or table."""
        return self._table.listing if isinstance(self._table, FormatTable) else None

    def joints(self, entry: ExternalMotion) -> np.ndarray:
        """Reads the joints of a motion. Reading a table in the order of its rows is fastest.

        Args:
            entry: one of `entries`.

        Returns:
            (T, 22, 3) float32 in metres, Y up, 20 fps.

        Raises:
            AtomError: it can't be read, or its body contradicts what its file says.
        """
        return self.convert(entry).joints

    def convert(self, entry: ExternalMotion) -> ConvertedMotion:
        """Like `joints`, with the record of what was done to the motion.

        Args:
            entry: one of `entries`.

        Returns:
            The joints, and how they came about.

        Raises:
            AtomError: it can't be read, or its body contradicts what its file says.
        """
        if isinstance(self._table, FormatTable):
            return self._table.motion(entry.position)
        if entry.file:
            form = find_format(entry.format) if entry.format else None
            path = self._folder / entry.file
            return read_converted(path, entry.settings, form, assumed_fps=FPS, defaults=OWN_FORM)
        return convert_array(self._table.motion(entry.position), entry.where, entry.settings)


def read_motion_set(
    path: str | Path,
    progress: Callable[[int], None] | None = None,
    form: MotionFormat | None = None,
    settings: SourceSettings | None = None,
    texts: Sequence[str] = (),
) -> ExternalMotionSet:
    """Reads the index of a set of motions; every motion is hashed, none stays in memory.

    A row is quarantined if it is faulty, contradicts an earlier row or repeats the prompt and sample of one.

    Args:
        path: the folder or file of the set, in one of the forms that the module lists.
        progress: receives the number of rows read so far.
        form: the format of a generator's own folder; recognised if None.
        settings: frame rate, axis and unit of a generator's own folder where its files don't say them or are wrong.
        texts: the generator's list of prompts, for formats that number their motions by it.

    Returns:
        The set, in the order of its rows.

    Raises:
        AtomError: if the set can't be read to its end or has no usable row.
    """
    path = Path(path)
    table, folder = _open_table(path, form, settings, texts)
    entries: list[ExternalMotion] = []
    quarantined: list[tuple[str, str]] = []
    index, owns_rows = _SampleIndex(), isinstance(table, FormatTable)
    try:
        for number, row in enumerate(table.rows(), start=1):
            try:
                entries.append(index.add(_parse_columns(row) if owns_rows else _parse_motion(row, folder)))
            except AtomError as error:
                quarantined.append((row.where, " ".join(str(error).split())))
            if progress:
                progress(number)
    except (OSError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())[:100]
        raise AtomError(f"{path}: can't be read to its end ({reason})") from error
    if not entries:
        fault = f"; the first of {len(quarantined)} faults, {': '.join(quarantined[0])}" if quarantined else ""
        need = "each needs a text and a file of a known format" if owns_rows else "a row needs `text` and a motion"
        raise AtomError(f"{path}: holds no motion that can be used, {need}{fault}")
    return ExternalMotionSet(entries, quarantined, path.resolve().name, folder, table)


def find_unread_texts(motions: ExternalMotionSet) -> list[str]:
    """The distinct texts of a set whose events no row gives, in order of appearance."""
    given = {entry.prompt_id for entry in motions.entries if entry.events is not None}
    return list(dict.fromkeys(entry.text for entry in motions.entries if entry.prompt_id not in given))


def derive_prompts(
    motions: ExternalMotionSet, split: Split = "train", read_texts: Mapping[str, ReadText] | None = None
) -> tuple[list[Prompt], list[tuple[str, str]]]:
    """The prompts of a set, one per `prompt_id`.

    Events are those of the rows, else those that are read from the text; a text that describes no motion is
    quarantined. The task is that of the rows, else it follows from the events (see `infer_task`).

    Args:
        motions: the set.
        split: the split of prompts whose rows name none.
        read_texts: texts that another reader has read; the others are read offline.

    Returns:
        The prompts in order of appearance, and (row, reason) of each text without a prompt.
    """
    groups: dict[str, list[ExternalMotion]] = defaultdict(list)
    for entry in motions.entries:
        groups[entry.prompt_id].append(entry)
    prompts: list[Prompt] = []
    quarantined: list[tuple[str, str]] = []
    for entries in groups.values():
        try:
            prompts.append(_build_prompt(entries, split, motions.origin, read_texts))
        except AtomError as error:
            quarantined.append((entries[0].where, " ".join(str(error).split())))
    return prompts, quarantined


def read_prompts(path: str | Path) -> list[Prompt]:
    """Reads prompts from a .jsonl file.

    Args:
        path: the file, one object per line with `text` and perhaps prompt_id, task, split and events.

    Returns:
        The prompts, in the order of the lines.

    Raises:
        AtomError: there is no such file or no prompt in it, or a line is faulty; names the first.
    """
    path = Path(path)
    if not path.is_file():
        raise AtomError(f"{path}: no such file, `atom motions prompts` writes one")
    prompts: dict[str, Prompt] = {}
    for row in JsonLinesTable(path).rows():
        try:
            prompt = _build_prompt([_parse_columns(row)], "train", path.name)
        except AtomError as error:
            raise AtomError(f"{path.parent / row.where}: {error}") from None
        if prompt.prompt_id in prompts:
            raise AtomError(f"{path.parent / row.where}: the prompt {prompt.prompt_id} is in the file twice")
        prompts[prompt.prompt_id] = prompt
    if not prompts:
        raise AtomError(f"{path}: holds no prompt, write one object with `text` per line")
    return list(prompts.values())


def validate_prompt_id(value: Any) -> str:
    """The value itself, if it is a prompt id that may be part of a file name. AtomError if not."""
    if not isinstance(value, str) or not _PROMPT_ID.fullmatch(value):
        raise AtomError(f"prompt_id {value!r} must be up to 100 letters, digits, '.', '_' and '-'")
    return value


class _SampleIndex:
    """The rows read so far: finds contradictions between them and numbers the samples of each prompt."""

    def __init__(self) -> None:
        self._first_entries: dict[str, ExternalMotion] = {}
        self._samples: dict[str, dict[int, str]] = defaultdict(dict)

    def add(self, entry: ExternalMotion) -> ExternalMotion:
        """The entry with its sample number. Without one: the first free number from the count on."""
        first = self._first_entries.setdefault(entry.prompt_id, entry)
        if first.text != entry.text:
            raise AtomError(f"prompt_id {entry.prompt_id} stands for another text in {first.where}: {first.text!r}")
        samples = self._samples[entry.prompt_id]
        if entry.sample < 0:
            free = len(samples)
            while free in samples:
                free += 1
            entry = replace(entry, sample=free)
        if entry.sample in samples:
            raise AtomError(f"sample {entry.sample} of this prompt is already in {samples[entry.sample]}")
        samples[entry.sample] = entry.where
        return entry


def _open_table(
    path: Path, form: MotionFormat | None, settings: SourceSettings | None, texts: Sequence[str]
) -> tuple[MotionTable | FormatTable, Path]:
    """The table of a set and its folder: an index or table of our own form, else the files of a generator."""
    indexes = [path / name for name in _INDEX_NAMES if (path / name).is_file()] if path.is_dir() else []
    if len(indexes) > 1:
        raise AtomError(f"{path}: holds {' and '.join(index.name for index in indexes)}, keep the right one")
    table = indexes[0] if indexes else path
    if indexes or path.suffix.lower() in _TABLE_SUFFIXES:
        if form or texts or settings not in (None, SourceSettings()):
            raise AtomError(f"{table}: says itself what its motions are: write format, fps, up and unit into its rows")
        return open_motion_table(table), table.parent
    if path.is_file() and form is None and path.suffix.lower() not in SUFFIXES:
        raise AtomError(f"{path}: is no set of motions, give a folder, a table or one of {', '.join(SUFFIXES)}")
    return FormatTable(path, form, settings, texts), path


def _parse_motion(row: MotionRow, folder: Path) -> ExternalMotion:
    entry = _parse_columns(row)
    name = row.columns.get("file")
    if (name is None) == (not row.digest):
        raise AtomError("needs one motion: a `file`, or `joints` or `features` in the row")
    digest = row.digest if name is None else _hash_file(folder, name)
    if entry.format or entry.settings != SourceSettings():  # the same numbers read in another way: another motion
        digest = hashlib.sha256(f"{digest}-{entry.format}-{entry.settings}".encode()).hexdigest()
    return replace(entry, file=name or "", digest=digest)


def _hash_file(folder: Path, name: Any) -> str:
    try:
        with _resolve_inside(folder, name).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise AtomError(f"the file {name} can't be read ({error.strerror})") from None


def _parse_columns(row: MotionRow) -> ExternalMotion:
    """All columns of a row but its file. The sample is -1 where the row has none."""
    if row.fault:
        raise AtomError(row.fault)
    columns = row.columns
    text = columns.get("text")
    if not isinstance(text, str):
        raise AtomError("has no `text`, the sentence that the motion shows")
    text = text.strip()
    prompt_id = columns.get("prompt_id")
    return ExternalMotion(
        where=row.where,
        text=text,
        sample=parse_whole_number("sample", columns["sample"]) if "sample" in columns else -1,
        prompt_id=hashlib.sha256(text.encode()).hexdigest()[:16]
        if prompt_id is None
        else validate_prompt_id(prompt_id),
        task=_parse_choice("task", columns.get("task"), TASKS),
        split=_parse_choice("split", columns.get("split"), _SPLITS),
        events=parse_given_events(columns["events"]) if "events" in columns else None,
        seed=parse_whole_number("seed", columns["seed"], _INT64_MAX) if "seed" in columns else None,
        settings=SourceSettings.parse(columns.get("fps"), columns.get("up"), columns.get("unit")),
        format=find_format(columns["format"]).name if "format" in columns else "",
        tokens=_parse_tokens(columns["tokens"]) if "tokens" in columns else (),
        digest=row.digest,
        file="",
        position=row.position,
    )


def _resolve_inside(folder: Path, name: Any) -> Path:
    """The path of a file named in a row. The name is not trusted: it must lead to a motion inside the folder."""
    if not isinstance(name, str) or not name.lower().endswith(SUFFIXES):
        raise AtomError(f"the file {name!r} is no {', '.join(SUFFIXES)}")
    parts = PureWindowsPath(name)  # knows both kinds of slashes, and drives
    path = folder / name
    if parts.anchor or ".." in parts.parts or not path.resolve().is_relative_to(folder.resolve()):
        raise AtomError(f"the file {name!r} leads out of the set's folder, give a path inside of it")
    return path


def _parse_choice(name: str, value: Any, choices: Iterable[str]) -> Any:
    if value is not None and value not in choices:
        raise AtomError(f"{name} {value!r} is none of {', '.join(choices)}")
    return value


def _parse_tokens(value: Any) -> tuple[int, ...]:
    value = decode_json("tokens", value)
    if not isinstance(value, list):
        raise AtomError(f"tokens {value!r} are no list of codebook entries")
    return tuple(parse_whole_number("token", token) for token in value)


def _build_prompt(
    entries: list[ExternalMotion], split: Split, source: str, read_texts: Mapping[str, ReadText] | None = None
) -> Prompt:
    """The prompt of rows that share one `prompt_id` and text; `split` is the default."""
    first = entries[0]
    task, own_split, events = (_common_value(entries, name) for name in ("task", "split", "events"))
    if events is None:
        read = (read_texts or {}).get(first.text) or read_text(first.text)
        if not read.events:
            reasons = "; ".join(read.remarks) or "no motion is described"
            raise AtomError(f"{first.text[:80]!r} can't be read ({reasons}); or give its `events`")
        events = read.events
    return Prompt(first.prompt_id, first.text, task or infer_task(events), events, own_split or split, 0, source)


def _common_value(entries: list[ExternalMotion], name: str) -> Any:
    """The one value that the rows of a prompt have for a field, those without it aside; None if no row has it."""
    rows_by_value = {value: entry.where for entry in entries if (value := getattr(entry, name)) is not None}
    if len(rows_by_value) > 1:
        raise AtomError(f"its rows disagree on the {name}: see {' and '.join(list(rows_by_value.values())[:2])}")
    return next(iter(rows_by_value), None)
