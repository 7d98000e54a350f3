"""Motions that some other program made, such as a diffusion or a masked model, and the prompts they were made for.

A set of motions is one of

- a folder with index.jsonl, index.csv or index.parquet, which names in `file` a .npy, .npz or .bvh inside the folder;
- a .parquet or .jsonl table with a column `joints` (T, 22, 3) or `features` (T, 263), flattened or nested, or `file`;
- MDM's results.npy.

A row needs `text` and a motion: joints in metres, Y up, at 20 fps, or HumanML3D's features, not normalised. It may have
`sample` (the candidate's number, else they are counted), `prompt_id`, `task`, `split`, `seed`, `tokens` (codebook
entries) and `events` (a list of {action, count, phrase}, or the same as JSON).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
import pyarrow as pa

from atom.errors import AtomError
from atom.events import TASKS, Composition, Event, Split, Task
from atom.generation.made_rows import JsonLines, Row, RowSource, row_source
from atom.motion.files import as_joints, read_motion
from atom.prompts.grammar import Prompt
from atom.prompts.parsing import parse_events

_INDEXES = ("index.jsonl", "index.csv", "index.parquet")
_MOTION_FILES = (".npy", ".npz", ".bvh")
_SPLITS = ("train", "val", "test")
_PROMPT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # becomes part of names of files
_INT16, _INT64 = 2**15 - 1, 2**63 - 1  # what the store has room for


@dataclass(frozen=True)
class MadeMotion:
    """One motion of a set, without its joints.

    `where` names its row; `sample` is the number of the candidate; `prompt_id` is a hash of the text unless given;
    `task`, `split`, `events` and `seed` are None unless given; `tokens` is empty for generators without a codebook.
    `digest` is the sha256 of the file, or of the numbers in the row.
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
    file: str = field(repr=False)  # inside the folder of the set; empty where the motion stands in the row
    place: int = field(repr=False)  # of the row in its source


@dataclass(frozen=True)
class MotionSet:
    """The motions that can be used, and the rows that can't with the reason of each; `origin` is the set's own name."""

    entries: list[MadeMotion]
    quarantined: list[tuple[str, str]]
    origin: str
    _folder: Path = field(repr=False)
    _source: RowSource = field(repr=False)

    def joints(self, entry: MadeMotion) -> np.ndarray:
        """Joints (T, 22, 3) float32 of a motion, read now. A table is read fastest in its own order.

        Raises AtomError for a motion of another shape, with NaN, shorter than 4 frames or not of human size.
        """
        if entry.file:
            return read_motion(self._folder / entry.file)
        return as_joints(self._source.motion(entry.place), entry.where)


def read_motion_set(path: str | Path, progress: Callable[[int], None] | None = None) -> MotionSet:
    """The index of a set of motions, in the order of its rows; the module says what a set is.

    Each motion is hashed, none is kept. `progress` gets the number of rows that were read so far. Rows that are faulty,
    contradict an earlier one or repeat its prompt and sample are quarantined. AtomError if there is no row to use.
    """
    path = Path(path)
    table = _table_of(path)
    source, folder = row_source(table), table.parent
    entries: list[MadeMotion] = []
    quarantined: list[tuple[str, str]] = []
    known = _Known()
    try:
        for number, row in enumerate(source.rows(), start=1):
            try:
                entries.append(known.added(_entry(row, folder)))
            except AtomError as error:
                quarantined.append((row.where, " ".join(str(error).split())))
            if progress:
                progress(number)
    except (OSError, pa.ArrowException) as error:
        raise AtomError(f"{table}: can't be read to its end ({' '.join(str(error).split())[:100]})") from error
    if not entries:
        fault = f"; the first of {len(quarantined)} faults, {': '.join(quarantined[0])}" if quarantined else ""
        raise AtomError(f"{path}: holds no motion that can be used, a row needs `text` and a motion{fault}")
    return MotionSet(entries, quarantined, path.resolve().name, folder, source)


