"""Conversion between rows of the preferences table and lines of AToM's labels file.

What AToM's format has no key for goes into one more key of the line: prompt_id, task, split, events, margin, the motion
ids and scores of sample_1 and sample_2, and which of the two the row had chosen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from atom.errors import AtomError
from atom.preferences.labels import DEGREE, EXTENSION_KEY, SAMPLES, SKIPPED, LabelledPair

_EXTENSION_COLUMNS = ("prompt_id", "task", "split", "events", "margin")
_BY_SCORES = ("score", "comparison")


@dataclass(frozen=True)
class Annotation:
    """The vote of one person on a pair: the id of the better motion, None for a skipped pair."""

    user: str
    better: str | None


def row_to_pair(
    row: Mapping[str, Any], number: int, generator: str, with_motions: bool, earlier: Sequence[Annotation] = ()
) -> LabelledPair:
    """Converts a row of the preferences table.

    Args:
        row: of the preferences table.
        number: the id of the line, and part of the names of its files.
        generator: the name of what made the motions.
        with_motions: whether files of the joints are written beside the labels.
        earlier: annotations of single people. They stand before that of the row, which counts.

    Returns:
        The labelled pair. Whether sample_1 or sample_2 is the better motion is random.
    """
    sides = ["chosen", "rejected"]
    if _starts_with_rejected(row["chosen_motion_id"], row["rejected_motion_id"]):
        sides.reverse()
    samples = {
        sample: {
            "features": f"features/{number}_{place}.npy",
            "gif": None,
            "array": f"arrays/{number}_{place}.npy" if with_motions else None,
            "from": generator,
            "seed": None,
        }
        for place, sample in enumerate(SAMPLES, start=1)
    }
    choice = SAMPLES[sides.index("chosen")]
    extension = {name: row[name] for name in _EXTENSION_COLUMNS} | {
        "chosen": choice,
        "motion_ids": [row[f"{side}_motion_id"] for side in sides],
        "scores": [row[f"{side}_score"] for side in sides],
        "tokens": bool(row["chosen_tokens"]),
    }
    sample_of = dict(zip(extension["motion_ids"], SAMPLES))
    annotations: list[dict[str, Any]] = [
        {"choice": sample_of.get(vote.better, SKIPPED), DEGREE: None if vote.better else SKIPPED, "user": vote.user}
        for vote in earlier
    ]
    annotations.append({"choice": choice, DEGREE: row["degree"], "user": row["decided_by"]})
    line = {"id": number, "prompt": row["prompt"], **samples, "chosen": annotations, EXTENSION_KEY: extension}
    first, second = (tuple(row[f"{side}_tokens"]) for side in sides)
    return LabelledPair(line, (first, second) if extension["tokens"] else None)


def pair_to_row(pair: LabelledPair) -> dict[str, Any]:
    """Converts a labelled pair by its last annotation; columns that the line does not have are left out.

    A line of `row_to_pair` gives its row back. If somebody labelled it again, sides and margin follow the new label.
    AtomError if the line's extension is not as `row_to_pair` writes it.
    """
    chosen = SAMPLES.index(pair.choice)
    extension = _read_extension(pair.line.get(EXTENSION_KEY))
    row: dict[str, Any] = {"prompt": pair.prompt, "degree": None if pair.degree == SKIPPED else pair.degree}
    user = pair.annotation.get("user")
    row["decided_by"] = user if extension and user in _BY_SCORES else "annotator"
    motion_ids = extension.get("motion_ids") or [path.removesuffix(".npy") for path in pair.features]
    scores, tokens = extension.get("scores") or [None, None], pair.tokens or ((), ())
    for side, place in (("chosen", chosen), ("rejected", 1 - chosen)):
        row[f"{side}_tokens"] = list(tokens[place])
        row[f"{side}_motion_id"] = motion_ids[place]
        row[f"{side}_score"] = scores[place]
    row |= {name: extension[name] for name in _EXTENSION_COLUMNS if extension.get(name) is not None}
    if row.get("margin") is not None and extension.get("chosen") != pair.choice:
        row["margin"] = -row["margin"]
    return row


def _read_extension(extension: Any) -> dict[str, Any]:
    if extension is None:
        return {}
    per_sample = [extension.get("motion_ids"), extension.get("scores")] if isinstance(extension, dict) else [()]
    if not all(values is None or (isinstance(values, list) and len(values) == 2) for values in per_sample):
        raise AtomError(f"the key {EXTENSION_KEY!r} is not as the export writes it")
    if not isinstance(extension.get("margin"), int | float | None):
        raise AtomError(f"the margin in {EXTENSION_KEY!r} is not a number")
    return extension


def _starts_with_rejected(chosen_id: str, rejected_id: str) -> bool:
    """A fair coin toss that depends only on the two ids, not on which of them is the chosen one."""
    first, second = sorted((chosen_id, rejected_id))
    if hashlib.sha256(f"{first}\n{second}".encode()).digest()[0] % 2:
        first, second = second, first
    return first == rejected_id
