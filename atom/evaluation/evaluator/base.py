"""The interface of an evaluator: one vector for each text and each motion, near each other where the two fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class TaggedText:
    """A caption.

    `tokens` are its words with their parts of speech, "word/POS" as in HumanML3D's caption files. Only evaluators that
    read tags need them.
    """

    text: str
    tokens: tuple[str, ...] = ()


class Evaluator(Protocol):
    """Embeds texts and motions into one space.

    `weights_hash` changes with everything that decides an embedding. Motions are HumanML3D features (T, 263), not
    normalised. Results are float32 (n, d), in the order of the input.
    """

    name: str
    weights_hash: str

    def embed_texts(self, texts: Sequence[TaggedText]) -> np.ndarray: ...

    def embed_motions(self, features: Sequence[np.ndarray]) -> np.ndarray: ...
