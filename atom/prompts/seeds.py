"""Texts whose events say which actions prompts are made of, and how often each."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from atom.errors import AtomError
from atom.events import ACTIONS
from atom.prompts.parsing import parse_events

_SHOWN = 20  # most frequent phrases that were not understood
_SETTING = "prompts.seeds"


@dataclass(frozen=True)
class Seeds:
    """What was read from seed texts.

    Attributes:
        weights: share of each action in all events; actions that never occur are left out.
        texts, understood: how many texts there are, and how many of them have an event that is known.
        not_understood: the most frequent phrases that are no known event, and how often each occurs.
        digest: sha256 of the texts, wherever they lie.
    """

    weights: dict[str, float]
    texts: int
    understood: int
    not_understood: list[tuple[str, int]]
    digest: str


def read_seeds(path: str | None) -> Seeds:
    """Reads a file with one text a line, or all .txt files of a folder and its subfolders; None: every action equally.

    Of HumanML3D's lines `caption#tokens#from#to` only the caption counts. AtomError when there is nothing to read, when
    a file is no text, and when no text tells a known event.
    """
    if path is None:
        return Seeds(dict.fromkeys(ACTIONS, 1.0), 0, 0, [], "every action of the lexicon")
    texts = [text for file in _files(Path(path)) for text in _texts(file)]
    used: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    understood = 0
    for text in texts:
        actions, phrases = _read(text)
        used.update(actions)
        unknown.update(phrases)
        understood += bool(actions)
    if not used:
        shown = ", ".join(repr(phrase) for phrase, _ in unknown.most_common(3)) or "nothing at all"
        raise AtomError(
            f"none of the {len(texts)} texts in {path} tells a known action ({shown}): {_SETTING} needs texts such as "
            "'a person jumps twice', one a line"
        )
    weights = {action: used[action] / used.total() for action in ACTIONS if used[action]}
    digest = hashlib.sha256("\n".join(texts).encode()).hexdigest()
    return Seeds(weights, len(texts), understood, unknown.most_common(_SHOWN), digest)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise AtomError(f"there is no file or folder {path} to read seed texts from: check {_SETTING}")
    files = sorted(file for file in path.rglob("*.txt") if file.is_file())
    if not files:
        raise AtomError(f"the folder {path} holds no .txt file to read seed texts from: check {_SETTING}")
    return files


def _texts(file: Path) -> list[str]:
    try:
        content = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise AtomError(f"can't read the seed texts in {file}: {error.strerror}; check {_SETTING}") from None
    except UnicodeDecodeError:
        content = "\0"
    if "\0" in content:
        raise AtomError(f"{file} is not text in UTF-8: {_SETTING} needs a file with one text a line") from None
    captions = (line.partition("#")[0].strip() for line in content.splitlines())
    return [caption for caption in captions if caption]


def _read(text: str) -> tuple[list[str], list[str]]:
    """The actions that a text tells, and its phrases that are none."""
    try:
        parsed = parse_events(text)
    except AtomError:  # it has no words
        return [], [text]
    return [event.action for event in parsed.events], parsed.unknown
