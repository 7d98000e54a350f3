"""Calibration clips of a user: motions that a person labelled with the performed events or with a score."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from atom.errors import AtomError
from atom.evaluation.agreement import LEVELS
from atom.events import TASKS, Composition, Event, describe_action, is_known
from atom.judging import rubric
from atom.judging.calibration.calibration_clip import CalibrationClip
from atom.motion_formats.motion_files import read_motion
from atom.prompts.grammar import prompt_id
from atom.prompts.reading import canonical_action, read_text


def read_labelled_clips(path: str | Path) -> list[CalibrationClip]:
    """Read the clips of a labelled set.

    It is a .jsonl file with an object a line, or a .parquet file, with the columns

    - `motion`: a file of joints or features, relative to the folder of the set and inside of it;
    - `text`, from which the expected events are read, and `task`;
    - one of `events`, the performed events as a list of {action, count}, or `score`, a person's score from 1 to 5. An
      action is the name of a known one, or plain words such as `throws a ball with the left hand`.

    Raises AtomError, in one line, that says what is wrong with the first faulty row and where the others are.
    """
    path = Path(path)
    clips: list[CalibrationClip] = []
    faults: dict[str, str] = {}
    clips_per_prompt: Counter[str] = Counter()
    for row_name, row in _rows(path):
        try:
            clip = _read_clip(row, path.parent, clips_per_prompt)
        except AtomError as error:
            faults[row_name] = " ".join(str(error).split())  # in one line, even if the message quotes line breaks
        else:
            clips_per_prompt[clip.prompt_id] += 1
            clips.append(clip)
    if faults:
        (row_name, fault), *others = faults.items()
        also = f" (also at fault: {', '.join(row_name for row_name, _ in others)})" if others else ""
        raise AtomError(f"{path}, {row_name}: {fault}{also}")
    if not clips:
        raise AtomError(f"{path}: has no labelled motion, give at least one line with motion, text, task and events")
    return clips


def _rows(path: Path) -> Iterator[tuple[str, Any]]:
    """The rows of a file with their names, such as `line 3`. A line that isn't JSON comes as text."""
    readers = {".jsonl": _json_rows, ".parquet": _parquet_rows}
    if path.suffix not in readers:
        raise AtomError(f"{path}: a labelled set is a .jsonl or a .parquet file, give one of these")
    if not path.is_file():
        raise AtomError(f"{path}: no such file, give a labelled set as .jsonl or .parquet")
    return readers[path.suffix](path)


def _json_rows(path: Path) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = line
            yield f"line {number}", row


def _parquet_rows(path: Path) -> Iterator[tuple[str, Any]]:
    try:
        rows = pq.read_table(path).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise AtomError(f"{path}: is not a Parquet file that can be read, write it again") from error
    for number, row in enumerate(rows, start=1):
        yield f"row {number}", row


def _read_clip(row: Any, folder: Path, clips_per_prompt: Counter[str]) -> CalibrationClip:
    if not isinstance(row, dict):
        raise AtomError('is not a JSON object, write {"motion": ..., "text": ..., "task": ..., "events": [...]}')
    for column in ("motion", "text", "task"):
        if not isinstance(row.get(column), str) or not row[column].strip():
            raise AtomError(f"{column!r} is missing or no text, every row needs motion, text and task")
    text, task = row["text"], row["task"]
    if task not in TASKS:
        raise AtomError(f"unknown task {task!r}; known tasks: {', '.join(TASKS)}")
    parsed = read_text(text)
    if not parsed.events:
        raise AtomError(f"the text {text[:80]!r} describes no motion ({'; '.join(parsed.remarks) or 'no verb'})")
    if (row.get("events") is None) == (row.get("score") is None):
        raise AtomError("give one of 'events' (what is done) and 'score' (1 to 5), neither none nor both")
    if row.get("score") is not None:
        performed, truth = None, _score(row["score"])
    else:
        performed = _read_performed(row["events"], parsed.events)
        truth = rubric.score(task, parsed.events, performed)
    joints = read_motion(folder / _check_path(row["motion"]))
    name = prompt_id(text, task, parsed.events)
    return CalibrationClip(
        f"{name}-{clips_per_prompt[name]}", name, text, task, parsed.events, performed, joints, truth
    )


def _score(score: Any) -> float:
    if isinstance(score, bool) or not isinstance(score, int | float) or not 1 <= score <= LEVELS:
        raise AtomError(f"score {score!r} is no number from 1 to {LEVELS}")
    return float(score)


def _read_performed(events: Any, expected: Composition) -> Composition:
    if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
        raise AtomError(f"events {events!r} are no list of {{action, count}}")
    performed = []
    for event in events:
        action, count = event.get("action"), event.get("count")
        count = 1 if count is None else count
        if not isinstance(action, str) or isinstance(count, bool) or not isinstance(count, int):
            raise AtomError(f"event {event!r} needs an action's name and a whole count")
        performed.append(Event(_name_action(action, count, expected), count))
    return tuple(performed)


def _name_action(words: str, count: int, expected: Composition) -> str:
    """The action that some words name: an expected one, a known one, or the open one that the reader finds in them."""
    words = " ".join(words.replace("_", " ").lower().split())
    for event in expected:
        if words in (describe_action(event.action), event.phrase.lower()):
            return event.action
    if is_known(name := words.replace(" ", "_")):
        return name
    found = read_text(words).events
    name = found[0].action if len(found) == 1 else words
    return canonical_action(words if count > 1 and is_known(name) else name, count=count)


def _check_path(name: str) -> str:
    path = PureWindowsPath(name)  # understands both kinds of slashes and drives
    if path.anchor or ".." in path.parts:
        raise AtomError(f"motion {name!r} is outside of the folder of the set, give a path inside of it without '..'")
    return name
