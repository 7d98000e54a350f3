"""`preference_labels.jsonl`, the preference file of AToM and InstructMotion, with the token files beside it.

A line is a JSON object: `id`, `prompt`, `sample_1` and `sample_2` (each with the path `features`), and `chosen`, a list
of annotations of which the last counts: `choice` (sample_1, sample_2 or skipped), `degree of preference`, `user`. The
codes of a sample, an integer array (1, n), lie where `token_file` says.

Source: repository InstructMotion (Sheng et al., "Exploring Text-to-Motion Generation with Human Preference", 2024).
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from reprlib import repr as shortened
from typing import Any, Literal

import numpy as np

from atom.errors import AtomError
from atom.preferences.motion_strings import CODES, check_tokens
from atom.preferences.pairs import DEGREES

LABELS = "preference_labels.jsonl"
SAMPLES = ("sample_1", "sample_2")
SKIPPED = "skipped"
DEGREE = "degree of preference"
OWN = "atom"  # the key of what this project adds to a line, which the peers pass over

Choice = Literal["sample_1", "sample_2", "skipped"]
Tokens = tuple[int, ...]

_DEGREES = (*(word for _, word in DEGREES), SKIPPED, None)


@dataclass(frozen=True)
class LabelledPair:
    """Two motions of a prompt and what annotators said of them.

    `line` is the whole JSON object as it stands in the file, so nothing that others wrote there is lost. `tokens` are
    the codes of sample_1 and sample_2; None only where the line says itself that its motions have none.
    """

    line: dict[str, Any]
    tokens: tuple[Tokens, Tokens] | None

    @property
    def id(self) -> int | str:
        return self.line["id"]

    @property
    def prompt(self) -> str:
        return self.line["prompt"]

    @property
    def annotation(self) -> dict[str, Any]:
        """The last one, which counts."""
        return self.line["chosen"][-1]

    @property
    def choice(self) -> Choice:
        return self.annotation["choice"]

    @property
    def degree(self) -> str | None:
        """One of AToM's words or `skipped`; None where it was not told."""
        return self.annotation.get(DEGREE)

    @property
    def features(self) -> tuple[str, str]:
        """The paths of the two samples' features, relative to the file's folder."""
        return self.line[SAMPLES[0]]["features"], self.line[SAMPLES[1]]["features"]


@dataclass(frozen=True)
class LabelFile:
    """The sound lines in their order, and (number, reason) of each line that can't be used."""

    pairs: list[LabelledPair]
    quarantined: list[tuple[int, str]]


def read_labels(path: str | Path, codes: int = CODES) -> LabelFile:
    """The pairs of a labels file, or of the one in a folder. Token files must lie inside the file's folder.

    Quarantined are lines that are broken or lack something, an unknown choice or degree in the last annotation, and
    token files that are missing, of another shape or type, or hold entries outside of a codebook of `codes`.

    Raises AtomError if there is no such file, it can't be read, or no line of it can be used.
    """
    path = Path(path)
    path = path / LABELS if path.is_dir() else path
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise AtomError(f"{path}: can't be read ({error.strerror}), give AToM's {LABELS} or its folder") from error
    pairs, quarantined = [], []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            pairs.append(_read_pair(line, path.parent, codes))
        except AtomError as error:
            quarantined.append((number, str(error)))
    if not pairs:
        first = f"line {quarantined[0][0]}: {quarantined[0][1]}" if quarantined else "it is empty"
        raise AtomError(f"{path}: no line can be used ({first}); mend it or give another {LABELS}")
    return LabelFile(pairs, quarantined)