def prompts_of(made: MotionSet, split: Split = "train") -> tuple[list[Prompt], list[tuple[str, str]]]:
    """A prompt for each text, or each `prompt_id`, of a set, in order of appearance; and what has none, with reasons.

    Events are those given, else those that the parser reads; a text that it does not understand in full is quarantined.
    The task is the one given, else frequency if something is asked for more than once, temporal if there are several
    events, integrity if there is one. `split` is for prompts that name none.
    """
    groups: dict[str, list[MadeMotion]] = defaultdict(list)
    for entry in made.entries:
        groups[entry.prompt_id].append(entry)
    prompts: list[Prompt] = []
    quarantined: list[tuple[str, str]] = []
    for entries in groups.values():
        try:
            prompts.append(_prompt(entries, split, made.origin))
        except AtomError as error:
            quarantined.append((entries[0].where, " ".join(str(error).split())))
    return prompts, quarantined


def read_prompts(path: str | Path) -> list[Prompt]:
    """The prompts in a .jsonl file with `text` and, if it likes, prompt_id, task, split and events, an object a line.

    Raises AtomError that names the first line at fault.
    """
    path = Path(path)
    if not path.is_file():
        raise AtomError(f"{path}: no such file, `atom motions prompts` writes one")
    prompts: dict[str, Prompt] = {}
    for row in JsonLines(path).rows():
        try:
            prompt = _prompt([_asked(row)], "train", path.name)
        except AtomError as error:
            raise AtomError(f"{path.parent / row.where}: {error}") from None
        if prompt.prompt_id in prompts:
            raise AtomError(f"{path.parent / row.where}: the prompt {prompt.prompt_id} stands there twice")
        prompts[prompt.prompt_id] = prompt
    if not prompts:
        raise AtomError(f"{path}: holds no prompt, give an object with `text` a line")
    return list(prompts.values())


def checked_prompt_id(value: Any) -> str:
    """A prompt's name that may be part of a file's name. AtomError if it may not."""
    if not isinstance(value, str) or not _PROMPT_ID.fullmatch(value):
        raise AtomError(f"prompt_id {value!r} must be up to 100 letters, digits, '.', '_' and '-'")
    return value


class _Known:
    """What earlier rows said, to find contradictions and to count samples."""

    def __init__(self) -> None:
        self._texts: dict[str, MadeMotion] = {}
        self._samples: dict[str, dict[int, str]] = defaultdict(dict)

    def added(self, entry: MadeMotion) -> MadeMotion:
        first = self._texts.setdefault(entry.prompt_id, entry)
        if first.text != entry.text:
            raise AtomError(f"prompt_id {entry.prompt_id} stands for another text in {first.where}: {first.text!r}")
        samples = self._samples[entry.prompt_id]
        if entry.sample < 0:
            free = len(samples)
            while free in samples:
                free += 1
            entry = replace(entry, sample=free)
        if entry.sample in samples:
            raise AtomError(f"sample {entry.sample} of this prompt stands in {samples[entry.sample]} already")
        samples[entry.sample] = entry.where
        return entry


def _table_of(path: Path) -> Path:
    if not path.is_dir():
        return path
    found = [path / name for name in _INDEXES if (path / name).is_file()]
    if len(found) > 1:
        raise AtomError(f"{path}: holds {' and '.join(index.name for index in found)}, keep the one that counts")
    if not found and (path / "results.npy").is_file():
        return path / "results.npy"
    if not found:
        raise AtomError(f"{path}: holds no index of motions, add {', '.join(_INDEXES)} with the columns text and file")
    return found[0]


def _entry(row: Row, folder: Path) -> MadeMotion:
    asked = _asked(row)
    name = row.columns.get("file")
    if (name is None) == (not row.digest):
        raise AtomError("needs one motion: a `file`, or `joints` or `features` in the row")
    if name is None:
        return asked
    path = _inside(folder, name)
    try:
        with path.open("rb") as file:
            return replace(asked, file=name, digest=hashlib.file_digest(file, "sha256").hexdigest())
    except OSError as error:
        raise AtomError(f"the file {name} can't be read ({error.strerror})") from None


