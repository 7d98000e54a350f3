"""Captions for Guo's text encoder: a word vector and a part of speech for each word.

The files, the 15 classes and the word lists of special classes are those of Guo et al.'s repository (text-to-motion,
utils/word_vectorizer.py).
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from atom.errors import AtomError

MAX_WORDS = 20  # the words of a caption that count, without start and end

PARTS_OF_SPEECH = (
    "VERB",
    "NOUN",
    "DET",
    "ADP",
    "NUM",
    "AUX",
    "PRON",
    "ADJ",
    "ADV",
    "Loc_VIP",
    "Body_VIP",
    "Obj_VIP",
    "Act_VIP",
    "Desc_VIP",
    "OTHER",
)

_WORDS_OF_CLASS = {
    "Loc_VIP": "left right clockwise counterclockwise anticlockwise forward back backward up down straight curve",
    "Body_VIP": "arm chin foot feet face hand mouth leg waist eye knee shoulder thigh",
    "Obj_VIP": "stair dumbbell chair window floor car ball handrail baseball basketball",
    "Act_VIP": "walk run swing pick bring kick put squat throw hop dance jump turn stumble stop sit lift lower raise "
    "wash stand kneel stroll rub bend balance flap jog shuffle lean rotate spin spread climb",
    "Desc_VIP": "slowly carefully fast careful slow quickly happy angry sad happily angrily sadly",
}
_CLASS_OF = {word: part for part, words in _WORDS_OF_CLASS.items() for word in words.split()}
_CLASS_INDEX = {part: index for index, part in enumerate(PARTS_OF_SPEECH)}

_VECTORS, _WORDS, _INDEX = "our_vab_data.npy", "our_vab_words.pkl", "our_vab_idx.pkl"
_START, _END, _UNKNOWN = "sos/OTHER", "eos/OTHER", "unk/OTHER"


@dataclass(frozen=True)
class EncodedCaption:
    """Vectors (22, size) and one-hot parts of speech (22, 15), float32, of which the first `length` rows count."""

    vectors: np.ndarray
    parts_of_speech: np.ndarray
    length: int


@dataclass(frozen=True)
class WordVectors:
    """Vectors (n, size) float32, the row of each word in them, and the `sha256` of the files."""

    vectors: np.ndarray
    rows: dict[str, int]
    sha256: str

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read a folder with our_vab_data.npy, our_vab_words.pkl and our_vab_idx.pkl.

        Raises AtomError that names a missing or damaged file. A pickle with anything but plain lists, dicts, strings
        and numbers is refused before it can run code.
        """
        if missing := [name for name in (_VECTORS, _WORDS, _INDEX) if not (folder / name).is_file()]:
            raise AtomError(f"{folder} has no word vectors: {', '.join(missing)} missing; give Guo's glove folder")
        vectors = _read_vectors(folder / _VECTORS)
        words, index = _read_plain_pickle(folder / _WORDS), _read_plain_pickle(folder / _INDEX)
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise AtomError(f"{folder / _WORDS} must be a list of words; give Guo's file")
        if not isinstance(index, dict) or not all(type(index.get(word)) is int for word in words):
            raise AtomError(f"{folder / _INDEX} must give the row of each word in {_WORDS}; give the files of one set")
        rows = {word: index[word] for word in words}
        if out_of_range := [word for word, row in rows.items() if not 0 <= row < len(vectors)]:
            raise AtomError(
                f"{folder / _INDEX}: the row of {out_of_range[0]!r} is not among the {len(vectors)} vectors"
            )
        if "unk" not in rows:
            raise AtomError(f"{folder / _WORDS} has no 'unk', which stands for unknown words; give Guo's file")
        digest = hashlib.sha256()
        for name in (_VECTORS, _WORDS, _INDEX):
            digest.update(hashlib.sha256((folder / name).read_bytes()).digest())
        return cls(vectors, rows, digest.hexdigest())

    @property
    def size(self) -> int:
        return self.vectors.shape[1]

    def encode(self, tokens: Sequence[str]) -> EncodedCaption:
        """Encode the first 20 "word/POS" tokens, between a start and an end token, padded to 22 with unknown words.

        An unknown word has the class OTHER. A word of a special list has the class of that list, whatever its tag.
        """
        tokens = [_START, *tokens[:MAX_WORDS], _END]
        length = len(tokens)
        pairs = [_word_and_tag(token) for token in tokens + [_UNKNOWN] * (MAX_WORDS + 2 - length)]
        parts = [_part_of_speech(word, tag) if word in self.rows else "OTHER" for word, tag in pairs]
        rows = [self.rows.get(word, self.rows["unk"]) for word, _ in pairs]
        one_hot = np.eye(len(PARTS_OF_SPEECH), dtype=np.float32)[[_CLASS_INDEX[part] for part in parts]]
        return EncodedCaption(self.vectors[rows], one_hot, length)


def _word_and_tag(token: str) -> tuple[str, str]:
    word, slash, tag = token.rpartition("/")
    if not slash:
        raise AtomError(f"token {token!r} has no part of speech: give words as word/POS, as in HumanML3D's captions")
    return word, tag


def _part_of_speech(word: str, tag: str) -> str:
    return _CLASS_OF.get(word, tag if tag in _CLASS_INDEX else "OTHER")


def _read_vectors(path: Path) -> np.ndarray:
    try:
        vectors = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise AtomError(f"can't read {path}: it is no plain array of numbers; fetch Guo's file again") from error
    if not isinstance(vectors, np.ndarray) or vectors.ndim != 2 or vectors.dtype.kind != "f":
        raise AtomError(f"{path} must be a table of numbers, a row a word; give Guo's file")
    return vectors.astype(np.float32)


class _PlainUnpickler(pickle.Unpickler):
    """Refuses every global name: plain containers, strings and numbers need none."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it needs {module}.{name}")


def _read_plain_pickle(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            return _PlainUnpickler(file).load()
    except Exception as error:  # a damaged pickle raises more than pickle's own errors
        raise AtomError(
            f"{path} was refused: it is damaged or holds more than lists, tables, words and whole numbers, and could "
            f"run code when opened ({' '.join(str(error).split())[:100]}); fetch Guo's file again"
        ) from error