def write_labels(folder: str | Path, pairs: Iterable[LabelledPair]) -> None:
    """Write the pairs as `folder`/preference_labels.jsonl with their token files; `read_labels` gives them back.

    Raises AtomError if a line would not be read back, two pairs name the same file for different tokens, or the
    folder can't be written.
    """
    folder, pairs = Path(folder), list(pairs)
    tokens: dict[Path, Tokens] = {}
    for pair in pairs:
        _check_line(pair.line)
        for features, codes in zip(pair.features, pair.tokens or ()):
            path = _inside(folder, token_file(features))
            if tokens.setdefault(path, codes) != codes:
                raise AtomError(f"pair {pair.id}: other tokens than another pair's belong into {path.name}, rename it")
    try:
        for path, codes in tokens.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, np.array([codes], dtype=np.int64), allow_pickle=False)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / LABELS).write_text("".join(json.dumps(pair.line) + "\n" for pair in pairs))
    except OSError as error:
        raise AtomError(f"{folder}: can't be written ({error.strerror}), choose another place") from error


def token_file(features: str) -> str:
    """Where the peers' loader looks for the tokens of the motion whose features lie at this path."""
    stem = features.removesuffix(".npy").replace("data2", "data3")
    return f"{stem}_token.npy".replace("features", "tokens")


def _read_pair(data: bytes, folder: Path, codes: int) -> LabelledPair:
    try:
        line = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise AtomError("is no JSON object") from error
    _check_line(line)
    if _says_no_tokens(line):
        return LabelledPair(line, None)
    first, second = (_read_tokens(folder, token_file(line[sample]["features"]), codes) for sample in SAMPLES)
    return LabelledPair(line, (first, second))


def _says_no_tokens(line: dict[str, Any]) -> bool:
    return isinstance(own := line.get(OWN), dict) and own.get("tokens") is False


def _check_line(line: Any) -> None:
    if not isinstance(line, dict):
        raise AtomError("is no JSON object")
    if type(line.get("id")) not in (int, str):
        raise AtomError(f"id {shortened(line.get('id'))} is neither a number nor a text")
    if not isinstance(line.get("prompt"), str) or not line["prompt"].strip():
        raise AtomError("prompt is missing or no text")
    for sample in SAMPLES:
        features = line[sample].get("features") if isinstance(line.get(sample), dict) else None
        if not isinstance(features, str) or not features.endswith(".npy"):
            raise AtomError(f"features of {sample} is {shortened(features)}, not the path of a .npy file")
    annotations = line.get("chosen")
    if not isinstance(annotations, list) or not annotations or not isinstance(annotations[-1], dict):
        raise AtomError("chosen is no list of annotations with at least one")
    choice, degree = annotations[-1].get("choice"), annotations[-1].get(DEGREE)
    if choice not in (*SAMPLES, SKIPPED):
        raise AtomError(f"unknown choice {shortened(choice)}, expected sample_1, sample_2 or skipped")
    if degree not in _DEGREES:
        raise AtomError(f"unknown degree of preference {shortened(degree)}")


def _read_tokens(folder: Path, name: str, codes: int) -> Tokens:
    path = _inside(folder, name)
    try:
        if not path.is_file():
            raise AtomError(f"token file {name} is missing")
        array = np.load(io.BytesIO(path.read_bytes()), allow_pickle=False)
    except (ValueError, EOFError, MemoryError, OSError) as error:
        raise AtomError(f"token file {name} is not a NumPy array of numbers") from error
    if not isinstance(array, np.ndarray) or not np.issubdtype(array.dtype, np.integer):
        raise AtomError(f"token file {name} holds no integers")
    if array.ndim != 2 or len(array) != 1:
        raise AtomError(f"token file {name} has shape {array.shape}, expected (1, n)")
    try:
        return check_tokens(array[0].tolist(), codes)
    except AtomError as error:
        raise AtomError(f"token file {name}: {error}") from error


def _inside(folder: Path, name: str) -> Path:
    parts = PureWindowsPath(name)  # knows both kinds of slashes and drives
    if not parts.anchor and ".." not in parts.parts and name.isprintable():
        path = folder / name
        if path.resolve().is_relative_to(folder.resolve()):
            return path
    raise AtomError(f"token file {shortened(name)} leads out of the folder of the labels")
