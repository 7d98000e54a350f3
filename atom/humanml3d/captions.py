"""Caption files of HumanML3D, `texts/ID.txt`: a line is `caption#word/POS word/POS ...#start#end`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from atom.errors import AtomError


@dataclass(frozen=True)
class Caption:
    """A text, its words with their parts of speech ("walk/VERB"), and the seconds of the clip that it describes;
    `start` and `end` are both 0 when that is the whole clip."""

    text: str
    tokens: tuple[str, ...]
    start: float = 0.0
    end: float = 0.0

    @property
    def is_whole_clip(self) -> bool:
        return self.start == 0 and self.end == 0


@dataclass(frozen=True)
class BrokenLine:
    """A line, counted from 1, that is no caption, and why."""

    line: int
    reason: str


def read_captions(path: Path) -> tuple[list[Caption], list[BrokenLine]]:
    """The captions of a file and the lines that are none; blank lines are neither.

    Raises AtomError if the file is missing or is not text in UTF-8.
    """
    try:
        content = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise AtomError(f"{path}: no such file") from None
    except OSError as error:
        raise AtomError(f"{path}: can't be read ({error.strerror}), check the file") from error
    except UnicodeDecodeError:
        content = "\0"
    if "\0" in content:
        raise AtomError(f"{path}: is not text in UTF-8, convert or restore it") from None
    captions, broken = [], []
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            captions.append(parse_caption(line))
        except ValueError as error:
            broken.append(BrokenLine(number, str(error)))
    return captions, broken


def parse_caption(line: str) -> Caption:
    """The caption of a line; a time that is nan counts as 0. ValueError says why it is none."""
    fields = line.strip().rsplit("#", 3)
    if len(fields) != 4:
        raise ValueError(f"has {len(fields)} fields between #, expected 4: caption#word/POS ...#start#end")
    text, tokens = fields[0].strip(), tuple(fields[1].split())
    if not text:
        raise ValueError("has no caption")
    if not tokens:
        raise ValueError("has no words with their parts of speech")
    if untagged := next((token for token in tokens if not all(token.rpartition("/"))), None):
        raise ValueError(f"has {untagged!r} where word/POS is expected")
    start, end = _seconds(fields[2]), _seconds(fields[3])
    if (start or end) and not 0 <= start < end < math.inf:
        raise ValueError(f"goes from {start:g} to {end:g} s, which is no span of time")
    return Caption(text, tokens, start, end)


def _seconds(field: str) -> float:
    try:
        seconds = float(field)
    except ValueError:
        raise ValueError(f"has {field.strip()!r} where seconds are expected") from None
    return 0.0 if math.isnan(seconds) else seconds
