"""Seed texts, which decide the actions of prompts and how often each occurs."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from atom.errors import AtomError
from atom.events import ACTIONS, is_known
from atom.prompts.reading import read_text

_NUM_PHRASES = 20  # how many of the phrases that were not understood are kept
_SETTING = "prompts.seeds"


@dataclass(frozen=True)
class SeedTexts:
    """Statistics of seed texts.

    Attributes:
        weights: fraction of all events that each action has; actions that never occur are left out.
        texts: number of texts.
        understood: number of texts with a known event.
        not_understood: the most frequent phrases without a known event, and how often each occurs.
        digest: sha256 of the texts, independent of their path.
    """

    weights: dict[str, float]
    texts: int
    understood: int
    not_understood: list[tuple[str, int]]
    digest: str


def read_seeds(path: str | None) -> SeedTexts:
    """Reads a file with one text a line, or all .txt files in a folder and its subfolders.

    Of HumanML3D's lines `caption#tokens#from#to` only the caption counts. Without a path, every action has the same
    weight. It is an AtomError if there is nothing to read, a file is not text, or no text has a known event.
    """
    if path is None:
        return SeedTexts(dict.fromkeys(ACTIONS, 1.0), 0, 0, [], "every action of the lexicon")
    texts = [text for file in _find_files(Path(path)) for text in _read_texts(file)]
    action_counts: Counter[str] = Counter()
    unknown_phrases: Counter[str] = Counter()
    understood = 0
    for text in texts:
        actions, phrases = _parse_actions(text)
        action_counts.update(actions)
        unknown_phrases.update(phrases)
        understood += bool(actions)
    if not action_counts:
        examples = ", ".join(repr(phrase) for phrase, _ in unknown_phrases.most_common(3)) or "no words"
        raise AtomError(
            f"none of the {len(texts)} texts in {path} has a known action ({examples}): {_SETTING} needs texts such as "
            "'a person jumps twice', one a line"
        )
    weights = {action: action_counts[action] / action_counts.total() for action in ACTIONS if action_counts[action]}
    digest = hashlib.sha256("\n".join(texts).encode()).hexdigest()
    return SeedTexts(weights, len(texts), understood, unknown_phrases.most_common(_NUM_PHRASES), digest)


def _find_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise AtomError(f"there is no file or folder {path} to read seed texts from: check {_SETTING}")
    files = sorted(file for file in path.rglob("*.txt") if file.is_file())
    if not files:
        raise AtomError(f"the folder {path} holds no .txt file to read seed texts from: check {_SETTING}")
    return files


def _read_texts(file: Path) -> list[str]:
    try:
        content = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise AtomError(f"can't read the seed texts in {file}: {error.strerror}; check {_SETTING}") from None
    except UnicodeDecodeError:
        content = "\0"  # reported below
    if "\0" in content:
        raise AtomError(f"{file} is not text in UTF-8: {_SETTING} needs a file with one text a line") from None
    captions = (line.partition("#")[0].strip() for line in content.splitlines())
    return [caption for caption in captions if caption]


def _parse_actions(text: str) -> tuple[list[str], list[str]]:
    """The known actions in a text, and the open ones, which the grammar has no wording for."""
    events = read_text(text).events
    known = [event.action for event in events if is_known(event.action)]
    return known, [event.action for event in events if not is_known(event.action)] or ([] if known else [text])