def _asked(row: Row) -> MadeMotion:
    """All of a row but its file. A sample of -1 is one that is not given."""
    if row.fault:
        raise AtomError(row.fault)
    columns = row.columns
    text = columns.get("text")
    if not isinstance(text, str):
        raise AtomError("has no `text`, the sentence that the motion was made for")
    text = text.strip()
    given = columns.get("prompt_id")
    return MadeMotion(
        where=row.where,
        text=text,
        sample=_whole("sample", columns["sample"]) if "sample" in columns else -1,
        prompt_id=hashlib.sha256(text.encode()).hexdigest()[:16] if given is None else checked_prompt_id(given),
        task=_one_of("task", columns.get("task"), TASKS),
        split=_one_of("split", columns.get("split"), _SPLITS),
        events=_events(columns["events"]) if "events" in columns else None,
        seed=_whole("seed", columns["seed"], _INT64) if "seed" in columns else None,
        tokens=_tokens(columns["tokens"]) if "tokens" in columns else (),
        digest=row.digest,
        file="",
        place=row.place,
    )


def _inside(folder: Path, name: Any) -> Path:
    """The file of that name, which comes from outside, if it lies in the folder."""
    if not isinstance(name, str) or not name.lower().endswith(_MOTION_FILES):
        raise AtomError(f"the file {name!r} is no {', '.join(_MOTION_FILES)}")
    parts = PureWindowsPath(name)  # knows both kinds of slashes and drives
    path = folder / name
    if parts.anchor or ".." in parts.parts or not path.resolve().is_relative_to(folder.resolve()):
        raise AtomError(f"the file {name!r} leads out of the set's folder, give a path inside of it")
    return path


def _one_of(name: str, value: Any, known: Iterable[str]) -> Any:
    if value is not None and value not in known:
        raise AtomError(f"{name} {value!r} is none of {', '.join(known)}")
    return value


def _whole(name: str, value: Any, most: int = _INT16) -> int:
    """A whole number of at least 0, also as CSV and tables with gaps hold it: "3" and 3.0."""
    try:
        number = int(value)
        if isinstance(value, bool) or not 0 <= number <= most or (isinstance(value, float) and number != value):
            raise ValueError
    except (ValueError, TypeError, OverflowError):
        raise AtomError(f"{name} {value!r} is no whole number from 0 to {most}") from None
    return number


def _tokens(value: Any) -> tuple[int, ...]:
    value = _parsed("tokens", value)
    if not isinstance(value, list):
        raise AtomError(f"tokens {value!r} are no list of codebook entries")
    return tuple(_whole("token", token) for token in value)


def _events(value: Any) -> Composition:
    value = _parsed("events", value)
    if not isinstance(value, list) or not value or not all(isinstance(event, dict) for event in value):
        raise AtomError(f"events {value!r} are no list of {{action, count, phrase}}")
    events = []
    for event in value:
        action, count, phrase = event.get("action"), event.get("count"), event.get("phrase")
        if not isinstance(action, str) or not isinstance(phrase, str | None):
            raise AtomError(f"event {event!r} needs an action's name, and words as its phrase if it has one")
        events.append(Event(action, 1 if count is None else _whole("count", count), phrase or ""))
    return tuple(events)


def _parsed(name: str, value: Any) -> Any:
    """The value itself, or what it says as JSON: tables without lists hold these as text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise AtomError(f"{name} {value[:60]!r} are not JSON, write a list") from None


def _prompt(entries: list[MadeMotion], split: Split, source: str) -> Prompt:
    """The prompt of rows with one `prompt_id` and text."""
    first = entries[0]
    task, told_split, events = (_agreed(entries, name) for name in ("task", "split", "events"))
    if events is None:
        parsed = parse_events(first.text)
        if parsed.unknown:
            raise AtomError(f"not understood in {first.text!r}: {', '.join(parsed.unknown)}; or give its `events`")
        if not parsed.events:
            raise AtomError(f"no known action in {first.text!r}; or give its `events`")
        events = parsed.events
    return Prompt(first.prompt_id, first.text, task or _task(events), events, told_split or split, 0, source)


def _agreed(entries: list[MadeMotion], name: str) -> Any:
    """What the rows of a prompt say that say it."""
    told = {value: entry.where for entry in entries if (value := getattr(entry, name)) is not None}
    if len(told) > 1:
        raise AtomError(f"its rows disagree on the {name}: see {' and '.join(list(told.values())[:2])}")
    return next(iter(told), None)


def _task(events: Composition) -> Task:
    if any(event.count > 1 for event in events):
        return "frequency"
    return "temporal" if len(events) > 1 else "integrity"
