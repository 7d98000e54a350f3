"""`atom prompts`: what the texts of prompts and captions are read as."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text

from atom.errors import AtomError

if TYPE_CHECKING:
    from collections.abc import Callable

    from atom.prompts.reading import ReadText
    from atom.prompts.text_files import TextRow

prompts_app = typer.Typer(help="Show the events that texts are read as.", no_args_is_help=True)

_TEXTS_PER_TABLE = 50
_MAX_SHOWN = 300  # characters of a text in the table
_BIG_FILE = 1_000_000  # bytes from which progress is shown
_FILE_SUFFIXES = (".txt", ".jsonl")


@prompts_app.callback()
def _group() -> None:
    """Keeps `read` a command of its own while it is the only one."""


@prompts_app.command()
def read(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE|TEXT",
            help="a text; a file with a text a line, HumanML3D's caption files or .jsonl with `text`; or a folder",
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object a line for each text")] = False,
) -> None:
    """Show the events of texts, as a run reads them: what is asked of a motion, how often, and what happens at once.

    A .jsonl may give corrected `events` beside a text; they are shown in place of those that are read.

    atom prompts read "a man waves his right hand twice, then hurls a ball"

    atom prompts read HumanML3D/texts --json > events.jsonl
    """
    path = _find_path(source)
    console = Console()
    counts: Counter[str] = Counter()
    with _progress(path) as advance:
        texts = _read_texts(source, path, advance, counts)
        if as_json:
            for read_text in texts:
                sys.stdout.write(f"{json.dumps(read_text.to_json())}\n")
            return
        while batch := list(islice(texts, _TEXTS_PER_TABLE)):
            console.print(_build_table(batch))
    if path is not None:
        tasks = ", ".join(f"{counts[task]:,} {task}" for task in ("integrity", "temporal", "frequency"))
        console.print(
            f"{counts['texts']:,} texts, {counts['readable']:,} with events ({tasks}), "
            f"{counts['events']:,} events, {counts['open']:,} of them open",
            highlight=False,
            soft_wrap=True,
        )


def _find_path(source: str) -> Path | None:
    """The path of a file or folder; None where the source is a text. AtomError where it looks like a missing file."""
    try:
        path = Path(source)
        if source.strip() and path.exists():
            return path
    except (OSError, ValueError):  # a text that is too long for a path, or has a null character
        return None
    if source.lower().endswith(_FILE_SUFFIXES) or ("/" in source and " " not in source.strip()):
        raise AtomError(f"{source}: no such file or folder, give one or a text in quotes")
    return None


@contextmanager
def _progress(path: Path | None) -> Iterator[Callable[[int], None]]:
    """Shows on a terminal how much of a big file or folder is read; yields what takes the bytes of each line."""
    from atom.prompts.text_files import find_text_files

    console = Console(stderr=True)
    total = sum(file.stat().st_size for file, _ in find_text_files(path)) if path else 0
    if total < _BIG_FILE or not console.is_terminal:
        yield lambda size: None
        return
    columns = (TextColumn("reading"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("reading", total=total)
        yield lambda size: progress.advance(task, size)


def _read_texts(
    source: str, path: Path | None, advance: Callable[[int], None], counts: Counter[str]
) -> Iterator[ReadText]:
    """Reads the texts one at a time, so that a file may be larger than memory, and counts them."""
    from atom.events import is_known
    from atom.prompts.reading import ReadText, read_text
    from atom.prompts.text_files import iterate_texts

    def read_row(row: TextRow) -> ReadText:
        if row.fault:
            return ReadText(row.text, (), (f"{row.where}: {row.fault}.",))
        if row.events is not None:
            return ReadText(row.text, row.events, ())
        return read_text(row.text, row.word_classes)

    found: Iterable[ReadText] = map(read_row, iterate_texts(path, advance)) if path else [read_text(source)]
    for text in found:
        counts["texts"] += 1
        counts["readable"] += bool(text.events)
        counts[text.task] += bool(text.events)
        counts["events"] += len(text.events)
        counts["open"] += sum(not is_known(event.action) for event in text.events)
        yield text


def _build_table(texts: list[ReadText]) -> Table:
    folded = {"overflow": "fold"}
    table = Table(
        Column("text, and the words of its events", ratio=5, **folded),
        Column("action", ratio=3, **folded),
        "side",
        Column("count", justify="right"),
        "at once",
        box=None,
        expand=True,
    )
    for text in texts:
        groups = {place: number for number, places in enumerate(text.together, start=1) for place in places}
        table.add_row(
            Text(_printable(text.text), style="bold"), Text(text.task if text.events else "not readable", style="dim")
        )
        for place, event in enumerate(text.describe_events()):
            count = "" if event["count"] is None else str(event["count"])
            group = str(groups[place]) if place in groups else ""
            phrase, action = Text(f"  {_printable(event['phrase'])}"), Text(_printable(event["action"]))
            table.add_row(phrase, action, event["side"] or "", count, group)
        for remark in text.remarks:
            table.add_row(Text(f"  {_printable(remark)}", style="yellow"))
    return table


def _printable(text: str) -> str:
    """A text for a terminal: without control characters, which could steer it, and not too long."""
    shown = "".join(character if character.isprintable() else " " for character in text[:_MAX_SHOWN])
    return shown if len(text) <= _MAX_SHOWN else f"{shown} ... ({len(text):,} characters)"
