"""The caption files of HumanML3D, `texts/ID.txt`, with lines `caption#word/POS word/POS ...#start#end`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from atom.errors import AtomError

# "upright" became "upleft", and "counter clockwise" became "counter counterclockwise".
_DAMAGED_WORD = re.compile(
    r"\b(?:up|b|al|down|out|f|forth|copy|birth)left\w*|\bleft(?:eous|ful)\w*|\bright(?:over|ies)\w*"
    r"|\b(?:counter|anti)[\s-]*(?:counter|anti)[\s-]*clock[\s-]*wise\b",
    re.IGNORECASE,
)
_UNCHANGED_DIRECTION = re.compile(r"\b(?:(?:counter|anti)[\s-]*)?clock[\s-]+wise\b|\banti-?clockwise\b", re.IGNORECASE)


@dataclass(frozen=True)
class Caption:
    """A caption and the part of the clip that it describes.

    `tokens` are its words with their parts of speech, such as "walk/VERB". `start` and `end` are in seconds; both are 0
    if the caption describes the whole clip.
    """

    text: str
    tokens: tuple[str, ...]
    start: float = 0.0
    end: float = 0.0

    @property
    def is_whole_clip(self) -> bool:
        """Whether the caption describes the whole clip and not a part of it."""
        return self.start == 0 and self.end == 0

    @property
    def word_classes(self) -> list[tuple[str, str]]:
        """(word, part of speech) of each word."""
        return split_word_classes(self.tokens)


@dataclass(frozen=True)
class BrokenLine:
    """A line, counted from 1, that can't be parsed, and the reason."""

    line: int
    reason: str


def read_captions(path: Path) -> tuple[list[Caption], list[BrokenLine]]:
    """Read the captions of a file, and its broken lines; blank lines are skipped.

    Raises AtomError if the file is missing or is not text in UTF-8.
    """
    try:
        content = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise AtomError(f"{path}: no such file") from None
    except OSError as error:
        raise AtomError(f"{path}: can't be read ({error.strerror}), check the file") from error
    except UnicodeDecodeError:
        content = "\0"  # gets the same message as a binary file below
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
    """Parse a line of a caption file; a time of nan counts as 0, as in HumanML3D's own code. Raises ValueError."""
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


def split_word_classes(tokens: Iterable[str]) -> list[tuple[str, str]]:
    """Split tokens such as "walk/VERB" into words and their parts of speech."""
    return [(word, part) for word, _, part in (token.rpartition("/") for token in tokens)]


def find_mirror_damage(text: str, is_mirrored: bool) -> str | None:
    """Find a word that mirroring damaged. HumanML3D's mirror images have captions with left and right, clockwise and
    counterclockwise exchanged letter by letter, also inside of other words and spellings.

    Args:
        text: the caption.
        is_mirrored: whether it is that of a mirror image. Only there is a direction spelt in two words, such as "clock
            wise", known to be damage: it was not exchanged.

    Returns:
        The first damaged piece, None if there is none.
    """
    found = _DAMAGED_WORD.search(text) or (_UNCHANGED_DIRECTION.search(text) if is_mirrored else None)
    return found[0] if found else None


def _seconds(field: str) -> float:
    try:
        seconds = float(field)
    except ValueError:
        raise ValueError(f"has {field.strip()!r} where seconds are expected") from None
    return 0.0 if math.isnan(seconds) else seconds
