"""Import: the motions of any generator as a set in this project's own form."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from atom.atomic_write import write_atomically
from atom.errors import AtomError
from atom.external.motion_set import ExternalMotion, ExternalMotionSet
from atom.motion_formats.conversion import ConversionRecord
from atom.motion_formats.remark_counts import RemarkCounts

_INDEX_NAME, _REJECTED_NAME, _MOTION_FOLDER = "index.jsonl", "rejected.jsonl", "motions"
_FOLDER_SIZE = 1000  # files in one folder


@dataclass
class ImportCounts:
    """What an import did.

    Attributes:
        written: motions in the new set.
        rejected: (row, reason) of each motion that could not be used.
        sources: how many motions had each format, frame rate, axis and unit.
        remarks: how many motions had each remark.
    """

    written: int = 0
    rejected: list[tuple[str, str]] = field(default_factory=list)
    sources: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    remarks: RemarkCounts = field(default_factory=RemarkCounts)

    def add(self, record: ConversionRecord, where: str) -> None:
        """Counts a motion that was written.

        Args:
            record: what was done to it.
            where: names it.
        """
        self.written += 1
        unit = f"{record.metres:g} m ({record.metres_from})"
        axis, fps = f"{record.up} ({record.up_from})", f"{record.fps:g} ({record.fps_from})"
        self.sources[record.format, fps, axis, unit] += 1
        self.remarks.add(record, where)


def import_motions(
    motions: ExternalMotionSet, folder: str | Path, progress: Callable[[int], None] | None = None
) -> ImportCounts:
    """Converts every motion of a set and writes them as a set of .npy files with an index.

    The index is written last, so a folder that has one is complete. Each of its rows has the record of what was done.

    Args:
        motions: the set, of any form.
        folder: the folder to write, which must be empty or new.
        progress: receives the number of motions done so far.

    Returns:
        What was done.

    Raises:
        AtomError: the folder holds other things or can't be written, or no motion can be used.
    """
    folder = Path(folder)
    counts = ImportCounts(rejected=list(motions.quarantined))
    partial = folder / f"{_INDEX_NAME}.partial"
    try:
        _clear_interrupted(folder, partial)
        folder.mkdir(parents=True, exist_ok=True)
        with partial.open("w", encoding="utf-8") as index:
            (folder / _MOTION_FOLDER).mkdir()
            for number, entry in enumerate(motions.entries, start=1):
                _import_one(motions, entry, folder, counts, index)
                if progress:
                    progress(number)
        if counts.rejected:
            _write_rejected(folder / _REJECTED_NAME, counts.rejected)
        if not counts.written:
            where, reason = counts.rejected[0]
            raise AtomError(f"no motion can be used; the first of {len(counts.rejected)} faults, {where}: {reason}")
        partial.replace(folder / _INDEX_NAME)
    except OSError as error:
        raise AtomError(f"{folder}: can't be written ({error.strerror or error}), choose another place") from error
    return counts


def _clear_interrupted(folder: Path, partial: Path) -> None:
    """Removes what an import left that was stopped. AtomError if the folder holds other things."""
    if partial.is_file() and not (folder / _INDEX_NAME).exists():
        shutil.rmtree(folder / _MOTION_FOLDER, ignore_errors=True)
        (folder / _REJECTED_NAME).unlink(missing_ok=True)
        partial.unlink()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise AtomError(f"{folder}: is not empty, name a new folder for the motions")


def _import_one(
    motions: ExternalMotionSet, entry: ExternalMotion, folder: Path, counts: ImportCounts, index: Any
) -> None:
    try:
        motion = motions.convert(entry)
    except AtomError as error:
        counts.rejected.append((entry.where, " ".join(str(error).split())))
        return
    number = counts.written
    name = f"{_MOTION_FOLDER}/{number // _FOLDER_SIZE:04d}/{number:07d}.npy"
    path = folder / name
    if number % _FOLDER_SIZE == 0:
        path.parent.mkdir()
    np.save(path, motion.joints, allow_pickle=False)
    index.write(json.dumps(_row(entry, name, motion.record), ensure_ascii=False) + "\n")
    counts.add(motion.record, entry.where)


def _row(entry: ExternalMotion, name: str, record: ConversionRecord) -> dict[str, Any]:
    row: dict[str, Any] = {
        "text": entry.text,
        "file": name,
        "sample": entry.sample,
        "prompt_id": entry.prompt_id,
        "task": entry.task,
        "split": entry.split,
        "events": None if entry.events is None else [event.to_dict() for event in entry.events],
        "seed": entry.seed,
        "tokens": list(entry.tokens),
    }
    return {key: value for key, value in row.items() if value not in (None, [])} | {
        "fps": 20,
        "source": entry.where,
        "conversion": vars(record),
    }


def _write_rejected(path: Path, rejected: list[tuple[str, str]]) -> None:
    lines = "".join(
        json.dumps({"where": where, "reason": reason}, ensure_ascii=False) + "\n" for where, reason in rejected
    )
    write_atomically(path, lambda temporary: temporary.write_text(lines, encoding="utf-8"))
