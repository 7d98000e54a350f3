"""What AToM's loader makes of labelled pairs: which rows it trains on and which it evaluates on, in its order.

The split and the first shuffle come from numpy's Generator, as in Hugging Face `datasets`; the second shuffle is a
pandas sample from numpy's global state, which the peer's script seeds just before. Parity fixtures hold it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np

from atom.errors import AtomError
from atom.preferences.labels import SKIPPED, LabelledPair
from atom.preferences.motion_strings import CODES, motion_string

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

T = TypeVar("T")


class AtomTrainingRows(NamedTuple):
    """Rows {id, prompt, chosen, rejected, label_smoothing}, and the ids of the split file by part, as texts: the loader
    writes it before it drops unsure rows and shuffles."""

    train: list[dict[str, Any]]
    eval: list[dict[str, Any]]
    ids: dict[Literal["train", "eval"], list[str]]


def atom_training_rows(
    pairs: Sequence[LabelledPair],
    seed: int,
    *,
    add_unsure: bool = False,
    label_smoothing: bool = False,
    preference_type: PreferenceType = "all",
    use_skipped: bool = False,
    codes: int = CODES,
) -> AtomTrainingRows:
    """The rows of AToM's loader after `transformers.set_seed(seed)`, with the options of its command line.

    With `label_smoothing` unsure rows stay whatever `add_unsure` says; with `use_skipped` a skipped pair counts as if
    sample_2 had been chosen, but not in the evaluation part. Raises AtomError if too few pairs are left to be split, or
    a pair has no tokens.
    """
    usable = [pair for pair in pairs if use_skipped or pair.choice != SKIPPED]
    if len(usable) < 2:
        raise AtomError(f"{len(usable)} labelled pair(s) that were not skipped can't be split, at least 2 are needed")
    held_out = math.ceil(EVAL_SHARE * len(usable))
    shuffled = _shuffled(usable, np.random.default_rng(seed))
    parts = {"train": shuffled[held_out:], "eval": shuffled[:held_out]}
    parts["eval"] = [pair for pair in parts["eval"] if pair.choice != SKIPPED]
    ids = {name: [str(pair.id) for pair in part] for name, part in parts.items()}
    global_state = np.random.RandomState(seed)
    rows = {}
    for name, part in parts.items():
        if not label_smoothing and not add_unsure:
            part = [pair for pair in part if pair.degree != UNSURE]
        if preference_type != "all":
            part = [pair for pair in part if pair.degree in DEGREES_OF_TYPE[preference_type]]
        part = _shuffled(_shuffled(part, np.random.default_rng(seed)), global_state)
        rows[name] = [_row(pair, label_smoothing, codes) for pair in part]
    return AtomTrainingRows(rows["train"], rows["eval"], ids)


def _shuffled(items: Sequence[T], generator: np.random.Generator | np.random.RandomState) -> list[T]:
    return [items[place] for place in generator.permutation(len(items))]


def _row(pair: LabelledPair, label_smoothing: bool, codes: int) -> dict[str, Any]:
    if pair.tokens is None:
        raise AtomError(f"pair {pair.id} has no tokens, which AToM's loader needs; leave out such pairs")
    first, second = (motion_string(tokens, codes) for tokens in pair.tokens)
    chosen, rejected = (first, second) if pair.choice == "sample_1" else (second, first)
    return {
        "id": pair.id,
        "prompt": pair.prompt,
        "chosen": chosen,
        "rejected": rejected,
        "label_smoothing": SMOOTHING.get(pair.degree, 0.0) if label_smoothing else 0.0,
    }
