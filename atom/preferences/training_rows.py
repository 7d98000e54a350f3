"""The rows that AToM's loader makes of labelled pairs: which it trains on, which it evaluates on, and their order.

The split and the first shuffle use numpy's Generator, as Hugging Face `datasets` does. The second shuffle is a pandas
sample from numpy's global state, which the peer's script seeds just before. Tests compare with the peer's output.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np

from atom.errors import AtomError
from atom.preferences.labels import SKIPPED, LabelledPair
from atom.preferences.motion_strings import CODES, format_motion_string

PreferenceType = Literal["all", "all_better", "much_better", "better", "slightly_better"]

UNSURE = "Negligibly better/unsure"
EVAL_SHARE = 0.1
SMOOTHING = {"Much better": 0.0, "Better": 0.2, "Slightly better": 0.3, UNSURE: 0.5}
DEGREES_OF_TYPE: dict[PreferenceType, tuple[str, ...]] = {
    "all_better": ("Much better", "Better"),
    "much_better": ("Much better",),
    "better": ("Better",),
    "slightly_better": ("Slightly better",),
}

_T = TypeVar("_T")


class AtomTrainingRows(NamedTuple):
    """The rows of both parts, and the ids that the loader writes to its split file.

    Attributes:
        train: rows {id, prompt, chosen, rejected, label_smoothing}.
        eval: the same for the evaluation part.
        ids: the ids of each part as texts, before unsure rows are dropped and the rows are shuffled.
    """

    train: list[dict[str, Any]]
    eval: list[dict[str, Any]]
    ids: dict[Literal["train", "eval"], list[str]]


def build_atom_training_rows(
    pairs: Sequence[LabelledPair],
    seed: int,
    *,
    add_unsure: bool = False,
    label_smoothing: bool = False,
    preference_type: PreferenceType = "all",
    use_skipped: bool = False,
    codes: int = CODES,
) -> AtomTrainingRows:
    """The rows of AToM's loader after `transformers.set_seed(seed)`.

    Args:
        pairs: in the order of the labels file.
        seed: of the split and the shuffles.
        add_unsure: keep the pairs with the degree "Negligibly better/unsure".
        label_smoothing: fill the column label_smoothing by degree; unsure pairs are then kept in any case.
        preference_type: keep only pairs of these degrees.
        use_skipped: train on skipped pairs as if sample_2 was chosen; they are never evaluated on.
        codes: the size of the codebook.

    Returns:
        The rows and the ids of the split file.

    Raises:
        AtomError: too few pairs are left to split, or a pair has no tokens.
    """
    usable = [pair for pair in pairs if use_skipped or pair.choice != SKIPPED]
    if len(usable) < 2:
        raise AtomError(f"{len(usable)} labelled pair(s) that are not skipped can't be split, at least 2 are needed")
    held_out = math.ceil(EVAL_SHARE * len(usable))
    shuffled = _shuffle(usable, np.random.default_rng(seed))
    parts = {"train": shuffled[held_out:], "eval": shuffled[:held_out]}
    parts["eval"] = [pair for pair in parts["eval"] if pair.choice != SKIPPED]
    ids = {name: [str(pair.id) for pair in part] for name, part in parts.items()}
    global_state = np.random.RandomState(seed)  # its draws continue from the train part to the eval part
    rows = {}
    for name, part in parts.items():
        if not label_smoothing and not add_unsure:
            part = [pair for pair in part if pair.degree != UNSURE]
        if preference_type != "all":
            part = [pair for pair in part if pair.degree in DEGREES_OF_TYPE[preference_type]]
        part = _shuffle(_shuffle(part, np.random.default_rng(seed)), global_state)
        rows[name] = [_make_row(pair, label_smoothing, codes) for pair in part]
    return AtomTrainingRows(rows["train"], rows["eval"], ids)


def _shuffle(items: Sequence[_T], generator: np.random.Generator | np.random.RandomState) -> list[_T]:
    return [items[index] for index in generator.permutation(len(items))]


def _make_row(pair: LabelledPair, label_smoothing: bool, codes: int) -> dict[str, Any]:
    if pair.tokens is None:
        raise AtomError(f"pair {pair.id} has no tokens, but AToM's loader needs them; leave out such pairs")
    first, second = (format_motion_string(tokens, codes) for tokens in pair.tokens)
    chosen, rejected = (first, second) if pair.choice == "sample_1" else (second, first)
    return {
        "id": pair.id,
        "prompt": pair.prompt,
        "chosen": chosen,
        "rejected": rejected,
        "label_smoothing": SMOOTHING.get(pair.degree, 0.0) if label_smoothing else 0.0,
    }
