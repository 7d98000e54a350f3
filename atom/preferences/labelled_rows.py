"""Rows of the preferences table as lines of AToM's labels file, and lines as rows.

What AToM's file has no place for goes into one more key of the line: prompt_id, task, split, events, margin, the motion
ids and scores of sample_1 and sample_2, and which of the two the row had chosen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from atom.errors import AtomError
from atom.preferences.labels import DEGREE, OWN, SAMPLES, SKIPPED, LabelledPair

_KEPT = ("prompt_id", "task", "split", "events", "margin")
_BY_SCORES = ("score", "comparison")


@dataclass(frozen=True)
class Annotation:
    """What one person said of a pair: the id of the better motion, None where they did not decide."""

    user: str
    better: str | None


def row_to_pair(
    row: Mapping[str, Any], number: int, generator: str, with_motions: bool, earlier: Sequence[Annotation] = ()
) -> LabelledPair:
    """The row as line `number` of a labels file. Which motion is sample_1 says nothing of which is better. Annotations
    of single people stand before that of the row, which counts."""
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
    own = {name: row[name] for name in _KEPT} | {
        "chosen": choice,
        "motion_ids": [row[f"{side}_motion_id"] for side in sides],
        "scores": [row[f"{side}_score"] for side in sides],
        "tokens": bool(row["chosen_tokens"]),
    }
    sample_of = dict(zip(own["motion_ids"], SAMPLES))
    annotations: list[dict[str, Any]] = [
        {"choice": sample_of.get(each.better, SKIPPED), DEGREE: None if each.better else SKIPPED, "user": each.user}
        for each in earlier
    ]
    annotations.append({"choice": choice, DEGREE: row["degree"], "user": row["decided_by"]})
    line = {"id": number, "prompt": row["prompt"], **samples, "chosen": annotations, OWN: own}
    first, second = (tuple(row[f"{side}_tokens"]) for side in sides)
    return LabelledPair(line, (first, second) if own["tokens"] else None)


def pair_to_row(pair: LabelledPair) -> dict[str, Any]:
    """What the last annotation says, as a row; columns that the line does not tell are left out.

    A line of `row_to_pair` gives its row back; when somebody labelled it anew, sides and margin follow the new label.
    Raises AtomError if what the line holds under this project's key is not as `row_to_pair` writes it.
    """
    chosen = SAMPLES.index(pair.choice)
    own = _own(pair.line.get(OWN))
    row: dict[str, Any] = {"prompt": pair.prompt, "degree": None if pair.degree == SKIPPED else pair.degree}
    user = pair.annotation.get("user")
    row["decided_by"] = user if own and user in _BY_SCORES else "annotator"
    motion_ids = own.get("motion_ids") or [path.removesuffix(".npy") for path in pair.features]
    scores, tokens = own.get("scores") or [None, None], pair.tokens or ((), ())
    for side, place in (("chosen", chosen), ("rejected", 1 - chosen)):
        row[f"{side}_tokens"] = list(tokens[place])
        row[f"{side}_motion_id"] = motion_ids[place]
        row[f"{side}_score"] = scores[place]
    row |= {name: own[name] for name in _KEPT if own.get(name) is not None}
    if row.get("margin") is not None and own.get("chosen") != pair.choice:
        row["margin"] = -row["margin"]
    return row


def _own(found: Any) -> dict[str, Any]:
    if found is None:
        return {}
    pairs = [found.get("motion_ids"), found.get("scores")] if isinstance(found, dict) else [()]
    if not all(each is None or (isinstance(each, list) and len(each) == 2) for each in pairs):
        raise AtomError(f"what stands under {OWN!r} is not as the export writes it")
    if not isinstance(found.get("margin"), int | float | None):
        raise AtomError(f"margin under {OWN!r} is no number")
    return found


def _starts_with_rejected(chosen_id: str, rejected_id: str) -> bool:
    """Fair as a coin, the same for the same two motions, and blind to which of them was chosen."""
    first, second = sorted((chosen_id, rejected_id))
    if hashlib.sha256(f"{first}\n{second}".encode()).digest()[0] % 2:
        first, second = second, first
    return first == rejected_id
